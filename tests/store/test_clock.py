"""The database's time, carried on between two questions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.clock import StoreClock
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.sending import Ticks

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Told:
    """A store that is asked the time; it may be away."""

    def __init__(self) -> None:
        self.says = NOON
        self.asked = 0
        self.away = False

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["Told"]:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        yield self

    async def fetchval(self, _statement: str) -> datetime:
        return self.says


async def test_it_goes_by_the_steady_clock_between_two_questions() -> None:
    told, ticks = Told(), Ticks()
    store: Any = told
    clock = StoreClock(store, ticks)
    await clock.read()
    ticks.now += 90.5
    assert clock() == NOON + timedelta(seconds=90.5)


async def test_it_follows_the_database_and_goes_on_without_it() -> None:
    told, ticks = Told(), Ticks()
    store: Any = told
    clock = StoreClock(store, ticks, every_s=0.001)
    await clock.read()
    told.away = True
    running = asyncio.create_task(clock.run())
    async with asyncio.timeout(60):
        while told.asked < 3:
            await asyncio.sleep(0.001)
        assert clock() == NOON
        told.away, told.says = False, NOON + timedelta(hours=1)
        while clock() == NOON:
            await asyncio.sleep(0.001)
    assert clock() == NOON + timedelta(hours=1)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)])
async def test_that_the_databases_clock_was_set_is_noticed_and_forgotten(step: timedelta) -> None:
    told, ticks = Told(), Ticks()
    store: Any = told
    connection: Any = told
    clock = StoreClock(store, ticks)
    await clock.read()
    assert await clock.trusted(connection, 8.0)
    told.says += step
    assert clock.settled(8.0), "nobody has looked"
    assert not await clock.trusted(connection, 8.0), "a transaction that says so is not believed all the same"
    await clock.read()
    assert not clock.settled(8.0) and not await clock.trusted(connection, 8.0)
    ticks.now += 8.0
    told.says += timedelta(seconds=8)
    assert clock.settled(8.0) and await clock.trusted(connection, 8.0)


@pytest.mark.parametrize(("ago_s", "trusted"), [(0.0, True), (20.0, True), (40.0, False), (-2.0, False)])
async def test_a_transaction_that_began_a_while_ago_is_trusted(ago_s: float, *, trusted: bool) -> None:
    """On a machine that stands still for seconds; its now() is the time of its begin."""
    told, ticks = Told(), Ticks()
    store: Any = told
    connection: Any = told
    clock = StoreClock(store, ticks)
    await clock.read()
    told.says = NOON - timedelta(seconds=ago_s)
    assert await clock.trusted(connection, 8.0) is trusted


async def test_an_answer_that_took_long_does_not_look_like_a_clock_that_was_set() -> None:
    told, ticks = Told(), Ticks()
    store: Any = told
    clock = StoreClock(store, ticks)
    await clock.read()

    async def slow(_statement: str) -> datetime:
        ticks.now += 30.0
        return NOON + timedelta(seconds=1)

    told.fetchval = slow  # type: ignore[method-assign]
    await clock.read()
    assert clock.settled(8.0)


async def test_it_is_the_time_of_the_server(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn, name="clock")
    try:
        clock = StoreClock(store, Ticks())
        await clock.read()
        assert clock().utcoffset() == timedelta(0)
        assert clock() == pytest.approx(datetime.now(UTC), abs=timedelta(seconds=10))
    finally:
        await store.close()


@pytest.mark.parametrize("answered_after_s", [0.0, 5.0])
async def test_a_process_that_stood_still_while_it_asked_does_not_take_the_clock_for_set(
    answered_after_s: float,
) -> None:
    """The database answered at the beginning or at the end of five seconds, and always truly."""
    told, ticks = Told(), Ticks()
    store: Any = told
    connection: Any = told
    began = ticks.now

    async def slowly(_statement: str) -> datetime:
        said = NOON + timedelta(seconds=ticks.now - began + answered_after_s)
        ticks.now += 5.0
        return said

    told.fetchval = slowly  # type: ignore[method-assign]
    clock = StoreClock(store, ticks)
    await clock.read()
    del told.fetchval
    for _ in range(2):
        told.says = NOON + timedelta(seconds=ticks.now - began)
        assert await clock.trusted(connection, 8.0)
        await clock.read()
        assert clock.settled(8.0)
    told.says += timedelta(seconds=2)
    await clock.read()
    assert not clock.settled(8.0)
