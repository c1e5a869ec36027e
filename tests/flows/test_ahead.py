"""Reading ahead: once, for what it was asked for, while it is fresh, and never in the way of who asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.flows.ahead import KEPT_S, Ahead
from tests.support.waiting import until


class Sessions:
    """A pool of one session."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(1)
        self.taken = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[str]:
        async with self.free:
            self.taken += 1
            yield "session"


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.sessions = Sessions()
        self.go = asyncio.Event()
        self.ahead: Ahead[str] = Ahead(self.sessions, lambda: self.now)  # type: ignore[arg-type]

    async def read(self, connection: Any) -> str:
        await self.go.wait()
        return f"read on a {connection}"

    async def fails(self, connection: Any) -> str:
        raise ZeroDivisionError

    async def begun(self) -> None:
        await until(lambda: self.sessions.taken > 0)


async def test_what_was_asked_for_is_read_beside_and_taken_once() -> None:
    world = World()
    world.ahead.ask("next", world.read)
    await world.begun()
    world.go.set()
    assert await world.ahead.take("next") == "read on a session"
    assert await world.ahead.take("next") is None


async def test_a_reading_that_goes_on_is_waited_for() -> None:
    world = World()
    world.ahead.ask("next", world.read)
    await world.begun()
    taking = asyncio.create_task(world.ahead.take("next"))
    await asyncio.sleep(0)
    assert not taking.done()
    world.go.set()
    assert await taking == "read on a session"


async def test_who_holds_the_last_session_does_not_wait_for_a_reading_without_one() -> None:
    world = World()
    async with world.sessions.connection():
        world.ahead.ask("next", world.read)
        assert await world.ahead.take("next") is None
    async with world.sessions.connection():
        assert world.sessions.taken == 2, "what was given up is not read"


async def test_something_else_and_something_old_are_not_taken() -> None:
    for later_s, what in ((0.0, "other"), (KEPT_S + 0.1, "next")):
        world = World()
        world.go.set()
        world.ahead.ask("next", world.read)
        await world.begun()
        world.now += later_s
        assert await world.ahead.take(what) is None
        assert await world.ahead.take("next") is None


async def test_a_new_question_takes_the_place_of_the_one_before() -> None:
    world = World()
    world.ahead.ask("first", world.read)
    await world.begun()
    world.ahead.ask("second", world.read)
    await until(lambda: world.sessions.taken == 2)
    world.go.set()
    assert await world.ahead.take("second") == "read on a session"


async def test_what_a_reading_raises_is_raised_to_who_takes_it_and_to_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.ahead.ask("next", world.fails)
    await world.begun()
    with pytest.raises(ZeroDivisionError):
        await world.ahead.take("next")
    world.ahead.ask("next", world.fails)
    await until(lambda: world.sessions.taken == 2)
    world.ahead.drop()
    await asyncio.sleep(0)
    assert not caplog.records
