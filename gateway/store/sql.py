"""The named statements of the store, read from queries/*.sql.

Knows: the form of those files: `-- name: do_a_thing`, a sentence in comments that says what it is for, one statement.
Never knows: tables, connections, values.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway.errors import SchemaError

_HEAD = re.compile(r"^--[ \t]*name:(.*)$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# what can hold a semicolon that ends nothing: comments, quoted words, dollar-quoted bodies
_OPAQUE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1", re.DOTALL)


class Queries(Mapping[str, str]):
    """Statements by name. Asking for a name that is not there raises SchemaError, which is why each module of the
    store takes its statements when it is imported: `_SQL = Queries.load("deliveries")`, `LEASE = _SQL["lease_chunk"]`.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts` are whole files by their name; a statement's name is unique across all of them."""
        self._statements: dict[str, str] = {}
        for file, text in sorted(texts.items()):
            for name, statement in _parse(file, text):
                if name in self._statements:
                    raise SchemaError(f"{file}: the query {name} exists twice")
                self._statements[name] = statement

    @classmethod
    def load(cls, *names: str, folder: Traversable | None = None) -> "Queries":
        """The files of these names (without .sql), or all of them."""
        folder = folder or files("gateway.store").joinpath("queries")
        present = {item.name: item for item in folder.iterdir() if item.name.endswith(".sql")}
        wanted = [f"{name}.sql" for name in names] or list(present)
        missing = [name for name in wanted if name not in present]
        if missing:
            raise SchemaError(f"no such file of queries: {', '.join(missing)}")
        return cls({name: present[name].read_text(encoding="utf-8") for name in wanted})

    def __getitem__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise SchemaError(f"no query is named {name}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._statements

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def _parse(file: str, text: str) -> Iterator[tuple[str, str]]:
    """Each (name, statement) of a file; the statement without its comment and closing semicolon."""
    before, *parts = _HEAD.split(text)
    if _OPAQUE.sub("", before).strip():
        raise SchemaError(f"{file}: a statement stands before the first name")
    for name, body in zip((part.strip() for part in parts[::2]), parts[1::2], strict=True):
        if not _NAME.fullmatch(name):
            raise SchemaError(f"{file}: {name!r} is not a name in snake_case")
        lines = body.strip().splitlines()
        if not lines or not lines[0].startswith("--") or not lines[0].strip("- \t"):
            raise SchemaError(f"{file}: the query {name} has no sentence that says what it is for")
        start = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("--")), len(lines))
        statement = "\n".join(lines[start:])
        bare = _OPAQUE.sub(lambda match: " " * len(match[0]), statement)
        if not bare.rstrip().endswith(";") or bare.count(";") != 1:
            raise SchemaError(f"{file}: the query {name} is not one statement closed by a semicolon")
        yield name, statement[: bare.index(";")].rstrip()
