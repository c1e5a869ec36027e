"""Ack and Error: valid by the strict check, whatever is answered."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.answer import LONGEST_NOTE, Answered, Answerer, acknowledge, note_of, object_to
from gateway.cap.check import check
from gateway.cap.findings import Finding, error, warning
from gateway.cap.model import CapAlert, MsgType, Scope, Status

NOW = datetime(2026, 11, 21, 10, 0, 0, 500_000, tzinfo=UTC)
BY = Answerer(sender="gateway@alerts.example", identifier="answer-1", now=NOW)
ANSWERED = Answered(
    sender="duty@commune.example", identifier="A-1", sent="2026-11-21T10:59:00+01:00", status="Exercise",
    msg_type="Alert",
)  # fmt: skip


def read(raw: bytes | None) -> CapAlert:
    """The answer, which has to be valid without a word from the strict check."""
    assert raw is not None
    verdict = check(raw)
    assert verdict.valid, verdict.findings
    assert verdict.alert is not None
    return verdict.alert


def test_an_ack_names_what_it_answers_and_what_became_of_it() -> None:
    ack = read(acknowledge(ANSWERED, BY, "Accepted as campaign ca_1."))
    assert (ack.msg_type, ack.scope, ack.status) == (MsgType.ACK, Scope.PRIVATE, Status.EXERCISE)
    assert (ack.sender, ack.identifier) == (BY.sender, BY.identifier)
    assert ack.addresses == ("duty@commune.example",)
    assert ack.note == "Accepted as campaign ca_1."
    assert [(r.sender, r.identifier, r.sent_text) for r in ack.references] == [
        ("duty@commune.example", "A-1", "2026-11-21T10:59:00+01:00")
    ]


def test_an_error_lists_the_findings_errors_first() -> None:
    findings = [
        warning("S5", "a slip", "c"),
        error("S29", "the polygon is not closed", "c", line=12, element="alert/x"),
    ]
    refused = read(object_to(ANSWERED, BY, "Refused (invalid).", findings))
    assert refused.msg_type is MsgType.ERROR
    assert refused.note.splitlines() == [
        "Refused (invalid).",
        "S29 error (line 12, alert/x): the polygon is not closed",
        "S5 warning (alert): a slip",
    ]


@pytest.mark.parametrize("kind", ["Ack", "Error"])
def test_an_answer_is_not_answered(kind: str) -> None:
    answered = Answered(sender="a@b", identifier="1", sent="2026-11-21T10:00:00-00:00", msg_type=kind)
    assert acknowledge(answered, BY, "x") is None
    assert object_to(answered, BY, "x", []) is None


@pytest.mark.parametrize(
    ("sender", "identifier", "sent"),
    [
        (None, "1", "2026-11-21T10:00:00-00:00"),
        ("a@b", None, "2026-11-21T10:00:00-00:00"),
        ("a@b", "1", None),
        ("a b", "1", "2026-11-21T10:00:00-00:00"),
        ("a,b", "1", "2026-11-21T10:00:00-00:00"),
        ('a"b', "1", "2026-11-21T10:00:00-00:00"),
        ("a@b", "1", "yesterday"),
    ],
)
def test_what_can_not_be_named_can_not_be_answered(
    sender: str | None, identifier: str | None, sent: str | None
) -> None:
    assert object_to(Answered(sender=sender, identifier=identifier, sent=sent), BY, "x", []) is None


def test_slips_in_the_time_are_mended_and_an_unknown_status_is_that_of_systems() -> None:
    answered = Answered(sender="a@b", identifier="1", sent="2026-11-21T10:00:00Z", status=None)
    found = read(object_to(answered, BY, "x", []))
    assert found.status is Status.SYSTEM
    assert found.references[0].sent == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_a_sender_whose_clock_is_ahead_is_answered_in_his_time() -> None:
    later = NOW + timedelta(minutes=4)
    answered = Answered(sender="a@b", identifier="1", sent=later.strftime("%Y-%m-%dT%H:%M:%S-00:00"))
    assert read(acknowledge(answered, BY, "x")).sent >= later.replace(microsecond=0)


def test_a_note_is_bounded_and_says_what_was_left_out() -> None:
    many = [error(f"S{number}", "x" * 1000, "c") for number in range(50)]
    note = note_of("Refused.", many)
    assert len(note) <= LONGEST_NOTE
    shown = note.count("\nS")
    assert note.endswith(f"... and {50 - shown} more")
    assert note_of("Refused.", many[:1]).count("more") == 0
    few = note_of("Refused.", [error("S1", "short", "c")] * 25)
    assert few.endswith("... and 5 more")


TEXT = st.text(max_size=40) | st.none()
FINDINGS = st.lists(
    st.builds(
        Finding, st.text(max_size=5), st.sampled_from(["error", "warning"]), st.integers(1, 9) | st.none(),
        st.text(max_size=30), st.text(max_size=600), st.text(max_size=9),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(TEXT, TEXT, TEXT | st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S+02:00")), TEXT, FINDINGS)
def test_whatever_is_answered_the_answer_is_valid_or_there_is_none(
    sender: str | None, identifier: str | None, sent: str | None, status: str | None, findings: list[Finding]
) -> None:
    answered = Answered(sender=sender, identifier=identifier, sent=sent, status=status)
    raw = object_to(answered, BY, "Refused.", findings)
    if raw is not None:
        assert read(raw).references
