"""What every voice driver keeps to: a new driver joins the list and passes the same tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.channels.voice_ari import AriDriver
from gateway.channels.voice_driver import Call, VoiceDriver
from gateway.channels.voice_outcomes import MACHINE as VERDICT_MACHINE
from gateway.channels.voice_outcomes import CallEnd, judge
from gateway.channels.voice_rest import RestDriver
from gateway.channels.voice_sip import SipDriver
from gateway.model import Mode, OutcomeKind, Transport
from gateway.simulators.recorder import Outcomes
from gateway.simulators.sip import SipSimulator
from gateway.simulators.voice import VoiceSimulator
from gateway.simulators.voice_call import VoiceBehaviour
from tests.channels.ari_server import AriServer
from tests.channels.test_voice_ari import ari_trunk
from tests.channels.voice_line import BODY, trunk, voice
from tests.channels.voice_sound import sip_trunk, sounding
from tests.support.waiting import until

CALL = Call(
    to="+3222345670",
    text=BODY,
    language="nl",
    reference="1",
    mode=Mode.TEST,
    transport=Transport.SIMULATED,
    needed_s=4.0,
)
RINGING = replace(CALL, to="+3222345677")
"""A telephone that rings until the call is over, with every peer."""


@asynccontextmanager
async def rest() -> AsyncIterator[tuple[VoiceDriver, Callable[[], int]]]:
    """The REST driver with its peer, and how many calls the peer saw."""
    async with VoiceSimulator(behaviour=VoiceBehaviour(ring_s=60)) as simulator:
        driver = RestDriver(trunk(simulator.url), voice())
        await driver.open()
        yield driver, lambda: len(simulator.starts())
        await driver.close()


@asynccontextmanager
async def sip() -> AsyncIterator[tuple[VoiceDriver, Callable[[], int]]]:
    """The SIP driver with its peer."""
    async with SipSimulator() as simulator:
        driver = SipDriver(sip_trunk(simulator.port), sounding())
        await driver.open()
        await until(lambda: all(driver.up().values()))
        yield driver, lambda: len(simulator.starts())
        await driver.close()


@asynccontextmanager
async def ari() -> AsyncIterator[tuple[VoiceDriver, Callable[[], int]]]:
    """The Asterisk driver with its peer."""
    async with AriServer.running() as server:
        with TemporaryDirectory() as folder:
            driver = AriDriver(ari_trunk(server.url, Path(folder)), sounding())
            await driver.open()
            await until(driver.connected.is_set)
            yield driver, lambda: len(server.started)
            await driver.close()


MACHINE = {"detect": True, "initial_silence_ms": 500, "texts": {"nl": "Dit is een automatische oproep."}}
"""Nobody says anything: a machine, after half a second. It is quiet after one more second."""


@asynccontextmanager
async def rest_machine() -> AsyncIterator[VoiceDriver]:
    """A provider that reaches an answering machine, and says so in the call's resource."""
    async with VoiceSimulator(outcomes=Outcomes(otherwise="machine"), time_scale=50.0) as simulator:
        driver = RestDriver(trunk(simulator.url), voice(machine=MACHINE))
        await driver.open()
        yield driver
        await driver.close()


@asynccontextmanager
async def sip_machine() -> AsyncIterator[VoiceDriver]:
    """A called party that answers and says nothing."""
    async with SipSimulator() as simulator:
        driver = SipDriver(sip_trunk(simulator.port), sounding(machine=MACHINE))
        await driver.open()
        await until(lambda: all(driver.up().values()))
        yield driver
        await driver.close()


@asynccontextmanager
async def ari_machine() -> AsyncIterator[VoiceDriver]:
    """An Asterisk on whose channel nobody talks."""
    async with AriServer.running() as server:
        with TemporaryDirectory() as folder:
            driver = AriDriver(ari_trunk(server.url, Path(folder)), sounding(machine=MACHINE))
            await driver.open()
            await until(driver.connected.is_set)
            yield driver
            spoken = [asked.startswith("sound:") for asked in server.asked]
            assert spoken == [False, False, True, True]  # listen, listen no more, its own text, the text
            await driver.close()


@pytest.mark.parametrize("opened", [rest_machine, sip_machine, ari_machine], ids=["rest", "sip", "ari"])
async def test_a_machine_is_told_from_a_person_and_delivered_by_name(
    opened: Callable[[], AbstractAsyncContextManager[VoiceDriver]],
) -> None:
    ends: list[CallEnd] = []

    async def leave() -> bool:
        return True

    async def report(end: CallEnd) -> None:
        ends.append(end)

    async with opened() as driver:
        watching = asyncio.create_task(driver.watch(report))
        await driver.place(replace(CALL, needed_s=0.5), leave)
        await until(lambda: bool(ends))
        watching.cancel()
        assert ends[0].answered_by.startswith("machine")
        assert judge(ends[0]) == VERDICT_MACHINE
        await driver.to_machine("unknown")


Opened = AbstractAsyncContextManager[tuple[VoiceDriver, Callable[[], int]]]
drivers = pytest.mark.parametrize("opened", [rest, sip, ari], ids=["rest", "sip", "ari"])


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
        placed = await driver.place(RINGING, leave)
        assert await driver.hang_up(placed.call_id)
        assert not await driver.hang_up("unknown")
        driver.forget(placed.call_id)
        driver.forget("unknown")


@drivers
async def test_every_end_is_reported_once_with_the_id_of_its_call(opened: Callable[[], Opened]) -> None:
    ends: list[CallEnd] = []

    async def leave() -> bool:
        return True

    async def report(end: CallEnd) -> None:
        ends.append(end)

    async with opened() as (driver, _):
        watching = asyncio.create_task(driver.watch(report))
        placed = await driver.place(RINGING, leave)
        await asyncio.sleep(0)
        await driver.hang_up(placed.call_id)
        await until(lambda: bool(ends))
        watching.cancel()
        assert [end.call_id for end in ends] == [placed.call_id]
        verdict = judge(ends[0])
        assert verdict is not None and verdict.detail in ("canceled", "hung up early")


@drivers
async def test_a_call_of_an_earlier_process_is_never_waited_for_in_vain(opened: Callable[[], Opened]) -> None:
    ends: list[CallEnd] = []

    async def report(end: CallEnd) -> None:
        ends.append(end)

    async with opened() as (driver, _):
        watching = asyncio.create_task(driver.watch(report))
        driver.follow("of-yesterday", BODY, 4.0)
        await until(lambda: bool(ends))
        watching.cancel()
        assert judge(ends[0]) is None  # its line is free; what became of it nobody knows
