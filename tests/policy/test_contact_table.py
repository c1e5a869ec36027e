"""Contacts as files for an office: nothing is lost, nothing is computed, and an import reads them again."""

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.contact_table import COLUMNS, contact_table
from gateway.policy.forms import TABLE_FORMS
from gateway.policy.tabular import Row, read_rows
from gateway.policy.workbook import read_workbook

AT = datetime(2026, 11, 22, tzinfo=UTC)
WORDS = st.text(st.sampled_from("aé=+-@|%'\"1,; ./<&>"), max_size=12).map(str.strip)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys((*COLUMNS, "partnership"), WORDS)
        | {"key": st.uuids().map(str), "opt_out": st.sampled_from([0, 2, 12]), "tags": st.just(["a", "b=1"])}
        | {"mobile": st.none() | st.just("+32470000001")}
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=25)
@given(PEOPLE)
def test_a_workbook_says_what_the_contacts_say_and_computes_nothing(people: list[Mapping[str, Any]]) -> None:
    made = TABLE_FORMS["xlsx"].make(contact_table(people), AT)
    with zipfile.ZipFile(io.BytesIO(made)) as opened:
        sheets = [opened.read(name).decode() for name in opened.namelist() if name.startswith("xl/worksheets/")]
    assert not any("<f>" in sheet or "<f " in sheet or "hyperlink" in sheet for sheet in sheets)
    heads, *rows = [row.cells for row in read_workbook(made) if isinstance(row, Row)]
    assert heads == (*COLUMNS, "partnership")
    for row, one in zip(rows, people, strict=True):
        told = dict(zip(heads, row, strict=True))
        assert (told["key"], told["name"], told["mobile"]) == (one["key"], one["name"], one["mobile"] or "")
        assert told["tags"] == "a b=1"


@given(PEOPLE)
def test_a_csv_has_the_same_cells_and_none_that_begins_as_a_formula(people: list[Mapping[str, Any]]) -> None:
    made = TABLE_FORMS["csv"].make(contact_table(people), AT)
    heads, *rows = [row.cells for row in read_rows([made], separator=",") if isinstance(row, Row)]
    assert heads == (*COLUMNS, "partnership")
    assert [row[0] for row in rows] == [one["key"] for one in people]
    cells = [cell for row in rows for cell in row]
    assert not any(cell.startswith(("=", "-", "@", "|", "%")) for cell in cells)
    assert {cell for cell in cells if cell.startswith("+")} <= {"+32470000001"}
