import asyncio
import contextlib
from collections.abc import Callable

from gateway.errors import StoreUnavailable
from gateway.flows.leading import as_leader
from gateway.log import unit_logger


async def times_done(leads: Callable[[], bool], *, away: bool = False) -> int:
    """How often the work was begun in three rounds."""
    done = rounds = 0
    enough = asyncio.Event()

    def asked() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            enough.set()
        return leads()

    async def work() -> None:
        nonlocal done
        done += 1
        if away:
            raise StoreUnavailable("away")

    task = asyncio.create_task(as_leader(work, every_s=0, leads=asked, log=unit_logger("forgetter")))
    await enough.wait()
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return done


async def test_the_leader_works_every_round() -> None:
    assert await times_done(lambda: True) >= 3


async def test_who_does_not_lead_does_nothing() -> None:
    assert await times_done(lambda: False) == 0


async def test_an_absent_store_ends_nothing() -> None:
    assert await times_done(lambda: True, away=True) >= 3
