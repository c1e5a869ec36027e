"""When a feed is asked again, which of its entries are fetched, and which of its alerts stay in quarantine.

Knows: intervals, back-off, what an HTTP status means for either, what an entry says of itself, why an alert is held.
Never knows: clocks (`now` is an argument), HTTP itself, the store.
Standard: RFC 9110 §10.2.3 (Retry-After), §15 (status codes); W3C WebSub §5.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

from gateway.cap.feed_read import ReadEntry
from gateway.cap.model import MsgType, Scope, Status

_RETRY_AFTER_MOST_S = 3_600.0
_JITTER = 0.1
_NOT_FOUND_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRules:
    """Seconds between polls: `least_s` right after news, growing by `growth` to `most_s` while there is none;
    `pushed_s` while a hub tells us of news; failures double it up to `failed_s`. `entry_tries` fetches of one entry,
    the second after `entry_retry_s`, then twice as long each time."""

    least_s: float = 30.0
    most_s: float = 300.0
    growth: float = 1.5
    pushed_s: float = 1_800.0
    failed_s: float = 3_600.0
    entry_tries: int = 8
    entry_retry_s: float = 30.0


_POLL_RULES = PollRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """`at_once` sources are read at a time; `entries` links of one source are followed in one poll, which may last
    `poll_s`. `callback_url` is how hubs reach us ("": they are not asked); `hub_schemes` are those of hubs."""

    poll: PollRules = _POLL_RULES
    at_once: int = 8
    entries: int = 200
    poll_s: float = 120.0
    feed_bytes: int = 10_485_760
    alert_bytes: int = 1_048_576
    callback_url: str = ""
    hub_schemes: frozenset[str] = frozenset({"https"})
    receipts_kept: timedelta = timedelta(days=30)
    entries_kept: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRules:
    """`alerts_per_day` of one source; what is more is not kept, so that a source can not fill the disk."""

    alerts_per_day: int = 10_000


class Outcome(StrEnum):
    """How a poll ended."""

    NEWS = "news"
    SAME = "same"
    FAILED = "failed"


class NextPoll(NamedTuple):
    """What is remembered of a poll: the present interval, the failures in a row, when the next one is due."""

    interval_s: float
    failures: int
    due_at: datetime


def next_poll(
    rules: PollRules,
    outcome: Outcome,
    *,
    interval_s: float,
    failures: int,
    now: datetime,
    pushed: bool = False,
    retry_after_s: float = 0.0,
    chance: float = 0.5,
) -> NextPoll:
    """When to ask again. `interval_s` is the last one (0: the first poll); `chance` (0 to 1) spreads the polls of many
    sources. A hub in force makes polls rare but never stops them: a hub can be silent and wrong."""
    if outcome is Outcome.FAILED:
        failures += 1
        pause_s = min(rules.failed_s, rules.least_s * 2.0 ** min(failures, 30))
    else:
        failures = 0
        grown = interval_s * rules.growth if outcome is Outcome.SAME and interval_s else rules.least_s
        interval_s = min(rules.most_s, max(rules.least_s, grown))
        pause_s = max(interval_s, rules.pushed_s) if pushed else interval_s
    spread_s = pause_s * (1.0 + _JITTER * (2.0 * chance - 1.0))
    due_s = max(spread_s, min(retry_after_s, _RETRY_AFTER_MOST_S))
    return NextPoll(interval_s, failures, now + timedelta(seconds=due_s))


def read_retry_after(text: str, now: datetime) -> float:
    """Seconds that a Retry-After asks for, 0.0 when it asks for nothing that can be read."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    if not text or len(text) > 64:
        return 0.0
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0


# Entries --------------------------------------------------------------------------------------------------------


class EntryState(StrEnum):
    """What is to be done, or was done, with an entry that links to its alert."""

    WAITING = "waiting"
    FETCHED = "fetched"
    KNOWN = "known"  # its alert came another way
    EXPIRED = "expired"  # it says itself that its alert is over
    GONE = "gone"
    REFUSED = "refused"  # what came is no alert, or it never came


class NextFetch(NamedTuple):
    """What becomes of an entry, and when it is due again."""

    state: EntryState
    due_at: datetime


def entry_state(entry: ReadEntry, known: Collection[tuple[str, str]], now: datetime) -> EntryState:
    """Whether an entry seen for the first time is worth a fetch. `known` are (identifier, sent) of this source's
    alerts: what a feed says of its own alerts is believed about the feed itself, and about nobody else's."""
    hints = entry.hints
    if hints.identifier and hints.sent and (hints.identifier, hints.sent) in known:
        return EntryState.KNOWN
    if hints.expires is not None and hints.expires <= now:
        return EntryState.EXPIRED
    return EntryState.WAITING


def after_fetch(rules: PollRules, status: int, *, tries: int, now: datetime, retry_after_s: float = 0.0) -> NextFetch:
    """What an answer that brought no alert means for its entry; `tries` counts this one. 0: no answer."""
    if status == 410:
        return NextFetch(EntryState.GONE, now)
    # a feed is often a little ahead of the documents that it names
    if status == 404 and tries >= _NOT_FOUND_TRIES:
        return NextFetch(EntryState.GONE, now)
    temporary = status in {0, 404, 408, 425, 429} or status >= 500
    if not temporary or tries >= rules.entry_tries:
        return NextFetch(EntryState.REFUSED, now)
    pause_s = max(rules.entry_retry_s * 2.0 ** (tries - 1), min(retry_after_s, _RETRY_AFTER_MOST_S))
    return NextFetch(EntryState.WAITING, now + timedelta(seconds=pause_s))


# Quarantine -----------------------------------------------------------------------------------------------------


class Held(StrEnum):
    """Why an alert of a source can not be relayed."""

    NOT_TRUSTED = "source-not-trusted"
    INVALID = "invalid"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    NOT_PUBLIC = "not-public"
    TECHNICAL = "technical"
    ENVELOPE = "envelope"


HELD_WORDS = {
    Held.NOT_TRUSTED: "The source is in quarantine; an administrator ends it with `gateway source trust`.",
    Held.INVALID: "The alert is not valid, even when read leniently.",
    Held.CONFLICT: "Another alert with the same sender, identifier and time came first, and says something else.",
    Held.EXPIRED: "The alert has expired.",
    Held.NOT_PUBLIC: "The alert is not public: its sender restricts who may have it.",
    Held.TECHNICAL: "The alert is an Ack or Error between systems.",
    Held.ENVELOPE: "The envelope it came in says that this is no actual alert, while the alert says it is.",
}
"""Each reason as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What is known of an alert that came from a source; words as the alert writes them, "" when it was not read."""

    trusted: bool
    valid: bool
    conflict: bool
    status: str
    msg_type: str
    scope: str
    envelope: str
    expires_at: datetime | None


def held(alert: Arrived, now: datetime) -> tuple[Held, ...]:
    """Why this alert stays where it is; () when a person may relay it."""
    if not alert.valid:
        return (*((Held.NOT_TRUSTED,) if not alert.trusted else ()), Held.INVALID)
    over = alert.expires_at is not None and alert.expires_at <= now
    actual = alert.status == Status.ACTUAL
    found = (
        (Held.NOT_TRUSTED, not alert.trusted),
        (Held.CONFLICT, alert.conflict),
        (Held.EXPIRED, over),
        (Held.NOT_PUBLIC, alert.scope != Scope.PUBLIC),
        (Held.TECHNICAL, alert.msg_type in {MsgType.ACK, MsgType.ERROR}),
        (Held.ENVELOPE, actual and alert.envelope not in {"", "Actual"}),
    )
    return tuple(reason for reason, so in found if so)
