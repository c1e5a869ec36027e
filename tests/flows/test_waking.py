"""Work that is woken: at once, for every call, and without one after a while."""

import asyncio
import contextlib

from gateway.errors import StoreUnavailable
from gateway.flows.waking import when_woken
from gateway.log import unit_logger


async def times_done(wanted: int, *, look_s: float, away: bool = False, calls: bool = True) -> int:
    """How often the work was done once it was called for as often as wanted."""
    wake, done, enough = asyncio.Event(), 0, asyncio.Event()

    async def work() -> None:
        nonlocal done
        done += 1
        if done == wanted:
            enough.set()
        elif calls:
            wake.set()  # while it is done: it is not lost
        if away:
            raise StoreUnavailable("away")

    task = asyncio.create_task(when_woken(work, wake, look_s=look_s, log=unit_logger("test")))
    async with asyncio.timeout(30):
        await enough.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return done


async def test_every_call_is_heard_also_during_the_work() -> None:
    assert await times_done(3, look_s=3600) == 3


async def test_it_looks_without_a_call_too() -> None:
    assert await times_done(3, look_s=0, calls=False) >= 3


async def test_an_absent_store_ends_nothing() -> None:
    assert await times_done(3, look_s=3600, away=True) == 3
