"""Publishing: which alerts the public feed shows, kept ready so that a request asks no database.

Knows: the store's feed queries, entries. A new alert is seen within a second of its release. Never knows: HTTP.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.cap.feed import FeedEntry, entry_of
from gateway.flows.checking import Checker
from gateway.log import UnitLogger
from gateway.store import progress
from gateway.store.pool import GONE, Connection, Store

LOOK_S = 0.4
STATUSES = {False: "Actual", True: "Exercise"}


class Publisher:
    """The two feeds' entries (web.feed.FeedSource): alerts of status Actual, and exercises in a feed of their own."""

    def __init__(self, store: Store, checker: Checker, *, url: str, log: UnitLogger) -> None:
        self._store = store
        self._checker = checker
        self._url = url
        self._log = log
        self._entries: dict[bool, tuple[FeedEntry, ...]] = {False: (), True: ()}
        self._versions: dict[bool, tuple[int, int, float]] = {}
        self._known: dict[str, FeedEntry] = {}
        self.version = 0
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            self.wake.clear()
            try:
                await self.look()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read what changed; the version counts up when an entry came or went."""
        async with self._store.ask.acquire(timeout=5) as connection:
            for exercise, status in STATUSES.items():
                version = await progress.feed_version(connection, status)
                if version != self._versions.get(exercise):
                    self._entries[exercise] = await self._read(connection, status)
                    self._versions[exercise] = version
                    self.version += 1
        shown = {entry.id for entries in self._entries.values() for entry in entries}
        self._known = {public_id: entry for public_id, entry in self._known.items() if entry.id in shown}

    async def _read(self, connection: Connection, status: str) -> tuple[FeedEntry, ...]:
        found = []
        for row in await progress.feed_alerts(connection, status):
            entry = self._known.get(row["public_id"])
            if entry is None:
                verdict = await self._checker.check(row["raw"], datetime.now(UTC))
                if verdict.alert is None:
                    continue
                entry = entry_of(
                    verdict.alert,
                    entry_id=f"{self._url}/cap/alerts/{row['public_id']}",
                    cap_url=f"{self._url}/cap/alerts/{row['public_id']}.xml",
                    published=row["released_at"],
                )
                self._known[row["public_id"]] = entry
            found.append(entry)
        return tuple(found)

    async def entries(self, exercise: bool) -> Sequence[FeedEntry]:
        """What a feed shows now, newest first."""
        return self._entries[exercise]

    async def alert_xml(self, public_id: str) -> bytes | None:
        """One public alert's own bytes."""
        async with self._store.connection() as connection:
            return await progress.public_alert(connection, public_id)

    async def public_ids(self, identifier: str) -> list[str]:
        """Our ids of the public alerts that carry this CAP identifier."""
        async with self._store.connection() as connection:
            return await progress.public_ids(connection, identifier)
