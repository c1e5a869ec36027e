"""A pump: takes leased work from the store in batches, does it side by side, writes down in batches what became of it.

Knows: how much is in hand, when to ask for more, when to write. Never knows: what the work is.

Leases make it safe to stop at any moment: what was not written down is done again after its lease, by whoever comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger

J = TypeVar("J")
R = TypeVar("R")


class Pump(Generic[J, R]):
    """`claim` gives at most n jobs, `do` must not raise, `record` is durable when it returns. `wake` ends a wait."""

    def __init__(
        self,
        *,
        claim: Callable[[int], Awaitable[list[J]]],
        do: Callable[[J], Awaitable[R]],
        record: Callable[[list[R]], Awaitable[None]],
        workers: int,
        log: UnitLogger,
        idle_s: float = 1.0,
        away_s: float = 1.0,
        linger_s: float = 0.2,
        batch: int = 200,
    ) -> None:
        self._claim, self._do, self._record = claim, do, record
        self._workers = workers
        self._log = log
        self._idle_s, self._away_s, self._linger_s, self._batch = idle_s, away_s, linger_s, batch
        self._waiting: asyncio.Queue[J] = asyncio.Queue()
        self._done: list[R] = []
        self._in_hand = 0
        self._finished = asyncio.Event()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Pump until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claiming())
            tasks.create_task(self._recording())
            for _ in range(self._workers):
                tasks.create_task(self._working())

    async def drain(self) -> int:
        """Do all that is due now and return how much it was; for a process that ends, and for tests."""
        total = 0
        while jobs := await self._claim(self._batch):
            total += len(jobs)
            slots = asyncio.Semaphore(self._workers)
            await self._record(await asyncio.gather(*(self._in_slot(slots, job) for job in jobs)))
        return total

    async def _in_slot(self, slots: asyncio.Semaphore, job: J) -> R:
        async with slots:
            return await self._do(job)

    async def _claiming(self) -> None:
        """Keep at most twice as much in hand as there are workers, so that no lease runs out while it waits."""
        while True:
            self.wake.clear()
            self._finished.clear()
            room = 2 * self._workers - self._in_hand
            # a few places are not worth a question
            taken = await self._take(min(room, self._batch)) if room >= self._workers else 0
            if taken == 0:
                await self._pause()

    async def _take(self, limit: int) -> int:
        try:
            jobs = await self._claim(limit)
        except StoreUnavailable:
            self._log.warning("store_away")
            await asyncio.sleep(self._away_s)
            return 0
        self._in_hand += len(jobs)
        for job in jobs:
            self._waiting.put_nowait(job)
        return len(jobs)

    async def _pause(self) -> None:
        """Until somebody calls, half of what is in hand is done, or a while has passed."""
        calls = [asyncio.ensure_future(event.wait()) for event in (self.wake, self._finished)]
        try:
            await asyncio.wait(calls, timeout=self._idle_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for call in calls:
                call.cancel()

    async def _working(self) -> None:
        while True:
            job = await self._waiting.get()
            result = await self._do(job)  # first: the list may be another one afterwards
            self._done.append(result)
            self._in_hand -= 1
            if self._in_hand == self._workers:
                self._finished.set()

    async def _recording(self) -> None:
        while True:
            await asyncio.sleep(self._linger_s)
            while self._done:
                batch, self._done = self._done[: self._batch], self._done[self._batch :]
                await self._write(batch)

    async def _write(self, batch: list[R]) -> None:
        try:
            await self._record(batch)
        except StoreUnavailable:
            # their leases run out, and they are done again
            self._log.warning("store_away", lost=len(batch))
