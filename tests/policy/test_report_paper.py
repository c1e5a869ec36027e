"""A report as a document: every table that the report has something for, and everything in it."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pypdf import PdfReader

from gateway.policy.forms import FORMS
from gateway.policy.report_paper import paper_of
from tests.policy.test_report import report

LINE = {
    "channel": "sms", "prefix": "", "messages": 3, "units": 6, "prepaid_units": 2, "unit_eur": "0.055",
    "amount_eur": "0.220", "priced_on": "2026-11-21", "price_lapsed": False,
}  # fmt: skip


def whole() -> dict[str, Any]:
    returned = {
        "returned_mail": [{"said": "bounced", "status": "5.1.1", "mails": 2}],
        "late_receipts": [{"channel": "sms", "delivered": 2, "failed": 1, "expired": 0}],
    }
    return report() | {
        "cost": {"lines": [LINE], "prepaid_units": 2, "amount_eur": "0.220"}, "addendum": returned,
        "approved_by": ["person:7"],
    }  # fmt: skip


def test_every_part_of_the_report_has_its_table() -> None:
    paper = paper_of(whole())
    tables = {table.title: table.rows for table in paper.tables}
    assert list(tables) == [
        "Deliveries", "Seconds from acceptance", "Outcomes and reasons", "Cost, EUR ex VAT", "Who had it, and how long",
        "Minute by minute", "Texts", "Remarks", "Returned e-mails", "Receipts after this report",
    ]  # fmt: skip
    assert tables["Cost, EUR ex VAT"][-1][-1] == Decimal("0.220")
    assert ("Approved by", "person:7") in paper.about
    assert tables["Returned e-mails"] == (("bounced", "5.1.1", 2),)
    assert tables["Receipts after this report"] == (("sms", 2, 1, 0),)
    assert all(len(row) == len(table.heads) for table in paper.tables for row in table.rows)


def test_what_a_report_of_an_earlier_release_lacks_has_no_table() -> None:
    old = {key: value for key, value in report().items() if key not in ("cost", "custody", "approved_by")}
    titles = [table.title for table in paper_of(old).tables]
    assert not {"Cost, EUR ex VAT", "Who had it, and how long", "Returned e-mails", "Receipts after this report"} & set(
        titles
    )


def test_an_open_one_says_so() -> None:
    open_ = report(facts={"state": "sending", "closure": None, "closed_at": None})
    assert paper_of(open_).title == "Report so far c_7"


@pytest.mark.parametrize("form", list(FORMS))
def test_it_can_be_made_in_every_form(form: str) -> None:
    made = FORMS[form].make(paper_of(whole()), datetime(2026, 11, 22, tzinfo=UTC))
    if form == "pdf":
        text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(made)).pages)
        assert "Report c_7" in text
        assert "person:7" in text
