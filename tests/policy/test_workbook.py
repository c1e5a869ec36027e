"""Workbooks as rows: what office programs write, and packages that mean harm."""

import io
import time
import zipfile
from collections.abc import Sequence
from datetime import date

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.tabular import BadFile, Row
from gateway.policy.workbook import WorkbookLimits, as_text, read_workbook

SHEET = "xl/worksheets/sheet1.xml"


def a_workbook(rows: Sequence[Sequence[object]], first: int = 0) -> bytes:
    """Written by another program."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows, first):
            for column, cell in enumerate(row):
                sheet.write(number, column, cell)
    return out.getvalue()


def repacked(data: bytes, changed: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The package with parts replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, changed.get(name, old.read(name)))
        for name in changed.keys() - set(old.namelist()):
            new.writestr(name, changed[name])
    return out.getvalue()


def reason(data: bytes, limits: WorkbookLimits | None = None) -> str:
    (found,) = read_workbook(data, limits or WorkbookLimits())
    assert isinstance(found, BadFile), found
    return found.reason


def test_cells_are_read_as_people_see_them() -> None:
    data = a_workbook([["name", "gsm", "n"], ["An", 32470000001, 1.5], [], ["Jan ", "+32470000002", True]])
    assert list(read_workbook(data)) == [
        Row(1, ("name", "gsm", "n")), Row(2, ("An", "32470000001", "1.5")), Row(4, ("Jan", "+32470000002", "true")),
    ]  # fmt: skip


def test_rows_have_the_numbers_that_the_program_shows() -> None:
    rows = list(read_workbook(a_workbook([["name"], ["An"]], first=4)))
    assert [row.number for row in rows if isinstance(row, Row)] == [5, 6]


def test_a_cell_of_every_kind_has_a_text() -> None:
    assert [as_text(cell) for cell in (1.0, 1e20, date(2026, 1, 2), False)] == ["1", "1e+20", "2026-01-02", "false"]


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1), min_size=1, max_size=4))
)
def test_what_another_program_wrote_is_read_back(rows: list[list[str]]) -> None:
    # a number written as text stays text
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell)
    found = [row.cells for row in read_workbook(out.getvalue()) if isinstance(row, Row)]
    width = max(map(len, rows), default=0)
    assert found == [tuple(row) + ("",) * (width - len(row)) for row in rows]


def test_a_cell_at_the_other_end_of_the_sheet_is_refused_before_a_reader_makes_room() -> None:
    far = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
    data = a_workbook([["a"]])
    for row in (b'<row r="1048576"><c r="A1048576"><v>1</v></c></row>', b'<row r="1"><c r="XFD1"><v>1</v></c></row>',
                b'<row><c r="A999999"/></row>', b"<row>" + b"<c/>" * 201 + b"</row>", b'<row r="9999999999999"/>',
                b'<row r="x"/>', b'<row><c r="here"/></row>', b'<row r="150000"><c r="GR150000"/></row>'):  # fmt: skip
        assert reason(repacked(data, {SHEET: far % row}))
    bomb = far % (b"<row><c><v>1</v></c></row>" * 200_002)
    assert "more than 200,000 rows" in reason(repacked(data, {SHEET: bomb}))


def test_a_package_that_grows_is_refused_early() -> None:
    data = a_workbook([["a"]])
    began = time.process_time()
    bomb = repacked(data, {"xl/media/x.png": b"\0" * 300_000_000})
    packed = time.process_time() - began
    assert len(bomb) < 400_000
    assert "grows too large" in reason(bomb)
    assert time.process_time() - began < packed + 10


@pytest.mark.parametrize(
    ("part", "content", "said"),
    [
        (SHEET, b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>', "entities"),
        (SHEET, b"<worksheet><row>", "not well-formed"),
        (SHEET, b"\xff\xfe<\0", "not well-formed"),
        ("xl/workbook.bin", b"", "no XLSX"),
        ("content.xml", b"<x/>", "no XLSX"),
        ("XL/workbook.xml", b"<x/>", "twice"),
        ("xl/workbook.xml", b"<x/>", "can not be read"),
    ],
)
def test_a_part_that_is_not_what_it_should_be(part: str, content: bytes, said: str) -> None:
    assert said in reason(repacked(a_workbook([["a"]]), {part: content}))


def test_what_is_no_workbook_is_said() -> None:
    data = a_workbook([["a"] * 10] * 50)
    assert "damaged" in reason(data[:-200])
    assert "damaged" in reason(b"PK\x03\x04" + bytes(100))
    assert "larger than 0 MiB" in reason(data, WorkbookLimits(file_bytes=10))
    assert "too many parts" in reason(data, WorkbookLimits(parts=1))
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    assert "no XLSX" in reason(empty.getvalue())


@given(st.data())
def test_a_workbook_with_damaged_bytes_breaks_nothing(data: st.DataObject) -> None:
    whole = bytearray(repacked(a_workbook([["a", "b"], ["c", 1]]), {}, zipfile.ZIP_STORED))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert all(isinstance(row, Row | BadFile) for row in read_workbook(bytes(whole)))
