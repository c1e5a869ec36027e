"""Publishing: which alerts the public feeds show, kept ready so that a request asks no database.

Knows: the store's feed queries, entries, beats. A new alert is seen within a second of its release. Never knows: HTTP.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.cap.derive import Attachment, Derived, derive
from gateway.cap.feed import FeedEntry, entry_of
from gateway.cap.model import CapAlert
from gateway.cap.write import write
from gateway.errors import StoreUnavailable
from gateway.flows.checking import Checker
from gateway.log import UnitLogger
from gateway.policy.heartbeat import Pulse
from gateway.store import feeds
from gateway.store.feeds import ShownVersion
from gateway.store.pool import GONE, Connection, Store

LOOK_S = 0.4
REST_S = 0.1
"""Between two looks, however often it is woken: a hundred alerts in a second are ten looks and not a hundred."""
NAMES_S = 30.0
NAMES_AT_ONCE_S = 1.0

Sign = Callable[[bytes], bytes]
"""Puts the gateway's signature into a document, beside those that stand in it."""


class FeedKind(StrEnum):
    """Three feeds that never mix, by the CAP status that they show."""

    PUBLIC = "Actual"
    EXERCISE = "Exercise"
    HEARTBEAT = "System"


class FeedName(NamedTuple):
    """One feed: that of all authorities, or that of one by its slug."""

    kind: FeedKind
    authority: str = ""


PUBLIC = FeedName(FeedKind.PUBLIC)
HEARTBEAT = FeedName(FeedKind.HEARTBEAT)


def _now() -> datetime:
    return datetime.now(UTC)


