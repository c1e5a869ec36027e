"""The start gate: never more than the ceiling in any sliding minute, whatever clocks, nodes and the store do."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from gateway.flows.gate import SLOTS_AT_ONCE, Gates, StoreGate
from gateway.policy.pacing import GatePlan, GateState, reserve
from gateway.store.embedded import Cluster
from gateway.store.pool import Store

LIMIT = 600
no_sleep = asyncio.sleep


class World:
    """A clock that moves when somebody waits, and a gate row in no database."""

    def __init__(self, limit: int = LIMIT, *, late_s: float = 0.0, trip_s: float = 0.0, seed: int = 1) -> None:
        self.now = 1_000.0
        self.plan = GatePlan(limit=limit)
        self.state = GateState()
        self.away = False
        self.reservations = 0
        self._late_s = late_s
        self._trip_s = trip_s
        self._dice = random.Random(seed)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await no_sleep(0)  # whoever asks for slots meanwhile does so now
        self.now += seconds + self._dice.random() * self._late_s

    def gate(self, name: str = "voice") -> StoreGate:
        return StoreGate(self.store(), name=name, max_starts_per_minute=self.plan.limit, monotonic=self.monotonic)

    def store(self) -> Any:
        class Fake:
            queue = self

        return Fake()

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[None]:
        if self.away:
            raise OSError(timeout)
        yield

    async def reserve_starts(self, _connection: object, _name: str, slots: int) -> tuple[float, float]:
        self.reservations += 1
        self.now += self._dice.random() * self._trip_s
        given, self.state = reserve(self.plan, self.state, self.now, slots)
        wait_s = given[0] - self.now
        self.now += self._dice.random() * self._trip_s
        return wait_s, self.plan.period_s


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield in_world(World(), monkeypatch)


def in_world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("gateway.flows.gate.deliveries.reserve_starts", world.reserve_starts)
    monkeypatch.setattr("gateway.flows.gate.asyncio.sleep", world.sleep)
    return world


def most_in_a_minute(starts: list[float]) -> int:
    most = begin = 0
    for end, at in enumerate(starts):
        while starts[begin] <= at - 60.0:
            begin += 1
        most = max(most, end - begin + 1)
    return most


async def taken(world: World, gates: list[StoreGate], seconds: float) -> list[float]:
    """Starts for so long, with a backlog, the gates in turn."""
    starts: list[float] = []
    end = world.now + seconds
    while world.now < end:
        for gate in gates:
            at = await gate.permit()
            assert at is not None
            assert at == world.now  # a permit is for now, not for later
            starts.append(at)
    return starts


async def test_a_backlog_starts_nearly_the_ceiling_and_never_more(world: World) -> None:
    starts = await taken(world, [world.gate()], 300)
    assert most_in_a_minute(starts) <= LIMIT
    assert len(starts) >= 5 * 597
    assert len(starts) / SLOTS_AT_ONCE <= world.reservations <= len(starts) / SLOTS_AT_ONCE + 2


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time is the time of what is due next: hours pass in no time, and things overlap as they would."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1_000.0

    def time(self) -> float:
        return self.at

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.at = max(self.at, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("late_s", "trip_s"), [(0.0, 0.0), (0.03, 0.01), (0.08, 0.02), (0.08, 0.25)])
def test_neither_late_wake_ups_nor_slow_answers_cost_a_start(
    monkeypatch: pytest.MonkeyPatch, seed: int, late_s: float, trip_s: float
) -> None:
    dice = random.Random(seed)
    plan, state = GatePlan(limit=LIMIT), GateState()
    loop = JumpingLoop()

    async def reserve_starts(_connection: object, _name: str, slots: int) -> tuple[float, float]:
        nonlocal state
        await no_sleep(dice.random() * trip_s)
        given, state = reserve(plan, state, loop.time(), slots)
        wait_s = given[0] - loop.time()
        await no_sleep(dice.random() * trip_s / 10)
        return wait_s, plan.period_s

    async def late_sleep(seconds: float) -> None:
        await no_sleep(seconds + dice.random() * late_s)

    async def backlog() -> list[float]:
        gate = StoreGate(World().store(), name="voice", max_starts_per_minute=LIMIT, monotonic=loop.time)
        return [at for _ in range(3_000) if (at := await gate.permit()) is not None]

    monkeypatch.setattr("gateway.flows.gate.deliveries.reserve_starts", reserve_starts)
    monkeypatch.setattr("gateway.flows.gate.asyncio.sleep", late_sleep)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        starts = runner.run(backlog())
    assert most_in_a_minute(starts) <= LIMIT
    assert len(starts) / (starts[-1] - starts[0]) * 60 >= 597


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("late_s", "trip_s"), [(0.02, 0.003), (0.15, 0.05), (0.4, 0.5)])
async def test_late_wake_ups_and_slow_answers_never_make_a_burst(
    monkeypatch: pytest.MonkeyPatch, seed: int, late_s: float, trip_s: float
) -> None:
    world = in_world(World(late_s=late_s, trip_s=trip_s, seed=seed), monkeypatch)
    starts = await taken(world, [world.gate()], 200)
    assert most_in_a_minute(starts) <= LIMIT
    assert starts == sorted(starts)


async def test_several_gates_share_one_ceiling(world: World) -> None:
    starts = await taken(world, [world.gate(), world.gate(), world.gate()], 130)
    assert most_in_a_minute(starts) <= LIMIT
    assert len(starts) > 100


@pytest.mark.parametrize("limit", [1, 7, 60])
async def test_the_ceiling_is_the_one_that_was_agreed(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    world = in_world(World(limit), monkeypatch)
    starts = await taken(world, [world.gate()], 400)
    assert most_in_a_minute(starts) <= limit
    assert world.reservations >= len(starts) / max(1, limit // 60)  # none is reserved more than a second ahead


async def test_a_restart_gets_no_fresh_allowance(world: World) -> None:
    starts = await taken(world, [world.gate()], 30)
    starts += await taken(world, [world.gate()], 60)
    assert most_in_a_minute(starts) <= LIMIT


async def test_slots_that_were_slept_through_are_lost_and_not_caught_up(world: World) -> None:
    gate = world.gate()
    before = await gate.permit()
    assert before is not None
    world.now += 90.0
    starts = await taken(world, [gate], 1.0)
    assert len(starts) <= 11
    assert gate.starts_in_last_minute() == len(starts)


async def test_no_permit_while_the_store_is_away_and_again_afterwards(world: World) -> None:
    gate = world.gate()
    world.away = True
    assert await gate.permit() is None
    world.away = False
    assert await gate.permit() is not None


async def test_a_start_that_is_not_wanted_any_more_spends_no_slot(world: World) -> None:
    gate = world.gate()
    first = await gate.permit()
    assert [await gate.permit(wanted=lambda: False) for _ in range(5)] == [None] * 5
    second = await gate.permit()
    assert first is not None and second is not None
    assert second - first < 0.11


async def test_those_who_wait_are_served_one_after_the_other(world: World) -> None:
    gate = world.gate()
    starts = [at for at in await asyncio.gather(*(gate.permit() for _ in range(20))) if at is not None]
    assert len(starts) == 20
    assert all(later - earlier >= 0.09 for earlier, later in pairwise(starts))


async def test_the_gauge_shows_the_sliding_minute(world: World) -> None:
    gate = world.gate()
    await taken(world, [gate], 10)
    assert 90 <= gate.starts_in_last_minute() <= 101
    world.now += 61
    assert gate.starts_in_last_minute() == 0


@pytest.mark.both_servers
async def test_the_row_in_the_store_says_the_same_as_the_arithmetic(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn, name="gate")
    try:
        loop = asyncio.get_running_loop()
        gates = [StoreGate(store, name="voice", max_starts_per_minute=6000, monotonic=loop.time) for _ in range(3)]
        for gate in gates:
            await gate.open()
        starts = sorted(
            at for at in await asyncio.gather(*(gate.permit() for gate in gates for _ in range(10))) if at is not None
        )
    finally:
        await store.close()
    assert len(starts) == 30
    assert starts[-1] - starts[0] >= 29 * 60 / 6000 * 0.9  # one grid for all of them


# narrower gates -----------------------------------------------------------------------------------------------------


class Rows:
    """Several gate rows on one clock, each with its own grid."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.world = World(late_s=late_s)
        self.plans: dict[str, float] = {}
        self.next: dict[str, float] = {}

    async def open_gate(self, _connection: object, name: str, period_s: float) -> None:
        self.plans[name] = period_s

    async def reserve_starts(self, _connection: object, name: str, slots: int) -> tuple[float, float]:
        period_s = self.plans[name]
        first = max(self.world.now, self.next.get(name, 0.0))
        self.next[name] = first + slots * period_s
        return first - self.world.now, period_s


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    rows = Rows(late_s=0.05)
    for name in ("open_gate", "reserve_starts"):
        monkeypatch.setattr(f"gateway.flows.gate.deliveries.{name}", getattr(rows, name))
    monkeypatch.setattr("gateway.flows.gate.asyncio.sleep", rows.world.sleep)
    return rows


