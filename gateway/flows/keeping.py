"""Keeping what a source brings: every alert as it came with its verdict, every link once, whoever brought the news.

Knows: how a feed becomes rows, when two alerts say the same, what is too much. Never knows: HTTP, when a source is
asked.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.cap.check import Verdict
from gateway.cap.feed_read import ReadEntry, ReadFeed
from gateway.cap.model import CapAlert
from gateway.cap.write import write
from gateway.policy.polling import EntryState, KeepRules, entry_state
from gateway.store import sources
from gateway.store.pool import Store
from gateway.store.sources import NewEntry, NewSourceAlert, Source

Check = Callable[[bytes, datetime], Awaitable[Verdict]]
"""The lenient check, in a process of its own: the bytes and when they came -> the verdict. Never raises."""

ReadDocument = Callable[[bytes, str], Awaitable[ReadFeed]]
"""gateway.cap.feed_read.read_feed in a process of its own: the bytes and where they came from -> what is in them."""

ENVELOPES = frozenset({"edxl-de", "alerts"})
_TEXT_CHARACTERS = 1_000
_NAME_CHARACTERS = 300
"""Of a sender or an identifier: an index of the store has to hold both."""
_LOOKS_LIKE_CAP = re.compile(rb"<(?:[\w.-]{1,40}:)?alert[\s>]|:cap:1\.[012]")
_LOOKED_AT_BYTES = 4_096
_DAY = timedelta(days=1)


class Kept(NamedTuple):
    """How many alerts came, how many of them (and of the links) were new, and what went wrong."""

    alerts: int = 0
    fresh: int = 0
    links: int = 0
    problem: str = ""

    def plus(self, other: "Kept") -> "Kept":
        """Both together."""
        return Kept(
            self.alerts + other.alerts,
            self.fresh + other.fresh,
            self.links + other.links,
            self.problem or other.problem,
        )


class Keeper:
    """Stores what came. Every call is durable when it returns, and the same content again changes nothing."""

    def __init__(
        self, store: Store, *, check: Check, read: ReadDocument, rules: KeepRules, utcnow: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._check = check
        self.read = read
        self._rules = rules
        self._utcnow = utcnow

    async def feed(self, source: Source, feed: ReadFeed) -> Kept:
        """The alerts that a feed embeds, and the links that it names."""
        kept = await self.links(source, [entry for entry in feed.entries if not entry.alert])
        by_digest = {hashlib.sha256(entry.alert).digest(): entry.alert for entry in feed.entries if entry.alert}
        if not by_digest:
            return kept
        async with self._store.connection() as connection:
            known = await sources.known_bytes(connection, source.id, list(by_digest))
        kept = kept.plus(Kept(alerts=len(known)))
        for digest, raw in by_digest.items():
            if digest not in known:
                kept = kept.plus(await self.alert(source, raw, envelope=feed.status))
        return kept

    async def document(self, source: Source, raw: bytes, url: str) -> Kept:
        """What a link led to: an alert, or an envelope around some. `alerts` is 0 when it is neither."""
        verdict = await self._check(raw, self._utcnow())
        if verdict.readable:
            return await self._keep(source, raw, verdict, "")
        feed = await self.read(raw, url)
        if feed.kind in ENVELOPES and feed.entries:
            return await self.feed(source, feed)
        if _LOOKS_LIKE_CAP.search(raw, 0, _LOOKED_AT_BYTES) and feed.kind in {None, "alerts"}:
            return await self._keep(source, raw, verdict, "")
        return Kept(problem="the link leads to no alert")

    async def alert(self, source: Source, raw: bytes, *, envelope: str = "") -> Kept:
        """One alert."""
        return await self._keep(source, raw, await self._check(raw, self._utcnow()), envelope)

    async def _keep(self, source: Source, raw: bytes, verdict: Verdict, envelope: str) -> Kept:
        now = self._utcnow()
        async with self._store.transaction() as connection:
            if await sources.alerts_since(connection, source.id, now - _DAY) >= self._rules.alerts_per_day:
                return Kept(alerts=1, problem=f"more than {self._rules.alerts_per_day} new alerts in a day")
            conflict = await sources.put_alert(connection, source, row_of(raw, verdict, envelope), now)
        return Kept(alerts=1, fresh=0 if conflict is None else 1)

    async def links(self, source: Source, entries: Sequence[ReadEntry]) -> Kept:
        """Remember the links that were not seen before; those worth it wait to be fetched."""
        if not entries:
            return Kept()
        now = self._utcnow()
        by_key = {entry.key: entry for entry in entries}
        hinted = [(e.hints.identifier, e.hints.sent) for e in entries if e.hints.identifier and e.hints.sent]
        async with self._store.transaction() as connection:
            new = await sources.new_entries(connection, source.id, list(by_key), now)
            known = await sources.known(connection, source.id, hinted) if hinted else set()
            fresh = [by_key[key] for key in by_key if key in new]
            rows = [NewEntry(entry.key, entry.link, entry_state(entry, known, now)) for entry in fresh]
            await sources.put_entries(connection, source, rows, now)
        return Kept(links=sum(row.state == EntryState.WAITING for row in rows))


def row_of(raw: bytes, verdict: Verdict, envelope: str) -> NewSourceAlert:
    """An alert and its verdict as they are stored."""
    alert = verdict.alert
    # one and the same alert comes with other white space, another signature, another prefix
    content = raw if alert is None else write(alert)
    return NewSourceAlert(
        valid=alert is not None,
        content=hashlib.sha256(content).digest(),
        sha256=hashlib.sha256(raw).digest(),
        raw=raw,
        sender=_storable(verdict.sender, _NAME_CHARACTERS),
        identifier=_storable(verdict.identifier, _NAME_CHARACTERS),
        sent=_storable(verdict.sent, _NAME_CHARACTERS),
        sent_at=alert.sent if alert else None,
        expires_at=_expiry(alert),
        status=alert.status.value if alert else None,
        msg_type=alert.msg_type.value if alert else None,
        scope=alert.scope.value if alert and alert.scope else None,
        version=verdict.version,
        envelope=envelope[:100],
        headline=_headline(alert),
        findings=[finding._asdict() for finding in verdict.findings],
    )


def _expiry(alert: CapAlert | None) -> datetime | None:
    """When the last info ends; None when one says nothing of its end, or there is none."""
    ends = [info.expires for info in alert.info] if alert else []
    return max((end for end in ends if end is not None), default=None) if ends and None not in ends else None


def _headline(alert: CapAlert | None) -> str:
    if alert is None or not alert.info:
        return ""
    return _storable(alert.info[0].headline or alert.info[0].event, _TEXT_CHARACTERS) or ""


def _storable(text: str | None, most: int) -> str | None:
    """Text as PostgreSQL can keep it."""
    return None if text is None else text.replace("\0", "")[:most]