class Publisher:
    """The feeds' entries (web.feed.FeedSource), their editions (flows.hub), and alerts in their published form.

    `version` counts up whenever a feed changed. `pulse` None: no heartbeat. `sign` is asked off the event loop.
    """

    def __init__(
        self,
        store: Store,
        checker: Checker,
        *,
        url: str,
        log: UnitLogger,
        pulse: Pulse | None = None,
        sign: Sign | None = None,
        utcnow: Callable[[], datetime] = _now,
    ) -> None:
        self._store = store
        self._checker = checker
        self._url = url
        self._log = log
        self._pulse = pulse
        self._sign = sign
        self._utcnow = utcnow
        self._feeds: dict[FeedName, tuple[FeedEntry, ...]] = {}
        self._versions: dict[FeedKind, ShownVersion] = {}
        self._known: dict[str, FeedEntry] = {}
        self._names: Mapping[str, str] = {}
        self._names_at = float("-inf")
        self._looking = asyncio.Lock()
        self.version = 0
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            self.wake.clear()
            try:
                await self.look()
            except (*GONE, StoreUnavailable) as error:
                self._log.warning("store_away", error=type(error).__name__)
            await asyncio.sleep(REST_S)
            try:
                async with asyncio.timeout(LOOK_S - REST_S):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read what changed; the version counts up when an entry came or went."""
        async with self._looking, self._store.connection() as connection:
            for kind in (FeedKind.PUBLIC, FeedKind.EXERCISE):
                version = await feeds.shown_version(connection, kind)
                if version != self._versions.get(kind):
                    self._show(kind, await self._read(connection, kind))
                    self._versions[kind] = version
            await self._read_names(connection, NAMES_S)
        self._beat()
        shown = {entry.id for entries in self._feeds.values() for entry in entries}
        self._known = {public_id: entry for public_id, entry in self._known.items() if entry.id in shown}

    def _show(self, kind: FeedKind, of_authority: Iterable[tuple[str, FeedEntry]]) -> None:
        """These entries are what the feeds of a kind show from now on."""
        showing: dict[FeedName, list[FeedEntry]] = {FeedName(kind): []}
        for slug, entry in of_authority:
            showing[FeedName(kind)].append(entry)
            if slug:
                showing.setdefault(FeedName(kind, slug), []).append(entry)
        kept = {name: entries for name, entries in self._feeds.items() if name.kind is not kind}
        self._feeds = kept | {name: tuple(entries) for name, entries in showing.items()}
        self.version += 1

    def _beat(self) -> None:
        """After the store was read: the heartbeat stops when the gateway no longer sees what there is to publish."""
        if self._pulse is None:
            return
        number = self._pulse.number(self._utcnow())
        entry = self._entry(self._pulse.alert(number), f"heartbeat-{number}", self._pulse.at(number))
        if self._feeds.get(HEARTBEAT) != (entry,):
            self._show(FeedKind.HEARTBEAT, [("", entry)])

    async def _read(self, connection: Connection, kind: FeedKind) -> list[tuple[str, FeedEntry]]:
        found = []
        for row in await feeds.shown_alerts(connection, kind, self._known):
            entry = self._known.get(row["public_id"]) or await self._checked(row)
            if entry is not None:
                self._known[row["public_id"]] = entry
                found.append((row["slug"], entry))
        return found

    async def _checked(self, row: Any) -> FeedEntry | None:
        verdict = await self._checker.check(row["raw"], row["received_at"])
        if verdict.alert is None:
            self._log.warning("alert_unreadable", alert_id=row["public_id"])
            return None
        return self._entry(verdict.alert, row["public_id"], row["released_at"])

    def _entry(self, alert: CapAlert, public_id: str, published: datetime) -> FeedEntry:
        url = f"{self._url}/cap/alerts/{public_id}"
        return entry_of(alert, entry_id=url, cap_url=f"{url}.xml", published=published)

    async def _read_names(self, connection: Connection, age_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._names_at >= age_s:
            self._names = await feeds.publishing_entities(connection)
            self._names_at = now_s

    # what the feeds ask

    async def entries(self, name: FeedName) -> Sequence[FeedEntry] | None:
        """What a feed shows now, newest first; None when there is no such feed."""
        found = self._feeds.get(name)
        if found is None and await self.authority(name.authority) is None:
            return None
        return found or ()

    async def authority(self, slug: str) -> str | None:
        """The name of an authority that has a feed ("" for all of them together), or None."""
        if not slug:
            return ""
        if slug not in self._names:
            async with self._store.connection() as connection:
                await self._read_names(connection, NAMES_AT_ONCE_S)
        return self._names.get(slug)

    def editions(self) -> dict[FeedName, bytes]:
        """A digest of what each feed shows, the same on every node and after a restart; empty feeds are left out."""
        return {name: self.edition(name) for name, entries in self._feeds.items() if entries}

    def edition(self, name: FeedName) -> bytes:
        """The digest of one feed."""
        digest = hashlib.sha256()
        for entry in self._feeds.get(name, ()):
            digest.update(f"{entry.id} {entry.updated.isoformat()}\n".encode())
        return digest.digest()

    # single alerts

    async def alert_xml(self, public_id: str) -> bytes | None:
        """One public alert in its published form, signed by the gateway when it has a key.

        An authority's signature that was trusted at receipt stays, covered by the gateway's; any other is cut then.
        """
        derived = await self._derived(public_id)
        if derived is None or self._sign is None:
            return derived.body if derived else None
        return await asyncio.to_thread(self._sign, derived.body)

    async def attachment(self, public_id: str, number: int) -> Attachment | None:
        """The content of the n-th derefUri of a public alert."""
        derived = await self._derived(public_id)
        if derived is None or number >= len(derived.attachments):
            return None
        return derived.attachments[number]

    async def public_ids(self, identifier: str) -> list[str]:
        """Our ids of the public alerts that carry this CAP identifier."""
        async with self._store.connection() as connection:
            return await feeds.shown_ids(connection, identifier)

    async def _derived(self, public_id: str) -> Derived | None:
        if self._pulse is not None and (number := self._pulse.named(public_id, self._utcnow())) is not None:
            return Derived(body=write(self._pulse.alert(number)), changed=False, signed=False)
        async with self._store.connection() as connection:
            shown = await feeds.shown_alert(connection, public_id)
        if shown is None:
            return None
        keep = shown.trusted or self._sign is None
        address = f"{self._url}/cap/alerts/{public_id}/resources/"
        derived = await asyncio.to_thread(derive, shown.raw, lambda number: f"{address}{number}", keep_signatures=keep)
        return derived or await self._rewritten(shown.raw)

    async def _rewritten(self, raw: bytes) -> Derived | None:
        """For bytes that one parser reads and the other does not: the alert, written anew without its contents."""
        alert = (await self._checker.check(raw, self._utcnow())).alert
        return None if alert is None else Derived(body=write(_without_contents(alert)), changed=True, signed=False)


def _without_contents(alert: CapAlert) -> CapAlert:
    infos = (
        replace(info, resource=tuple(replace(resource, deref_uri="") for resource in info.resource))
        for info in alert.info
    )
    return replace(alert, info=tuple(infos))
