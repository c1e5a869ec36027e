"""The SIP driver against called parties on this machine: every outcome, fail-over, deadlines, nothing left ringing."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.channels.voice import LocalGate, VoiceChannel
from gateway.channels.voice_audio import Announcement, Spoken
from gateway.channels.voice_driver import Call, Placed
from gateway.channels.voice_outcomes import CallEnd, judge
from gateway.channels.voice_sip import LEFT_ALONE_MAX_S, Line, SipDriver, Way
from gateway.model import Mode, OutcomeKind, Transport
from gateway.policy.pacing import CeilingPacer
from gateway.simulators.sip import SipSimulator
from gateway.simulators.sip_party import Timing
from gateway.sip.agent import Ended
from gateway.sip.framing import Framer
from gateway.sip.message import SipRequest, parse, respond
from gateway.sip.transaction import T1_S
from tests.channels.voice_line import Queue, Tracking, delivery, running
from tests.channels.voice_sound import sip_trunk, sounding
from tests.support.ports import free_port
from tests.support.waiting import until, watching_stalls

TEXT = "x" * 60  # 0.6 s of sound
LONG = "x" * 900  # whoever presses a key or hangs up does so before its end, however slow the machine


def call(number: str, text: str = TEXT) -> Call:
    return Call(
        to=number, text=text, language="nl", reference="1", mode=Mode.TEST, transport=Transport.SIMULATED, needed_s=1.0
    )


async def leave() -> bool:
    return True


class Rig:
    """An open driver with its simulator; `ends` are those that it reported."""

    def __init__(self, driver: SipDriver, simulator: SipSimulator) -> None:
        self.driver = driver
        self.simulator = simulator
        self.ends: list[CallEnd] = []

    async def report(self, end: CallEnd) -> None:
        self.ends.append(end)

    async def end_of(self, placed: Placed) -> str:
        """The word for what became of a call."""
        await until(lambda: any(end.call_id == placed.call_id for end in self.ends))
        verdict = judge(next(end for end in self.ends if end.call_id == placed.call_id))
        return verdict.detail if verdict else ""


@asynccontextmanager
async def rig(
    *, before: Sequence[int] = (), after: Sequence[int] = (), settings: dict[str, object] | None = None,
    **trunk: object,
) -> AsyncIterator[Rig]:  # fmt: skip
    """The driver on a simulator, with other servers before and after it."""
    timing = Timing(ring_s=0.05, key_s=0.2, hang_up_s=0.2)
    async with SipSimulator(timing=timing) as simulator:
        made = sip_trunk(*before, simulator.port, *after, **trunk)
        driver = SipDriver(made, sounding(**settings or {}))
        await driver.open()
        found = Rig(driver, simulator)
        watching = asyncio.create_task(driver.watch(found.report))
        try:
            await until(lambda: all(way.link.connected for way in driver._ways))
            yield found
        finally:
            watching.cancel()
            await driver.close()


async def test_every_outcome_has_its_word() -> None:
    """By the last digit of the number, all at once, but for the congestion, after which the server is left alone;
    nothing has to be repeated by who is served in time."""
    async with rig() as on, watching_stalls() as stalls:
        placed = dict(zip("01234568", await asyncio.gather(
            *(on.driver.place(call(f"+3222000000{digit}", LONG if digit in "123" else TEXT), leave)
              for digit in "01234568")
        ), strict=True))  # fmt: skip
        placed["9"] = await on.driver.place(call("+32220000009"), leave)
        refused = {digit: one for digit, one in placed.items() if one.kind is not OutcomeKind.ACCEPTED}
        assert [(one.kind, one.code, one.detail) for one in refused.values()] == [
            (OutcomeKind.RETRY, 486, "busy"),
            (OutcomeKind.FAILED, 404, "invalid number"),
            (OutcomeKind.RETRY, 503, "congestion"),
        ]
        words = {digit: await on.end_of(one) for digit, one in placed.items() if digit not in refused}
        # the third hangs up before the text was read once
        assert words == {"0": "played", "1": "confirmed", "2": "confirmed", "3": "hung up early", "4": "played",
                         "5": "played"}  # fmt: skip
        repeated = on.driver.retransmissions + on.simulator.parties.retransmissions
        assert repeated == 0 or stalls.worst_s > T1_S / 4
        assert on.simulator.audio_packets > 100
        assert len(on.ends) == 6


async def test_a_call_that_nobody_answers_is_cancelled_after_the_ring_time() -> None:
    async with rig(settings={"ring_timeout_s": 5}) as on:
        on.driver._settings = on.driver._settings.model_copy(update={"ring_timeout_s": 0.3})
        placed = await on.driver.place(call("+32220000007"), leave)
        assert placed.kind is OutcomeKind.ACCEPTED
        assert await on.end_of(placed) == "no answer"
        assert on.ends[0].sip_code == 487


async def test_withdrawing_hangs_up_what_rings_and_what_plays() -> None:
    async with rig() as on:
        ringing = await on.driver.place(call("+32220000007"), leave)
        playing = await on.driver.place(call("+32220000000", LONG), leave)
        await until(lambda: on.simulator.audio_packets > 0)
        assert await on.driver.hang_up(ringing.call_id)
        assert await on.driver.hang_up(playing.call_id)
        assert {await on.end_of(ringing), await on.end_of(playing)} == {"canceled"}
        assert not await on.driver.hang_up(playing.call_id)
        await until(lambda: on.simulator.parties.in_progress == 0)


async def test_a_server_that_is_silent_is_passed_over_and_each_try_asks_for_its_own_start() -> None:
    asked = 0

    async def counted() -> bool:
        nonlocal asked
        asked += 1
        if asked > 1:  # only the silent one is not waited for
            on.driver._trunk = on.driver._trunk.model_copy(update={"answer_timeout_s": 30.0})
        return True

    silent = free_port()
    async with rig(before=(silent,), answer_timeout_s=1.5) as on:
        assert (await on.driver.place(call("+32220000000"), counted)).kind is OutcomeKind.ACCEPTED
        assert asked == 2
        # it is known to be silent now: the next call goes to the other one at once
        assert (await on.driver.place(call("+32220000005"), counted)).kind is OutcomeKind.ACCEPTED
        assert asked == 3


async def test_a_server_that_is_congested_is_left_alone_for_as_long_as_it_asks() -> None:
    now = [1000.0]
    async with SipSimulator() as second, rig(after=(second.port,)) as on:
        on.driver._clock = lambda: now[0]
        placed = await on.driver.place(call("+32220000009"), leave)
        assert (placed.kind, placed.detail, placed.trunk) == (OutcomeKind.RETRY, "congestion", True)
        assert (len(on.simulator.starts()), len(second.starts())) == (1, 1)
        assert [way.rest_until for way in on.driver._ways] == [1002.0, 1002.0]
        placed = await on.driver.place(call("+32220000000"), leave)
        assert placed.kind is OutcomeKind.UNSENT  # both asked for two seconds
        assert len(second.starts()) == 1
        now[0] = 1002.0
        assert (await on.driver.place(call("+32220000000"), leave)).kind is OutcomeKind.ACCEPTED


async def test_a_server_that_asks_for_a_day_is_tried_again_after_five_minutes() -> None:
    now = [1000.0]
    driver = SipDriver(sip_trunk(5060), sounding(), clock=lambda: now[0])
    way = Way(link=driver._link(driver._trunk.servers[0]))
    line = Line(
        call_id="x", way=way, media="m", spoken=Spoken(text=Announcement(stem=Path("x"), seconds=1)), needed_s=1
    )
    placed, final = driver._judged(way, line, Ended("x", 503, retry_after_s=86_400.0))
    assert (placed.kind, placed.detail, placed.trunk, final) == (OutcomeKind.RETRY, "congestion", True, False)
    assert way.rest_until == now[0] + LEFT_ALONE_MAX_S


@pytest.mark.parametrize(("server", "domain", "uri"), [
    ({"host": "sip.example"}, "", "sip:+3247@sip.example"),
    ({"host": "sip.example", "port": 5070}, "", "sip:+3247@sip.example:5070"),
    ({"host": "sip.example", "port": 5070}, "trunk.example", "sip:+3247@trunk.example"),
    ({"host": "2001:db8::1"}, "", "sip:+3247@[2001:db8::1]"),
    ({"host": "2001:db8::1", "port": 5070, "transport": "tcp"}, "", "sip:+3247@[2001:db8::1]:5070"),
])  # fmt: skip
def test_the_trunk_is_told_who_calls_as_its_settings_say(server: dict[str, object], domain: str, uri: str) -> None:
    made = sip_trunk(servers=(server,), domain=domain, asserted_id="+3222000000", username="gw", password="secret")
    identity = SipDriver(made, sounding())._link(made.servers[0]).agent.identity
    assert identity.uri("+3247") == uri
    assert (identity.caller, identity.asserted) == ("+3221234567", "+3222000000")
    assert (identity.username, identity.password) == ("gw", "secret")


async def test_a_second_try_that_may_not_leave_keeps_the_first_answer() -> None:
    starts = iter((True, False))

    async def once() -> bool:
        return next(starts)

    async with SipSimulator() as second, rig(after=(second.port,)) as on:
        placed = await on.driver.place(call("+32220000009"), once)
        assert (placed.code, len(second.starts())) == (503, 0)


@asynccontextmanager
async def scripted(*answers: tuple[int, str]) -> AsyncIterator[tuple[SipDriver, list[str]]]:
    """A driver on a trunk over TCP that gives every INVITE these answers and then, without a final one, goes away."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        while data := await reader.read(65_536):
            for request in map(parse, framer.feed(data)):
                assert isinstance(request, SipRequest)
                asked.append(request.method)
                for code, phrase in answers if request.method == "INVITE" else ():
                    writer.write(respond(request, code, phrase, source=("127.0.0.1", 5060), to_tag="x"))
                if request.method == "INVITE" and not any(code >= 200 for code, _ in answers):
                    await writer.drain()
                    writer.close()
                    return
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    servers = tuple({"host": "127.0.0.1", "port": port, "transport": "tcp"} for _ in range(2))
    driver = SipDriver(sip_trunk(servers=servers, answer_timeout_s=30), sounding())
    await driver.open()
    try:
        await until(lambda: all(way.link.connected for way in driver._ways))
        yield driver, asked
    finally:
        await driver.close()
        server.close()


