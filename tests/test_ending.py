import asyncio
import contextlib

import pytest

from gateway.ending import within


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
