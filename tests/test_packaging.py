"""The wheel: what is in it, what the locks hold, and that it works in an empty environment far from the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.database import public_folder
from tests.support.demo import remove_data
from tests.support.image import build, value
from tests.support.peers import remove
from tests.test_repository import tracked

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
BESIDE = {"schemas": "gateway/schemas", "config": "gateway/config"}
"""Folders of the checkout and where they lie in the wheel."""

ALERT = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>packaging-1</identifier><sender>test@example.invalid</sender><sent>2026-11-21T12:00:00+01:00</sent>
  <status>Test</status><msgType>Alert</msgType><scope>Public</scope>
  <info>
    <language>en</language><category>Safety</category><event>Test</event><urgency>Immediate</urgency>
    <severity>Severe</severity><certainty>Observed</certainty><expires>2026-11-21T14:00:00+01:00</expires>
    <headline>Test</headline><description>A test.</description><instruction>Do nothing.</instruction>
    <area><areaDesc>Here</areaDesc><circle>50.85,4.35 1</circle></area>
  </info>
</alert>
"""


def pinned(name: str) -> dict[str, Version]:
    found = re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / name).read_text(), re.MULTILINE)
    return {project.lower().replace("_", "-"): Version(version) for project, version in found}


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    """The wheel, built from a copy of what belongs to the project, so that nothing lands in the checkout."""
    folder = public_folder()
    for path in tracked():
        copy = folder / "source" / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "source"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    yield next(folder.glob("*.whl"))
    remove(folder)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder in which the steps of the Dockerfile were carried out."""
    folder = public_folder()
    build(folder)
    yield folder
    remove(folder)


@pytest.fixture(scope="module")
def installed(wheel: Path, image: Path) -> Iterator[Path]:
    """A folder with an environment that has the wheel and its locked dependencies, and nothing else.

    The dependencies are those that the image's steps installed from the lock; doing it again would take a minute.
    """
    folder = public_folder()
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    (there,) = (image / "opt/gateway/lib").glob("python3*/site-packages")
    place = folder / "venv/lib" / there.parent.name / there.name
    shutil.rmtree(place)
    ours = shutil.ignore_patterns("gateway", "cap_alert_gateway*", "__pycache__")
    shutil.copytree(there, place, ignore=ours, copy_function=os.link)
    pip: list[str | Path] = [folder / "venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", wheel], check=True)
    subprocess.run([*pip, "check"], check=True)
    yield folder
    remove(folder)


def gateway(installed: Path, *words: str | Path, timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
    """Run the installed command with an environment that knows nothing of the checkout."""
    environment = {"PATH": os.defpath, "HOME": str(installed), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [installed / "venv/bin/gateway", *words],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def test_every_package_is_listed() -> None:
    folders = {path.parent.relative_to(REPOSITORY) for path in tracked() if path.name == "__init__.py"}
    inside = {str(path).replace("/", ".") for path in folders if path.parts[:1] == ("gateway",)}
    assert sorted(inside | {place.replace("/", ".") for place in BESIDE.values()}) == sorted(
        PROJECT["tool"]["setuptools"]["packages"]
    )


def test_every_file_that_the_program_reads_is_in_the_wheel_and_no_test_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    wanted = set()
    for path in tracked():
        name = str(path.relative_to(REPOSITORY))
        top, _, rest = name.partition("/")
        if top == "gateway":
            wanted.add(name)
        elif top in BESIDE:
            wanted.add(f"{BESIDE[top]}/{rest}")
    assert wanted - there == set()
    assert {name.split("/")[0] for name in there if ".dist-info" not in name} == {"gateway"}
    assert any(name.endswith("licenses/LICENSE") for name in there)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_hold_hashes_and_no_address(lock: str) -> None:
    text = (REPOSITORY / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text and "--index" not in text


def test_the_locks_satisfy_what_the_project_asks_for() -> None:
    ranges = {
        "requirements.lock": PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"],
        "requirements-dev.lock": PROJECT["project"]["dependencies"]
        + PROJECT["project"]["optional-dependencies"]["dev"],
    }
    for lock, asked in ranges.items():
        versions = pinned(lock)
        for requirement in map(Requirement, asked):
            assert versions.get(requirement.name.lower().replace("_", "-")) in requirement.specifier, (  # type: ignore[operator]
                f"{requirement} is not what {lock} has: make lock"
            )
    assert pinned("requirements.lock").items() <= pinned("requirements-dev.lock").items()


@pytest.mark.timeout(900)
def test_the_steps_of_the_image_give_a_gateway_that_runs(image: Path) -> None:
    command = image / "opt" / "gateway" / "bin" / json.loads(value("ENTRYPOINT"))[0]
    shown = subprocess.run([command, "--help"], cwd="/", env={}, capture_output=True, text=True, check=True)
    assert json.loads(value("CMD"))[0] in shown.stdout
    checked = subprocess.run(
        [command, "check-config", image / "src" / "config" / "compose" / "gateway.toml"],
        cwd="/", env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@pytest.mark.timeout(900)
def test_the_installed_command_validates(installed: Path) -> None:
    (installed / "good.xml").write_text(ALERT)
    (installed / "bad.xml").write_text(ALERT.replace("<status>Test", "<status>Perhaps"))
    good = gateway(installed, "validate", "--json", "good.xml")
    assert good.returncode == 0, good.stdout + good.stderr
    bad = gateway(installed, "validate", "--json", "bad.xml")
    assert bad.returncode == 1 and '"valid": false' in bad.stdout.lower()


@pytest.mark.timeout(900)
def test_the_installed_command_checks_the_example_that_it_carries(installed: Path) -> None:
    find = "import importlib.resources as r; print(r.files('gateway.config').joinpath('gateway.toml'))"
    python: list[str | Path] = [installed / "venv/bin/python", "-I", "-c", find]
    example = subprocess.run(python, cwd=installed, capture_output=True, text=True, check=True).stdout.strip()
    assert example.startswith(str(installed))
    checked = gateway(installed, "check-config", example)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.timeout(900)
def test_the_installed_command_shows_the_whole_line(installed: Path) -> None:
    data = installed / "data"
    try:
        shown = gateway(
            installed, "demo", "--once", "--recipients", "100", "--port", "0", "--data", data, timeout_s=600
        )
        assert shown.returncode == 0, shown.stdout[-2000:] + shown.stderr[-2000:]
    finally:
        remove_data(data)
