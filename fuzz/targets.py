"""What is fuzzed: every reader of bytes that strangers send, each with what must be true whatever comes in.

Knows: the readers of gateway.cap. Never knows: the fuzzer (run.py), where bytes come from.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.cap.check import check
from gateway.cap.derive import derive
from gateway.cap.feed_check import FEED_LIMITS
from gateway.cap.feed_read import read_feed
from gateway.cap.model import CapAlert
from gateway.cap.signature import verify
from gateway.cap.trust import Trust
from gateway.cap.write import write

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def alert_strict(raw: bytes) -> None:
    """An authority's alert: a verdict that agrees with itself, and an alert that can be written and read again."""
    _judged(raw, lenient=False)


def alert_lenient(raw: bytes) -> None:
    """An alert from a feed."""
    _judged(raw, lenient=True)


def feed(raw: bytes) -> None:
    """A feed of others, and every alert in it."""
    if len(raw) > FEED_LIMITS.max_bytes:
        return
    read_feed(raw, url="https://feeds.example/alerts.atom")


def published(raw: bytes) -> None:
    """The form in which an alert is published: what it carries is cut out, what is left is still an alert."""
    if check(raw).valid:
        derived = derive(raw, lambda number: f"https://alerts.example/{number}")
        assert derived is None or check(derived.body).readable


def signature(raw: bytes) -> None:
    """Signatures: nothing is trusted when nobody is."""
    assert not verify(raw, trust=Trust(), at=NOW).trusted


def _judged(raw: bytes, *, lenient: bool) -> None:
    verdict = check(raw, lenient=lenient, received_at=NOW)
    assert verdict.valid == (verdict.alert is not None) == (not verdict.errors)
    if verdict.alert is not None:
        _comes_back(verdict.alert)


def _comes_back(alert: CapAlert) -> None:
    again = check(write(alert), lenient=True)
    assert again.readable, again.findings


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__.replace("_", "-"): target for target in (alert_strict, alert_lenient, feed, published, signature)
}
"""The targets by the names that run.py takes."""
