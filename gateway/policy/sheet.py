"""A document of tables as a spreadsheet: Office Open XML, one sheet for each table.

Knows: which cell is a number, a day, a text. Never knows: what the tables are about, clocks (`at` is an argument).
ECMA-376. Every text is written as a text: no cell is a formula or a link, whatever it begins with.
"""

import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from gateway.policy.paper import Paper, Table, wide

NOT_IN_NAMES = str.maketrans("", "", "[]:*?/\\'")
MOST_NAME = 31  # ECMA-376 leaves it open; no office takes more
MOST_TEXT = 32_767
MOST_WIDTH = 60
TEXTS_ONLY = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def as_xlsx(paper: Paper, at: datetime) -> bytes:
    """The file; the same paper and moment give the same bytes."""
    out = io.BytesIO()
    with Workbook(out, TEXTS_ONLY) as book:
        book.set_properties({"title": paper.title, "created": at.replace(tzinfo=None)})
        head, money, day = (
            book.add_format(form) for form in ({"bold": True}, {"num_format": "0.000##"}, {"num_format": "yyyy-mm-dd"})
        )
        _front(book.add_worksheet(_name(paper.title)), paper, head)
        for table in paper.tables:
            _table(book.add_worksheet(_name(table.title)), table, head, money, day)
    return out.getvalue()


def _front(sheet: Worksheet, paper: Paper, head: Format) -> None:
    sheet.write_string(0, 0, paper.title, head)
    for row, (label, text) in enumerate(paper.about, start=2):
        sheet.write_string(row, 0, label, head)
        sheet.write_string(row, 1, text[:MOST_TEXT])
    for row, text in enumerate(paper.notes, start=len(paper.about) + 3):
        sheet.write_string(row, 0, text[:MOST_TEXT])
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, MOST_WIDTH)


def _table(sheet: Worksheet, table: Table, head: Format, money: Format, day: Format) -> None:
    for column, (name, width) in enumerate(zip(table.heads, wide(table, MOST_WIDTH), strict=True)):
        sheet.write_string(0, column, name, head)
        sheet.set_column(column, column, width + 2)
    sheet.freeze_panes(1, 0)
    for row, cells in enumerate(table.rows, start=1):
        _row(sheet, row, cells, money, day)


def _row(sheet: Worksheet, row: int, cells: Sequence[object], money: Format, day: Format) -> None:
    for column, cell in enumerate(cells):
        match cell:
            case None:
                pass
            case Decimal():
                sheet.write_number(row, column, float(cell), money)  # a spreadsheet knows no other numbers
            case int() | float():
                sheet.write_number(row, column, cell)
            case date() if not isinstance(cell, datetime):
                sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), day)
            case _:
                sheet.write_string(row, column, str(cell)[:MOST_TEXT])


def _name(title: str) -> str:
    return title.translate(NOT_IN_NAMES)[:MOST_NAME] or "Sheet"
