"""Subscribers in the store: limits over all nodes, work leased once, late records without effect, 10,000 at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.policy.subscription import HubMode, HubRules, Wish
from gateway.store import hub
from gateway.store.embedded import Cluster
from gateway.store.hub import LeasedDelivery, LeasedWish, SettledWish, Told
from gateway.store.pool import Connection, Store

RULES = HubRules()
TOPIC = "https://alerts.example/cap/feed.atom"
FEED = "Actual"


class Ground:
    """A store, and shortcuts to what the hub does with it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.store.transaction() as connection:
            yield connection

    async def wish(self, callback: str, mode: HubMode = HubMode.SUBSCRIBE, **more: object) -> None:
        host = callback.removeprefix("https://").partition("/")[0]
        usual = {"mode": mode, "topic": TOPIC, "callback": callback, "host": host, "lease_s": 3600, "secret": ""}
        async with self.transaction() as connection:
            await hub.insert_request(connection, Wish(**(usual | more)), FEED)  # type: ignore[arg-type]

    async def leased(self, limit: int = 100) -> list[LeasedWish]:
        async with self.transaction() as connection:
            return await hub.lease_requests(connection, limit, 60)

    async def settle(self, leased: list[LeasedWish], word: str | None = "done", rules: HubRules = RULES) -> int:
        due = None if word else datetime.now(UTC) - timedelta(seconds=1)
        settled = [SettledWish(id=one.id, epoch=one.epoch, due=due, settled=word) for one in leased]
        async with self.transaction() as connection:
            return await hub.settle_requests(connection, settled, rules)

    async def subscribe(self, *callbacks: str, rules: HubRules = RULES, **more: object) -> int:
        for callback in callbacks:
            await self.wish(callback, **more)  # type: ignore[arg-type]
        return await self.settle(await self.leased(), rules=rules)

    async def many(self, count: int) -> None:
        async with self.transaction() as connection:
            await connection.execute(
                "INSERT INTO websub_subscription (topic, feed, callback, host, expires_at) SELECT $1, $2, "
                "'https://h' || n || '.example/', 'h' || n || '.example', now() + interval '1 day' "
                "FROM generate_series(1, $3::int) n",
                TOPIC,
                FEED,
                count,
            )

    async def announce(self, digest: int, feed: str = FEED) -> int:
        async with self.transaction() as connection:
            return await hub.announce(connection, {feed: bytes([digest]) * 32})

    async def due(self, limit: int = 100, lease_s: float = 60) -> list[LeasedDelivery]:
        async with self.transaction() as connection:
            return await hub.lease_deliveries(connection, limit, lease_s)

    async def record(self, *told: Told) -> None:
        async with self.transaction() as connection:
            await hub.record_deliveries(connection, told)

    async def counts(self) -> dict[str, int]:
        async with self.transaction() as connection:
            return dict(await hub.hub_counts(connection))

    async def row(self, callback: str) -> object:
        async with self.transaction() as connection:
            return await connection.fetchrow("SELECT * FROM websub_subscription WHERE callback = $1", callback)


@pytest.fixture
async def ground(pg: Cluster) -> AsyncIterator[Ground]:
    store = await Store.open(pg.app_dsn, name="test")
    try:
        yield Ground(store)
    finally:
        await store.close()


A, B = "https://a.example/hook", "https://b.example/hook"


def delivered(leased: LeasedDelivery) -> Told:
    return Told(id=leased.id, epoch=leased.epoch, wanted=leased.wanted)


# wishes -------------------------------------------------------------------------------------------------------------


async def test_a_confirmed_wish_becomes_a_subscription_and_a_refused_one_does_not(ground: Ground) -> None:
    await ground.wish(A, secret="key")
    await ground.wish(B)
    leased = {one.wish.callback: one for one in await ground.leased()}
    assert leased[A].wish.secret == "key" and leased[A].attempts == 1
    assert await ground.leased() == []
    await ground.settle([leased[A]])
    await ground.settle([leased[B]], "refused")
    assert await ground.counts() == {"subscribers": 1, "waiting": 0, "failing": 0, "requests": 0}


async def test_a_wish_that_is_due_again_is_leased_again_with_one_attempt_more(ground: Ground) -> None:
    await ground.wish(A)
    await ground.settle(await ground.leased(), None)
    again = await ground.leased()
    assert [one.attempts for one in again] == [2]


