"""Rates over several nodes: one grid in the store, never more than it, all of it when wanted."""

import asyncio
import contextlib
from bisect import bisect_left
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.flows.rates import SharedRates, wanted
from gateway.policy.allowance import CATCH_UP_S, LATE_S, Allowance
from gateway.store.embedded import Cluster
from gateway.store.pool import Store


@pytest.mark.parametrize(
    ("spent", "rate", "slots"), [(0, 40, 4), (0, 1000, 50), (40, 1000, 80), (900, 1000, 250), (3, 2, 1)]
)
def test_more_is_reserved_the_more_was_used_up_to_a_quarter_of_a_second(spent: int, rate: float, slots: int) -> None:
    assert wanted(spent, rate) == slots


async def send(allowance: Allowance, left: list[float], enough: int) -> None:
    """A node with a backlog."""
    loop = asyncio.get_running_loop()
    while len(left) < enough:
        now = loop.time()
        many = allowance.room(now)
        allowance.spend(many)
        left += [now] * many
        await asyncio.sleep(0.002)


@pytest.mark.both_servers
async def test_three_nodes_share_one_rate_and_use_all_of_it(pg: Cluster) -> None:
    loop = asyncio.get_running_loop()
    store = await Store.open(pg.app_dsn, name="accounts")
    left: list[float] = []
    try:
        nodes = [SharedRates(store, {"us": 400.0}, kind="sms", monotonic=loop.time) for _ in range(3)]
        filling = [asyncio.create_task(node.run()) for node in nodes]
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await asyncio.gather(*(send(node.allowances["us"], left, 500) for node in nodes))
        for task in filling:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    finally:
        await store.close()
    began = min(left)
    for at in sorted(left)[::20]:
        assert sum(one <= at for one in left) <= 400 * (at - began + 0.1) + 3 * 2
    assert sum(node.allowances["us"].spent for node in nodes) == len(left)


class Row:
    """A gate row in no database, which may be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = True
        self.opened: list[tuple[str, float]] = []
        monkeypatch.setattr("gateway.flows.rates.deliveries.open_gate", self.open_gate)
        monkeypatch.setattr("gateway.flows.rates.deliveries.reserve_starts", self.reserve_starts)
        monkeypatch.setattr("gateway.flows.rates._AWAY_S", 0.01)

    def store(self) -> Any:
        class Fake:
            queue = self

        return Fake()

    @contextlib.asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[None]:
        if self.away:
            raise OSError(timeout)
        yield

    async def open_gate(self, _connection: object, name: str, period_s: float) -> None:
        self.opened.append((name, period_s))

    async def reserve_starts(
        self, _connection: object, _name: str, _slots: int, _late_s: float = 0.0
    ) -> tuple[float, float]:
        return 0.0, 1.0


async def test_while_the_store_is_away_nothing_is_granted_and_afterwards_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, row, told = asyncio.get_running_loop(), Row(monkeypatch), asyncio.Event()
    gates = SharedRates(row.store(), {"us": 300.0}, kind="sms", monotonic=loop.time)
    gates.granted = told.set
    filling = asyncio.create_task(gates.run())
    await asyncio.sleep(0)
    assert gates.allowances["us"].room(loop.time()) == 0
    await asyncio.sleep(0.03)
    assert not told.is_set()
    row.away = False
    async with asyncio.timeout(60):
        await told.wait()
    assert gates.allowances["us"].left == 14
    ((name, period_s),) = row.opened
    assert (name, round(period_s * 1e6)) == ("sms:us", 3334)
    filling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await filling


class Grid(Row):
    """One that gives out slots like the store, on a clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate_per_s: float) -> None:
        super().__init__(monkeypatch)
        self.away = False
        self.now = self.next_at = 1_000.0
        self._period_s = 1.0 / rate_per_s

    async def reserve_starts(
        self, _connection: object, _name: str, slots: int, late_s: float = 0.0
    ) -> tuple[float, float]:
        first = max(self.next_at, self.now - late_s)
        self.next_at = first + slots * self._period_s
        return first - self.now, self._period_s


@pytest.mark.parametrize(("late_s", "most_lost"), [(CATCH_UP_S, 0.002), (LATE_S, 0.3)])
async def test_two_nodes_make_up_together_for_what_stalls_cost(
    monkeypatch: pytest.MonkeyPatch, late_s: float, most_lost: float
) -> None:
    """Every other second nothing happens on any node for 0.6 s; a ceiling loses that, an average does not."""
    grid = Grid(monkeypatch, 500)
    nodes = [
        SharedRates(grid.store(), {"us": 500.0}, kind="lane", monotonic=lambda: grid.now, late_s=late_s)
        for _ in range(2)
    ]
    filling = [asyncio.create_task(node.run()) for node in nodes]
    left: list[float] = []
    for turn in range(1, 2001):
        for node in nodes:
            allowance = node.allowances["us"]
            many = min(allowance.room(grid.now), 40)
            allowance.spend(many)
            left += [grid.now] * many
        for _ in range(4):
            await asyncio.sleep(0)
        grid.now += 0.6 if turn % 140 == 0 else 0.01
    for task in filling:
        task.cancel()
    await asyncio.gather(*filling, return_exceptions=True)
    wanted_all = 500 * (grid.now - 1_000.0)
    assert wanted_all * (1 - most_lost) - 500 * 0.6 <= len(left) <= wanted_all + 1
    assert (len(left) < 0.97 * wanted_all) == (late_s == LATE_S)
    most = max(bisect_left(left, at + 1.0) - begin for begin, at in enumerate(left))
    assert most <= 500 * (1.0 + late_s) + 3