@pytest.mark.parametrize(("answers", "invites"), [((), 2), (((100, "Trying"),), 1)])
async def test_a_connection_that_breaks_behind_an_invite_makes_it_unknown_and_whoever_has_it_is_left_to_it(
    answers: tuple[tuple[int, str], ...], invites: int
) -> None:
    async with scripted(*answers) as (driver, asked):
        placed = await driver.place(call("+32220000000"), leave)
        assert (placed.kind, placed.detail, placed.trunk) == (OutcomeKind.UNKNOWN, "connection lost", True)
        assert asked.count("INVITE") == invites


async def test_a_408_is_an_answer_about_the_telephone_and_no_silence_of_the_trunk() -> None:
    async with scripted((100, "Trying"), (408, "Request Timeout")) as (driver, asked):
        placed = await driver.place(call("+32220000000"), leave)
        assert (placed.kind, placed.code, placed.detail, placed.trunk) == (OutcomeKind.RETRY, 408, "no answer", False)
        assert asked.count("INVITE") == 1
        assert driver._ways[0].link.up


async def test_a_trunk_that_nobody_serves_is_unknown_by_rule_and_nothing_is_left_behind() -> None:
    driver = SipDriver(sip_trunk(free_port(), answer_timeout_s=0.2), sounding())
    await driver.open()
    await until(lambda: all(way.link.connected for way in driver._ways))
    placed = await driver.place(call("+32220000000"), leave)
    assert (placed.kind, placed.detail, placed.trunk) == (OutcomeKind.UNKNOWN, "no answer from trunk", True)
    await driver.close()


