"""Work goes through the pump once, in batches, never more of it in hand than leases allow, whatever the store does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.errors import StoreUnavailable
from gateway.flows.pump import Pump
from gateway.log import unit_logger
from tests.support.waiting import until


class Well:
    """Jobs to do, as a store would hand them out; it can be away."""

    def __init__(self, jobs: int) -> None:
        self.jobs = list(range(jobs))
        self.recorded: list[int] = []
        self.batches: list[int] = []
        self.running = self.most_running = self.most_in_hand = self.claimed = 0
        self.away = 0
        self.held = asyncio.Event()
        self.held.set()

    async def claim(self, limit: int) -> list[int]:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        taken, self.jobs = self.jobs[:limit], self.jobs[limit:]
        self.claimed += len(taken)
        self.most_in_hand = max(self.most_in_hand, self.claimed - len(self.recorded))
        return taken

    async def do(self, job: int) -> int:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await self.held.wait()
        await asyncio.sleep(0)
        self.running -= 1
        return job * 2

    async def record(self, done: list[int]) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        self.batches.append(len(done))
        self.recorded += done

    def pump(self, workers: int = 10, batch: int = 50) -> Pump[int, int]:
        return Pump(
            claim=self.claim, do=self.do, record=self.record, workers=workers, log=unit_logger("test"),
            idle_s=0.01, away_s=0.01, linger_s=0.005, batch=batch,
        )  # fmt: skip


@asynccontextmanager
async def running(pump: Pump[int, int]) -> AsyncIterator[None]:
    task = asyncio.create_task(pump.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_job_is_done_once_and_recorded_in_batches() -> None:
    well = Well(10_000)
    async with running(well.pump(workers=100, batch=200)):
        await until(lambda: len(well.recorded) == 10_000)
    assert sorted(well.recorded) == [2 * n for n in range(10_000)]
    assert max(well.batches) <= 200 and len(well.batches) < 5_000
    assert well.most_running <= 100


async def test_no_more_is_taken_than_can_be_done_soon() -> None:
    well = Well(1_000)
    well.held.clear()
    async with running(well.pump(workers=10)):
        await until(lambda: well.running == 10)
        await asyncio.sleep(0.05)
        assert well.claimed == 20
        well.held.set()
        await until(lambda: len(well.recorded) == 1_000)
    assert well.most_running == 10


async def test_new_work_is_taken_up_when_somebody_calls() -> None:
    well = Well(0)
    pump = well.pump()
    pump._idle_s = 60
    async with running(pump):
        await asyncio.sleep(0.02)
        well.jobs = [1, 2, 3]
        pump.wake.set()
        await until(lambda: sorted(well.recorded) == [2, 4, 6])


async def test_a_store_that_is_away_stops_nothing_for_good() -> None:
    well = Well(5)
    pump = well.pump()
    async with running(pump):
        await until(lambda: len(well.recorded) == 5)
        well.away, well.jobs = 1, [7]
        pump.wake.set()
        async with asyncio.timeout(60):
            while 14 not in well.recorded:
                await asyncio.sleep(0.01)


async def test_draining_does_what_is_due_and_returns() -> None:
    well = Well(120)
    assert await well.pump(batch=50).drain() == 120
    assert sorted(well.recorded) == [2 * n for n in range(120)]
    assert well.most_running <= 10
