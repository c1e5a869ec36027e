"""Whether a delivery is tried again: every kind of outcome, its limits in attempts and in time, and hostile waits."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ChannelName, DeliveryState, MessageClass, OutcomeKind
from gateway.policy.retry import (
    DEFAULT_RULES,
    EXPIRED_WORDS,
    LONGEST_WAIT_S,
    NOT_AN_ATTEMPT,
    POSSIBLE_DUPLICATE,
    SETTLED,
    Next,
    RetryRules,
    after_outcome,
    after_refusal,
    back_off_s,
)

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RULES = RetryRules(first_s=2, factor=2, max_s=60, attempts=4)
RULE_SETS = st.builds(
    RetryRules,
    first_s=st.floats(0.1, 600), factor=st.floats(1, 10), max_s=st.floats(0.1, 3600), attempts=st.integers(1, 50),
)  # fmt: skip


def decided(kind: OutcomeKind, **more: Any) -> Next:
    usual: dict[str, Any] = {
        "attempts": 0, "resent": False, "settled": False, "message_class": MessageClass.URGENT, "rules": RULES,
        "expires_at": NOON + timedelta(hours=1), "now": NOON,
    }  # fmt: skip
    return after_outcome(kind, **(usual | more))


def test_what_was_accepted_is_submitted_and_settled_when_no_receipt_will_come() -> None:
    assert decided(OutcomeKind.ACCEPTED) == Next(state=DeliveryState.SUBMITTED)
    assert decided(OutcomeKind.ACCEPTED, settled=True) == Next(state=DeliveryState.SUBMITTED, flags=SETTLED)


def test_a_final_refusal_is_never_tried_again() -> None:
    assert decided(OutcomeKind.FAILED, detail="ESME_RINVDSTADR") == Next(state=DeliveryState.FAILED)


@pytest.mark.parametrize("word", sorted(EXPIRED_WORDS))
def test_what_a_channel_did_not_start_in_time_is_expired_not_failed(word: str) -> None:
    assert decided(OutcomeKind.FAILED, detail=word) == Next(state=DeliveryState.EXPIRED)


def test_the_words_are_those_of_the_channels() -> None:
    assert {"expired", "expired before it was sent"} == EXPIRED_WORDS


def test_an_urgent_unknown_goes_once_more_after_a_grace_for_its_receipt() -> None:
    again = decided(OutcomeKind.UNKNOWN, grace_s=10)
    assert again == Next(state=DeliveryState.UNKNOWN, due=NOON + timedelta(seconds=10), flags=POSSIBLE_DUPLICATE)
    assert decided(OutcomeKind.UNKNOWN, resent=True) == Next(state=DeliveryState.UNKNOWN)


@pytest.mark.parametrize("other", [c for c in MessageClass if c is not MessageClass.URGENT])
def test_an_unknown_of_another_class_stays_unknown(other: MessageClass) -> None:
    assert decided(OutcomeKind.UNKNOWN, message_class=other) == Next(state=DeliveryState.UNKNOWN)


def test_an_unknown_is_not_called_a_duplicate_when_the_alert_ends_before_it_could_go_again() -> None:
    soon = NOON + timedelta(seconds=10)
    assert decided(OutcomeKind.UNKNOWN, grace_s=10, expires_at=soon) == Next(state=DeliveryState.UNKNOWN)


def test_what_never_left_goes_back_at_once_and_is_no_attempt() -> None:
    assert decided(OutcomeKind.UNSENT, attempts=3) == Next(
        state=DeliveryState.RETRY_WAIT, due=NOON, flags=NOT_AN_ATTEMPT
    )


@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 2), (1, 4), (2, 8)])
def test_each_refusal_waits_longer(attempts: int, wait_s: float) -> None:
    due = NOON + timedelta(seconds=wait_s)
    assert decided(OutcomeKind.RETRY, attempts=attempts) == Next(state=DeliveryState.RETRY_WAIT, due=due)


def test_the_last_attempt_is_the_last() -> None:
    assert decided(OutcomeKind.RETRY, attempts=3) == Next(state=DeliveryState.FAILED)


def test_a_retry_that_would_come_at_the_end_of_the_alert_or_later_is_expired() -> None:
    ends = NOON + timedelta(seconds=2)
    assert decided(OutcomeKind.RETRY, expires_at=ends) == Next(state=DeliveryState.EXPIRED)
    later = decided(OutcomeKind.RETRY, expires_at=ends + timedelta(microseconds=1))
    assert later == Next(state=DeliveryState.RETRY_WAIT, due=ends)


def test_what_the_peer_asks_for_wins_over_the_own_back_off() -> None:
    asked = decided(OutcomeKind.RETRY, retry_after_s=33.0)
    assert asked.due == NOON + timedelta(seconds=33)


@pytest.mark.parametrize("wild", [-5.0, math.inf, -math.inf, math.nan, 1e300])
def test_no_wait_that_a_peer_asks_for_breaks_the_clock(wild: float) -> None:
    ends = NOON + timedelta(days=30)
    found = after_refusal(attempts=1, rules=RULES, expires_at=ends, now=NOON, retry_after_s=wild)
    assert found.due is not None
    assert NOON <= found.due <= NOON + timedelta(seconds=LONGEST_WAIT_S)


@given(RULE_SETS, st.integers(1, 5000))
def test_waiting_grows_and_is_bounded(rules: RetryRules, attempts: int) -> None:
    wait_s = back_off_s(rules, attempts)
    assert 0 < wait_s <= rules.max_s
    assert wait_s >= min(rules.first_s, rules.max_s)
    assert back_off_s(rules, attempts + 1) >= wait_s


@given(RULE_SETS, st.integers(0, 60), st.floats(0, 7200), st.none() | st.floats(0, 7200))
def test_nothing_is_ever_due_at_the_end_of_the_alert_or_after_it(
    rules: RetryRules, attempts: int, left_s: float, asked_s: float | None
) -> None:
    ends = NOON + timedelta(seconds=left_s)
    found = decided(OutcomeKind.RETRY, rules=rules, attempts=attempts, expires_at=ends, retry_after_s=asked_s)
    assert found.due is None or NOON <= found.due < ends
    assert (found.state is DeliveryState.RETRY_WAIT) == (found.due is not None)


def test_every_channel_has_rules() -> None:
    assert set(DEFAULT_RULES) == set(ChannelName)


def test_calls_are_repeated_after_pauses_that_fit_what_happened() -> None:
    rules = DEFAULT_RULES[ChannelName.VOICE]
    assert [back_off_s(rules, 1, word) for word in ("busy", "no answer", "congestion", "")] == [60, 120, 30, 60]
    assert back_off_s(rules, 50, "no answer") == rules.max_s
