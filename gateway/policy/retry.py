"""Whether and when a delivery is tried again, or why not.

Knows: kinds of outcome, attempts made, the class of the message, the alert's end. Never knows: clocks (`now` is an
argument), stores, peers' codes (their tables have already said RETRY or FAILED).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.model import ChannelName, DeliveryState, MessageClass, OutcomeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """How a channel repeats itself: seconds before the first retry, factor, ceiling, and how many attempts in all.

    `scales` makes the pause longer or shorter by the channel's word for what happened.
    """

    first_s: float = 5.0
    factor: float = 2.0
    max_s: float = 300.0
    attempts: int = 6
    scales: Mapping[str, float] = field(default_factory=dict)


VOICE_SCALES: Mapping[str, float] = {"busy": 1.0, "no answer": 2.0, "congestion": 0.5}
"""Somebody who speaks is soon free; somebody who is out comes back later; a network recovers first."""


DEFAULT_RULES: dict[ChannelName, RetryRules] = {
    ChannelName.SMS: RetryRules(first_s=2.0, max_s=120.0, attempts=10),
    ChannelName.EMAIL: RetryRules(first_s=30.0, max_s=900.0, attempts=8),
    ChannelName.VOICE: RetryRules(first_s=60.0, factor=1.5, max_s=600.0, attempts=4, scales=VOICE_SCALES),
}

EXPIRED_WORDS = frozenset({"expired", "expired before it was sent"})
"""What channels say of a delivery that they did not start because its alert had ended."""

LONGEST_WAIT_S = 86_400.0
POSSIBLE_DUPLICATE = 1
SETTLED = 4
NOT_AN_ATTEMPT = 8  # an instruction for the record statement, never stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What becomes of a delivery after an outcome: its state, when it is due again (None: never), flags to set."""

    state: DeliveryState
    due: datetime | None = None
    flags: int = 0


def back_off_s(rules: RetryRules, attempts: int, detail: str = "") -> float:
    """Seconds to wait after this many attempts (>= 1), for what happened in the channel's word."""
    return min(rules.max_s, rules.first_s * rules.factor ** min(attempts - 1, 64) * rules.scales.get(detail, 1.0))


def after_outcome(
    kind: OutcomeKind,
    *,
    attempts: int,
    resent: bool,
    settled: bool,
    message_class: MessageClass,
    rules: RetryRules,
    expires_at: datetime,
    now: datetime,
    retry_after_s: float | None = None,
    grace_s: float = 10.0,
    detail: str = "",
) -> Next:
    """Decide on one outcome. `attempts` were made before this one; `resent` says that it was already a second try
    after an unknown; `grace_s` is how long a receipt may resolve an unknown before an urgent message goes again."""
    match kind:
        case OutcomeKind.ACCEPTED | OutcomeKind.REPLACED:
            return Next(state=DeliveryState.SUBMITTED, flags=SETTLED if settled else 0)
        case OutcomeKind.FAILED:
            return Next(state=DeliveryState.EXPIRED if detail in EXPIRED_WORDS else DeliveryState.FAILED)
        case OutcomeKind.UNKNOWN:
            due = now + timedelta(seconds=grace_s)
            if message_class is MessageClass.URGENT and not resent and due < expires_at:
                return Next(state=DeliveryState.UNKNOWN, due=due, flags=POSSIBLE_DUPLICATE)
            return Next(state=DeliveryState.UNKNOWN)
        case OutcomeKind.UNSENT:
            pause_s = min(max(0.0, retry_after_s or 0.0), LONGEST_WAIT_S)
            return Next(state=DeliveryState.RETRY_WAIT, due=now + timedelta(seconds=pause_s), flags=NOT_AN_ATTEMPT)
        case OutcomeKind.RETRY:
            return after_refusal(
                attempts=attempts + 1, rules=rules, expires_at=expires_at, now=now, retry_after_s=retry_after_s,
                detail=detail,
            )  # fmt: skip


def after_refusal(
    *,
    attempts: int,
    rules: RetryRules,
    expires_at: datetime,
    now: datetime,
    retry_after_s: float | None = None,
    detail: str = "",
) -> Next:
    """A temporary refusal: wait and try again, bounded by the attempts and by the alert's end."""
    if attempts >= rules.attempts:
        return Next(state=DeliveryState.FAILED)
    # what a peer asks for is bounded: it may be negative, endless or no number
    asked_s = None if retry_after_s is None else min(max(0.0, retry_after_s), LONGEST_WAIT_S)
    due = now + timedelta(seconds=back_off_s(rules, attempts, detail) if asked_s is None else asked_s)
    if due >= expires_at:
        return Next(state=DeliveryState.EXPIRED)
    return Next(state=DeliveryState.RETRY_WAIT, due=due)