async def test_an_answer_that_came_while_the_process_stood_still_counts() -> None:
    """Otherwise a telephone that rings would be let go, and called again by another server."""

    def answering(far: socket.socket) -> None:
        while data := far.recvfrom(65_536):
            request = parse(data[0])
            assert isinstance(request, SipRequest)
            code, phrase = (180, "Ringing") if request.method == "INVITE" else (200, "OK")
            far.sendto(respond(request, code, phrase, source=data[1], to_tag="x"), data[1])
            if request.method == "INVITE":
                answered.set()
                return

    async def then_stall() -> bool:
        asyncio.get_running_loop().call_soon(stalled)
        return True

    def stalled() -> None:
        assert answered.wait(60)
        time.sleep(0.6)

    answered = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        driver = SipDriver(sip_trunk(far.getsockname()[1], answer_timeout_s=0.5), sounding())
        await driver.open()
        await until(lambda: all(way.link.connected for way in driver._ways))
        thread = threading.Thread(target=answering, args=(far,))
        thread.start()
        placed = await driver.place(call("+32220000000"), then_stall)
        await asyncio.to_thread(thread.join)
        assert (placed.kind, placed.code, driver._ways[0].link.up) == (OutcomeKind.ACCEPTED, 180, True)
        await driver.close()


async def test_a_text_without_a_voice_does_not_leave() -> None:
    async with rig(settings={"audio": {"speak": ("no-such-program",)}}) as on:
        placed = await on.driver.place(call("+32220000000"), leave)
        assert (placed.kind, placed.detail, placed.trunk) == (OutcomeKind.RETRY, "no audio", True)
        assert on.simulator.starts() == ()


