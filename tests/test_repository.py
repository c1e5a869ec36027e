"""The rules that hold for every file: mirrors, sizes, heads, words, links, pages that are made by programs."""

import ast
import os
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.settings import load
from tools.pages import stale

REPOSITORY = Path(__file__).parents[1]
LINES_IN_A_FILE = 400
LINES_IN_A_TEST_FILE = 600  # a list of sentences is read by looking one up
LINES_IN_A_BODY = 60
MEDIAN_LINES_IN_A_BODY = 8

WITHOUT_MIRROR = {
    "gateway/model.py": "words without behaviour",
    "gateway/errors.py": "words without behaviour",
    "gateway/channels/base.py": "the contract, tested by every channel",
}
"""Modules that need no test file of their own, with the reason."""

TABLES: dict[str, str] = {}
"""Files that may be longer because they are one table, with the table's name."""

FORBIDDEN = (
    r"/work" + r"/(main|shared)",
    r"/tmp/bash" + r"_jobs",
    r"pypi\." + r"org|pythonhosted\." + r"org|npmjs\." + r"(org|com)|deb\.debian\." + r"org",
    r"index-" + r"url|--" + r"registry\b",
    r"\bproto" + r"types?\b(?!\.)",
    r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
)
"""What no file may say: places of one machine, addresses of registries, work left open."""


def tracked() -> list[Path]:
    """Every file that belongs to the project, committed or about to be."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    paths = (REPOSITORY / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


FILES = tracked()
CODE = [path for path in FILES if path.suffix == ".py"]
MODULES = [path for path in CODE if path.is_relative_to(REPOSITORY / "gateway")]


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def of_tests(path: Path) -> bool:
    return path.is_relative_to(REPOSITORY / "tests")


def mirror(module: Path) -> Path:
    """gateway/x/y.py -> tests/x/test_y.py; gateway/__main__.py -> tests/test_main.py"""
    inside = module.relative_to(REPOSITORY / "gateway")
    return REPOSITORY / "tests" / inside.with_name(f"test_{inside.stem.strip('_')}.py")


class Read(NamedTuple):
    """One file's docstring and its functions."""

    head: str
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef]


@cache
def read(path: Path) -> Read:
    tree = ast.parse(path.read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return Read(ast.get_docstring(tree) or "", found)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with the lines of its body, docstring left out."""
    for node in read(path).functions:
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        yield f"{named(path)}:{node.lineno} {node.name}", (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_module_has_its_mirror_among_the_tests() -> None:
    modules = [path for path in MODULES if path.name != "__init__.py"]
    without = {named(path) for path in modules if not mirror(path).exists()}
    assert without - WITHOUT_MIRROR.keys() == set(), "these modules have no tests of their own"
    assert WITHOUT_MIRROR.keys() - without == set(), "these exemptions are no longer needed"


def test_no_file_is_longer_than_one_can_hold_in_mind() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in CODE}
    most = {path: LINES_IN_A_TEST_FILE if of_tests(path) else LINES_IN_A_FILE for path in CODE}
    assert {named(path): n for path, n in lengths.items() if n > most[path] and named(path) not in TABLES} == {}
    long = {named(path) for path, n in lengths.items() if n > most[path]}
    assert TABLES.keys() - long == set(), "exemptions without need"


def test_functions_are_short() -> None:
    sizes = [function for path in CODE for function in functions(path)]
    assert {where: n for where, n in sizes if n > LINES_IN_A_BODY} == {}
    assert statistics.median(n for path in MODULES for _, n in functions(path)) <= MEDIAN_LINES_IN_A_BODY


def test_every_module_says_what_it_is_and_what_it_never_knows() -> None:
    heads = {path: read(path).head for path in CODE if not of_tests(path)}
    silent = [named(path) for path, head in heads.items() if not head and path.read_text()]
    assert silent == [], "these files open without a docstring"
    vague = [named(path) for path in MODULES if path.name != "__init__.py" and "Never knows" not in heads[path]]
    assert [name for name in vague if name not in WITHOUT_MIRROR] == []


def test_nothing_is_imported_inside_a_function_and_no_global_is_written() -> None:
    found = []
    for path in MODULES:
        for function in read(path).functions:
            wrong = (ast.Import, ast.ImportFrom, ast.Global)
            found += [f"{named(path)}:{node.lineno}" for node in ast.walk(function) if isinstance(node, wrong)]
    assert found == []


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_file_names_a_machine_a_registry_or_work_left_open(pattern: str) -> None:
    found = []
    for path in FILES:
        if named(path).startswith("tests/corpus/"):
            continue  # documents of others, kept byte for byte
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), start=1):
            if re.search(pattern, line):
                found.append(f"{named(path)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_links_between_pages_lead_somewhere() -> None:
    dead = []
    for page in (path for path in FILES if path.suffix == ".md"):
        for target in re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", page.read_text()):
            if not (page.parent / target).exists():
                dead.append(f"{named(page)} -> {target}")
    assert dead == []


def test_what_is_made_from_the_code_is_fresh() -> None:
    assert stale() == [], "make docs"


def test_the_example_configuration_loads() -> None:
    example = REPOSITORY / "config" / "gateway.toml"
    assert load(example, environment={}).database.app_role == "gateway_app"


@pytest.mark.parametrize("script", sorted(named(p) for p in FILES if p.suffix == ".sh" or named(p) == ".ci/run"))
def test_every_script_can_be_read_by_bash(script: str) -> None:
    assert subprocess.run(["bash", "-n", REPOSITORY / script], check=False).returncode == 0


def test_what_is_started_by_name_can_be_started() -> None:
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    dry = subprocess.run(["make", "-n", "clean"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ".gateway" in dry.stdout
