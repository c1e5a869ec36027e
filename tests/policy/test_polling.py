"""Intervals, entries, quarantine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.feed_elements import Hints
from gateway.cap.feed_read import ReadEntry
from gateway.policy.polling import (
    HELD_WORDS,
    Arrived,
    EntryState,
    Held,
    NextPoll,
    Outcome,
    PollRules,
    after_fetch,
    entry_state,
    held,
    next_poll,
    read_retry_after,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = PollRules()


def polled(
    outcome: Outcome, interval_s: float = 0.0, failures: int = 0, *, retry_after_s: float = 0.0, pushed: bool = False
) -> NextPoll:
    return next_poll(
        RULES, outcome, interval_s=interval_s, failures=failures, now=NOW, retry_after_s=retry_after_s, pushed=pushed
    )


def pause_s(found: NextPoll) -> float:
    return (found.due_at - NOW).total_seconds()


def test_the_interval_grows_while_nothing_is_new_and_falls_back_with_news() -> None:
    seen, interval_s = [], 0.0
    for _ in range(9):
        interval_s = polled(Outcome.SAME, interval_s).interval_s
        seen.append(interval_s)
    assert seen[:3] == [30.0, 45.0, 67.5]
    assert seen[-1] == RULES.most_s
    assert polled(Outcome.NEWS, RULES.most_s).interval_s == RULES.least_s


def test_failures_back_off_to_a_bound_and_are_forgotten_at_once() -> None:
    pauses = [pause_s(polled(Outcome.FAILED, 45.0, failures)) for failures in range(12)]
    assert pauses[:3] == [60.0, 120.0, 240.0]
    assert pauses[-1] == RULES.failed_s
    assert polled(Outcome.FAILED, 45.0, 3)[:2] == (45.0, 4)
    assert polled(Outcome.SAME, 45.0, 9).failures == 0


def test_a_hub_in_force_makes_polls_rare_and_a_failure_does_not_wait_for_it() -> None:
    assert pause_s(polled(Outcome.NEWS, 30, pushed=True)) == RULES.pushed_s
    assert pause_s(polled(Outcome.FAILED, 30, pushed=True)) == 60.0


def test_a_server_that_asks_for_patience_gets_it_within_an_hour() -> None:
    assert pause_s(polled(Outcome.FAILED, retry_after_s=600.0)) == 600.0
    assert pause_s(polled(Outcome.SAME, 30.0, retry_after_s=1e9)) == 3_600.0


@given(
    st.sampled_from(Outcome),
    st.floats(0, 1e6),
    st.integers(0, 10**6),
    st.booleans(),
    st.floats(0, 1e9),
    st.floats(0, 1),
)
def test_every_poll_has_a_next_one_within_bounds(
    outcome: Outcome, interval_s: float, failures: int, pushed: bool, retry_after_s: float, chance: float
) -> None:
    found = next_poll(
        RULES, outcome, interval_s=interval_s, failures=failures, now=NOW, pushed=pushed, retry_after_s=retry_after_s,
        chance=chance,
    )  # fmt: skip
    assert 0.9 * RULES.least_s <= pause_s(found) <= 1.1 * RULES.failed_s
    if outcome is not Outcome.FAILED:
        assert RULES.least_s <= found.interval_s <= RULES.most_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sat, 21 Nov 2026 12:05:00 GMT", 300.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("-5", 0.0),
        ("9" * 400, 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float) -> None:
    assert read_retry_after(text, NOW) == seconds


@given(st.text(max_size=80))
def test_any_retry_after_is_a_number_of_seconds(text: str) -> None:
    assert read_retry_after(text, NOW) >= 0.0


def entry(**hints: object) -> ReadEntry:
    return ReadEntry(key=b"k" * 32, link="https://a.example/1", hints=Hints(**hints))  # type: ignore[arg-type]


def test_an_entry_whose_alert_is_known_or_over_is_not_fetched() -> None:
    known = {("A-1", "2026-11-21T11:00:00-00:00")}
    assert entry_state(entry(), known, NOW) is EntryState.WAITING
    assert entry_state(entry(identifier="A-1", sent="2026-11-21T11:00:00-00:00"), known, NOW) is EntryState.KNOWN
    assert entry_state(entry(identifier="A-1", sent="2026-11-21T11:30:00-00:00"), known, NOW) is EntryState.WAITING
    assert entry_state(entry(identifier="A-1"), known, NOW) is EntryState.WAITING
    assert entry_state(entry(expires=NOW), known, NOW) is EntryState.EXPIRED
    assert entry_state(entry(expires=NOW + timedelta(seconds=1)), known, NOW) is EntryState.WAITING


@pytest.mark.parametrize(
    ("status", "tries", "state", "pause"),
    [
        (410, 1, EntryState.GONE, 0),
        (404, 1, EntryState.WAITING, 30),
        (404, 3, EntryState.GONE, 0),
        (503, 1, EntryState.WAITING, 30),
        (500, 4, EntryState.WAITING, 240),
        (0, 7, EntryState.WAITING, 1_920),
        (429, 8, EntryState.REFUSED, 0),
        (403, 1, EntryState.REFUSED, 0),
        (304, 1, EntryState.REFUSED, 0),
    ],
)
def test_an_entry_is_tried_again_as_long_as_that_can_help(
    status: int, tries: int, state: EntryState, pause: float
) -> None:
    assert after_fetch(RULES, status, tries=tries, now=NOW) == (state, NOW + timedelta(seconds=pause))


def test_an_entry_waits_as_long_as_its_server_asks() -> None:
    assert after_fetch(RULES, 503, tries=1, now=NOW, retry_after_s=900).due_at == NOW + timedelta(seconds=900)


GOOD = Arrived(
    trusted=True, valid=True, conflict=False, status="Actual", msg_type="Alert", scope="Public", envelope="",
    expires_at=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trusted": False}, Held.NOT_TRUSTED),
        ({"valid": False}, Held.INVALID),
        ({"conflict": True}, Held.CONFLICT),
        ({"expires_at": NOW}, Held.EXPIRED),
        ({"scope": "Restricted"}, Held.NOT_PUBLIC),
        ({"scope": ""}, Held.NOT_PUBLIC),
        ({"msg_type": "Ack"}, Held.TECHNICAL),
        ({"envelope": "Exercise"}, Held.ENVELOPE),
    ],
)
def test_each_reason_holds_an_alert_alone(change: dict[str, object], reason: Held) -> None:
    assert held(GOOD, NOW) == ()
    assert held(replace(GOOD, **change), NOW) == (reason,)  # type: ignore[arg-type]


def test_an_envelope_may_say_what_its_alert_says() -> None:
    assert held(replace(GOOD, envelope="Actual"), NOW) == ()
    assert held(replace(GOOD, envelope="Exercise", status="Exercise"), NOW) == ()


def test_an_invalid_alert_of_a_stranger_has_both_reasons() -> None:
    assert held(replace(GOOD, trusted=False, valid=False, scope=""), NOW) == (Held.NOT_TRUSTED, Held.INVALID)


def test_every_reason_has_its_sentence() -> None:
    assert set(HELD_WORDS) == set(Held)
