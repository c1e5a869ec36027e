"""What every voice driver keeps to: a new driver joins the list and passes the same tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from gateway.channels.voice_driver import Call, VoiceDriver
from gateway.channels.voice_rest import RestDriver
from gateway.model import Mode, OutcomeKind, Transport
from gateway.simulators.voice import VoiceSimulator
from tests.channels.voice_line import BODY, trunk, voice

CALL = Call(
    to="+3222345670",
    text=BODY,
    language="nl",
    reference="1",
    mode=Mode.TEST,
    transport=Transport.SIMULATED,
    needed_s=4.0,
)


@asynccontextmanager
async def rest() -> AsyncIterator[tuple[VoiceDriver, Callable[[], int]]]:
    """The REST driver with its peer, and how many calls the peer saw."""
    async with VoiceSimulator() as simulator:
        driver = RestDriver(trunk(simulator.url), voice())
        await driver.open()
        yield driver, lambda: len(simulator.starts())
        await driver.close()


Opened = AbstractAsyncContextManager[tuple[VoiceDriver, Callable[[], int]]]
drivers = pytest.mark.parametrize("opened", [rest], ids=["rest"])


@drivers
async def test_a_call_that_may_leave_is_started_once_and_has_an_id(opened: Callable[[], Opened]) -> None:
    asked = 0

    async def leave() -> bool:
        nonlocal asked
        asked += 1
        return True

    async with opened() as (driver, calls):
        placed = await driver.place(CALL, leave)
        assert (placed.kind, calls(), asked) == (OutcomeKind.ACCEPTED, 1, 1)
        assert placed.call_id


@drivers
async def test_a_call_that_may_not_leave_reaches_nobody(opened: Callable[[], Opened]) -> None:
    async def leave() -> bool:
        return False

    async with opened() as (driver, calls):
        assert (await driver.place(CALL, leave)).kind is OutcomeKind.UNSENT
        assert calls() == 0


@drivers
async def test_a_started_call_can_be_hung_up_and_an_unknown_one_can_not(opened: Callable[[], Opened]) -> None:
    async def leave() -> bool:
        return True

    async with opened() as (driver, _):
        placed = await driver.place(CALL, leave)
        assert await driver.hang_up(placed.call_id)
        assert not await driver.hang_up("unknown")
        driver.forget(placed.call_id)
        driver.forget("unknown")
