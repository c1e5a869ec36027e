"""Waiting for what comes by itself, on a machine of any speed.

A test that waits fails when a thing never happens, not when the machine is slow: so patience is long
and everywhere the same.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

PATIENCE_S = 60.0
"""Far above what anything takes that is waited for; nobody waits so long unless it is broken."""


async def until(holds: Any, *, within_s: float = PATIENCE_S, every_s: float = 0.005) -> float:
    """Wait until `holds()`, a question that may be async, says something true; the seconds that it took."""
    began = time.monotonic()
    while True:
        found = holds()
        if inspect.isawaitable(found):
            found = await found
        waited_s = time.monotonic() - began
        if found:
            return waited_s
        assert waited_s < within_s, f"not true after {within_s:g} s"
        await asyncio.sleep(every_s)


class Stalls:
    """How long this loop stood still, at worst and in all: who was not served meanwhile is right to ask again, and no
    promise is kept by a machine that stands still."""

    def __init__(self, every_s: float) -> None:
        self.worst_s = 0.0
        self._every_s = every_s
        self._over_s = 0.0
        self._due_at = time.monotonic() + every_s

    @property
    def total_s(self) -> float:
        """All stalls that were long enough to be one, with the one that has just ended."""
        return self._over_s + self._counted(time.monotonic())

    def clock(self) -> float:
        """Seconds of a clock that stands still when this process does."""
        return time.monotonic() - self.total_s

    def _counted(self, now: float) -> float:
        late_s = now - self._due_at
        return late_s if late_s > STALL_S else 0.0

    async def _watch(self) -> None:
        while True:
            self._due_at = time.monotonic() + self._every_s
            await asyncio.sleep(self._every_s)
            now = time.monotonic()
            self.worst_s = max(self.worst_s, now - self._due_at)
            self._over_s += self._counted(now)


STALL_S = 0.1
"""What is shorter is the time that a busy loop takes for its work."""


async def awake(seconds: float, *, turn_s: float = 0.05) -> None:
    """Wait until this process was at work for so long, whatever it stood still in between."""
    while seconds > 0:
        await asyncio.sleep(turn_s)
        seconds -= turn_s


@asynccontextmanager
async def watching_stalls(*, every_s: float = 0.02) -> AsyncIterator[Stalls]:
    """While the block runs."""
    stalls = Stalls(every_s)
    task = asyncio.create_task(stalls._watch())
    try:
        yield stalls
    finally:
        task.cancel()
        await asyncio.wait([task])


ORDINARY_S = 50e-9
"""What one turn of the loop below takes on a machine of ordinary speed with a core to itself."""


def stretched(promise_s: float) -> float:
    """A time that is promised for a machine of ordinary speed, as long as this one, busy as it is, may take."""
    return promise_s * max(1.0, *(_turn_s() / ORDINARY_S for _ in range(3)))


def _turn_s(turns: int = 200_000) -> float:
    began, total = time.perf_counter(), 0
    for number in range(turns):
        total += number
    return (time.perf_counter() - began) / turns
