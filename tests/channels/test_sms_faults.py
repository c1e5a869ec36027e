"""The SMS channel when peers refuse, throttle, fall silent or go, and when it has to stop."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.channels.base import Said
from gateway.channels.sms import SmsChannel
from gateway.model import (
    OutcomeKind,
    Transport,
)
from gateway.simulators.recorder import Outcomes
from gateway.smpp.status import BY_NAME
from tests.channels.sms_world import Given, Store, deliveries, provider, running, simulated, words
from tests.support.waiting import until


@pytest.mark.parametrize("status", ["ESME_RTHROTTLED", "ESME_RMSGQFUL"])
async def test_a_throttled_message_keeps_its_place_and_its_attempts_and_the_bind_slows_down(status: str) -> None:
    async with simulated(throttle_per_s=20, throttle_status=BY_NAME[status].code) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=10)]), Store()
        async with running(channel, Given(*deliveries(words(), 400)), store):
            await until(lambda: simulator.refusals and len(store.outcomes) >= 30)
            assert store.kinds() == {OutcomeKind.ACCEPTED: len(store.outcomes)}
            arrived = [int(record.to[-7:]) for record in simulator.recorder.records()]
            assert all(abs(place - number) <= 10 for place, number in enumerate(arrived))  # the window
            assert len(set(arrived)) == len(arrived) < 400


async def test_a_throttled_part_is_sent_again_alone_and_the_message_stays_whole() -> None:
    async with simulated(throttle_per_s=7) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=10)]), Store()
        async with running(channel, Given(*deliveries(words("x" * 400), 4)), store):
            await until(lambda: len(store.outcomes) == 4)
            assert simulator.refusals
            assert [len(outcome.message_ids) for outcome in store.outcomes] == [3] * 4
            assert simulator.recorder.count == 4
            assert simulator.submits - simulator.refusals == 12


async def test_one_number_that_is_always_too_much_does_not_keep_its_place_for_ever() -> None:
    """ESME_RMSGQFUL may be about one telephone: after some tries in place it becomes a retry like any other."""
    outcomes = Outcomes()
    outcomes.tell("+32470000000", "throttled")
    async with simulated(outcomes) as simulator:
        settings = provider(simulator.port, window=10, bind_rate_per_s=5_000)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        async with running(channel, Given(*deliveries(words(), 3)), store):
            await until(lambda: len(store.outcomes) == 3)
            assert [o.kind for o in sorted(store.outcomes, key=lambda o: o.delivery.seq)] == [
                OutcomeKind.RETRY, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED,
            ]  # fmt: skip
            assert simulator.refusals == 6


async def test_what_waits_after_throttling_is_given_back_and_its_parts_are_not_forgotten() -> None:
    async with simulated(Outcomes(otherwise="throttled")) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)], drain_s=0.1), Store()
        given = [*deliveries(words(), 2), *deliveries(words("x" * 400, key=2), 1, first=2)]
        async with running(channel, Given(*given), store):
            await until(lambda: simulator.refusals >= 5)
            await channel.withdraw(1)
            await until(lambda: len(store.outcomes) == 3)
            assert store.kinds() == {OutcomeKind.UNSENT: 3}


async def test_what_is_throttled_after_its_campaign_was_withdrawn_comes_back_until_that_goes_on() -> None:
    async with simulated(Outcomes(otherwise="throttled"), response_delay_s=0.2) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)], drain_s=0.1), Store()
        work = Given(*deliveries(words(), 3))
        async with running(channel, work, store):
            await until(lambda: channel.in_flight == 3)
            await channel.withdraw(1)
            assert not store.outcomes
            await until(lambda: len(store.outcomes) == 3)
            assert store.kinds() == {OutcomeKind.UNSENT: 3}
            work.add(deliveries(words(), 1))
            await until(lambda: simulator.refusals > 5)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(0x64, OutcomeKind.RETRY), (0x08, OutcomeKind.RETRY), (0x0B, OutcomeKind.FAILED), (0x45, OutcomeKind.RETRY)],
)
async def test_a_refusal_is_what_the_table_says(status: int, kind: OutcomeKind) -> None:
    async with simulated(Outcomes(otherwise="refused"), refuse_status=status) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        async with running(channel, Given(*deliveries(words("x" * 200), 1)), store):
            await until(lambda: len(store.outcomes) == 1)
            (outcome,) = store.outcomes
            assert (outcome.kind, outcome.code, outcome.message_ids) == (kind, status, ())


async def test_a_bind_that_the_peer_says_is_wrong_is_made_anew() -> None:
    async with simulated(Outcomes(otherwise="refused"), refuse_status=0x04) as simulator:
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store(), Given()
        work.add(deliveries(words(), 2))
        async with running(channel, work, store):
            await until(lambda: len(simulator.binds_seen) == 2 and simulator.bound == 1)
            assert store.kinds() == {OutcomeKind.RETRY: 2}
            simulator.outcomes = Outcomes()
            work.add(deliveries(words(), 2))
            await until(lambda: store.kinds()[OutcomeKind.ACCEPTED] == 2)


async def test_when_the_connection_breaks_exactly_the_unanswered_are_unknown_and_sending_goes_on() -> None:
    given = deliveries(words(), 200)
    async with simulated(Outcomes(otherwise="silent"), close_after=60) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=20)]), Store()
        async with running(channel, Given(*given), store):
            await until(lambda: len(store.outcomes) == 200)
            kinds = store.kinds()
            assert set(kinds) <= {OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN, OutcomeKind.UNSENT}
            assert 0 < kinds[OutcomeKind.UNKNOWN] <= 20
            assert len({outcome.delivery.seq for outcome in store.outcomes}) == 200
            assert simulator.submits <= 200


async def test_answers_that_never_come_are_unknown() -> None:
    async with simulated(Outcomes(otherwise="unanswered")) as simulator:
        settings = provider(simulator.port, response_timeout_s=0.05)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        async with running(
            channel, Given(*deliveries(words(), 3), *deliveries(words("y" * 200, key=2), 1, first=3)), store
        ):
            await until(lambda: len(store.outcomes) == 4)
            assert {(o.kind, o.detail) for o in store.outcomes} == {(OutcomeKind.UNKNOWN, "no answer in time")}


async def test_a_part_without_an_answer_makes_the_whole_message_unknown() -> None:
    async with simulated(drop_response_every=3) as simulator:
        settings = provider(simulator.port, response_timeout_s=1.0)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        async with running(channel, Given(*deliveries(words("x" * 400), 1)), store):
            await until(lambda: store.outcomes)
            assert [(o.kind, o.message_ids) for o in store.outcomes] == [(OutcomeKind.UNKNOWN, ())]


async def test_an_answer_after_its_timer_is_told_with_its_id_and_of_a_long_message_when_all_parts_are_taken() -> None:
    """The receipts come under these ids; nothing is told twice."""
    async with simulated(response_delay_s=1.0) as simulator:
        settings = provider(simulator.port, response_timeout_s=0.05)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        work = Given(*deliveries(words(), 3), *deliveries(words("y" * 200, key=2), 1, first=3))
        async with running(channel, work, store):
            await until(lambda: len(store.belated) == 4 and len(store.receipts) == 5)
        assert {(o.kind, o.detail) for o in store.outcomes} == {(OutcomeKind.UNKNOWN, "no answer in time")}
        assert {(o.kind, o.provider, o.settled) for o in store.belated} == {(OutcomeKind.ACCEPTED, "sim", False)}
        assert sorted(len(o.message_ids) for o in store.belated) == [1, 1, 1, 2]
        ids = [message_id for outcome in store.belated for message_id in outcome.message_ids]
        assert sorted(ids) == sorted(receipt.message_id for receipt in store.receipts)
        assert not channel.findings


async def test_a_late_refusal_is_what_the_table_says() -> None:
    async with simulated(Outcomes(otherwise="refused"), response_delay_s=1.0, refuse_status=0x58) as simulator:
        settings = provider(simulator.port, response_timeout_s=0.05)
        channel, store = SmsChannel(Transport.SIMULATED, [settings]), Store()
        async with running(channel, Given(*deliveries(words(), 2)), store):
            await until(lambda: len(store.belated) == 2)
        assert {(o.kind, o.code, o.retry_after_s) for o in store.belated} == {(OutcomeKind.RETRY, 0x58, 1.0)}
        assert store.kinds() == {OutcomeKind.UNKNOWN: 2}


async def test_with_no_bind_nothing_is_taken() -> None:
    async with simulated(bind_status=0x0D) as simulator:
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store(), Given()
        work.add(deliveries(words(), 5))
        async with running(channel, work, store):
            await until(lambda: simulator.binds_seen)
            await asyncio.sleep(0.05)
            assert len(simulator.binds_seen) == 1
            assert work.asked == []
            assert channel.bind_up() == {"sim/1": False}


async def test_one_provider_that_is_down_does_not_hold_the_other() -> None:
    async with simulated() as simulator:
        gone = provider(1, name="gone")
        channel, store = SmsChannel(Transport.SIMULATED, [gone, provider(simulator.port)]), Store()
        async with running(channel, Given(*deliveries(words(), 10)), store):
            await until(lambda: len(store.outcomes) == 10)
            assert channel.bind_up() == {"gone/1": False, "sim/1": True}


async def test_work_that_comes_later_leaves_later() -> None:
    async with simulated() as simulator:
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store(), Given()
        async with running(channel, work, store):
            await until(lambda: channel.bind_up()["sim/1"])
            for turn in range(3):
                work.add(deliveries(words(), 5, first=turn * 5))
                await until(lambda wanted=(turn + 1) * 5: len(store.outcomes) == wanted)


async def test_a_maximum_rate_is_held_from_the_first_second() -> None:
    async with simulated() as simulator:
        channel = SmsChannel(Transport.SIMULATED, [provider(simulator.port, max_rate_per_s=100.0)])
        store = Store()
        began = asyncio.get_running_loop().time()
        async with running(channel, Given(*deliveries(words(), 1_000)), store):
            await until(lambda: simulator.submits)
            await asyncio.sleep(0.2)
            assert simulator.submits <= 100 * (asyncio.get_running_loop().time() - began) * 1.1 + 10


async def test_cancelled_it_waits_for_what_is_in_flight_and_unbinds() -> None:
    async with simulated(response_delay_s=0.1) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        async with running(channel, Given(*deliveries(words(), 30)), store) as task:
            await until(lambda: channel.in_flight == 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert store.kinds() == {OutcomeKind.ACCEPTED: 30}
            await until(lambda: simulator.bound == 0)


async def test_cancelled_it_gives_up_answers_that_do_not_come_within_the_drain_time() -> None:
    async with simulated(Outcomes(otherwise="unanswered")) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)], drain_s=0.05), Store()
        async with running(channel, Given(*deliveries(words(), 3)), store) as task:
            await until(lambda: channel.in_flight == 3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert store.kinds() == {OutcomeKind.UNKNOWN: 3}


async def test_what_was_taken_and_not_written_is_given_back_when_its_campaign_is_withdrawn() -> None:
    async with simulated(Outcomes(otherwise="unanswered")) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=4)], drain_s=0.05), Store()
        first, second = deliveries(words("x" * 400), 1), deliveries(words("y" * 400, campaign=2), 1, first=1)
        async with running(channel, Given(*first, *second), store):
            await until(lambda: channel.in_flight == 3)
            await channel.withdraw(2)
            await until(lambda: store.outcomes)
            assert [(o.delivery, o.kind) for o in store.outcomes] == [(second[0], OutcomeKind.UNSENT)]


async def test_what_was_taken_and_not_written_is_given_back_when_the_last_bind_goes_down() -> None:
    async with simulated(Outcomes(otherwise="unanswered")) as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port, window=4)], drain_s=0.05), Store()
        async with running(channel, Given(*deliveries(words("x" * 400), 2)), store):
            await until(lambda: channel.in_flight == 3)
            simulator.behaviour.bind_status = 0x0D
            simulator.drop()
            await until(lambda: len(store.outcomes) == 2)
            assert [o.kind for o in store.outcomes] == [OutcomeKind.UNKNOWN, OutcomeKind.UNSENT]


async def test_what_was_taken_and_not_written_does_not_leave_after_the_lease() -> None:
    """A process that slept wakes up with it in hand: by now it may be another node's."""
    async with simulated(response_delay_s=0.1) as simulator:
        awake = [True]
        settings = [provider(simulator.port, window=4)]
        channel, store = SmsChannel(Transport.SIMULATED, settings, drain_s=0.5, fence=lambda: awake[0]), Store()
        first, second = deliveries(words("x" * 400), 2)
        async with running(channel, Given(first, second), store):
            await until(lambda: channel.in_flight == 3)
            awake[0] = False
            await until(lambda: len(store.outcomes) == 2)
            kinds = {outcome.delivery.seq: outcome.kind for outcome in store.outcomes}
            assert kinds == {first.seq: OutcomeKind.ACCEPTED, second.seq: OutcomeKind.UNSENT}
            assert simulator.submits == 3


