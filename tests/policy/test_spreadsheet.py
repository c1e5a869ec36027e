"""Spreadsheets compute nothing of what we hand out, and read back everything else."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.spreadsheet import as_csv, safe


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "|x", "%0A"])
def test_what_would_be_computed_is_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


def test_telephone_numbers_stay_as_they_are() -> None:
    assert safe("+32470000001") == "+32470000001"
    assert safe("+32٣") == "'+32٣"


@given(rows=st.lists(st.lists(st.text("=+-@ab\"',;\n\r\t €|%1", max_size=6), min_size=2, max_size=2), max_size=5))
def test_every_table_is_read_back_and_no_cell_begins_a_formula(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(as_csv(("a", "b"), rows), newline="")))
    assert read[0] == ["a", "b"]
    assert [[cell.removeprefix("'") if not was.startswith("'") else cell for cell, was in zip(*pair, strict=True)]
            for pair in zip(read[1:], rows, strict=True)] == rows  # fmt: skip
    cells = [cell for row in read[1:] for cell in row]
    assert not [c for c in cells if c[:1] in set("=+-@\t\r\n|%") and not (c[1:].isascii() and c[1:].isdigit())]
