"""Recalling: every message of a stopped campaign is asked for once, within the providers' room, by the leader alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.flows.recalling import Recaller
from gateway.log import UnitLogger
from gateway.store.recalls import Recallable, Stopped


class World:
    """A store with 25 messages of campaign 7 at one provider, and that provider."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = [Recallable(n // 2, 1 << n % 2, f"id-{n}", f"+3247{n:07d}") for n in range(2, 27)]
        self.room = 10
        self.asked: list[str] = []
        self.away = False
        self.updated = False
        self.replacing = frozenset[str]()
        monkeypatch.setattr("gateway.flows.recalling.recalls.stopped_campaigns", self.stopped)
        monkeypatch.setattr("gateway.flows.recalling.recalls.recallable", self.recallable)

    def recaller(self, leads: bool = True) -> Recaller:
        world: Any = self

        class Fake:
            queue = world

        store: Any = Fake()
        return Recaller(store, [world], leads=lambda: leads, log=UnitLogger("test"), look_s=0.001)

    @contextlib.asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[None]:
        if self.away:
            raise OSError(timeout)
        yield

    async def stopped(self, _connection: object) -> list[Stopped]:
        return [Stopped(7, self.updated)]

    async def recallable(
        self, _connection: object, campaign: int, provider: str, after: tuple[int, int], limit: int
    ) -> list[Recallable]:
        assert (campaign, provider) == (7, "smsc")
        return [row for row in self.rows if (row.seq, row.mask) > after][:limit]

    def recall_room(self) -> dict[str, int]:
        return {"smsc": self.room} if self.room else {}

    def recall(self, provider: str, messages: Sequence[tuple[str, str]]) -> None:
        assert provider == "smsc"
        self.asked += [message_id for message_id, _ in messages]


async def test_each_message_is_asked_for_once_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    recaller = world.recaller()
    assert [await recaller.once() for _ in range(4)] == [10, 10, 5, 0]
    assert world.asked == [f"id-{n}" for n in range(2, 27)]
    world.room = 0
    assert await recaller.once() == 0


async def test_only_the_leader_asks_and_the_store_may_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.away = True
    tasks = [asyncio.create_task(world.recaller(leads).run()) for leads in (False, True)]
    await asyncio.sleep(0.02)
    assert world.asked == []
    world.away = False
    async with asyncio.timeout(60):
        while len(world.asked) < 25:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert len(world.asked) == 25
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_an_update_may_replace_is_not_cancelled_while_it_is_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.updated, world.replacing = True, frozenset({"smsc"})
    recaller = world.recaller()
    assert await recaller.once() == 0
    world.updated = False
    assert await recaller.once() == 10
