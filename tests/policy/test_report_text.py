"""A report reads well in a terminal, and a spreadsheet never calculates what somebody wrote."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.report_text import WIDTH, as_csv, as_text
from tests.policy.test_report import at, report


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_text_fits_a_terminal_and_ends_no_line_with_a_space() -> None:
    long = "Commune de la Vallée et des Hauts Plateaux " * 4
    lines = as_text(report(facts={"entity_name": long, "identifier": "urn:" + "x" * 300})).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_text_says_who_what_when_and_why() -> None:
    text = as_text(report())
    for words in (
        "REPORT of campaign c_7",
        "Demo (demo)",
        "live, urgent, purpose emergency",
        "2026-11-21T12:00:30.200Z  (+0.2 s)",
        "sms: unknown: 5; sent again: 3 (possible duplicates)",
        "sms: submitted, no receipt: 40",
        "sms: parts submitted: 1075 of 1100 planned",
        "the network could not deliver it (error 1)",
        "part of the area lies outside",
        "paused (token:3); paused",
        "    Texte =1+1",
        "    Sujet",
    ):
        assert words in text, words
    table = [line.split() for line in text.splitlines() if line.startswith(("sms  ", "all  "))]
    assert ["sms", "1000", "900", "40", "50", "5", "0", "5"] in table
    assert ["all", "1050", "900", "90", "50", "5", "0", "5"] in table
    assert "<p>" not in text


def test_an_open_campaigns_report_says_that_it_is_not_final() -> None:
    open_ = report(facts={"state": "sending", "closure": None, "closed_at": None})
    assert as_text(open_).startswith("REPORT SO FAR (the campaign is still open)")
    assert "Closed      -" in as_text(open_)


@pytest.mark.parametrize("evil", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1"])
def test_no_cell_starts_a_formula(evil: str) -> None:
    texts = report()["texts"]
    found: dict[str, Any] = report(facts={"identifier": evil, "entity": evil}) | {"remarks": [evil]}
    found["texts"] = [text | {"body": evil} for text in texts]
    for row in cells(as_csv(found)):
        assert not [cell for cell in row if cell.lstrip()[:1] in {"=", "+", "-", "@"}]


def test_numbers_stay_numbers_and_rows_have_their_place() -> None:
    rows = cells(as_csv(report()))
    assert rows[0] == ["section", "channel", "language", "item", "code", "value", "words"]
    assert {len(row) for row in rows} == {7}
    assert ["count", "sms", "", "delivered", "", "900", ""] in rows
    assert ["count", "sms", "nl", "delivered", "", "100", ""] in rows
    assert ["left_s", "sms", "", "99 %", "", "74.5", ""] in rows
    assert ["reason", "sms", "", "failed", "1", "30", "the network could not deliver it (error 1)"] in rows
    assert ["text", "sms", "fr", "text 1", "", "1", "Texte =1+1"] in rows


@given(st.text(max_size=200), st.text(max_size=400))
def test_foreign_words_disturb_neither_form(name: str, body: str) -> None:
    found = report(facts={"entity_name": name, "sender": body})
    found["texts"] = [found["texts"][0] | {"body": body}]
    lines = as_text(found).split("\n")
    assert not [c for line in lines for c in line if ord(c) < 32 or 0x7F <= ord(c) < 0xA0]
    assert {len(row) for row in cells(as_csv(found))} == {7}


def test_times_beyond_ten_minutes_are_said_in_minutes() -> None:
    text = as_text(report(facts={"last_submit_at": at(3_000)}))
    assert "(+50.0 min)" in text