async def test_a_language_without_a_voice_holds_up_no_other() -> None:
    async with rig() as on:
        placed = await on.driver.place(replace(call("+32220000000"), language="tr"), leave)
        assert (placed.kind, placed.detail, placed.trunk) == (OutcomeKind.FAILED, "no voice", False)
        assert on.simulator.starts() == ()


async def test_audio_is_never_sent_where_it_is_not_wanted() -> None:
    async with rig(media_networks=("192.0.2.0/24",)) as on:
        placed = await on.driver.place(call("+32220000000"), leave)
        assert await on.end_of(placed) == "not acceptable"
        assert on.simulator.audio_packets == 0


async def test_a_node_that_stops_hangs_up_and_says_that_it_was_interrupted() -> None:
    async with rig() as on:
        placed = await on.driver.place(call("+32220000000", LONG), leave)
        await until(lambda: on.simulator.audio_packets > 0)
        await on.driver.close()
        assert await on.end_of(placed) == "interrupted"
        await until(lambda: on.simulator.parties.in_progress == 0)


async def test_the_whole_channel_calls_over_sip() -> None:
    numbers = [f"+3222000000{digit}" for digit in "01568"]
    async with SipSimulator(timing=Timing(ring_s=0.05, key_s=0.2)) as simulator:
        settings = sounding()
        channel = VoiceChannel(
            transport=Transport.SIMULATED, settings=settings, driver=SipDriver(sip_trunk(simulator.port), settings),
            gate=LocalGate(CeilingPacer(600)),
        )  # fmt: skip
        tracking = Tracking()
        bodies = [LONG if number[-1] == "1" else TEXT for number in numbers]
        work = Queue([delivery(number, seq=n, body=bodies[n]) for n, number in enumerate(numbers)])
        async with running(channel, work, tracking):
            await tracking.until(outcomes=5, receipts=3)
        kinds = {outcome.delivery.address[-1]: outcome.kind for outcome in tracking.outcomes}
        assert kinds == {
            "0": OutcomeKind.ACCEPTED, "1": OutcomeKind.ACCEPTED, "5": OutcomeKind.ACCEPTED, "6": OutcomeKind.RETRY,
            "8": OutcomeKind.FAILED,
        }  # fmt: skip
        assert sorted(tracking.details().values()) == ["confirmed", "played", "played"]
