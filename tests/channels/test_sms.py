"""The SMS channel against the SMSC simulator: what it takes, what it tells, what it never does."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from gateway.channels.sms import SmsChannel
from gateway.model import (
    Mode,
    OutcomeKind,
    Receipt,
    Transport,
)
from gateway.simulators.recorder import Outcomes
from gateway.smpp import pdu
from tests.channels.sms_world import Given, Store, deliveries, provider, running, simulated, words
from tests.support.waiting import until


async def test_every_delivery_gets_its_outcome_and_its_receipt() -> None:
    outcomes = Outcomes(shares={"failed": 0.2, "expired": 0.1, "silent": 0.1, "refused": 0.1})
    given = deliveries(words(), 300)
    async with simulated(outcomes) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, binds=2)]), Store()
        async with running(channel, Given(*given), store):
            wanted = Counter(outcomes.decide(delivery.address) for delivery in given)
            receipts = wanted["delivered"] + wanted["failed"] + wanted["expired"]
            await until(lambda: len(store.receipts) == receipts and len(store.outcomes) == 300)
            assert store.kinds() == {
                OutcomeKind.ACCEPTED: 300 - wanted["refused"],
                OutcomeKind.FAILED: wanted["refused"],
            }
            by_id = {o.message_ids[0]: o.delivery for o in store.outcomes if o.kind is OutcomeKind.ACCEPTED}
            for receipt in store.receipts:
                assert receipt.provider == "sim"
                assert outcomes.decide(by_id[receipt.message_id].address) == receipt.kind.value
            refused = [outcome for outcome in store.outcomes if outcome.kind is OutcomeKind.FAILED]
            assert {(o.code, o.detail) for o in refused} == {(0x0B, "ESME_RINVDSTADR")}
            assert channel.bind_up() == {"sim/1": True, "sim/2": True}
            await until(lambda: simulator.receipts_acknowledged == receipts)
        assert simulator.recorder.count == 300 - wanted["refused"]
        assert channel.in_flight == 0


async def test_what_arrives_is_what_was_written_with_the_sender_of_the_settings() -> None:
    long = "Évacuez ! Ŝtŭpid characters ☢ " * 10
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        given = [*deliveries(words("café €"), 1), *deliveries(words(long, key=2, mode=Mode.EXERCISE), 1, first=1)]
        async with running(channel, Given(*given), store):
            await until(lambda: simulator.recorder.count == 2)
            one, two = simulator.recorder.records()
            assert (one.to, one.text, one.mode) == ("+32470000000", "café €", "test")
            assert (two.to, two.text, two.mode) == ("+32470000001", long, "exercise")


async def test_a_long_message_is_accepted_when_all_its_parts_are_and_has_an_id_for_each() -> None:
    counted: Counter[str] = Counter()
    async with simulated() as simulator:
        channel = SmsChannel(
            Transport.SIMULATED,
            [provider(simulator.port, window=10)],
            parts_submitted=lambda bind, n: counted.update({bind: n}),
        )
        store = Store()
        async with running(channel, Given(*deliveries(words("a" * 400), 25)), store):
            await until(lambda: len(store.outcomes) == 25 and len(store.receipts) == 75)
            ids = [message_id for outcome in store.outcomes for message_id in outcome.message_ids]
            assert all(len(outcome.message_ids) == 3 for outcome in store.outcomes)
            assert sorted(ids) == sorted(receipt.message_id for receipt in store.receipts)
            assert counted == {"sim/1": 75}
            assert simulator.recorder.count == 25


async def test_singles_and_long_messages_share_a_window() -> None:
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=4)]), Store()
        short, long = words("short"), words("b" * 400, key=2)
        mixed = [d for n in range(30) for d in deliveries(long if n % 3 else short, 1, first=n)]
        async with running(channel, Given(*mixed), store):
            await until(lambda: len(store.outcomes) == 30)
            assert store.kinds() == {OutcomeKind.ACCEPTED: 30}
            assert simulator.recorder.count == 30


@pytest.mark.parametrize(
    ("mode", "transport", "planned", "group", "leaves"),
    [
        (Mode.TEST, Transport.SIMULATED, Transport.SIMULATED, False, True),
        (Mode.TEST, Transport.LIVE, Transport.LIVE, True, False),
        (Mode.LIVE, Transport.LIVE, Transport.LIVE, False, True),
        (Mode.LIVE, Transport.SIMULATED, Transport.SIMULATED, False, False),
        (Mode.LIVE, Transport.LIVE, Transport.SIMULATED, False, False),
        (Mode.EXERCISE, Transport.LIVE, Transport.LIVE, False, False),
        (Mode.EXERCISE, Transport.LIVE, Transport.LIVE, True, True),
    ],
)
async def test_no_byte_of_a_mode_leaves_by_a_transport_that_is_not_for_it(
    mode: Mode, transport: Transport, planned: Transport, group: bool, leaves: bool
) -> None:
    given = deliveries(words(mode=mode), 5, transport=planned, exercise_group=group)
    async with simulated() as simulator:
        channel, store = SmsChannel(transport, [provider(simulator.port)]), Store()
        async with running(channel, Given(*given), store):
            await until(lambda: len(store.outcomes) == 5)
            assert simulator.submits == (5 if leaves else 0)
            if not leaves:
                assert {(o.kind, o.detail) for o in store.outcomes} == {(OutcomeKind.FAILED, "mode refused")}


@pytest.mark.parametrize("address", ["", "32470000001", "+", "+0470", "+32470\x00001", "+3247000000٣", "a@b.example"])
async def test_what_is_no_number_fails_and_the_rest_leaves(address: str) -> None:
    good = deliveries(words(), 3)
    bad = good[1]._replace(address=address)
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        async with running(channel, Given(good[0], bad, good[2]), store):
            await until(lambda: len(store.outcomes) == 3)
            (failed,) = [o for o in store.outcomes if o.kind is OutcomeKind.FAILED]
            assert (failed.delivery, failed.detail) == (bad, "not an E.164 number")
            assert simulator.submits == 2


async def test_nothing_leaves_after_it_expired_and_nothing_that_is_too_long() -> None:
    late = deliveries(words(key=2, expires_at=datetime.now(UTC) - timedelta(seconds=1)), 1)
    long = deliveries(words("x" * 153 * 6, key=3), 1)
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=5)]), Store()
        async with running(channel, Given(*late, *long), store):
            await until(lambda: len(store.outcomes) == 2)
            assert {o.detail for o in store.outcomes} == {"expired before it was sent", "too many parts"}
            assert store.kinds() == {OutcomeKind.FAILED: 2}
            assert simulator.submits == 0


async def test_the_peer_is_acknowledged_only_when_the_batch_is_durable() -> None:
    async with simulated(receipt_first=True) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        store.durable.clear()
        async with running(channel, Given(*deliveries(words(), 20)), store):
            await until(lambda: len(store.receipts) == 20)
            await asyncio.sleep(0.02)
            assert simulator.receipts_acknowledged == 0
            store.durable.set()
            await until(lambda: simulator.receipts_acknowledged == 20)


async def test_a_receipt_before_its_response_is_kept() -> None:
    async with simulated(receipt_first=True, response_delay_s=0.02) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        async with running(channel, Given(*deliveries(words(), 5)), store):
            await until(lambda: len(store.outcomes) == 5)
            assert isinstance(store.batches[0][0], Receipt)
            assert {r.message_id for r in store.receipts} == {o.message_ids[0] for o in store.outcomes}


async def test_more_answers_than_may_be_unrecorded_are_not_asked_for() -> None:
    async with simulated(Outcomes(otherwise="silent")) as simulator:
        settings = provider(simulator.port, window=10)
        channel, store, work = SmsChannel(Transport.SIMULATED, [settings], max_unrecorded=50), Store(), Given()
        work.add(deliveries(words(), 500))
        store.durable.clear()
        async with running(channel, work, store):
            await until(lambda: len(store.outcomes) >= 50)
            await asyncio.sleep(0.05)
            assert 50 <= len(store.outcomes) <= 60
            store.durable.set()
            await until(lambda: len(store.outcomes) == 500)
        assert max(work.asked) <= 10


@pytest.mark.parametrize("ids", ["decimal", "hex", "hex-decimal", "decimal-hex"])
@pytest.mark.parametrize("receipts", ["text", "tlv", "both"])
async def test_receipts_are_matched_whatever_the_form_of_their_ids(ids: str, receipts: str) -> None:
    rule = ids.replace("-", "->").replace("decimal", "leading-zeros") if "-" not in ids else ids.replace("-", "->")
    async with simulated(ids=ids, receipts=receipts) as simulator:
        channel = SmsChannel(Transport.SIMULATED, [provider(simulator.port, message_id_rule=rule)])
        store = Store()
        async with running(channel, Given(*deliveries(words(), 10)), store):
            await until(lambda: len(store.receipts) == 10 and len(store.outcomes) == 10)
            assert {r.message_id for r in store.receipts} == {o.message_ids[0] for o in store.outcomes}


async def test_without_receipts_an_outcome_is_settled() -> None:
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, receipts=False)]), Store()
        async with running(channel, Given(*deliveries(words(), 3)), store):
            await until(lambda: len(store.outcomes) == 3)
            assert all(outcome.settled for outcome in store.outcomes)
            assert simulator.receipts_due == 0


async def test_transmitters_and_receivers_share_the_work_of_a_transceiver() -> None:
    async with simulated() as simulator:
        settings = provider(simulator.port, bind_as="transmitter+receiver", binds=2)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        async with running(channel, Given(*deliveries(words(), 20)), store):
            await until(lambda: len(store.receipts) == 20)
            assert channel.bind_up() == {f"sim/{n}": True for n in range(1, 5)}
            assert {command for command, _, _ in simulator.binds_seen} == {pdu.BIND_TRANSMITTER, pdu.BIND_RECEIVER}
