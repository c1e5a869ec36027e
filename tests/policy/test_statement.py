"""A month's statement: sums that agree with its lines, and a page that says what they mean."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway.model import ChannelName
from gateway.policy.paper import as_csv
from gateway.policy.statement import Statement, month_of, paper_of

CHANNELS = {1: ChannelName.SMS, 2: ChannelName.VOICE, 3: ChannelName.EMAIL}


def a_line(channel: int = 1, units: int = 10, prepaid: int = 4, **more: Any) -> dict[str, Any]:
    price = Decimal("0") if channel == 3 else Decimal("0.055")
    return {
        "campaign": "ca_1", "alert": "al_1", "mode": "live", "message_class": "urgent", "channel": channel,
        "prefix": "", "messages": units, "units": units, "prepaid": prepaid, "eur": price,
        "amount": (units - prepaid) * price, "lapsed": False, "settled_on": date(2026, 11, 3),
    } | more  # fmt: skip


PACK = {
    "id": 7, "reference": "3P-1", "bought_on": date(2022, 9, 20), "valid_until": date(2028, 7, 20), "units": 100,
    "used": 30, "drawn": 4,
}  # fmt: skip


def a_statement(*lines: dict[str, Any], packs: tuple[dict[str, Any], ...] = (PACK,)) -> Statement:
    return Statement(
        entity="brugge", name="Stad Brugge", month=date(2026, 11, 1), channels=CHANNELS, lines=lines, packs=packs
    )


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [("2026-11", date(2026, 11, 1), date(2026, 12, 1)), ("2026-12", date(2026, 12, 1), date(2027, 1, 1))],
)
def test_a_month_ends_where_the_next_begins(text: str, first: date, after: date) -> None:
    assert month_of(text) == (first, after)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "26-11", "2026-1", "2026-11-1", "0000-01", "٢٠٢٦-١١", "2026-+1"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"month|year"):
        month_of(text)


def test_the_sums_are_those_of_the_lines_and_mail_is_counted_apart() -> None:
    found = a_statement(a_line(), a_line(2, 3, 0), a_line(3, 1000, 0))
    assert found.totals() == {"units": 13, "prepaid_units": 4, "emails": 1000, "amount_eur": "0.495"}


def test_the_page_names_who_pays_and_what_packs_still_hold() -> None:
    paper = paper_of(a_statement(a_line(), a_line(3, 1000, 0)))
    assert ("To pay, ex VAT", "0.330 EUR") in paper.about
    messages, packs = paper.tables
    assert messages.rows[-1][0] == "total"
    assert messages.rows[1][8:11] == (1000, 0, 0)  # nothing of mail is post-paid
    assert packs.rows[0][-1] == 70
    assert len(as_csv(paper).splitlines()) == 4


def test_a_price_that_was_agreed_until_an_earlier_day_is_marked() -> None:
    paper = paper_of(a_statement(a_line(lapsed=True), packs=()))
    assert paper.tables[0].rows[0][11] == "0.055*"
    assert any("*" in note for note in paper.notes)
    assert len(paper.tables) == 1
