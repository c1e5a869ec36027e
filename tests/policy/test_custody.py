"""Custody: who had the campaign, how long, who approved."""

from datetime import UTC, datetime, timedelta

from gateway.policy.custody import approved_by, custody
from gateway.policy.report_rows import EventRow

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(second: int, word: str, state: str, actor: str) -> EventRow:
    return EventRow(at=AT + timedelta(seconds=second), event=word, state=state, actor=actor)


EVENTS = [event(0, "accepted", "held", "gateway"), event(90, "approved", "planned", "token:2")]


def test_every_state_has_its_holder_and_its_length() -> None:
    found = custody(EVENTS, AT + timedelta(seconds=100))
    assert [(e["what"], e["by"], e["state"], e["seconds"]) for e in found] == [
        ("accepted", "gateway", "held", 90.0),
        ("approved", "token:2", "planned", 10.0),
    ]
    assert found[0]["at"] == "2026-01-01T12:00:00.000Z"


def test_what_goes_on_has_no_length_yet_and_approval_has_a_name() -> None:
    assert custody(EVENTS, None)[-1]["seconds"] is None
    assert approved_by(EVENTS) == ["token:2"]
    assert approved_by(EVENTS[:1]) == []
    assert custody([], AT) == []


def test_all_who_agreed_to_what_went_have_approved_and_who_agreed_to_something_else_has_not() -> None:
    both = [event(0, "accepted", "held", "token:1"), event(10, "agreed", "held", "person:7"),
            event(20, "approved", "planned", "person:8")]  # fmt: skip
    assert approved_by(both) == ["person:7", "person:8"]
    void = [event(15, "agreement void", "held", "person:8"), event(16, "agreed", "held", "person:9")]
    assert approved_by(both + void) == ["person:9", "person:8"]
    assert approved_by([both[0], event(5, "broken glass", "held", "person:6")]) == ["person:6"]
