"""Deadlines at the end of things.

Knows: what asyncio does with a deadline in a task that is being cancelled. Never knows: what ends.
"""

import asyncio
from collections.abc import Awaitable


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
