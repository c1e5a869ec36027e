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
    """How long this loop stood still at worst: who was not served meanwhile is right to ask again."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def _watch(self, every_s: float) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(every_s)
            self.worst_s = max(self.worst_s, time.monotonic() - began - every_s)


@asynccontextmanager
async def watching_stalls(*, every_s: float = 0.02) -> AsyncIterator[Stalls]:
    """While the block runs."""
    stalls = Stalls()
    task = asyncio.create_task(stalls._watch(every_s))
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
