"""A document of tables, as people keep it: its parts, and as CSV.

Knows: titles, tables, notes. Never knows: what they are about, files. sheet.py makes an XLSX of it, pdf.py a PDF.
RFC 4180 for CSV; no cell of it is computed by a spreadsheet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.policy.spreadsheet import as_csv as csv_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below their heads; cells are texts, whole numbers, Decimals, floats, dates or None."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[Sequence[object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A document: labelled facts, tables, closing notes."""

    title: str
    about: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = field(default=())


def as_csv(paper: Paper) -> str:
    """The first table alone, for programs."""
    first = paper.tables[0]
    return csv_table(first.heads, first.rows)


def as_csv_file(paper: Paper, _at: datetime) -> bytes:
    """The same as a file."""
    return as_csv(paper).encode()


def wide(table: Table, most: int) -> list[int]:
    """Characters that each column wants, none more than `most`."""
    rows: Iterable[Sequence[object]] = (table.heads, *table.rows)
    columns = zip(*([written(cell) for cell in row] for row in rows), strict=True)
    return [min(most, max(len(cell) for cell in column)) for column in columns]


def written(cell: object) -> str:
    """A cell as text."""
    return "" if cell is None else str(cell)
