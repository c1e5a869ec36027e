"""The hub: takes wishes, asks whether they were meant, and tells subscribers what is new, over all nodes.

Knows: the store's subscribers, the feeds' editions, the order of asking and telling. Every step is durable first.
Never knows: how a callback is reached, how a feed is written, what an answer means (policy.subscription says it).
Standard: W3C WebSub (23 January 2018), §5.3, §7.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Protocol

from gateway.errors import StoreUnavailable
from gateway.flows.publishing import FeedKind, FeedName
from gateway.flows.pump import Pump
from gateway.log import UnitLogger
from gateway.policy.subscription import (
    Answer,
    Fate,
    HubMode,
    HubRules,
    Wish,
    after_delivery,
    after_verification,
    signature,
    verification_url,
)
from gateway.store import hub
from gateway.store.hub import LeasedDelivery, LeasedWish, SettledWish, Told
from gateway.store.pool import Store

LEASE_S = 60.0
LOOK_S = 0.2
SWEEP_S = 60.0
VERIFIERS = 8
_BODY_READ_BYTES = 4_096
_KINDS = {kind.value: kind for kind in FeedKind}
_EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")  # of a feed without entries


class Fetch(Protocol):
    """One guarded request to a stranger's address; never raises for what the other side does."""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, most_bytes: int = 4096
    ) -> Answer:
        """The answer, status 0 when there was none."""
        ...


class Feeds(Protocol):
    """What changes (flows.publishing.Publisher)."""

    version: int

    def editions(self) -> dict[FeedName, bytes]:
        """A digest of each feed that is not empty."""
        ...

    def edition(self, name: FeedName) -> bytes:
        """The digest of one feed."""
        ...

    async def look(self) -> None:
        """Read what changed."""
        ...


class Page(Protocol):
    """What subscribers of a topic get."""

    @property
    def body(self) -> bytes:
        """The document."""
        ...

    @property
    def media_type(self) -> str:
        """Its Content-Type."""
        ...


class Taken(Enum):
    """What became of a wish that came in."""

    ACCEPTED = "accepted"
    FULL = "full"  # no place for another subscriber
    TOO_MANY = "too many"  # too many requests for now


def name_of(feed: FeedName) -> str:
    """The feed's name as it is stored."""
    return f"{feed.kind.value}/{feed.authority}" if feed.authority else feed.kind.value


