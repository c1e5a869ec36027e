"""Bind leases over a real store: who opens what when nodes come, go, die and sleep."""

import time
from collections.abc import AsyncIterator

import pytest

from gateway.flows.bind_leases import BindLeases
from gateway.flows.fence import Fence
from gateway.log import unit_logger
from gateway.store import binds, progress
from gateway.store.clock import StoreClock
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.sending import Ticks, going
from tests.support.waiting import until

LEASE_S = 8.0


class Channel:
    """Binds that open and close at once, `most` of them at the provider."""

    def __init__(self, allowed: dict[str, int], everywhere: list[tuple[str, int]]) -> None:
        self.allowed = allowed
        self.everywhere = everywhere
        self.opened: set[tuple[str, int]] = set()

    def wanted(self) -> dict[str, int]:
        return dict(self.allowed)

    def is_up(self, provider: str, ordinal: int) -> bool:
        return (provider, ordinal) in self.opened

    def open(self, provider: str, ordinal: int) -> None:
        assert (provider, ordinal) not in self.everywhere, "two nodes have the same bind"
        self.opened.add((provider, ordinal))
        self.everywhere.append((provider, ordinal))

    async def close(self, provider: str, ordinal: int, *, within_s: float) -> None:
        self.opened.remove((provider, ordinal))
        self.everywhere.remove((provider, ordinal))

    def counts(self) -> dict[str, int]:
        return {name: sum(one == name for one, _ in self.opened) for name in self.allowed}


class Node:
    """A node's channel and its leases, by a clock of its own."""

    def __init__(
        self, store: Store, number: int, everywhere: list[tuple[str, int]], clock: StoreClock, *, leads: bool = False
    ) -> None:
        self.channel = Channel({"big": 4, "small": 1}, everywhere)
        self.ticks = Ticks()
        self.leads = leads
        self.named = True
        self.clock = clock
        self.leases = BindLeases(
            store, [self.channel], node=number, fence=Fence(self.ticks, LEASE_S), clock=clock, lease_s=LEASE_S,
            heartbeat_s=0.05, leads=lambda: self.leads, named=lambda: self.named, log=unit_logger("test.binds"),
        )  # fmt: skip


@pytest.fixture
async def store(pg: Cluster) -> AsyncIterator[Store]:
    store = await Store.open(pg.app_dsn)
    yield store
    await store.close()


async def two(store: Store) -> tuple[Node, Node]:
    everywhere: list[tuple[str, int]] = []
    async with store.queue.acquire() as connection:
        numbers = [await progress.node_id(connection, name) for name in ("a", "b")]
    clock = StoreClock(store, time.monotonic)
    await clock.read()
    return Node(store, numbers[0], everywhere, clock), Node(store, numbers[1], everywhere, clock)


async def test_who_is_alone_holds_all_at_its_first_look(store: Store) -> None:
    one, _ = await two(store)
    assert await one.leases.look() == []
    assert one.channel.counts() == {"big": 4, "small": 1}
    assert await one.leases.look() == []


async def test_binds_are_divided_when_a_node_comes_and_given_back_when_it_goes(store: Store) -> None:
    """The small provider's only bind is with whoever leads."""
    one, other = await two(store)
    other.leads = True
    await one.leases.look()
    async with going(one.leases.run()):
        async with going(other.leases.run()):
            await until(lambda: other.channel.counts() == {"big": 2, "small": 1})
            assert one.channel.counts() == {"big": 2, "small": 0}
        for key in list(other.channel.opened):
            await other.channel.close(*key, within_s=0)
        await other.leases.leave()
        await until(lambda: one.channel.counts() == {"big": 4, "small": 1})


async def test_the_binds_of_a_dead_node_are_opened_when_its_leases_have_ended(store: Store) -> None:
    one, other = await two(store)
    await one.leases.look()
    await other.leases.look()
    assert other.channel.counts() == {"big": 0, "small": 0}
    one.channel.everywhere.clear()  # killed
    async with store.queue.acquire() as connection:
        for table in ("bind_lease", "bind_taker"):
            await connection.execute(f"UPDATE {table} SET lease_until = now() - interval '1 ms' WHERE node = $1", 1)
    await other.leases.look()
    assert other.channel.counts() == {"big": 4, "small": 1}


