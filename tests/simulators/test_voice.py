"""The voice provider as its users see it: the Calls API, faults on request, the record of what was called."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.voice import VoiceSimulator
from gateway.simulators.voice_call import VoiceBehaviour

FORM = {"To": "+3222345670", "From": "+3221234567", "Twiml": "<Response><Say>Blijf binnen.</Say></Response>"}


class Client:
    """A user of the Calls API."""

    def __init__(self, simulator: VoiceSimulator, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.calls = f"{simulator.url}/2010-04-01/Accounts/ACsimulated/Calls"

    async def post(self, path: str = ".json", **form: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        async with self.http.post(self.calls + path, data=form) as response:
            return response.status, await response.json(), dict(response.headers)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.http.get(self.calls + path) as response:
            return response.status, await response.json()


@asynccontextmanager
async def provider(token: str = "simulated", **changes: object) -> AsyncIterator[tuple[VoiceSimulator, Client]]:
    headers = {"Authorization": aiohttp.encode_basic_auth("ACsimulated", token)}
    async with VoiceSimulator(**changes) as simulator, aiohttp.ClientSession(headers=headers) as http:  # type: ignore[arg-type]
        yield simulator, Client(simulator, http)


async def test_a_call_is_created_shown_and_recorded() -> None:
    async with provider(mode="live") as (simulator, client):
        status, call, _ = await client.post(**FORM)
        assert (status, call["status"], call["to"], call["from"]) == (201, "queued", "+3222345670", "+3221234567")
        assert (await client.get(f"/{call['sid']}.json"))[0] == 200
        assert len(simulator.starts()) == 1
        (record,) = simulator.recorder.records()
        assert (record.channel, record.to, record.text, record.mode) == (
            "voice",
            "+3222345670",
            "Blijf binnen.",
            "live",
        )


@pytest.mark.parametrize(("named", "recorded"), [("exercise", "exercise"), ("live", "live"), ("nonsense", "test")])
async def test_a_named_mode_is_recorded_when_it_is_one(named: str, recorded: str) -> None:
    async with provider() as (simulator, client):
        await client.post(**FORM, GatewayMode=named)
        assert simulator.recorder.records()[0].mode == recorded


async def test_the_record_is_served_as_json_lines_for_every_channel() -> None:
    sms = Recorder()
    for number in range(1200):
        sms.add("sms", f"+32470{number:06d}", "hoi", "test")
    async with provider(others={"sms": sms}) as (simulator, client):
        await client.post(**FORM)
        for path, channel, count in (
            ("/received", "voice", 1),
            ("/received/voice", "voice", 1),
            ("/received/sms", "sms", 1200),
            ("/received/sms?since=1190", "sms", 10),
        ):
            async with client.http.get(simulator.url + path) as response:
                lines = [json.loads(line) for line in (await response.text()).splitlines()]
            assert len(lines) == count
            assert lines[0]["channel"] == channel
            assert set(lines[0]) == {"channel", "to", "text", "at", "mode"}


@pytest.mark.parametrize("path", ["/received/email", "/received?since=-1", "/received?since=x"])
async def test_a_record_that_is_not_there_is_404(path: str) -> None:
    async with provider() as (simulator, client), client.http.get(simulator.url + path) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", [".json", "/CA1.json"])
async def test_wrong_credentials_are_refused(path: str) -> None:
    async with provider("wrong") as (simulator, client):
        status, problem, _ = await client.post(path, **FORM)
        assert (status, problem["code"]) == (401, 20003)
        assert simulator.recorder.count == 0
    async with provider("wrong") as (_, client):
        assert (await client.get("/CA1.json"))[0] == 401


@pytest.mark.parametrize(
    "change", [{"To": "022345678"}, {"To": ""}, {"To": "+32abc"}, {"Twiml": "x"}, {"Twiml": ""}], ids=str
)
async def test_a_call_that_makes_no_sense_is_400_and_is_not_recorded(change: dict[str, str]) -> None:
    async with provider() as (simulator, client):
        assert (await client.post(**FORM | change))[0] == 400
        assert (simulator.recorder.count, simulator.starts()) == (0, ())


@pytest.mark.parametrize(("word", "status"), [("throttled", 429), ("broken", 500), ("hanging", 500), ("refused", 400)])
async def test_faults_of_the_api_are_had_by_number(word: str, status: int) -> None:
    outcomes = Outcomes()
    outcomes.tell(FORM["To"], word)
    async with provider(outcomes=outcomes, behaviour=VoiceBehaviour(hang_s=0.01, retry_after_s=9)) as (
        simulator,
        client,
    ):
        answered, _, headers = await client.post(**FORM)
        assert answered == status
        assert headers.get("Retry-After") == ("9" if status == 429 else None)
        assert simulator.recorder.count == 0


async def test_more_starts_in_a_second_than_agreed_are_429() -> None:
    now = [100.0]
    behaviour = VoiceBehaviour(max_starts_per_s=2)
    async with provider(behaviour=behaviour, clock=lambda: now[0]) as (simulator, client):
        assert [(await client.post(**FORM))[0] for _ in range(4)] == [201, 201, 429, 429]
        assert simulator.starts() == (100.0, 100.0)
        now[0] += 1.0
        assert [(await client.post(**FORM))[0] for _ in range(3)] == [201, 201, 429]


async def test_the_same_reference_is_the_same_call() -> None:
    async with provider() as (simulator, client):
        first = await client.post(**FORM, GatewayReference="r1")
        again = await client.post(**FORM, GatewayReference="r1")
        other = await client.post(**FORM, GatewayReference="r2")
        assert (first[0], again[0], other[0]) == (201, 200, 201)
        assert first[1]["sid"] == again[1]["sid"] != other[1]["sid"]
        assert len(simulator.starts()) == 2


async def test_a_finished_call_has_its_nominal_length_however_fast_it_went() -> None:
    async with provider(time_scale=1000.0) as (simulator, client):
        _, call, _ = await client.post(**FORM | {"Twiml": f"<Response><Say>{'x' * 450}</Say></Response>"})
        async with asyncio.timeout(60):
            while simulator.call(call["sid"]).status != "completed":
                await asyncio.sleep(0.01)
        _, shown = await client.get(f"/{call['sid']}.json")
        assert (shown["status"], shown["duration"]) == ("completed", "30")


async def test_canceled_ends_a_ringing_call_only_and_completed_any() -> None:
    async with provider(behaviour=VoiceBehaviour(ring_s=0.0)) as (simulator, client):
        _, call, _ = await client.post(**FORM | {"Twiml": f"<Response><Say>{'x' * 450}</Say></Response>"})
        async with asyncio.timeout(60):
            while simulator.call(call["sid"]).status != "in-progress":
                await asyncio.sleep(0.01)
        path = f"/{call['sid']}.json"
        assert (await client.post(path, Status="canceled"))[1]["status"] == "in-progress"
        assert (await client.post(path, Status="completed"))[1]["status"] == "completed"
        assert (await client.post(path, Status="canceled"))[1]["status"] == "completed"
        assert (await client.post(path, Status="other"))[0] == 400
        assert (await client.post("/CAunknown.json", Status="canceled"))[0] == 404


async def test_what_an_answered_call_says_can_be_changed_and_no_other() -> None:
    words, long = "<Response><Say>Andere woorden.</Say></Response>", "x" * 450
    form = FORM | {"Twiml": f"<Response><Say>{long}</Say></Response>"}
    async with provider(behaviour=VoiceBehaviour(ring_s=60.0)) as (simulator, client):
        _, call, _ = await client.post(**form)
        assert (await client.post(f"/{call['sid']}.json", Twiml=words))[0] == 400
    async with provider(behaviour=VoiceBehaviour(ring_s=0.0)) as (simulator, client):
        _, call, _ = await client.post(**form)
        path, one = f"/{call['sid']}.json", simulator.call(call["sid"])
        async with asyncio.timeout(60):
            while one.status != "in-progress":
                await asyncio.sleep(0.01)
        assert (await client.post(path, Twiml="no TwiML"))[0] == 400
        assert one.script.text == long
        assert (await client.post(path, Twiml=words))[0] == 200
        assert one.script.text == "Andere woorden."


async def test_a_form_that_is_too_large_is_refused() -> None:
    async with provider() as (_, client), client.http.post(f"{client.calls}.json", data={"a": "x" * 100_000}) as answer:
        assert answer.status == 413


async def test_a_taken_port_is_an_error() -> None:
    async with provider() as (simulator, _):
        second = VoiceSimulator(port=simulator.port)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()
