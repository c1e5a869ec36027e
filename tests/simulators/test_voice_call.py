"""Simulated calls: callbacks in order and in every kind of disorder, with signatures somebody else can check."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.simulators.voice_call import CallRunner, SimulatedCall, VoiceBehaviour
from gateway.simulators.voice_script import Script
from gateway.web.callbacks import signature
from tests.channels.voice_line import listening

Posted = list[tuple[dict[str, str], bool]]
"""Each form with whether its signature was right."""


@asynccontextmanager
async def runner(behaviour: VoiceBehaviour, status: int = 204) -> AsyncIterator[tuple[CallRunner, str, Posted]]:
    posted: Posted = []

    async def receive(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        expected = signature("token", str(request.url), form.items())
        posted.append((form, request.headers["X-Twilio-Signature"] == expected))
        return web.Response(status=status)

    app = web.Application()
    app.add_routes([web.post("/{tail:.*}", receive)])
    async with listening(app) as url:
        calls = CallRunner("AC1", "token", 1000.0, behaviour)
        calls.open()
        try:
            yield calls, url, posted
        finally:
            await calls.close()


def call(url: str, outcome: str = "answered", **changes: object) -> SimulatedCall:
    values: dict[str, object] = {
        "sid": "CA1",
        "to": "+3222345670",
        "caller": "+3221234567",
        "outcome": outcome,
        "script": Script(text="t", reading_s=6.0, spoken_s=12.0, action=f"{url}/played?a=b"),
        "callback": f"{url}/status?c=d",
        "events": frozenset({"initiated", "ringing", "answered", "completed"}),
        "ring_timeout_s": 45.0,
        **changes,
    }
    return SimulatedCall(**values)  # type: ignore[arg-type]


async def finished(calls: CallRunner, one: SimulatedCall) -> None:
    calls.begin(one)
    assert one.task is not None
    async with asyncio.timeout(60):
        await asyncio.gather(one.task, return_exceptions=True)


def statuses(posted: Posted) -> list[str]:
    return [form["CallStatus"] for form, _ in posted]


async def test_a_call_is_told_step_by_step_signed_and_numbered() -> None:
    async with runner(VoiceBehaviour()) as (calls, url, posted):
        await finished(calls, call(url, "confirmed"))
    assert statuses(posted) == ["initiated", "ringing", "in-progress", "in-progress", "completed"]
    assert [form.get("SequenceNumber") for form, _ in posted] == ["0", "1", "2", None, "3"]
    assert all(right for _, right in posted)
    assert posted[3][0]["Digits"] == "1"
    last = posted[-1][0]
    assert (last["CallDuration"], last["SipResponseCode"], last["AccountSid"]) == ("14", "200", "AC1")


async def test_a_machine_is_named_to_those_who_asked_and_may_be_told_something_else() -> None:
    async with runner(VoiceBehaviour()) as (calls, url, posted):
        silent = call(url, "machine")
        await finished(calls, silent)
        assert not any("AnsweredBy" in form for form, _ in posted)
        posted.clear()
        named = call(url, "machine", detects=True, heard=f"{url}/heard")
        await finished(calls, named)
    told = [form for form, _ in posted]
    assert [form.get("AnsweredBy") for form in told] == [None] * 3 + ["machine_end_beep"] * 3
    assert "SequenceNumber" not in told[3]
    assert named.spoken_s == silent.spoken_s == 6 + 12 + 5 + 1


async def test_a_person_is_named_at_once() -> None:
    async with runner(VoiceBehaviour()) as (calls, url, posted):
        await finished(calls, call(url, detects=True, heard=f"{url}/heard"))
    assert [form.get("AnsweredBy") for form, _ in posted][3:] == ["human"] * 3


async def test_only_the_events_asked_for_are_told() -> None:
    async with runner(VoiceBehaviour()) as (calls, url, posted):
        await finished(calls, call(url, "busy", events=frozenset({"completed"})))
    assert statuses(posted) == ["busy"]
    assert posted[0][0]["SipResponseCode"] == "486"


async def test_callbacks_can_come_in_the_wrong_order() -> None:
    async with runner(VoiceBehaviour(reversed_callbacks=True)) as (calls, url, posted):
        await finished(calls, call(url, "busy"))
    assert statuses(posted) == ["busy", "ringing", "initiated"]
    assert [form["SequenceNumber"] for form, _ in posted] == ["2", "1", "0"]


async def test_callbacks_can_come_twice() -> None:
    async with runner(VoiceBehaviour(duplicate_callbacks=True)) as (calls, url, posted):
        await finished(calls, call(url, "busy"))
    assert statuses(posted) == ["initiated", "initiated", "ringing", "ringing", "busy", "busy"]


async def test_forged_callbacks_come_before_the_right_ones() -> None:
    async with runner(VoiceBehaviour(forged_callbacks=True)) as (calls, url, posted):
        await finished(calls, call(url, "busy"))
    assert [right for _, right in posted] == [False, True] * 3


async def test_a_callback_that_is_not_taken_is_sent_again_and_then_given_up() -> None:
    async with runner(VoiceBehaviour(callback_tries=2), status=503) as (calls, url, posted):
        await finished(calls, call(url, "busy", events=frozenset({"completed"})))
    assert statuses(posted) == ["busy", "busy"]


async def test_a_silent_call_ends_without_a_word() -> None:
    async with runner(VoiceBehaviour()) as (calls, url, posted):
        one = call(url, "silent")
        await finished(calls, one)
    assert (posted, one.status) == ([], "completed")


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/x", "http://127.0.0.1:1/closed", "http://["])
async def test_a_callback_that_can_not_be_sent_disturbs_nothing(url: str) -> None:
    async with runner(VoiceBehaviour(callback_tries=1)) as (calls, _, posted):
        one = call("http://127.0.0.1:1", "busy", callback=url)
        await finished(calls, one)
    assert (one.status, posted) == ("busy", [])


async def test_a_call_ended_while_it_rings_is_canceled_and_told() -> None:
    async with runner(VoiceBehaviour(ring_s=100_000)) as (calls, url, posted):
        one = call(url)
        calls.begin(one)
        async with asyncio.timeout(60):
            while len(posted) < 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        calls.end(one)
        async with asyncio.timeout(60):
            while len(posted) < 3:
                await asyncio.sleep(0.01)
        calls.end(one)  # a second time changes nothing
    assert (one.status, statuses(posted)[-1], posted[-1][0]["SipResponseCode"]) == ("canceled", "canceled", "487")


async def test_a_call_ended_while_it_plays_is_completed_with_its_length() -> None:
    script = Script(text="t", reading_s=90_000.0, spoken_s=90_000.0)
    async with runner(VoiceBehaviour(ring_s=0)) as (calls, url, posted):
        one = call(url, script=script)
        calls.begin(one)
        async with asyncio.timeout(60):
            while len(posted) < 3:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        calls.end(one)
        async with asyncio.timeout(60):
            while len(posted) < 4:
                await asyncio.sleep(0.01)
    assert one.status == "completed"
    assert int(posted[-1][0]["CallDuration"]) >= 10


async def test_closing_ends_all_calls_without_a_word() -> None:
    async with runner(VoiceBehaviour(ring_s=100_000)) as (calls, url, posted):
        calls.begin(call(url, events=frozenset({"completed"})))
        await asyncio.sleep(0)
    assert posted == []