async def test_a_trunk_and_a_prefix_have_ceilings_of_their_own_below_that_of_all(rows: Rows) -> None:
    gates = Gates(
        rows.world.store(), max_starts_per_minute=600, prefixes={"+32": 300, "+32800": 30},
        trunks={"one": 120}, monotonic=rows.world.monotonic,
    )  # fmt: skip
    await gates.open()
    assert rows.plans.keys() == {"voice", "voice +32", "voice +32800", "voice one"}
    gate = gates.of_trunk("one")
    begun, starts = rows.world.now, list[float]()
    while rows.world.now < begun + 150:
        at = await gate.permit("+32470000000")
        assert at is not None
        starts.append(at)
    assert 100 < most_in_a_minute(starts) <= 120
    begun, starts = rows.world.now, list[float]()
    while rows.world.now < begun + 150:
        at = await gate.permit("+3280012345")  # the longest prefix counts
        assert at is not None
        starts.append(at)
    assert 20 < most_in_a_minute(starts) <= 30


async def test_a_trunk_without_a_ceiling_passes_the_common_gate_only(rows: Rows) -> None:
    gates = Gates(rows.world.store(), max_starts_per_minute=600, prefixes={}, trunks={}, monotonic=rows.world.monotonic)
    await gates.open()
    gate = gates.of_trunk("one")
    assert [await gate.permit("+3247000000") is not None for _ in range(20)] == [True] * 20
    assert gates.whole.starts_in_last_minute() == 20
    assert rows.plans.keys() == {"voice"}
