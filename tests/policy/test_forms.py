"""Every form that is named makes a file of its kind."""

from datetime import UTC, datetime

import pytest

from gateway.policy.forms import FORMS
from gateway.policy.paper import Paper, Table

BEGINS = {"csv": "\ufeffa\r\n".encode(), "xlsx": b"PK\x03\x04", "pdf": b"%PDF-"}


@pytest.mark.parametrize("name", list(FORMS))
def test_each_form_makes_a_file_of_its_kind(name: str) -> None:
    paper = Paper(title="T", tables=(Table(title="One", heads=("a",), rows=(("x",),)),))
    made = FORMS[name].make(paper, datetime(2026, 1, 1, tzinfo=UTC))
    assert made.startswith(BEGINS[name]) or (name == "csv" and made.startswith(b"a\r\n"))
