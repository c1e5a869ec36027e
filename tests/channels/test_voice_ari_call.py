"""One channel of Asterisk, its requests written down and its clock the test's."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.voice_ari_call import AriCall, Asterisk
from gateway.channels.voice_audio import Announcement, Spoken
from gateway.channels.voice_outcomes import judge
from tests.channels.voice_sound import sounding

TEXT, PROMPT, THANKS, MACHINE = (Announcement(stem=Path(f"/s/{n}"), seconds=2.0) for n in ("t", "p", "k", "m"))
SPOKEN = Spoken(text=TEXT, prompt=PROMPT, thanks=THANKS, machine=MACHINE)


class Exchange:
    """`asked` is what the call wants of Asterisk; `statuses` are answers that are not 204."""

    def __init__(self, **statuses: int) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self._statuses = statuses
        self._tasks: list[asyncio.Task[object]] = []

    async def ask(self, method: str, path: str, query: Mapping[str, str]) -> int:
        words = path.strip("/").split("/")
        what = words[2] if len(words) > 2 else "end" if words[0] == "channels" else words[0]
        self.asked.append(" ".join([what, *query.values()]))
        return self._statuses.get(what, 204)

    def beside(self, work: Coroutine[Any, Any, object]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def call(self, spoken: Spoken = SPOKEN, **settings: object) -> AriCall:
        asterisk = Asterisk(ask=self.ask, beside=self.beside, media=lambda of: of.stem.name, clock=lambda: self.now)
        return AriCall("c", spoken, sounding(**settings), asterisk)

    async def done(self) -> list[str]:
        """What was asked for since the last time, once everything has been."""
        while self._tasks:
            await self._tasks.pop(0)
        asked, self.asked = self.asked, []
        return asked

    def pass_(self, call: AriCall, seconds: float, *, talking: bool) -> None:
        """So long they talk, or say nothing."""
        kind = "ChannelTalkingStarted" if talking else "ChannelTalkingFinished"
        call.happened(kind, {}, {})
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            call._listening()


def finished(call: AriCall) -> None:
    call.happened("PlaybackFinished", {"playback": {"id": call._playback_id}}, {})


def word(call: AriCall, cause: int = 16) -> str:
    verdict = judge(call.end(cause))
    return verdict.detail if verdict else ""


async def test_the_text_is_read_then_the_key_is_asked_for_and_waited_for() -> None:
    exchange = Exchange()
    call = exchange.call(repeat=2)
    call.ring()
    call.happened("StasisStart", {}, {})
    assert await exchange.done() == ["play t"]
    finished(call)
    assert await exchange.done() == []  # a pause
    call._over()
    assert await exchange.done() == ["play t"]
    finished(call)
    assert await exchange.done() == ["play p"]
    finished(call)
    assert await exchange.done() == []
    call._over()
    assert await exchange.done() == ["end"]
    assert word(call) == "played"
    call.forget()


async def test_an_end_of_something_else_changes_nothing() -> None:
    exchange = Exchange()
    call = exchange.call()
    call.happened("StasisStart", {}, {})
    call.happened("PlaybackFinished", {"playback": {"id": "c-0"}}, {})
    call.happened("PlaybackFinished", {}, {})
    call.happened("ChannelVarset", {}, {})
    assert await exchange.done() == ["play t"]
    call.forget()


async def test_a_machine_is_heard_out_then_gets_its_own_text_and_one_reading_and_is_named() -> None:
    exchange = Exchange()
    call = exchange.call(repeat=2, machine={"detect": True})
    call.happened("StasisStart", {}, {})
    assert await exchange.done() == ["variable TALK_DETECT(set) 40,256"]
    exchange.pass_(call, 4.0, talking=True)
    assert await exchange.done() == []
    exchange.pass_(call, 1.5, talking=False)
    assert await exchange.done() == ["variable TALK_DETECT(remove) ", "play m"]
    finished(call)
    assert await exchange.done() == ["play t"]
    exchange.now += 2.0
    finished(call)
    assert await exchange.done() == ["end"]
    assert word(call) == "machine"


async def test_a_machine_that_ends_before_a_reading_was_recorded_is_called_again() -> None:
    exchange = Exchange()
    call = exchange.call(machine={"detect": True})
    call.happened("StasisStart", {}, {})
    exchange.pass_(call, 30.0, talking=True)
    exchange.pass_(call, 2.0, talking=False)
    assert word(call) == "hung up early"
    call.forget()
    await exchange.done()


async def test_a_person_says_a_word_and_hears_the_text() -> None:
    exchange = Exchange()
    call = exchange.call(machine={"detect": True})
    call.happened("StasisStart", {}, {})
    exchange.pass_(call, 0.1, talking=False)
    exchange.pass_(call, 0.4, talking=True)
    exchange.pass_(call, 1.0, talking=False)
    assert (await exchange.done())[1:] == ["variable TALK_DETECT(remove) ", "play t"]
    finished(call)
    assert word(call) == "played"
    call.forget()


async def test_the_first_moment_that_asterisk_takes_for_speech_is_no_word() -> None:
    exchange = Exchange()
    call = exchange.call(machine={"detect": True})
    call.happened("StasisStart", {}, {})
    call.happened("ChannelTalkingStarted", {}, {})
    exchange.now += 0.06
    exchange.pass_(call, 2.6, talking=False)
    exchange.pass_(call, 1.2, talking=False)
    assert "play m" in await exchange.done()  # silent for 2.5 s: a machine
    call.forget()


async def test_where_asterisk_can_not_listen_the_text_begins_at_once() -> None:
    exchange = Exchange(variable=500)
    call = exchange.call(machine={"detect": True})
    call.happened("StasisStart", {}, {})
    assert await exchange.done() == ["variable TALK_DETECT(set) 40,256", "play t"]
    call.forget()


async def test_a_key_while_listening_is_a_person() -> None:
    exchange = Exchange()
    call = exchange.call(machine={"detect": True})
    call.happened("StasisStart", {}, {})
    call.happened("ChannelDtmfReceived", {"digit": "5"}, {})
    assert "play t" in await exchange.done()
    call.happened("ChannelDtmfReceived", {"digit": "1"}, {})
    assert await exchange.done() == ["playbacks", "play k"]
    finished(call)
    assert word(call) == "confirmed"


async def test_a_playback_that_is_refused_ends_the_call() -> None:
    exchange = Exchange(play=404)
    call = exchange.call()
    call.happened("StasisStart", {}, {})
    assert await exchange.done() == ["play t", "end"]
    assert word(call) == "hung up early"
    call.forget()


async def test_an_end_that_nobody_told_is_not_waited_for_for_ever() -> None:
    exchange = Exchange()
    call = exchange.call(Spoken(text=Announcement(stem=Path("/s/t"), seconds=0.0)))
    call.happened("StasisStart", {}, {})
    assert call._timer is not None
    due_in_s = call._timer.when() - asyncio.get_running_loop().time()
    assert 9.0 < due_in_s <= 10.0
    call.forget()
    await exchange.done()


@pytest.mark.parametrize(("cause", "why", "expected"), [
    (17, "", "busy"), (1, "", "invalid number"), (0, "no-answer", "no answer"), (16, "", "hung up early"),
    (0, "canceled", "canceled"), (0, "interrupted", "interrupted"),
])  # fmt: skip
async def test_a_call_that_nobody_answered_ends_by_its_cause(cause: int, why: str, expected: str) -> None:
    call = Exchange().call()
    call.why = why
    assert word(call, cause) == expected


async def test_the_ring_time_ends_a_call_that_nobody_answered_and_no_other() -> None:
    exchange = Exchange()
    ringing, answered = exchange.call(), exchange.call()
    answered.happened("StasisStart", {}, {})
    await exchange.done()
    for call in (ringing, answered):
        call._ring_out()
    assert await exchange.done() == ["end"]
    assert (ringing.why, answered.why) == ("no-answer", "")
    answered.forget()


async def test_it_rings_by_either_event() -> None:
    call = Exchange().call()
    call.happened("Dial", {"dialstatus": "RINGING"}, {})
    call.happened("ChannelStateChange", {}, {"state": "Ringing"})
    call.happened("Dial", {"dialstatus": ""}, {})
    assert [call.news.get_nowait() for _ in range(call.news.qsize())] == ["ringing", "ringing"]
