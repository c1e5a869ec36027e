"""Rows for a spreadsheet that runs none of them: CSV in which no cell is a formula.

Knows: RFC 4180, what spreadsheets take for a formula. Never knows: what the rows are about.
"""

import csv
import io
from collections.abc import Iterable, Sequence

# a cell that begins so is computed, whatever it was: =HYPERLINK(...), +cmd|..., @SUM, tabs and line ends in front
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def safe(value: object) -> str:
    """The cell as text: one that would be computed gets an apostrophe in front, but for plain telephone numbers."""
    text = "" if value is None else str(value)
    if text.startswith("+") and text[1:].isascii() and text[1:].isdigit():
        return text
    return f"'{text}" if text.startswith(_COMPUTED) else text


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with its heads; UTF-8 with a byte order mark is what offices read without asking."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows([safe(value) for value in row] for row in rows)
    return out.getvalue()