@pytest.mark.parametrize("ends", ["-1 hour", "1 hour"])
async def test_no_bind_changes_hands_until_a_lease_after_the_databases_clock_was_set(store: Store, ends: str) -> None:
    """Whoever lives has said so by the new time then; who has not is gone, however far its leases seem to reach."""
    one, other = await two(store)
    await one.leases.look()
    await other.leases.look()
    async with store.queue.acquire() as connection:
        for table in ("bind_lease", "bind_taker"):
            await connection.execute(
                f"UPDATE {table} SET lease_until = now() + $1::text::interval WHERE node = 1", ends
            )
    one.clock._set_at = time.monotonic()
    assert await other.leases.look() == []
    assert other.channel.counts() == {"big": 0, "small": 0}
    one.clock._set_at -= LEASE_S
    one.channel.everywhere.clear()  # killed
    await other.leases.look()
    assert other.channel.counts() == {"big": 4, "small": 1}


async def test_past_its_leases_a_node_that_hears_nothing_closes_its_binds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own clock. What no other node took is opened again when the store answers."""
    one, _ = await two(store)
    await one.leases.look()
    real, asked = binds.take_part, []

    async def asking(*more: object, **named: object) -> object:
        asked.append(len(one.channel.opened))
        if len(asked) == 1:
            raise ConnectionResetError
        return await real(*more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(binds, "take_part", asking)
    one.ticks.now += LEASE_S - 0.5
    async with going(one.leases.run()):
        await until(lambda: len(asked) > 1)
        assert asked[:2] == [5, 0]
        await until(lambda: one.channel.counts() == {"big": 4, "small": 1})


async def test_a_node_that_slept_keeps_what_nobody_took_and_closes_the_rest(store: Store) -> None:
    one, other = await two(store)
    await one.leases.look()
    async with store.queue.acquire() as connection:
        await connection.execute("UPDATE bind_taker SET lease_until = now() - interval '1 ms'")
        await connection.execute("UPDATE bind_lease SET lease_until = now() - interval '1 ms' WHERE ordinal > 2")
    other.channel.everywhere = []  # the sleeper's connections stand all the while
    await other.leases.look()
    assert other.channel.counts() == {"big": 2, "small": 0}
    one.ticks.now += 10 * LEASE_S
    await one.leases.look()
    assert one.channel.counts() == {"big": 2, "small": 1}


async def test_a_node_that_slept_takes_nothing_from_the_process_that_has_its_name_now(store: Store) -> None:
    """They have one number, so that only its name tells them apart; that it may be another's, it knows by its clock."""
    one, _ = await two(store)
    await one.leases.look()
    again = Node(store, 1, [], one.clock)
    await again.leases.look()
    assert again.channel.counts() == {"big": 4, "small": 1}
    one.ticks.now += 10 * LEASE_S
    one.named = False
    await one.leases.look()
    await again.leases.look()
    assert one.channel.counts() == {"big": 0, "small": 0}
    assert again.channel.counts() == {"big": 4, "small": 1}


async def test_a_lease_that_is_anothers_is_closed_at_once(store: Store) -> None:
    one, _ = await two(store)
    await one.leases.look()
    async with store.queue.acquire() as connection:
        await connection.execute("UPDATE bind_lease SET epoch = epoch + 1, node = 2 WHERE provider = 'small'")
    await one.leases.look()
    assert one.channel.counts() == {"big": 4, "small": 0}


async def test_a_node_without_binds_asks_for_nothing(store: Store) -> None:
    leases = BindLeases(
        store, [], node=1, fence=Fence(Ticks(), LEASE_S), clock=StoreClock(store, Ticks()), lease_s=LEASE_S,
        heartbeat_s=2, leads=lambda: True, named=lambda: True, log=unit_logger("test.binds"),
    )  # fmt: skip
    assert await leases.look() == []
    await leases.run()
    await leases.leave()
