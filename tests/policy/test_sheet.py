"""Spreadsheets: read back as XML, which every office does, and with no cell that computes."""

import io
import re
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from gateway.policy.paper import Paper, Table
from gateway.policy.sheet import MOST_TEXT, as_xlsx, only_sheet

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def a_paper(*cells: object) -> Paper:
    table = Table(title="Messages: [all] of 2026/11, every one of them", heads=("a",), rows=tuple((c,) for c in cells))
    return Paper(title="Statement", about=(("Entity", "Brugge"),), tables=(table,), notes=("ex VAT",))


def parts(made: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(made)) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


def values(made: bytes) -> list[str | float]:
    """The first column of the second sheet, without its head."""
    found = parts(made)
    shared = [
        "".join(text.text or "" for text in one.iter(f"{MAIN}t"))
        for one in ElementTree.fromstring(found["xl/sharedStrings.xml"])
    ]
    cells = list(ElementTree.fromstring(found["xl/worksheets/sheet2.xml"]).iter(f"{MAIN}c"))
    return [
        shared[int(cell.findtext(f"{MAIN}v") or 0)] if cell.get("t") == "s" else float(cell.findtext(f"{MAIN}v") or 0)
        for cell in cells
    ][1:]


def test_numbers_stay_numbers_and_texts_texts() -> None:
    read = values(as_xlsx(a_paper("x", 7, Decimal("0.055"), 1.5, date(2026, 11, 22)), AT))
    assert read == ["x", 7.0, 0.055, 1.5, 46348.0]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "http://x.example", "\t=1", "{=1}"])
def test_a_text_that_looks_like_a_formula_or_link_is_a_text(text: str) -> None:
    made = as_xlsx(a_paper(text), AT)
    found = parts(made)
    sheets = [body for name, body in found.items() if name.startswith("xl/worksheets")]
    assert not any("<f>" in body or "<f " in body or "hyperlink" in body for body in sheets)
    assert values(made) == [text]


def test_a_text_is_no_longer_than_a_cell() -> None:
    (read,) = values(as_xlsx(a_paper("x" * (MOST_TEXT + 5)), AT))
    assert len(str(read)) == MOST_TEXT


def test_names_of_sheets_are_such_as_an_office_takes() -> None:
    book = ElementTree.fromstring(parts(as_xlsx(a_paper(), AT))["xl/workbook.xml"])
    names = [sheet.get("name") or "" for sheet in book.iter(f"{MAIN}sheet")]
    assert names == ["Statement", "Messages all of 202611, every o"]


def test_the_same_paper_and_moment_give_the_same_bytes() -> None:
    assert as_xlsx(a_paper("x", 1), AT) == as_xlsx(a_paper("x", 1), AT)


def test_what_a_sheet_has_no_room_for_goes_on_in_the_next_one_below_the_same_heads() -> None:
    table = Table(title="Contacts", heads=("a",), rows=(("x",), ("y",), ("z",)))
    found = parts(only_sheet(table, AT, most_rows=3))
    sheets = {name: body for name, body in sorted(found.items()) if name.startswith("xl/worksheets/")}
    assert [re.findall(r"<t[^>]*>(\w+)<", body) for body in sheets.values()] == [["a", "x", "y"], ["a", "z"]]
    assert "Contacts 2" in found["xl/workbook.xml"]
    assert len(parts(only_sheet(Table(title="Contacts", heads=("a",), rows=()), AT))["xl/worksheets/sheet1.xml"])