class Hub:
    """One node's part of the hub. `page_of` makes a topic's document, `fetch` reaches callbacks."""

    def __init__(
        self,
        store: Store,
        feeds: Feeds,
        *,
        page_of: Callable[[str], Awaitable[Page | None]],
        fetch: Fetch,
        url: str,
        rules: HubRules,
        workers: int,
        utcnow: Callable[[], datetime],
        log: UnitLogger,
    ) -> None:
        self._store, self._feeds = store, feeds
        self._page_of, self._fetch = page_of, fetch
        self._url = url
        self._rules = rules
        self._utcnow = utcnow
        self._log = log
        self._announced = -1
        self._fresh = asyncio.Lock()
        self.asking = Pump(claim=self._wishes, do=self._ask, record=self._settle, workers=VERIFIERS, log=log)
        self.telling = Pump(claim=self._due, do=self._tell, record=self._record, workers=workers, log=log)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.asking.run())
            tasks.create_task(self.telling.run())
            tasks.create_task(self._announcing())
            tasks.create_task(self._sweeping())

    # wishes

    async def take(self, wish: Wish, feed: FeedName) -> Taken:
        """Keep a wish whose form and topic are right; durable when it returns. Raises StoreUnavailable."""
        async with self._store.transaction() as connection:
            await hub.lock(connection)
            known = await hub.is_subscribed(connection, wish.topic, wish.callback)
            if wish.mode is HubMode.UNSUBSCRIBE and not known:
                return Taken.ACCEPTED  # nothing to end, nothing to ask
            room, rules = await hub.room(connection, wish.host), self._rules
            if room.requests >= rules.requests or room.requests_of_host >= rules.requests_per_host:
                return Taken.TOO_MANY
            if not known and (
                room.subscribers >= rules.subscribers or room.subscribers_of_host >= rules.subscribers_per_host
            ):
                return Taken.FULL
            await hub.insert_request(connection, wish, name_of(feed))
        self.asking.wake.set()
        return Taken.ACCEPTED

    async def _wishes(self, limit: int) -> list[LeasedWish]:
        async with self._store.transaction() as connection:
            return await hub.lease_requests(connection, limit, LEASE_S)

    async def _ask(self, leased: LeasedWish) -> SettledWish:
        """WebSub §5.3: does the callback want what was asked in its name?"""
        challenge = secrets.token_urlsafe(32)
        url = verification_url(leased.wish, challenge)
        answer = await self._fetch("GET", url, headers={}, most_bytes=_BODY_READ_BYTES)
        fate, due = after_verification(
            answer, challenge, attempts=leased.attempts, rules=self._rules, now=self._utcnow()
        )
        word = {Fate.DONE: "done", Fate.RETRY: None}.get(fate, "refused")
        return SettledWish(id=leased.id, epoch=leased.epoch, due=due, settled=word)

    async def _settle(self, settled: list[SettledWish]) -> None:
        async with self._store.transaction() as connection:
            full = await hub.settle_requests(connection, settled, self._rules)
        said = {word: sum(one.settled == word for one in settled) for word in ("done", "refused")}
        self._log.event("hub_asked", done=said["done"], refused=said["refused"], full=full)

    # content

    async def announce(self) -> int:
        """Note what changed since it was last announced by any node; returns how many subscribers are to be told."""
        version = self._feeds.version
        async with self._store.transaction() as connection:
            await hub.lock(connection)
            # inside the lock, so that no node announces an older state over a newer one
            await self._feeds.look()
            present = {name_of(name): digest for name, digest in self._feeds.editions().items()}
            before = await hub.announced(connection)
            changed = {
                name: present.get(name, _EMPTY)
                for name in present.keys() | before.keys()
                if present.get(name, _EMPTY) != before.get(name, _EMPTY)
            }
            told = await hub.announce(connection, changed) if changed else 0
        self._announced = version
        if told:
            self._log.event("hub_announced", feeds=len(changed), subscribers=told)
            self.telling.wake.set()
        return told

    async def _announcing(self) -> None:
        while True:
            if self._feeds.version != self._announced:
                try:
                    await self.announce()
                except StoreUnavailable:
                    self._log.warning("store_away")
            await asyncio.sleep(LOOK_S)

    async def _due(self, limit: int) -> list[LeasedDelivery]:
        async with self._store.transaction() as connection:
            return await hub.lease_deliveries(connection, limit, LEASE_S)

    async def _tell(self, leased: LeasedDelivery) -> Told | None:
        """One subscriber; None when the trouble is ours: its lease runs out, and it is told later."""
        try:
            await self._catch_up(leased)
            page = await self._page_of(leased.topic)
        except (StoreUnavailable, TimeoutError):
            return None
        if page is None:
            return Told(id=leased.id, epoch=leased.epoch, wanted=leased.wanted, dropped=True)
        # WebSub §7: the topic's media type, and links to the hub and to the topic
        headers = {
            "Content-Type": page.media_type,
            "Link": f'<{self._url}>; rel="hub", <{leased.topic}>; rel="self"',
        }
        if leased.secret:
            headers["X-Hub-Signature"] = signature(leased.secret, page.body)
        return self._told(
            leased, await self._fetch("POST", leased.callback, headers=headers, body=page.body, most_bytes=0)
        )

    def _told(self, leased: LeasedDelivery, answer: Answer) -> Told:
        fate, due = after_delivery(answer, failures=leased.failures, rules=self._rules, now=self._utcnow())
        dropped = fate is Fate.DROPPED
        return Told(id=leased.id, epoch=leased.epoch, wanted=leased.wanted, due=due, dropped=dropped)

    async def _catch_up(self, leased: LeasedDelivery) -> None:
        """Another node may have announced what this one has not read yet."""
        kind, _, authority = leased.feed.partition("/")
        name = FeedName(_KINDS[kind], authority)
        if leased.digest is not None and self._feeds.edition(name) != leased.digest:
            async with self._fresh:
                if self._feeds.edition(name) != leased.digest:
                    await self._feeds.look()

    async def _record(self, done: list[Told | None]) -> None:
        told = [one for one in done if one is not None]
        async with self._store.transaction() as connection:
            await hub.record_deliveries(connection, told)
        dropped = sum(one.dropped for one in told)
        failed = sum(one.due is not None for one in told)
        self._log.event("hub_told", told=len(told) - dropped - failed, failed=failed, dropped=dropped)

    async def _sweeping(self) -> None:
        while True:
            try:
                async with self._store.transaction() as connection:
                    await hub.sweep(connection)
            except StoreUnavailable:
                self._log.warning("store_away")
            await asyncio.sleep(SWEEP_S)