async def test_what_one_bind_has_no_room_for_leaves_by_another() -> None:
    async with simulated(Outcomes(otherwise="unanswered")) as simulator:
        settings = provider(simulator.port, window=4, binds=2)
        channel, store, work = SmsChannel(Transport.SIMULATED, [settings], drain_s=0.05), Store(), Given()
        async with running(channel, work, store):
            await until(lambda: all(channel.bind_up().values()))
            work.add(deliveries(words("x" * 400), 2))
            await until(lambda: simulator.submits == 6)
            assert channel.in_flight == 6


async def test_a_store_that_fails_ends_the_run_with_its_error() -> None:
    class Broken(Exception):
        pass

    async def emit(batch: Sequence[Said]) -> None:
        raise Broken

    async with simulated() as simulator:
        channel = SmsChannel(Transport.SIMULATED, [provider(simulator.port)])
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(60):
                await channel.run(Given(*deliveries(words(), 3)), emit)
        assert caught.group_contains(Broken)


async def test_a_persons_reply_is_acknowledged_and_told_to_nobody() -> None:
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        async with running(channel, Given(), store):
            await until(lambda: channel.bind_up()["sim/1"])
            simulator.reply("+32470000001", "BE-Alert", "STOP")
            simulator.unbind()
            await until(lambda: len(simulator.binds_seen) == 2)
            assert store.batches == []


async def test_a_campaign_with_the_same_key_and_another_text_is_not_confused() -> None:
    async with simulated() as simulator:
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store(), Given()
        async with running(channel, work, store):
            for n, body in enumerate(["first", "second"]):
                work.add(deliveries(words(body), 1, first=n))
                await until(lambda wanted=n + 1: simulator.recorder.count == wanted)
            assert [record.text for record in simulator.recorder.records()] == ["first", "second"]


async def test_parts_of_different_campaigns_to_one_phone_carry_different_references() -> None:
    async with simulated() as simulator:
        channel, store = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store()
        given = [*deliveries(words("a" * 200), 1), *deliveries(words("b" * 200, campaign=2), 1)]
        async with running(channel, Given(*given), store):
            await until(lambda: simulator.recorder.count == 2)
            assert {record.text for record in simulator.recorder.records()} == {"a" * 200, "b" * 200}
