"""Writes every file that is made from the code: `python -m tools.pages`; with --check it only names the stale ones.

Knows: which file is made by what. Never knows: what is in them.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway import settings
from tools import standards, states

REPOSITORY = Path(__file__).parents[1]

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/standards.md": lambda: standards.page(sorted((REPOSITORY / "gateway").rglob("*.py"))),
    "docs/states.md": states.page,
    "schemas/config.schema.json": settings.schema_text,
}


def stale() -> list[str]:
    """The files that are not what the code would make of them now."""
    return [name for name, make in PAGES.items() if _text(REPOSITORY / name) != make()]


def main() -> int:
    """Write the stale files, or only name them; exit code 1 when --check found one."""
    names = stale()
    checking = "--check" in sys.argv[1:]
    for name in names:
        sys.stdout.write(f"{name} is stale: make docs\n" if checking else f"{name} written\n")
        if not checking:
            (REPOSITORY / name).write_text(PAGES[name](), encoding="utf-8")
    return int(checking and bool(names))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