async def test_a_later_wish_replaces_an_open_one_even_while_that_is_asked_about(ground: Ground) -> None:
    await ground.wish(A, secret="old")
    asked = await ground.leased()
    await ground.wish(A, secret="new")
    await ground.settle(asked)
    assert (await ground.counts())["subscribers"] == 0
    assert await ground.settle(await ground.leased()) == 0
    assert (await ground.row(A))["secret"] == "new"  # type: ignore[index]


async def test_a_node_that_lost_its_lease_settles_nothing(ground: Ground) -> None:
    await ground.wish(A)
    async with ground.transaction() as connection:
        first = await hub.lease_requests(connection, 1, -1)
    second = await ground.leased()
    assert [one.id for one in second] == [one.id for one in first]
    await ground.settle(first, "refused")
    assert (await ground.counts())["requests"] == 1
    await ground.settle(second)
    assert (await ground.counts())["subscribers"] == 1


async def test_a_renewal_moves_the_lease_changes_the_secret_and_forgets_failures(ground: Ground) -> None:
    await ground.subscribe(A, secret="old", lease_s=3600)
    await ground.announce(1)
    await ground.record(Told(id=(await ground.due())[0].id, epoch=1, wanted=1, due=datetime.now(UTC)))
    before = await ground.row(A)
    await ground.subscribe(A, secret="new", lease_s=7200)
    after = await ground.row(A)
    assert (after["id"], after["secret"], after["failures"]) == (before["id"], "new", 0)  # type: ignore[index]
    assert after["expires_at"] > before["expires_at"] + timedelta(minutes=59)  # type: ignore[index]
    assert (await ground.counts())["waiting"] == 1


async def test_an_unsubscription_ends_it_and_one_that_finds_nothing_is_done_as_well(ground: Ground) -> None:
    await ground.subscribe(A, B)
    assert await ground.subscribe(A, "https://c.example/", mode=HubMode.UNSUBSCRIBE) == 0
    assert (await ground.counts())["subscribers"] == 1
    async with ground.transaction() as connection:
        assert not await hub.is_subscribed(connection, TOPIC, A)
        assert await hub.is_subscribed(connection, TOPIC, B)


async def test_no_more_subscribers_begin_than_there_is_room_for(ground: Ground) -> None:
    rules = HubRules(subscribers=3, subscribers_per_host=2)
    hooks = [f"https://a.example/{n}" for n in range(5)]
    assert await ground.subscribe(*hooks, rules=rules) == 3
    assert await ground.subscribe(B, "https://c.example/", rules=rules) == 1
    assert (await ground.counts())["subscribers"] == 3
    # a renewal needs no room
    assert await ground.subscribe(B, rules=rules) == 0


async def test_nodes_that_settle_at_once_do_not_pass_the_limit_together(ground: Ground) -> None:
    for number in range(30):
        await ground.wish(f"https://h{number}.example/")
    parts = [await ground.leased(10) for _ in range(3)]
    rules = HubRules(subscribers=12)
    assert sum(await asyncio.gather(*(ground.settle(part, rules=rules) for part in parts))) == 18
    assert (await ground.counts())["subscribers"] == 12


async def test_room_counts_a_hosts_own(ground: Ground) -> None:
    await ground.subscribe("https://a.example/1", "https://a.example/2", B)
    await ground.wish("https://a.example/3")
    async with ground.transaction() as connection:
        room = await hub.room(connection, "a.example")
    assert (room.subscribers, room.subscribers_of_host, room.requests, room.requests_of_host) == (3, 2, 1, 3)


# content ------------------------------------------------------------------------------------------------------------


async def test_a_change_is_announced_once_to_the_subscribers_of_its_feed(ground: Ground) -> None:
    await ground.subscribe(A)
    assert await ground.announce(1) == 1
    assert await ground.announce(1) == 0
    assert await ground.announce(2, "Exercise") == 0
    leased = await ground.due()
    assert [(one.callback, one.wanted, one.digest) for one in leased] == [(A, 1, bytes([1]) * 32)]
    assert await ground.due() == []
    await ground.record(delivered(leased[0]))
    assert (await ground.counts())["waiting"] == 0


