"""The REST driver against the provider simulator: every outcome, every fault, by callback and by polling."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.channels.voice import LocalGate, VoiceChannel
from gateway.channels.voice_driver import Call
from gateway.channels.voice_outcomes import CallEnd
from gateway.channels.voice_rest import Connector, RestDriver
from gateway.model import Mode, OutcomeKind, Receipt, ReceiptKind, Transport
from gateway.policy.pacing import CeilingPacer
from gateway.simulators.recorder import Outcomes
from gateway.simulators.voice import VoiceSimulator
from gateway.simulators.voice_call import VoiceBehaviour
from gateway.web.callbacks import VoiceCallbacks, callback_source
from tests.channels.voice_line import BODY, Queue, Tracking, delivery, listening, running, trunk, voice
from tests.support.waiting import until

CALL = Call(
    to="+3222345670",
    text=BODY,
    language="nl",
    reference="7-0-1-1",
    mode=Mode.TEST,
    transport=Transport.SIMULATED,
    needed_s=4.0,
)


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def fast_gate() -> LocalGate:
    return LocalGate(CeilingPacer(100_000))


@asynccontextmanager
async def provider(behaviour: VoiceBehaviour | None = None, time_scale: float = 500.0) -> AsyncIterator[VoiceSimulator]:
    async with VoiceSimulator(outcomes=Outcomes(), behaviour=behaviour, time_scale=time_scale) as simulator:
        yield simulator


@asynccontextmanager
async def with_callbacks(
    simulator: VoiceSimulator, work: Queue, tracking: Tracking, **changes: object
) -> AsyncIterator[VoiceChannel]:
    """The whole line: channel, driver, provider, callbacks, tracking."""
    app, settings = web.Application(), voice(**changes)
    sources: dict[str, object] = {}
    channels: list[VoiceChannel] = []

    def settled(_: str, call_id: str, refused: bool) -> None:
        channels[0].settled(call_id, refused=refused)

    async def machine(call_id: str) -> None:
        await channels[0].to_machine(call_id)

    callbacks = VoiceCallbacks(sources, tracking.emit, settled, machine)  # type: ignore[arg-type]
    app.add_routes(callbacks.routes())
    async with listening(app) as public_url:
        line = trunk(simulator.url, public_url)
        sources[line.name] = callback_source(line, settings)
        channels.append(
            VoiceChannel(
                transport=Transport.SIMULATED, settings=settings, driver=RestDriver(line, settings), gate=fast_gate()
            )
        )
        async with running(channels[0], work, tracking):
            yield channels[0]


ENDS = {
    "delivered": (ReceiptKind.DELIVERED, "played"),
    "confirmed": (ReceiptKind.DELIVERED, "confirmed"),
    "machine": (ReceiptKind.DELIVERED, "machine"),
    "hung-up": (ReceiptKind.RETRY, "hung up early"),
    "busy": (ReceiptKind.RETRY, "busy"),
    "no-answer": (ReceiptKind.RETRY, "no answer"),
    "congestion": (ReceiptKind.RETRY, "congestion"),
    "failed": (ReceiptKind.FAILED, "invalid number"),
}


@pytest.mark.parametrize(
    "behaviour",
    [
        VoiceBehaviour(),
        VoiceBehaviour(duplicate_callbacks=True),
        VoiceBehaviour(reversed_callbacks=True),
        VoiceBehaviour(forged_callbacks=True),
    ],
    ids=["honest", "duplicate", "out of order", "forged"],
)
async def test_every_end_of_a_call_comes_back_once_by_signed_callbacks(behaviour: VoiceBehaviour) -> None:
    numbers = {f"+3222345{i:03d}": word for i, word in enumerate(ENDS)}
    tracking = Tracking()
    async with provider(behaviour) as simulator:
        for number, word in numbers.items():
            simulator.outcomes.tell(number, word)
        work = Queue([delivery(number, seq=i) for i, number in enumerate(numbers)])
        async with with_callbacks(simulator, work, tracking) as channel:
            await tracking.until(outcomes=len(numbers), receipts=len(numbers))
            async with asyncio.timeout(60):
                while channel.in_flight:
                    await asyncio.sleep(0.01)
    assert set(tracking.kinds()) == {OutcomeKind.ACCEPTED}
    kinds = {receipt.detail: receipt.kind for receipt in tracking.receipts}
    assert tracking.details() == {number: ENDS[word][1] for number, word in numbers.items()}
    assert kinds == {detail: kind for kind, detail in ENDS.values()}
    assert len({(receipt.message_id, receipt.kind) for receipt in tracking.receipts}) == len(numbers)
    timed = [receipt.message_id for receipt in tracking.receipts if receipt.seconds]
    assert len(timed) == len(set(timed)), "how long a call was is told once"
    played = {receipt.message_id for receipt in tracking.receipts if receipt.kind is ReceiptKind.DELIVERED}
    assert played <= set(timed)


@pytest.mark.parametrize(("texts", "said"), [
    ({"nl": "Dit is een oproep."}, "Dit is een oproep."), ({}, BODY),
])  # fmt: skip
async def test_a_machine_hears_its_own_text_then_the_text_once_and_is_named(texts: dict[str, str], said: str) -> None:
    tracking = Tracking()
    async with provider() as simulator:
        simulator.outcomes.tell("+3222345670", "machine")
        async with with_callbacks(simulator, Queue([delivery()]), tracking, machine={"texts": texts}):
            await tracking.until(receipts=1)
        (call_id,) = tracking.outcomes[0].message_ids
        script = simulator.call(call_id).script
    assert (tracking.receipts[0].detail, script.text, script.waits) == ("machine", said, False)
    assert script.action.endswith("/callbacks/voice/sim/played?lang=nl&by=machine")


async def test_a_machine_of_another_process_and_one_whose_texts_do_not_fit_go_on_as_they_were() -> None:
    async with provider() as simulator:
        driver = RestDriver(
            trunk(simulator.url, "https://alerts.example"), voice(machine={"texts": {"nl": "x" * 4000}})
        )
        await driver.open()
        placed = await driver.place(CALL, yes)
        before = simulator.call(placed.call_id).script
        for call_id in (placed.call_id, "of another process"):
            await driver.to_machine(call_id)
        assert simulator.call(placed.call_id).script is before
        await driver.close()


async def test_forged_callbacks_are_answered_403_and_right_ones_2xx() -> None:
    tracking = Tracking()
    async with provider(VoiceBehaviour(forged_callbacks=True)) as simulator:
        async with with_callbacks(simulator, Queue([delivery()]), tracking):
            await tracking.until(receipts=1)
        assert {callback.status for callback in simulator.callbacks} >= {403, 204}
        assert all("X-Twilio-Signature" in each.body for each in simulator.callbacks if each.status == 403)


async def test_a_pressed_key_is_thanked_for_in_the_language_of_the_text() -> None:
    tracking = Tracking()
    async with provider() as simulator:
        simulator.outcomes.tell("+3222345670", "confirmed")
        async with with_callbacks(simulator, Queue([delivery(language="fr")]), tracking):
            await tracking.until(receipts=1)
            async with asyncio.timeout(60):
                while not any("/played" in callback.url for callback in simulator.callbacks):
                    await asyncio.sleep(0.01)
        (answer,) = [callback.body for callback in simulator.callbacks if "/played" in callback.url]
    assert answer.startswith('<Response><Say language="fr-FR">Merci.')


async def test_without_a_public_url_the_end_is_found_by_polling() -> None:
    ends = {
        "delivered": "played",
        "silent": "played",
        "hung-up": "hung up early",
        "busy": "busy",
        "no-answer": "no answer",
        "failed": "failed",
    }
    numbers = {f"+3222345{i:03d}": word for i, word in enumerate(ends)}
    tracking, settings = Tracking(), voice()
    async with provider() as simulator:
        for number, word in numbers.items():
            simulator.outcomes.tell(number, word)
        line = trunk(simulator.url)
        channel = VoiceChannel(
            transport=Transport.SIMULATED, settings=settings, driver=RestDriver(line, settings), gate=fast_gate()
        )
        async with running(channel, Queue([delivery(number, seq=i) for i, number in enumerate(numbers)]), tracking):
            await tracking.until(outcomes=len(numbers), receipts=len(numbers))
            assert channel.in_flight == 0
        assert simulator.callbacks == ()
    assert tracking.details() == {number: ends[word] for number, word in numbers.items()}


async def test_a_lost_callback_is_made_good_by_one_poll_after_the_longest_time_of_the_call() -> None:
    now = [0.0]
    reports: list[CallEnd] = []
    async with provider() as simulator:
        simulator.outcomes.tell(CALL.to, "silent")
        driver = RestDriver(trunk(simulator.url, "http://127.0.0.1:9"), voice(), clock=lambda: now[0])
        await driver.open()
        placed = await driver.place(CALL, yes)

        async def report(end: CallEnd) -> None:
            reports.append(end)

        watching = asyncio.create_task(driver.watch(report))
        await asyncio.sleep(0.3)
        assert reports == []
        now[0] += 1000.0
        async with asyncio.timeout(60):
            while not reports:
                await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await driver.close()
    assert [end.call_id for end in reports] == [placed.call_id]


async def test_the_record_has_the_number_the_text_and_the_mode_of_the_campaign() -> None:
    async with provider() as simulator, opened(simulator) as driver:
        await driver.place(replace(CALL, mode=Mode.EXERCISE), yes)
        await driver.place(replace(CALL, transport=Transport.LIVE, mode=Mode.LIVE, reference="2"), yes)
        records = simulator.recorder.records()
    assert [(record.channel, record.to, record.text, record.mode) for record in records] == [
        ("voice", CALL.to, BODY, "exercise"),
        ("voice", CALL.to, BODY, "test"),  # a live trunk names no mode: the simulator's own counts
    ]


@asynccontextmanager
async def opened(simulator: VoiceSimulator, **changes: object) -> AsyncIterator[RestDriver]:
    driver = RestDriver(trunk(simulator.url, **changes), voice())  # type: ignore[arg-type]
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@pytest.mark.parametrize(
    ("word", "kind", "code", "detail", "retry_after_s", "is_trunk"),
    [
        ("throttled", OutcomeKind.RETRY, 429, "too many requests", 7.0, True),
        ("broken", OutcomeKind.RETRY, 500, "provider error", None, True),
        ("refused", OutcomeKind.FAILED, 400, "invalid number", None, False),
        ("delivered", OutcomeKind.ACCEPTED, 201, "", None, False),
    ],
)
async def test_an_answer_of_the_api_becomes_an_outcome(
    word: str, kind: OutcomeKind, code: int, detail: str, retry_after_s: float | None, is_trunk: bool
) -> None:
    async with provider(VoiceBehaviour(retry_after_s=7)) as simulator, opened(simulator) as driver:
        simulator.outcomes.tell(CALL.to, word)
        placed = await driver.place(CALL, yes)
        assert (placed.kind, placed.code, placed.detail, placed.retry_after_s, placed.trunk) == (
            kind,
            code,
            detail,
            retry_after_s,
            is_trunk,
        )
        assert bool(placed.call_id) is (kind is OutcomeKind.ACCEPTED)


async def test_no_answer_in_time_is_unknown_because_the_call_may_have_been_started() -> None:
    async with provider(VoiceBehaviour(hang_s=5)) as simulator, opened(simulator, answer_timeout_s=0.1) as driver:
        simulator.outcomes.tell(CALL.to, "hanging")
        assert (await driver.place(CALL, yes)).kind is OutcomeKind.UNKNOWN


async def test_waiting_for_a_permit_does_not_count_against_the_provider() -> None:
    async def late() -> bool:
        await asyncio.sleep(1)
        driver._trunk = driver._trunk.model_copy(update={"answer_timeout_s": 60.0})
        return True

    async with provider() as simulator, opened(simulator, answer_timeout_s=0.5) as driver:
        assert (await driver.place(CALL, late)).kind is OutcomeKind.ACCEPTED


async def test_a_connection_that_was_closed_while_the_call_waited_for_its_permit_costs_nothing() -> None:
    """Nothing was written on it: the call is started over a new one, with the same permit."""
    connections, asked = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{"sid": "CA1"}')
        writer.close()

    async def leave() -> bool:
        nonlocal asked
        asked += 1
        assert driver._session is not None and isinstance(driver._session.connector, Connector)
        await until(driver._session.connector.gone)
        return True

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    driver = RestDriver(trunk(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), voice())
    await driver.open()
    placed = await driver.place(CALL, leave)
    assert (placed.kind, placed.call_id, connections, asked) == (OutcomeKind.ACCEPTED, "CA1", 2, 1)
    await driver.close()
    server.close()
    await server.wait_closed()


async def test_nothing_reaches_the_provider_when_the_call_may_not_leave() -> None:
    async with provider() as simulator, opened(simulator) as driver:
        assert (await driver.place(CALL, no)).kind is OutcomeKind.UNSENT
        assert simulator.starts() == ()
        assert simulator.recorder.count == 0


async def test_a_refused_connection_is_unsent_and_the_trunk_s_trouble() -> None:
    async with provider() as simulator:
        pass
    async with opened(simulator) as driver:
        placed = await driver.place(CALL, yes)
    assert (placed.kind, placed.trunk) == (OutcomeKind.UNSENT, True)


async def test_wrong_credentials_burn_no_number() -> None:
    async with provider() as simulator, opened(simulator, auth_token="wrong") as driver:
        placed = await driver.place(CALL, yes)
    assert (placed.kind, placed.code, placed.trunk) == (OutcomeKind.RETRY, 401, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{",
        b"\x00\x01garbage\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"",
    ],
    ids=["cut body", "no HTTP", "too many headers", "closed"],
)
async def test_a_provider_that_breaks_the_protocol_after_the_request_leaves_the_call_unknown(raw: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    driver = RestDriver(trunk(f"http://127.0.0.1:{port}", answer_timeout_s=2), voice())
    await driver.open()
    assert (await driver.place(CALL, yes)).kind is OutcomeKind.UNKNOWN
    await driver.close()
    server.close()
    await server.wait_closed()


async def test_an_endless_answer_is_cut_off() -> None:
    async def endless(_: web.Request) -> web.Response:
        return web.Response(status=201, body=b"[" * 5_000_000)

    app = web.Application()
    app.add_routes([web.post("/{tail:.*}", endless)])
    async with listening(app) as url:
        driver = RestDriver(trunk(url), voice())
        await driver.open()
        assert (await driver.place(CALL, yes)).kind is OutcomeKind.UNKNOWN
        await driver.close()


async def test_a_ringing_call_is_canceled_and_an_answered_one_completed() -> None:
    long = replace(CALL, text="x" * 450)
    async with provider(VoiceBehaviour(ring_s=60), time_scale=1.0) as simulator, opened(simulator) as driver:
        ringing = await driver.place(long, yes)
        assert await driver.hang_up(ringing.call_id)
        assert simulator.call(ringing.call_id).status == "canceled"
    async with provider(VoiceBehaviour(ring_s=0), time_scale=1.0) as simulator, opened(simulator) as driver:
        answered = await driver.place(long, yes)
        async with asyncio.timeout(60):
            while simulator.call(answered.call_id).status != "in-progress":
                await asyncio.sleep(0.01)
        assert await driver.hang_up(answered.call_id)
        assert simulator.call(answered.call_id).status == "completed"


async def test_hanging_up_an_unknown_call_says_so() -> None:
    async with provider() as simulator, opened(simulator) as driver:
        assert not await driver.hang_up("CAunknown")


async def test_the_same_reference_twice_is_one_call() -> None:
    async with provider() as simulator, opened(simulator) as driver:
        first, second = await driver.place(CALL, yes), await driver.place(CALL, yes)
        assert first.call_id == second.call_id
        assert len(simulator.starts()) == 1


async def test_withdrawing_a_campaign_hangs_up_its_calls_and_leaves_others_alone() -> None:
    tracking = Tracking()
    async with provider(VoiceBehaviour(ring_s=60), time_scale=1.0) as simulator:
        work = Queue([delivery("+3222345001", campaign=1), delivery("+3222345002", campaign=2)])
        async with with_callbacks(simulator, work, tracking) as channel:
            await tracking.until(outcomes=2)
            await channel.withdraw(1)
            await tracking.until(receipts=1)
            ids = {outcome.delivery.address: outcome.message_ids[0] for outcome in tracking.outcomes}
            assert simulator.call(ids["+3222345001"]).status == "canceled"
            assert simulator.call(ids["+3222345002"]).status in ("queued", "ringing")
            assert channel.in_flight == 1
    assert tracking.receipts == [Receipt("sim", ids["+3222345001"], ReceiptKind.FAILED, 487, "canceled")]
