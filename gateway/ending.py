"""Deadlines: at the end of things, and of work that a machine which stands still is not to be blamed for.

Knows: what asyncio does with a deadline in a task that is being cancelled, and after a stall. Never knows: what ends.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Found = TypeVar("Found")

TURN_S = 0.25
"""What a stall costs at most, however long it was."""


async def within(seconds: float, work: Awaitable[object]) -> bool:
    """Await the work, which is cancelled when the time is over; returns whether it came to its end.

    Also right in the `finally` of a cancelled task, where asyncio.timeout takes its own alarm for one more
    cancellation before Python 3.11.4 (Debian 12 has 3.11.2), and wait_for may swallow one before 3.12.
    """
    task = asyncio.ensure_future(work)
    try:
        ended, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if ended:
        await task
        return True
    await asyncio.wait({task})
    return False


async def before(seconds: float, work: Awaitable[Found]) -> Found:
    """What the work finds; it is cancelled, and TimeoutError raised, when this process was awake for so long.

    Time in which the machine stood still is not counted: whoever works for us in another process did not have it
    either, and what it sent meanwhile is still to be read.
    """
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(_awake(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
    finally:
        alarm.cancel()
        task.cancel()
        await asyncio.wait({task, alarm})
    return await task


async def _awake(seconds: float) -> None:
    while seconds > 0:
        turn_s = min(seconds, TURN_S)
        await asyncio.sleep(turn_s)
        seconds -= turn_s
