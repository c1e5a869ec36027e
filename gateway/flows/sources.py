"""Sources: asks the feeds that entities read, at the right moments, and keeps what comes; hears the hubs that call.

Knows: leases, conditional requests, pages, links, subscriptions. Never knows: SQL, XML, which addresses may be asked,
what an alert of a source is good for (it stays in quarantine until a person trusts the source).
Standard: RFC 4287, RFC 5005 §3, RFC 9110 §13; W3C WebSub §5, §7.
"""

import asyncio
import hashlib
import random
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import Enum
from urllib.parse import urlsplit

from gateway.cap.feed_read import ReadFeed
from gateway.errors import StoreUnavailable
from gateway.flows.fetching import Client, Fetched, fetch
from gateway.flows.keeping import Keeper, Kept
from gateway.log import UnitLogger
from gateway.policy import polling, push
from gateway.policy.polling import EntryState, NextFetch, Outcome, SourceRules
from gateway.policy.push import Confirmed, HubState, Subscription
from gateway.store import sources
from gateway.store.pool import Store
from gateway.store.sources import DueEntry, Receipt, Source

ACCEPT_FEED = (
    "application/atom+xml, application/rss+xml;q=0.9, application/cap+xml;q=0.8, application/xml;q=0.7, */*;q=0.1"
)
ACCEPT_ALERT = "application/cap+xml, application/common-alerting-protocol+xml;q=0.9, application/xml;q=0.8, */*;q=0.1"
LOOK_S = 1.0
PAGES = 10
ENTRIES_AT_ONCE = 4
KEY_BYTES = 24


class Heard(Enum):
    """What became of a delivery of a hub."""

    KEPT = "kept"
    UNKNOWN = "unknown"  # no subscription of ours
    IGNORED = "ignored"  # not signed as agreed
    UNREADABLE = "unreadable"


