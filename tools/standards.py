"""The page docs/standards.md: each clause of a standard, the line that carries it, the test file that stands for it.

Knows: comments of the form `# SMPP 3.4 §4.4.1` and texts such as "CAP 1.2 §3.2.1" in gateway/, the mirror rule.
Never knows: whether the line is right.
"""

import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
# "CAP 1.2 §3.2.2", "RFC 5321 §4.2", "3GPP TS 23.040 §9.2.3.24.1", "XML 1.0 §2.8", "WebSub §5.1"
NUMBER = r"§([0-9A-Z](?:[0-9A-Za-z.]*[0-9A-Za-z])?)"
CLAUSE = re.compile(rf"((?:3GPP TS|[A-Z][A-Za-z-]+)(?: [A-Z]?[0-9.]*[0-9])?) {NUMBER}")
ALSO = re.compile(rf"(?:, | and | to ){NUMBER}")
HEAD = """# Standards
Made by `make docs` from the clauses that the code names; do not edit. Each row: a clause, the line that carries it, and
the test file of that module.
"""


class Citation(NamedTuple):
    """One clause named in one comment."""

    standard: str
    clause: str
    file: Path
    line: int


def citations(file: Path) -> Iterator[Citation]:
    """The clauses that the comments of one file name, `§4.4.1 and §4.6.1` being two of one standard, and those that are
    the whole of a text: findings and rules give their clause so."""
    with file.open("rb") as source:
        tokens = [token for token in tokenize.tokenize(source.readline) if _may_cite(token)]
    for token in tokens:
        for match in CLAUSE.finditer(token.string):
            yield Citation(match[1], match[2], file, token.start[0])
            rest = token.string[match.end() :]
            while further := ALSO.match(rest):
                yield Citation(match[1], further[1], file, token.start[0])
                rest = rest[further.end() :]


def _may_cite(token: tokenize.TokenInfo) -> bool:
    if token.type == tokenize.STRING:
        return CLAUSE.fullmatch(token.string.strip("\"'")) is not None
    return token.type == tokenize.COMMENT


def mirror_of(file: Path) -> str:
    """The test file that mirrors a module, as a link, or a dash."""
    inside = file.relative_to(REPOSITORY / "gateway")
    test = REPOSITORY / "tests" / inside.parent / f"test_{inside.name}"
    return _link(test, test.relative_to(REPOSITORY)) if test.exists() else "-"


def page(files: Iterable[Path]) -> str:
    """The whole page, from these modules."""
    found: defaultdict[str, list[Citation]] = defaultdict(list)
    for file in files:
        for citation in citations(file):
            found[citation.standard].append(citation)
    parts = [HEAD]
    for standard, rows in sorted(found.items(), key=lambda item: _natural(item[0])):
        parts.append(f"\n## {standard}\n| clause | line | test |\n|---|---|---|\n")
        for row in sorted(set(rows), key=lambda row: (_natural(row.clause), row.file, row.line)):
            where = _link(row.file, f"{row.file.relative_to(REPOSITORY)}:{row.line}", f"#L{row.line}")
            parts.append(f"| §{row.clause} | {where} | {mirror_of(row.file)} |\n")
    return "".join(parts)


def _link(file: Path, text: object, anchor: str = "") -> str:
    return f"[{text}](../{file.relative_to(REPOSITORY)}{anchor})"


def _natural(text: str) -> list[tuple[int, str]]:
    """4.10 after 4.9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
