"""What one node does for all, now and then.

Knows: whether this node leads, that the store may be away. Never knows: what is done.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger


async def as_leader(
    work: Callable[[], Awaitable[None]], *, every_s: float, leads: Callable[[], bool], log: UnitLogger
) -> None:
    """Do the work every `every_s` seconds while this node leads, until cancelled; an absent store is waited for."""
    while True:
        await asyncio.sleep(every_s)
        if leads():
            try:
                await work()
            except StoreUnavailable as error:
                log.warning("store_away", error=type(error).__name__)
