"""A document of tables as a spreadsheet: Office Open XML, one sheet for each table.

Knows: which cell is a number, a day, a text. Never knows: what the tables are about, clocks (`at` is an argument).
ECMA-376. Every text is written as a text: no cell is a formula or a link, whatever it begins with.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
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
MOST_ROWS = 1_048_576  # the last one that an office shows
TEXTS_ONLY = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}

FORMS = ({"bold": True}, {"num_format": "0.000##"}, {"num_format": "yyyy-mm-dd"})


def as_xlsx(paper: Paper, at: datetime) -> bytes:
    """The file; the same paper and moment give the same bytes."""
    out = io.BytesIO()
    with Workbook(out, TEXTS_ONLY) as book:
        book.set_properties({"title": paper.title, "created": at.replace(tzinfo=None)})
        head, money, day = (book.add_format(form) for form in FORMS)
        _front(book.add_worksheet(_name(paper.title)), paper, head)
        for table in paper.tables:
            _table(book.add_worksheet(_name(table.title)), table, head, money, day)
    return out.getvalue()


def only_sheet(table: Table, at: datetime, most_rows: int = MOST_ROWS) -> bytes:
    """The table and nothing before it, as programs read it; what a sheet has no room for goes on in the next one."""
    out = io.BytesIO()
    # rows become text in a file as they come: a million of them are not held as cells
    with Workbook(out, TEXTS_ONLY | {"in_memory": False, "constant_memory": True}) as book:
        book.set_properties({"title": table.title, "created": at.replace(tzinfo=None)})
        forms = [book.add_format(form) for form in FORMS]
        room = most_rows - 1  # the heads take the first
        for number, first in enumerate(range(0, max(1, len(table.rows)), room), start=1):
            name = table.title if number == 1 else f"{table.title} {number}"
            _table(book.add_worksheet(_name(name)), replace(table, rows=table.rows[first : first + room]), *forms)
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