class Sources:
    """The poller, and the subscriber. Several nodes may run it: a source is leased to one at a time."""

    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        client: Client,
        rules: SourceRules,
        *,
        log: UnitLogger,
        utcnow: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._client = client
        self._rules = rules
        self._log = log
        self._utcnow = utcnow
        self._chance = chance
        self.wake = asyncio.Event()

    # polling ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll what is due until cancelled."""
        free = asyncio.Semaphore(self._rules.at_once)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                source = await self._next()
                if source is not None:
                    tasks.create_task(self._one(source)).add_done_callback(lambda _: free.release())
                    continue
                free.release()
                self.wake.clear()
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self.wake.wait()
                except TimeoutError:
                    continue

    async def poll_due(self) -> int:
        """Poll everything that is due now, one after the other; how many sources."""
        done = 0
        while (source := await self._next()) is not None:
            await self._one(source)
            done += 1
        return done

    async def _next(self) -> Source | None:
        now = self._utcnow()
        until = now + timedelta(seconds=self._rules.poll_s * 1.5)
        try:
            async with self._store.connection() as connection:
                return await sources.lease(connection, now, until)
        except StoreUnavailable as error:
            self._log.warning("store_away", error=type(error).__name__)
            return None

    async def _one(self, source: Source) -> None:
        try:
            async with asyncio.timeout(self._rules.poll_s):
                await self.poll(source)
        except TimeoutError:
            await self._give_up(source, "the poll took too long")
        except StoreUnavailable as error:  # the lease ends by itself
            self._log.warning("store_away", error=type(error).__name__, source=source.public_id)
        except Exception as error:  # the top of a task: what a stranger serves must not end the node
            self._log.error("source_poll_failed", error=error, source=source.public_id)
            await self._give_up(source, "a fault of the gateway; its log has it")

    async def _give_up(self, source: Source, problem: str) -> None:
        try:
            await self._settle(source, Outcome.FAILED, Kept(problem=problem), "")
        except StoreUnavailable as error:
            self._log.warning("store_away", error=type(error).__name__, source=source.public_id)

    async def poll(self, source: Source) -> None:
        """Ask the feed, keep what is new, follow the links that wait, set the next poll. Raises StoreUnavailable."""
        got = await fetch(
            self._client, source.url, accept=ACCEPT_FEED, most_bytes=self._rules.feed_bytes, etag=source.etag,
            last_modified=source.last_modified,
        )  # fmt: skip
        outcome, kept = await self._take(source, got)
        followed = await self._follow(source)
        if followed.fresh and outcome is Outcome.SAME:
            outcome = Outcome.NEWS
        await self._settle(source, outcome, kept.plus(followed), got.retry_after)

    async def _take(self, source: Source, got: Fetched) -> tuple[Outcome, Kept]:
        """What the feed's answer brings. Its validators are remembered only when everything in it is stored."""
        if got.status == 304:
            return Outcome.SAME, Kept()
        if got.status != 200:
            await self._receipt(source, "feed", got, Kept(problem=got.problem))
            return Outcome.FAILED, Kept(problem=got.problem or f"HTTP {got.status}")
        digest = hashlib.sha256(got.body).digest()
        if digest == source.digest:
            return Outcome.SAME, Kept()
        feed = await self._keeper.read(got.body, got.url)
        if feed.kind is None:
            problem = feed.problems[0] if feed.problems else "it is no feed"
            await self._receipt(source, "feed", got, Kept(problem=problem))
            return Outcome.FAILED, Kept(problem=problem)
        kept = await self._keep(source, feed)
        if not kept.problem:
            await self._remember(source, got, digest, feed.title)
        await self._receipt(source, "feed", got, kept._replace(problem=kept.problem or "; ".join(feed.problems)))
        await self._subscribe(source, feed)
        return (Outcome.NEWS if kept.fresh or kept.links else Outcome.SAME), kept

    async def _keep(self, source: Source, feed: ReadFeed) -> Kept:
        """The feed and its further pages."""
        kept = await self._keeper.feed(source, feed)
        seen = {source.url}
        for _ in range(PAGES):
            if not feed.next_url or feed.next_url in seen:
                return kept
            seen.add(feed.next_url)
            got = await fetch(
                self._client, feed.next_url, accept=ACCEPT_FEED, most_bytes=self._rules.feed_bytes
            )  # fmt: skip
            if got.status != 200:
                return kept.plus(Kept(problem=f"a further page: {got.problem}"))
            feed = await self._keeper.read(got.body, got.url)
            kept = kept.plus(await self._keeper.feed(source, feed))
        return kept

    async def _remember(self, source: Source, got: Fetched, digest: bytes, title: str) -> None:
        async with self._store.transaction() as connection:
            await sources.read(
                connection, source.id, etag=got.etag, last_modified=got.last_modified, digest=digest, title=title
            )

    async def _settle(self, source: Source, outcome: Outcome, kept: Kept, retry_after: str) -> None:
        now = self._utcnow()
        async with self._store.transaction() as connection:
            waiting = await sources.next_entry_at(connection, source.id)
            following = polling.next_poll(
                self._rules.poll, outcome, interval_s=source.interval_s, failures=source.failures, now=now,
                pushed=push.in_force(subscription_of(source), now), chance=self._chance(),
                retry_after_s=polling.read_retry_after(retry_after, now),
            )  # fmt: skip
            soonest = now + timedelta(seconds=LOOK_S)
            due = following.due_at
            if waiting and outcome is not Outcome.FAILED:
                due = min(due, max(waiting, soonest))
            await sources.polled(
                connection, source.id, interval_s=following.interval_s, failures=following.failures, due_at=due,
                now=now, problem=kept.problem, changed=kept.fresh > 0,
            )  # fmt: skip
            await sources.forget(
                connection, source.id, receipts=now - self._rules.receipts_kept, entries=now - self._rules.entries_kept
            )
        self._log.event(
            "source_polled", source=source.public_id, outcome=outcome, alerts=kept.alerts, fresh=kept.fresh,
            links=kept.links,
        )  # fmt: skip

    async def _receipt(self, source: Source, via: str, got: Fetched, kept: Kept) -> None:
        receipt = Receipt(
            via=via, url=got.url, http_status=got.status, size_bytes=len(got.body), alerts=kept.alerts,
            fresh=kept.fresh, problem=kept.problem,
        )  # fmt: skip
        async with self._store.transaction() as connection:
            await sources.put_receipt(connection, source, receipt, self._utcnow())

    # links --------------------------------------------------------------------------------------------------------

    async def _follow(self, source: Source) -> Kept:
        """Fetch the entries that are due."""
        async with self._store.connection() as connection:
            due = await sources.due_entries(connection, source.id, self._utcnow(), self._rules.entries)
        free = asyncio.Semaphore(ENTRIES_AT_ONCE)
        clock = asyncio.get_running_loop().time
        # the rest of the poll is for those that are on their way; the others wait for the next one
        until = clock() + self._rules.poll_s / 2

        async def one(entry: DueEntry) -> Kept:
            async with free:
                return await self._entry(source, entry) if clock() < until else Kept()

        kept = Kept()
        for found in await asyncio.gather(*map(one, due), return_exceptions=True):
            if isinstance(found, BaseException):  # all the others have ended, too
                raise found
            kept = kept.plus(found)
        return kept._replace(problem="")  # what is wrong with one alert is not wrong with the feed

    async def _entry(self, source: Source, entry: DueEntry) -> Kept:
        got = await fetch(self._client, entry.url, accept=ACCEPT_ALERT, most_bytes=self._rules.alert_bytes)
        now = self._utcnow()
        kept = Kept(problem=got.problem)
        if got.status == 200:
            kept = await self._keeper.document(source, got.body, got.url)
            done = NextFetch(EntryState.FETCHED if kept.alerts else EntryState.REFUSED, now)
        else:
            done = polling.after_fetch(
                self._rules.poll, got.status, tries=entry.attempts + 1, now=now,
                retry_after_s=polling.read_retry_after(got.retry_after, now),
            )  # fmt: skip
        async with self._store.transaction() as connection:
            await sources.settle_entry(connection, source.id, entry.key, done.state, done.due_at)
        await self._receipt(source, "link", got, kept)
        return kept

    # hubs ---------------------------------------------------------------------------------------------------------

    async def _subscribe(self, source: Source, feed: ReadFeed) -> None:
        """Ask the feed's hub to call, when it has one and the source is trusted."""
        hub = next((url for url in feed.hubs if urlsplit(url).scheme in self._rules.hub_schemes), "")
        topic, now = feed.self_url or source.url, self._utcnow()
        if not (hub and self._rules.callback_url and source.trusted):
            return
        if not push.is_to_ask(subscription_of(source), hub, topic, now):
            return
        async with self._store.transaction() as connection:
            key, secret = await sources.ask_hub(
                connection, source.id, hub=hub, topic=topic, key=secrets.token_urlsafe(KEY_BYTES),
                secret=secrets.token_urlsafe(KEY_BYTES), now=now,
            )  # fmt: skip
        # stored first: a hub may ask back before it answers
        form = push.request(topic, f"{self._rules.callback_url}/{key}", secret)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._client.fetch("POST", hub, headers=headers, body=form, most_bytes=4096)
        self._log.event("hub_asked", source=source.public_id, status=answer.status)

    async def confirm(self, key: str, query: Iterable[tuple[str, str]]) -> str | None:
        """The challenge to answer a hub's question with ("" when it only wants to be heard), or None: not ours."""
        async with self._store.transaction() as connection:
            source = await sources.by_key(connection, key)
            if source is None:
                return None
            said = push.verification(query, subscription_of(source))
            match said:
                case Confirmed():
                    until = push.lease_end(said, self._utcnow())
                    await sources.hub_answered(connection, source.id, HubState.ACTIVE, until)
                    return said.challenge
                case HubState.DENIED:
                    await sources.hub_answered(connection, source.id, HubState.DENIED, None)
                    return ""
        return None

    async def pushed(self, key: str, body: bytes, signature: str) -> Heard:
        """A hub's delivery; durable when this returns. Links in it are fetched by the next poll, which is now."""
        async with self._store.connection() as connection:
            source = await sources.by_key(connection, key)
        # WebSub §7.1: a delivery that is not signed as agreed is ignored
        if source is None:
            return Heard.UNKNOWN
        if source.hub_state != HubState.ACTIVE or not push.is_signed(source.hub_secret, body, signature):
            self._log.warning("push_not_signed", source=source.public_id)
            return Heard.IGNORED
        feed = await self._keeper.read(body, source.topic)
        got = Fetched(status=200, url=source.topic, body=body)
        if feed.kind is None:
            await self._receipt(source, "push", got, Kept(problem="; ".join(feed.problems)))
            await self._wake(source)
            return Heard.UNREADABLE
        kept = await self._keeper.feed(source, feed)
        await self._receipt(source, "push", got, kept)
        if kept.links:
            await self._wake(source)
        return Heard.KEPT

    async def _wake(self, source: Source) -> None:
        async with self._store.transaction() as connection:
            await sources.wake(connection, source.id, self._utcnow())
        self.wake.set()


def subscription_of(source: Source) -> Subscription:
    """The source's subscription as the decisions know it."""
    return Subscription(source.hub, source.topic, HubState(source.hub_state), source.hub_asked_at, source.hub_until)
