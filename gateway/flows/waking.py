"""What is done when there is news, and now and then in case that news got lost.

Knows: an event that wakes, that the store may be away. Never knows: what is done.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger


async def when_woken(
    work: Callable[[], Awaitable[None]], wake: asyncio.Event, *, look_s: float, log: UnitLogger
) -> None:
    """Do the work now, whenever `wake` is set and every `look_s` seconds, until cancelled; an absent store is waited
    for."""
    while True:
        wake.clear()  # first: what becomes due while the work is done wakes once more
        try:
            await work()
        except StoreUnavailable as error:
            log.warning("store_away", error=type(error).__name__)
        try:
            async with asyncio.timeout(look_s):
                await wake.wait()
        except TimeoutError:
            continue
