"""Progress and the final report say what is known, what is not, and why."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import DeliveryState
from gateway.policy.report import (
    CampaignFacts,
    CountsRow,
    EventRow,
    MilestoneRow,
    ReportRow,
    TextRow,
    TimesRow,
    as_csv,
    as_json,
    as_text,
    build_report,
    progress,
)

START = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
S = DeliveryState
LEFT_OUT = "part of the area lies outside"
COUNTS = ("planned", "queued", "in_flight", "submitted", "delivered", "failed", "expired", "cancelled", "unknown")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def counts(channel: int = 1, **numbers: int) -> CountsRow:
    zero = dict.fromkeys((*COUNTS, "awaiting"), 0)
    return CountsRow(campaign_id=7, channel=channel, **zero | numbers)


def row(state: DeliveryState, deliveries: int, **more: Any) -> ReportRow:
    facts: dict[str, Any] = {
        "channel": 1, "transport": 1,
        "language": "fr", "code": 0, "detail": "ESME_ROK", "resent": 0, "retried": 0, "parts": deliveries,
    }  # fmt: skip
    return ReportRow(state=state, deliveries=deliveries, **facts | more)


FACTS: dict[str, Any] = {
    "id": 7, "public_id": "c_7", "mode": "live", "message_class": "urgent", "purpose": "emergency",
    "channels": ["sms", "email"], "state": "closed", "closure": "complete", "plan": {}, "created_at": START,
    "expires_at": at(3600), "first_submit_at": at(0.2), "last_submit_at": at(75), "closed_at": at(900), "alert": "a_7",
    "identifier": "urn:1", "sender": "crisis@example.be", "sent": "2026-11-21T13:00:00+01:00", "msg_type": "Alert",
    "status": "Actual", "scope": "Public",
    "findings": [
        {"id": "G4", "severity": "policy", "element": "alert/info/area", "message": LEFT_OUT},
        {"id": "S31", "severity": "policy", "element": "alert/info[1]/area[1]/polygon[1]", "message": "many vertices"},
        {"id": "S8", "severity": "warning", "element": "alert/info[1]", "message": "no web address"},
    ],
    "entity": "demo", "entity_name": "Demo", "entity_id": 2,
}  # fmt: skip

ROWS = (
    row(S.DELIVERED, 800, resent=1),
    row(S.DELIVERED, 100, language="nl", parts=200),
    row(S.SUBMITTED, 40),
    row(S.FAILED, 30, code=1),
    row(S.FAILED, 20, code=11, detail="ESME_RINVDSTADR", retried=3),
    row(S.EXPIRED, 5, code=None, detail=None),
    row(S.UNKNOWN, 5, detail="connection lost", resent=2),
    row(S.SUBMITTED, 50, channel=3, code=250, detail=""),
)


def report(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "rows": ROWS,
        "times": [
            TimesRow(channel=1, submit_s=[Decimal("1.5"), 9.25, 74.5], deliver_s=[2.0, 12.5, 700.0]),
            TimesRow(channel=3, submit_s=[0.1, 0.2, 0.3], deliver_s=None),
        ],
        "texts": [TextRow(key=2, channel=3, language="fr", body="Corps", subject="Sujet", html="<p>"),
                  TextRow(key=1, channel=1, language="fr", body="Texte =1+1")],
        "events": [EventRow(at=at(0), event="accepted", state="planned", actor="token:3"),
                   EventRow(at=at(45), event="paused", state="paused", actor="token:3"),
                   EventRow(at=at(900), event="closed", state="closed", actor="gateway")],
        "counts": [counts(planned=1000, submitted=40, delivered=900, failed=50, expired=5, unknown=5, awaiting=40),
                   counts(3, planned=50, submitted=50)],
        "milestones": [MilestoneRow(channel=1, percent=50, at=at(1.5))],
    }  # fmt: skip
    facts = CampaignFacts(**FACTS | changes.pop("facts", {}))
    return build_report(facts, **given | changes)


def test_of_an_exercise_what_really_left_is_told_apart() -> None:
    rows = [row(S.DELIVERED, 3), row(S.DELIVERED, 40, transport=0)]
    report = build_report(
        CampaignFacts(**FACTS | {"mode": "exercise"}), rows=rows, times=[], texts=[], events=[], counts=[]
    )
    assert report["transports"] == {"live": 3, "simulated": 40}
    assert "40 simulated deliveries; 3 to groups marked for exercises" in as_text(report)
    assert "transport,,,simulated,,40," in as_csv(report)
    del report["transports"]  # one that was written before they were counted
    assert "REPORT" in as_text(report) + as_csv(report)


def test_progress_counts_shares_and_estimates() -> None:
    now = progress(
        campaign="c_7", state="sending", planned=True, created_at=START, now=at(21), first_submit_at=at(1),
        counts=[counts(planned=1000, queued=590, in_flight=10, submitted=100, delivered=300, awaiting=80),
                counts(3, planned=3, submitted=3)],
        milestones=[MilestoneRow(channel=3, percent=50, at=at(2.5))],
    ).as_dict()  # fmt: skip
    sms, email = now["channels"]["sms"], now["channels"]["email"]
    assert (now["campaign"], now["state"], now["planned"], now["age_s"]) == ("c_7", "sending", True, 21.0)
    assert {name: sms[name] for name in (*COUNTS, "awaiting")} == {
        "planned": 1000, "queued": 590, "in_flight": 10, "submitted": 100, "delivered": 300, "failed": 0,
        "expired": 0, "cancelled": 0, "unknown": 0, "awaiting": 80,
    }  # fmt: skip
    assert (sms["percent"], sms["eta_s"], sms["left_s"]) == (40.0, 30.0, {"50": None, "90": None, "99": None})
    assert (email["percent"], email["eta_s"], email["left_s"]["50"]) == (100.0, 0.0, 2.5)


@pytest.mark.parametrize(("planned", "first", "gone"), [(False, 1.0, 400), (True, None, 400), (True, 1.0, 0)])
def test_there_is_no_estimate_without_a_plan_or_a_start(planned: bool, first: float | None, gone: int) -> None:
    now = progress(
        campaign="c_7", state="sending", planned=planned, created_at=START, now=at(21),
        first_submit_at=None if first is None else at(first),
        counts=[counts(planned=1000, queued=1000 - gone, submitted=gone)],
    )  # fmt: skip
    assert now.channels["sms"].eta_s is None


def test_a_share_is_cut_so_that_100_means_all() -> None:
    now = progress(campaign="c", state="sending", planned=True, created_at=START, now=at(1),
                   counts=[counts(planned=100_000, queued=1, submitted=99_999), counts(3)])  # fmt: skip
    assert now.channels["sms"].percent == 99.9
    assert now.channels["email"].percent == 100.0


def test_the_counts_of_a_report_add_up_by_channel_and_language() -> None:
    found = report()
    for channel in found["channels"].values():
        assert channel["planned"] == sum(channel[name] for name in COUNTS[1:])
        for name in COUNTS:
            assert channel[name] == sum(language[name] for language in channel["languages"].values())
    assert found["channels"]["sms"]["planned"] == 1000
    assert found["totals"]["planned"] == 1050
    assert found["remarks"] == []


def test_unknown_stays_unknown_and_possible_duplicates_are_said() -> None:
    sms = report()["channels"]["sms"]
    assert (sms["unknown"], sms["sent_again"], sms["retried"], sms["no_receipt"]) == (5, 3, 3, 40)
    assert sms["unknown_in_words"] == "unknown: 5; sent again: 3 (possible duplicates)"


def test_parts_that_were_taken_are_counted_also_when_the_receipt_said_failed() -> None:
    sms = report()["channels"]["sms"]
    assert (sms["parts_planned"], sms["parts_submitted"]) == (1100, 1100 - 20 - 5)


def test_reasons_are_in_words_the_most_frequent_first() -> None:
    reasons = report()["channels"]["sms"]["reasons"]
    assert [(one["state"], one["deliveries"]) for one in reasons] == [
        ("delivered", 900), ("submitted", 40), ("failed", 30), ("failed", 20), ("expired", 5), ("unknown", 5),
    ]  # fmt: skip
    assert reasons[2] == {
        "state": "failed", "code": 1, "words": "the network could not deliver it (error 1)", "deliveries": 30,
    }  # fmt: skip


def test_times_are_seconds_from_acceptance_and_absent_ones_are_none() -> None:
    found = report()
    assert found["channels"]["sms"]["left_s"] == {"50": 1.5, "90": 9.25, "99": 74.5}
    assert found["channels"]["email"]["arrived_s"] == {"50": None, "90": None, "99": None}
    assert (found["times"]["first_submit_s"], found["times"]["accepted_at"]) == (0.2, "2026-11-21T12:00:30.000Z")
    assert report(facts={"first_submit_at": None})["times"]["first_submit_s"] is None


def test_the_ledger_tells_minute_by_minute() -> None:
    ledger = report()["ledger"]
    assert [minute["minute"] for minute in ledger] == ["2026-11-21T12:00Z", "2026-11-21T12:01Z", "2026-11-21T12:15Z"]
    assert [entry["what"] for entry in ledger[0]["entries"]] == [
        "accepted (token:3); planned", "the first delivery had left", "sms: 50 % had left",
    ]  # fmt: skip


def test_the_area_left_out_is_told_apart_from_other_findings() -> None:
    found = report()
    assert found["area_left_out"] == [LEFT_OUT]
    assert len(found["findings"]) == 3
    assert report(findings=[])["area_left_out"] == []


def test_counts_that_differ_and_open_deliveries_are_remarked() -> None:
    found = report(counts=[counts(planned=1000, delivered=901)], rows=(*ROWS, row(S.RETRY_WAIT, 2, channel=3)))
    assert any(
        remark.startswith("sms: the running counts differ") and "delivered" in remark for remark in found["remarks"]
    )
    assert "email: 2 deliveries were still open when this was written" in found["remarks"]


def test_a_campaign_without_deliveries_has_a_report() -> None:
    found = report(rows=(), times=(), counts=(), texts=(), events=(), milestones=())
    assert set(found["channels"]) == {"sms", "email"}
    assert found["totals"]["planned"] == 0
    assert as_text(found)
    assert as_csv(found)


def test_a_report_is_json_and_survives_it() -> None:
    found = report()
    assert json.loads(as_json(found)) == found


@given(st.lists(st.builds(
    row, st.sampled_from(DeliveryState), st.integers(1, 10**7), channel=st.integers(1, 3),
    language=st.sampled_from(["fr", "nl", "xx"]), code=st.none() | st.integers(-(2**31), 2**31 - 1),
    detail=st.none() | st.text(max_size=50), resent=st.integers(0, 9),
), max_size=30))  # fmt: skip
def test_no_delivery_is_ever_lost_from_a_report(rows: list[ReportRow]) -> None:
    found = report(rows=rows)
    assert found["totals"]["planned"] == sum(one.deliveries for one in rows)
    assert sum(found["totals"][name] for name in COUNTS[1:]) == found["totals"]["planned"]
    for name, channel in found["channels"].items():
        assert sum(one["deliveries"] for one in channel["reasons"]) == channel["planned"], name
    assert json.loads(as_json(found)) == found
    as_text(found)
    as_csv(found)
