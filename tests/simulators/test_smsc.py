"""The SMSC simulator, asked by the kit's own session and, as an independent client, by smpplib."""

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import AsyncIterator, Callable

import pytest
from smpplib import client as smpplib_client
from smpplib import consts

from gateway.simulators.recorder import Outcomes
from gateway.simulators.smsc import SmscSimulator
from gateway.simulators.smsc_behaviour import Behaviour
from gateway.smpp import pdu, text, tlv
from gateway.smpp.receipt import DeliveryReceipt, parse
from tests.support.waiting import until


class Esme:
    """A client that does one thing after the other and keeps every PDU that it reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.number = reader, writer, 0

    def send(self, command: int, body: bytes = b"", number: int | None = None, status: int = 0) -> int:
        self.number += 1
        self.writer.write(pdu.encode(command, status, self.number if number is None else number, body))
        return self.number

    async def read(self) -> tuple[int, int, int, bytes]:
        """(command, status, sequence, body) of the next PDU."""
        async with asyncio.timeout(60):
            length, command, status, number = struct.unpack(">IIII", await self.reader.readexactly(16))
            return command, status, number, await self.reader.readexactly(length - 16)

    async def bind(self, command: int = pdu.BIND_TRANSCEIVER, password: str = "secret") -> int:
        self.number += 1
        self.writer.write(pdu.encode_bind(command, self.number, system_id="gateway", password=password))
        return (await self.read())[1]

    def submit(self, to: str, words: str = "hello", *, mode: str = "", receipt: int = 1, reference: int = 0) -> None:
        tlvs = ((tlv.CAMPAIGN_MODE, mode.encode() + b"\0"),) if mode else ()
        for part in text.encode(words, reference):
            made = pdu.template(
                source_addr="Alert",
                short_message=part.payload,
                data_coding=part.data_coding,
                esm_class=part.esm_class,
                registered_delivery=receipt,
                tlvs=tlvs,
            )
            self.number += 1
            self.writer.write(pdu.from_template(made, pdu.SUBMIT_SM, self.number, to.encode()))

    async def receipt(self) -> DeliveryReceipt:
        """The next PDU, which must be a receipt; acknowledged."""
        command, _, number, body = await self.read()
        assert command == pdu.DELIVER_SM
        message = pdu.parse_message(body, 0, len(body))
        assert isinstance(message, pdu.Message)
        found = parse(message)
        assert isinstance(found, DeliveryReceipt)
        self.send(pdu.DELIVER_SM_RESP, b"\0", number)
        return found


@contextlib.asynccontextmanager
async def simulated(
    outcomes: Outcomes | None = None, *, clock: Callable[[], float] = time.monotonic, **behaviour: object
) -> AsyncIterator[SmscSimulator]:
    simulator = SmscSimulator(outcomes=outcomes, behaviour=Behaviour(**behaviour), clock=clock)  # type: ignore[arg-type]
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


@contextlib.asynccontextmanager
async def connected(simulator: SmscSimulator, *, bind: int | None = pdu.BIND_TRANSCEIVER) -> AsyncIterator[Esme]:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    esme = Esme(reader, writer)
    try:
        if bind is not None:
            assert await esme.bind(bind) == 0
        yield esme
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_submit_is_answered_recorded_and_receipted() -> None:
    async with simulated() as simulator, connected(simulator) as esme:
        esme.submit("32470000001", "sluit ramen € en deuren", mode="exercise")
        command, status, _, body = await esme.read()
        assert (command, status) == (pdu.SUBMIT_SM_RESP, 0)
        found = await esme.receipt()
        assert (found.message_id, found.word) == (body[:-1].decode(), "DELIVRD")
        record = json.loads(next(simulator.recorder.lines()))
        assert record | {"at": ""} == {
            "channel": "sms",
            "to": "+32470000001",
            "text": "sluit ramen € en deuren",
            "at": "",
            "mode": "exercise",
        }
        await until(lambda: simulator.receipts_acknowledged == 1)
        assert simulator.receipts_due == 0


async def test_a_long_message_is_recorded_once_and_whole_whatever_the_order_of_its_parts() -> None:
    words = "Évacuation immédiate. 😀 " * 12
    async with simulated() as simulator, connected(simulator) as esme:
        esme.submit("32470000001", words, reference=9, receipt=0)
        esme.submit("32470000002", "x" * 400, reference=9, receipt=0)
        await until(lambda: simulator.recorder.count == 2)
        assert [record.text for record in simulator.recorder.records()] == [words, "x" * 400]
        assert simulator.recorder.records()[0].mode == "test"
        assert simulator.submits == len(text.encode(words)) + 3


@pytest.mark.parametrize("outcome", ["failed", "expired", "delivered"])
async def test_receipts_say_what_the_outcome_is(outcome: str) -> None:
    async with simulated(Outcomes(otherwise=outcome)) as simulator, connected(simulator) as esme:
        esme.submit("32470000001")
        await esme.read()
        assert (await esme.receipt()).fate.value == outcome


async def test_a_silent_outcome_gets_no_receipt_and_a_refused_one_no_id() -> None:
    outcomes = Outcomes()
    outcomes.tell("32470000001", "silent")
    outcomes.tell("32470000002", "refused")
    outcomes.tell("32470000003", "throttled")
    async with simulated(outcomes) as simulator, connected(simulator) as esme:
        for last in "123":
            esme.submit(f"3247000000{last}")
        assert [(await esme.read())[1] for _ in range(3)] == [0, 0x0B, 0x58]
        assert simulator.receipts_due == 0
        assert simulator.recorder.count == 1


async def test_receipts_come_when_asked_for_only() -> None:
    async with simulated() as simulator, connected(simulator) as esme:
        esme.submit("32470000001", receipt=0)
        esme.submit("32470000001", receipt=2)
        await esme.read()
        await esme.read()
        assert simulator.receipts_due == 0


async def test_one_bind_too_many_is_refused() -> None:
    async with simulated(most_binds=1) as simulator, connected(simulator):
        async with connected(simulator, bind=None) as second:
            assert await second.bind() == consts.SMPP_ESME_RBINDFAIL
        assert [taken for *_, taken in simulator.binds_seen] == [True, False]


async def test_a_wrong_password_or_system_id_is_refused_and_nothing_is_taken() -> None:
    async with simulated() as simulator, connected(simulator, bind=None) as esme:
        assert await esme.bind(password="wrong") == consts.SMPP_ESME_RINVPASWD
        esme.submit("32470000001")
        assert (await esme.read())[1] == consts.SMPP_ESME_RINVBNDSTS
        assert simulator.submits == 0
        assert simulator.binds_seen == [(pdu.BIND_TRANSCEIVER, "gateway", False)]


@pytest.mark.parametrize(
    ("ids", "response_base", "text_base"),
    [("decimal", 10, 10), ("hex", 16, 16), ("hex-decimal", 16, 10), ("decimal-hex", 10, 16)],
)
@pytest.mark.parametrize("receipts", ["text", "tlv", "both"])
async def test_ids_have_the_form_that_was_asked_for(
    ids: str, response_base: int, text_base: int, receipts: str
) -> None:
    async with simulated(ids=ids, receipts=receipts) as simulator, connected(simulator) as esme:
        esme.submit("32470000001")
        body = (await esme.read())[3]
        found = await esme.receipt()
        assert found.from_tlv == (receipts != "text")
        base = response_base if found.from_tlv else text_base
        assert int(found.message_id, base) == int(body[:-1], response_base)


@pytest.mark.parametrize("dialect", ["standard", "short", "upper"])
async def test_every_dialect_is_a_receipt(dialect: str) -> None:
    async with simulated(dialect=dialect) as simulator, connected(simulator) as esme:
        esme.submit("32470000001")
        await esme.read()
        assert (await esme.receipt()).word == "DELIVRD"


async def test_a_receipt_can_come_before_its_response_and_twice() -> None:
    async with simulated(receipt_first=True, duplicate_receipts=True) as simulator, connected(simulator) as esme:
        esme.submit("32470000001")
        first, second = await esme.receipt(), await esme.receipt()
        assert first == second
        assert (await esme.read())[0] == pdu.SUBMIT_SM_RESP


async def test_a_response_can_be_delayed_dropped_or_never_come() -> None:
    async with simulated(drop_response_every=2, response_delay_s=0.01) as simulator, connected(simulator) as esme:
        for last in "1234":
            esme.submit(f"3247000000{last}", receipt=0)
        assert [(await esme.read())[2] for _ in range(2)] == [2, 4]
        simulator.behaviour.mute = True
        esme.send(pdu.ENQUIRE_LINK)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(esme.reader.readexactly(16), 0.05)


async def test_faster_than_allowed_is_throttled() -> None:
    now = [100.0]
    async with simulated(throttle_per_s=10, clock=lambda: now[0]) as simulator, connected(simulator) as esme:
        for taken in (10, 20):
            for _ in range(15):
                esme.submit("32470000001", receipt=0)
            statuses = [(await esme.read())[1] for _ in range(15)]
            assert (statuses.count(0), statuses.count(0x58)) == (10, 5)
            assert (simulator.recorder.count, simulator.refusals) == (taken, taken // 2)
            now[0] += 1.0


async def test_it_can_close_in_mid_stream_and_sends_the_receipts_to_the_next_bind() -> None:
    async with simulated(Outcomes(delay_s=0.05), close_after=3) as simulator:
        async with connected(simulator) as esme:
            for last in "12345":
                esme.submit(f"3247000000{last}")
            assert [(await esme.read())[1] for _ in range(3)] == [0, 0, 0]
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await esme.read()
        async with connected(simulator) as esme:
            ids = {(await esme.receipt()).message_id for _ in range(3)}
            assert len(ids) == 3
            await until(lambda: simulator.receipts_acknowledged == 3)


async def test_a_receipt_that_was_not_acknowledged_is_sent_again() -> None:
    async with simulated() as simulator:
        async with connected(simulator) as esme:
            esme.submit("32470000001")
            await esme.read()
            assert (await esme.read())[0] == pdu.DELIVER_SM
            await until(lambda: simulator.receipts_due == 1)
        async with connected(simulator) as esme:
            assert (await esme.receipt()).word == "DELIVRD"


async def test_a_transmitter_gets_no_receipts_and_a_receiver_does() -> None:
    async with (
        simulated() as simulator,
        connected(simulator, bind=pdu.BIND_TRANSMITTER) as sender,
        connected(simulator, bind=pdu.BIND_RECEIVER) as receiver,
    ):
        sender.submit("32470000001")
        assert (await sender.read())[0] == pdu.SUBMIT_SM_RESP
        assert (await receiver.receipt()).word == "DELIVRD"


async def test_what_is_on_its_way_can_be_given_another_text_by_whoever_sent_it() -> None:
    now = [100.0]
    slowly = simulated(Outcomes(delay_s=30), clock=lambda: now[0], refuse_status=5)
    async with slowly as simulator, connected(simulator) as esme:
        esme.submit("32470000001", "old", mode="exercise")
        message_id = (await esme.read())[3][:-1]
        source = pdu.Address(5, 0, b"Alert")
        for named, status in ((message_id, 0), (b"nobodys", 0x13)):
            esme.send(pdu.REPLACE_SM, pdu.replace_sm(named, source, b"new", registered_delivery=1))
            assert (await esme.read())[:2] == (pdu.REPLACE_SM_RESP, status)
        esme.send(pdu.REPLACE_SM, b"\0")
        assert (await esme.read())[:2] == (pdu.REPLACE_SM_RESP, 0x0C)
        now[0] += 31.0
        assert (await esme.receipt()).message_id == message_id.decode()
        esme.send(pdu.REPLACE_SM, pdu.replace_sm(message_id, source, b"too late"))
        assert (await esme.read())[1] == 0x13
        said = [(record.to, record.text, record.mode) for record in simulator.recorder.records()]
        assert said == [("+32470000001", "old", "exercise"), ("+32470000001", "new", "exercise")]
        assert (simulator.replaced, simulator.submits) == (1, 1)


async def test_it_answers_probes_and_unbinds_and_refuses_what_it_does_not_know() -> None:
    async with simulated() as simulator, connected(simulator) as esme:
        esme.send(pdu.ENQUIRE_LINK)
        assert (await esme.read())[0] == pdu.ENQUIRE_LINK_RESP
        esme.send(pdu.QUERY_SM, b"1\0\0\0\0")
        assert (await esme.read())[:2] == (pdu.GENERIC_NACK, 3)
        esme.send(pdu.UNBIND)
        assert (await esme.read())[0] == pdu.UNBIND_RESP
        assert await esme.reader.read() == b""
        assert simulator.bound == 0


async def test_it_can_ask_to_unbind_and_can_pass_on_a_persons_reply() -> None:
    async with simulated() as simulator, connected(simulator) as esme:
        simulator.reply("32470000001", "Alert", "STOP é")
        command, _, _, body = await esme.read()
        message = pdu.parse_message(body, 0, len(body))
        assert command == pdu.DELIVER_SM
        assert isinstance(message, pdu.Message)
        assert text.decode(message.short_message, message.data_coding) == "STOP é"
        simulator.unbind()
        assert (await esme.read())[0] == pdu.UNBIND


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 16, b"\xff" * 64, struct.pack(">IIII", 0xFFFFFFFF, 4, 0, 1), struct.pack(">IIII", 17, 4, 0, 1) + b"x"],
)
async def test_garbage_does_not_hurt_others(garbage: bytes) -> None:
    async with simulated() as simulator, connected(simulator) as good, connected(simulator) as bad:
        bad.writer.write(garbage)
        good.submit("32470000001")
        assert (await good.read())[1] == 0


async def test_smpplib_binds_submits_gets_its_receipt_and_unbinds() -> None:
    seen: list[tuple[str, bytes]] = []

    def session(port: int) -> None:
        client = smpplib_client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
        client.set_message_sent_handler(lambda pdu: seen.append(("sent", pdu.message_id)))
        client.set_message_received_handler(lambda pdu: seen.append(("receipt", pdu.receipted_message_id)))
        client.connect()
        client.bind_transceiver(system_id="gateway", password="secret")
        client.send_message(
            source_addr="Alert", destination_addr="32470000001", short_message=b"hello", registered_delivery=True
        )
        while len(seen) < 2:
            client.read_once()
        client.unbind()
        client.disconnect()

    async with simulated(receipts="both") as simulator:
        await asyncio.to_thread(session, simulator.port)
        assert [kind for kind, _ in seen] == ["sent", "receipt"]
        assert seen[0][1] == seen[1][1]
        assert simulator.recorder.records()[0].text == "hello"
        assert simulator.receipts_acknowledged == 1
