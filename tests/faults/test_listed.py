"""Every test that docs/faults.md names exists."""

import ast
import re
from pathlib import Path

from tests.conftest import REPOSITORY

NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_\w+)`")


def names_in(file: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_what_the_page_of_promises_names_exists() -> None:
    named = NAMED.findall((REPOSITORY / "docs" / "faults.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    assert [(file, name) for file, name in named if name not in names_in(REPOSITORY / file)] == []
