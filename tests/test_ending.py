import asyncio
import contextlib
import time

import pytest

from gateway.ending import TURN_S, before, within


async def test_what_ends_in_time_has_ended() -> None:
    assert await within(60, asyncio.sleep(0))


async def test_what_takes_longer_is_cancelled() -> None:
    work = asyncio.ensure_future(asyncio.Event().wait())
    assert not await within(0.001, work)
    assert work.cancelled()


async def test_what_goes_wrong_is_said() -> None:
    async def wrong() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await within(60, wrong())


async def test_a_cancelled_task_keeps_to_its_deadline() -> None:
    came: list[bool] = []

    async def drained() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            came.extend([await within(0.001, asyncio.Event().wait()), await within(60, asyncio.sleep(0))])

    task = asyncio.create_task(drained())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert came == [False, True]


async def test_work_that_is_done_before_its_deadline_is_had() -> None:
    assert await before(60, asyncio.sleep(0, "found")) == "found"


async def test_work_that_is_not_done_before_its_deadline_is_cancelled() -> None:
    work = asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(TimeoutError):
        await before(0.001, work)
    assert work.cancelled()


async def test_what_goes_wrong_before_the_deadline_is_said() -> None:
    async def wrong() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await before(60, wrong())


async def test_whoever_does_not_wait_any_more_leaves_no_work_behind() -> None:
    work = asyncio.ensure_future(asyncio.Event().wait())
    waiting = asyncio.create_task(before(60, work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cancelled()


async def test_time_in_which_the_process_stood_still_is_not_counted() -> None:
    """The work needs a few turns of the loop after the stall, as an answer does that has to be read."""

    async def slow() -> str:
        time.sleep(1.0)
        for _ in range(50):
            await asyncio.sleep(0)
        return "found"

    assert await before(10 * TURN_S, slow()) == "found"