async def test_a_lease_of_a_clock_that_was_ahead_holds_nothing(ground: Ground) -> None:
    await ground.subscribe(A)
    await ground.announce(1)
    await ground.wish(B)
    assert len(await ground.due()) == len(await ground.leased()) == 1
    assert (await ground.due(), await ground.leased()) == ([], [])
    async with ground.transaction() as connection:
        for table in ("websub_subscription", "websub_request"):
            await connection.execute(f"UPDATE {table} SET leased_until = now() + interval '1 hour'")
    assert len(await ground.due()) == len(await ground.leased()) == 1


async def test_what_changes_during_a_delivery_is_delivered_after_it(ground: Ground) -> None:
    await ground.subscribe(A)
    await ground.announce(1)
    first = (await ground.due())[0]
    await ground.announce(2)
    assert await ground.due() == []
    await ground.record(delivered(first))
    second = (await ground.due())[0]
    assert second.wanted == 2
    await ground.record(delivered(second))
    assert (await ground.counts())["waiting"] == 0


async def test_a_failure_waits_for_its_pause_even_when_more_is_announced(ground: Ground) -> None:
    await ground.subscribe(A)
    await ground.announce(1)
    leased = (await ground.due())[0]
    later = datetime.now(UTC) + timedelta(hours=1)
    await ground.record(Told(id=leased.id, epoch=leased.epoch, wanted=1, due=later))
    await ground.announce(2)
    assert await ground.due() == []
    row = await ground.row(A)
    assert (row["failures"], row["due_at"], row["wanted"]) == (1, later, 2)  # type: ignore[index]


async def test_who_answered_last_time_is_told_first(ground: Ground) -> None:
    await ground.subscribe(A, B)
    await ground.announce(1)
    for one in await ground.due():
        due = datetime.now(UTC) - timedelta(hours=1) if one.callback == A else None
        await ground.record(Told(id=one.id, epoch=one.epoch, wanted=1, due=due))
    await ground.announce(2)
    assert [one.callback for one in await ground.due()] == [B, A]


async def test_a_late_record_changes_nothing(ground: Ground) -> None:
    await ground.subscribe(A)
    await ground.announce(1)
    slow = (await ground.due(lease_s=-1))[0]
    quick = (await ground.due())[0]
    await ground.record(Told(id=slow.id, epoch=slow.epoch, wanted=1, dropped=True))
    await ground.record(delivered(slow))
    assert (await ground.counts()) == {"subscribers": 1, "waiting": 1, "failing": 0, "requests": 0}
    await ground.record(delivered(quick))
    assert (await ground.counts())["waiting"] == 0


async def test_a_dropped_subscriber_is_gone(ground: Ground) -> None:
    await ground.subscribe(A, B)
    await ground.announce(1)
    first, second = await ground.due()
    await ground.record(Told(id=first.id, epoch=first.epoch, wanted=1, dropped=True), delivered(second))
    assert (await ground.counts())["subscribers"] == 1


async def test_a_lease_that_ran_out_ends_the_subscription(ground: Ground) -> None:
    await ground.subscribe(A)
    async with ground.transaction() as connection:
        await connection.execute("UPDATE websub_subscription SET expires_at = now() - interval '1 s', due_at = now()")
    assert await ground.announce(1) == 0
    assert await ground.due() == []
    async with ground.transaction() as connection:
        await connection.execute("UPDATE websub_request SET asked_at = now() - interval '11 min'")
        await hub.sweep(connection)
        assert await connection.fetchval("SELECT count(*) FROM websub_subscription") == 0
        assert await connection.fetchval("SELECT count(*) FROM websub_request") == 0


async def test_three_nodes_share_ten_thousand_subscribers_and_tell_each_once(ground: Ground) -> None:
    await ground.many(10_000)
    assert await ground.announce(1) == 10_000
    told: list[int] = []

    async def node() -> None:
        while leased := await ground.due(200):
            told.extend(one.id for one in leased)
            await ground.record(*map(delivered, leased))

    await asyncio.gather(node(), node(), node())
    assert len(told) == 10_000 == len(set(told))
    assert await ground.counts() == {"subscribers": 10_000, "waiting": 0, "failing": 0, "requests": 0}
