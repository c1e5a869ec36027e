"""The e-mail channel against the simulator and scripted relays: one true outcome for every delivery."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from gateway.channels.email import KINDS, EmailChannel
from gateway.channels.email_domains import DomainSettings
from gateway.model import Delivery, MessageClass, Mode, OutcomeKind, Transport
from gateway.policy.allowance import Allowance
from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.smtp import SmtpBehaviour, SmtpSimulator
from gateway.smtp.events import Fate
from tests.channels.email_help import (
    BODY,
    Ledger,
    Queue,
    Script,
    deliveries,
    email_settings,
    lease,
    people,
    relay,
    running,
    text,
)
from tests.support.waiting import until


class Sink:
    """A simulator that runs inside an async with block."""

    def __init__(self, outcomes: Outcomes | None = None, behaviour: SmtpBehaviour | None = None, port: int = 0) -> None:
        self.recorder = Recorder()
        self.simulator = SmtpSimulator(
            port=port, outcomes=outcomes or Outcomes(), recorder=self.recorder, behaviour=behaviour
        )

    async def __aenter__(self) -> "Sink":
        await self.simulator.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.simulator.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.simulator.port

    @property
    def to(self) -> list[str]:
        """Who it recorded mail for."""
        return [received.to for received in self.recorder.records()]


async def test_every_delivery_arrives_once_and_is_settled() -> None:
    queue = Queue(deliveries(people(300)))
    ledger = Ledger(queue)
    async with Sink() as sink, running(email_settings(relay(sink.port)), queue, ledger):
        await until(lambda: len(ledger.outcomes) == 300)
        received = sink.recorder.records()
    assert sorted(sink.to) == sorted(people(300))
    assert {(one.channel, one.text, one.mode) for one in received} == {("email", BODY, "test")}
    assert {(one.kind, one.provider, one.code, one.settled) for one in ledger.outcomes} == {
        (OutcomeKind.ACCEPTED, "sink", 250, True)
    }
    assert ledger.accepted == {"sink": 300}


async def test_what_the_relay_says_becomes_the_outcome_without_its_words() -> None:
    words = ["failed", "retry", "full", "refused", "retry_message", "delivered"]
    outcomes = Outcomes()
    for word in words:
        outcomes.tell(f"{word}@example.net", word)
    queue = Queue(deliveries([f"{word}@example.net" for word in words]))
    ledger = Ledger(queue)
    async with Sink(outcomes) as sink, running(email_settings(relay(sink.port, connections=1)), queue, ledger):
        await until(lambda: len(ledger.outcomes) == len(words))
    assert [(one.kind, one.code, one.detail, one.settled) for one in ledger.outcomes] == [
        (OutcomeKind.FAILED, 550, "5.1.1 bad destination mailbox address", False),
        (OutcomeKind.RETRY, 451, "4.3.0 other or undefined mail system status", False),
        (OutcomeKind.RETRY, 452, "4.2.2 mailbox full", False),
        (OutcomeKind.FAILED, 554, "5.7.1 delivery not authorized, message refused", False),
        (OutcomeKind.RETRY, 451, "4.3.0 other or undefined mail system status", False),
        (OutcomeKind.ACCEPTED, 250, "", True),
    ]


EXPECTED = {
    "delivered": OutcomeKind.ACCEPTED,
    "failed": OutcomeKind.FAILED,
    "refused": OutcomeKind.FAILED,
    "retry": OutcomeKind.RETRY,
    "retry_message": OutcomeKind.RETRY,
    "cut": OutcomeKind.UNKNOWN,
    "lost": OutcomeKind.UNKNOWN,
}


@pytest.mark.parametrize("pipelining", [True, False])
async def test_each_delivery_gets_exactly_one_final_outcome_and_it_is_the_agreed_one(pipelining: bool) -> None:
    shares = {"failed": 0.1, "refused": 0.1, "retry": 0.1, "retry_message": 0.1, "cut": 0.05, "lost": 0.05}
    outcomes = Outcomes(shares=shares, salt="mail")
    addresses = people(300)
    queue = Queue(deliveries(addresses))
    ledger = Ledger(queue, again=True)
    async with Sink(outcomes, SmtpBehaviour(pipelining=pipelining)) as sink:
        async with running(email_settings(relay(sink.port)), queue, ledger):
            await until(lambda: len(ledger.outcomes) == 300)
        to = sink.to
    assert ledger.by_address == {one: [EXPECTED[outcomes.decide(one)]] for one in addresses}
    assert sorted(to) == sorted(one for one in addresses if outcomes.decide(one) in ("delivered", "cut"))


@pytest.mark.parametrize(
    ("transport", "mode", "exercise_group", "leaves"),
    [
        (Transport.LIVE, Mode.TEST, False, False),
        (Transport.SIMULATED, Mode.LIVE, False, False),
        (Transport.LIVE, Mode.EXERCISE, False, False),
        (Transport.LIVE, Mode.EXERCISE, True, True),
        (Transport.LIVE, Mode.LIVE, False, True),
        (Transport.SIMULATED, Mode.EXERCISE, False, True),
    ],
)
async def test_no_mode_slips_past_a_transport(
    transport: Transport, mode: Mode, exercise_group: bool, leaves: bool
) -> None:
    held = lease(transport, exercise_group=exercise_group)
    queue = Queue([Delivery(held, 1, "user@example.net", text(mode=mode))])
    ledger = Ledger(queue)
    async with Sink() as sink, running(email_settings(relay(sink.port)), queue, ledger, transport):
        await until(lambda: len(ledger.outcomes) == 1)
        assert [(one.to, one.mode) for one in sink.recorder.records()] == (
            [("user@example.net", mode.value)] if leaves else []
        )
    assert ledger.outcomes[0].kind is (OutcomeKind.ACCEPTED if leaves else OutcomeKind.FAILED)


async def test_a_lease_for_the_other_transport_never_leaves() -> None:
    queue = Queue([Delivery(lease(Transport.LIVE), 1, "user@example.net", text(mode=Mode.TEST))])
    ledger = Ledger(queue)
    async with Sink() as sink, running(email_settings(relay(sink.port)), queue, ledger):
        await until(lambda: len(ledger.outcomes) == 1)
        assert not sink.to
    assert (ledger.outcomes[0].kind, ledger.outcomes[0].detail) == (
        OutcomeKind.FAILED,
        "mode does not allow this transport",
    )


async def test_an_address_that_is_none_fails_and_does_not_hold_up_the_others() -> None:
    addresses = ["a@example.net", "no address", "b@example.net\r\nRCPT TO:<c@example.net>", "d@example.net"]
    queue = Queue(deliveries(addresses))
    ledger = Ledger(queue)
    async with Sink() as sink, running(email_settings(relay(sink.port)), queue, ledger):
        await until(lambda: len(ledger.outcomes) == 4)
        assert sorted(sink.to) == ["a@example.net", "d@example.net"]
    failed = [one for one in ledger.outcomes if one.kind is OutcomeKind.FAILED]
    assert {(one.code, one.detail) for one in failed} == {(553, "5.1.3 bad destination mailbox address syntax")}
    assert len(failed) == 2


async def test_an_international_mailbox_reaches_a_relay_that_knows_them() -> None:
    queue = Queue(deliveries(["jérôme@example.net", "user@bücher.example"]))
    ledger = Ledger(queue)
    async with Sink() as sink, running(email_settings(relay(sink.port)), queue, ledger):
        await until(lambda: len(ledger.outcomes) == 2)
        assert sorted(sink.to) == ["jérôme@example.net", "user@xn--bcher-kva.example"]


async def test_a_relay_that_ends_connections_early_still_takes_everything() -> None:
    queue = Queue(deliveries(people(50)))
    ledger = Ledger(queue, again=True)
    async with Sink(behaviour=SmtpBehaviour(messages=5)) as sink:
        async with running(email_settings(relay(sink.port)), queue, ledger):
            await until(lambda: len(ledger.outcomes) == 50)
        assert sorted(sink.to) == sorted(people(50))


async def test_our_own_limit_per_connection_ends_them_politely() -> None:
    queue = Queue(deliveries(people(50)))
    ledger = Ledger(queue)
    async with Sink() as sink:
        async with running(email_settings(relay(sink.port, messages_per_connection=5)), queue, ledger):
            await until(lambda: len(ledger.outcomes) == 50)
        assert sorted(sink.to) == sorted(people(50))
    assert {one.kind for one in ledger.outcomes} == {OutcomeKind.ACCEPTED}


async def test_the_second_relay_takes_over_when_the_first_goes_and_gives_back_when_it_returns() -> None:
    queue = Queue()
    ledger = Ledger(queue, again=True)
    async with AsyncExitStack() as stack:
        first = Sink()
        await first.simulator.start()
        second = await stack.enter_async_context(Sink())
        settings = email_settings(relay(first.port, "first"), relay(second.port, "second", priority=1))
        channel = await stack.enter_async_context(running(settings, queue, ledger))
        await until(lambda: channel.relays_up() == {"first": True, "second": True})
        queue.put(deliveries(people(20)))
        await until(lambda: len(ledger.outcomes) == 20)
        assert {one.provider for one in ledger.outcomes} == {"first"}
        await first.simulator.stop()
        await until(lambda: channel.relays_up() == {"first": False, "second": True})
        queue.put(deliveries(people(40)[20:]))
        await until(lambda: len(ledger.outcomes) == 40)
        assert {one.provider for one in ledger.outcomes[20:]} == {"second"}
        again = await stack.enter_async_context(Sink(port=first.port))
        await until(lambda: channel.relays_up()["first"])
        queue.put(deliveries(people(60)[40:]))
        await until(lambda: len(ledger.outcomes) == 60)
        assert sorted(again.to) == sorted(people(60)[40:])
    assert ledger.accepted == {"first": 40, "second": 20}


async def test_relays_of_equal_priority_share_the_load() -> None:
    queue = Queue()
    ledger = Ledger(queue)
    async with Sink() as one, Sink() as two:
        settings = email_settings(relay(one.port, "one"), relay(two.port, "two"))
        async with running(settings, queue, ledger) as channel:
            await until(lambda: all(channel.relays_up().values()))
            queue.put(deliveries(people(200)))
            await until(lambda: len(ledger.outcomes) == 200)
        assert one.to
        assert two.to


async def test_while_no_relay_is_up_nothing_is_taken() -> None:
    queue = Queue(deliveries(people(5)))
    ledger = Ledger(queue)
    async with (
        Sink(behaviour=SmtpBehaviour(refuse=True)) as sink,
        running(email_settings(relay(sink.port)), queue, ledger) as channel,
    ):
        await asyncio.sleep(0.1)
        assert not channel.able()
        assert queue.taken == 0
    assert not ledger.outcomes


async def test_a_slow_store_bounds_what_is_unrecorded() -> None:
    queue = Queue(deliveries(people(200)))
    ledger = Ledger(queue)
    ledger.gate.clear()
    async with Sink() as sink:
        settings = email_settings(relay(sink.port, connections=3), max_unrecorded=20)
        async with running(settings, queue, ledger) as channel:
            await until(lambda: sink.simulator.messages >= 20 and channel.in_flight == 0)
            await asyncio.sleep(0.05)
            assert queue.taken <= 20 + 3 * 2  # answered and unrecorded, and what the links had begun
            ledger.gate.set()
            await until(lambda: len(ledger.outcomes) == 200)


async def test_a_relay_gets_no_more_than_its_rate() -> None:
    queue = Queue(deliveries(people(10)))
    ledger = Ledger(queue)
    async with Sink() as sink, running(email_settings(relay(sink.port, max_per_s=0.05)), queue, ledger):
        await until(lambda: len(ledger.outcomes) == 1)
        await asyncio.sleep(0.15)
        assert queue.taken == 1


async def test_a_relay_gets_no_more_than_is_granted_over_all_nodes_and_goes_on_when_more_is() -> None:
    loop = asyncio.get_running_loop()
    share, asked, given = Allowance(1000.0, shared=True, late_s=0.1), asyncio.Event(), 0
    share.hungry = asked.set
    queue = Queue(deliveries(people(30)))
    ledger = Ledger(queue)
    async with Sink() as sink:
        settings = email_settings(relay(sink.port, max_per_s=0.001))  # what this node would keep to by itself
        channel = EmailChannel(transport=Transport.SIMULATED, settings=settings, relay_shares={"sink": share})
        channel.granted()  # nobody is there yet
        task = asyncio.create_task(channel.run(queue, ledger.emit))
        while len(ledger.outcomes) < 30:
            await until(lambda: asked.is_set() or len(ledger.outcomes) == 30)
            asked.clear()
            assert queue.taken <= given
            if not share.left:
                share.granted(loop.time(), 5)
                given += 5
                channel.granted()
        task.cancel()
        await asyncio.wait([task])
    assert share.spent == 30 <= given


async def test_a_domain_gets_no_more_than_its_ceiling_and_holds_up_nobody() -> None:
    slow = [f"user{number}@slow.example" for number in range(40)]
    queue = Queue(deliveries([*slow, *people(100)], message_class=MessageClass.NEWS))
    ledger = Ledger(queue)
    known = (DomainSettings(names=("slow.example",), max_per_s=0.001),)
    async with Sink() as sink, running(email_settings(relay(sink.port), domains=known), queue, ledger):
        await until(lambda: len(ledger.outcomes) == 140)
        assert sorted(sink.to) == sorted([slow[0], *people(100)])
    waits = {one.retry_after_s for one in ledger.outcomes if one.kind is OutcomeKind.UNSENT}
    assert len(waits) == 39  # a turn for each of them, so that they do not come back all at once


async def test_what_waits_for_its_domain_is_said_to_be_unsent_at_the_end() -> None:
    queue = Queue(deliveries([f"user{number}@slow.example" for number in range(40)]))
    ledger = Ledger(queue)
    known = (DomainSettings(names=("slow.example",), max_per_s=3.0),)
    async with Sink() as sink, running(email_settings(relay(sink.port), domains=known), queue, ledger):
        await until(lambda: queue.taken == 40 and any(one.kind is OutcomeKind.ACCEPTED for one in ledger.outcomes))
    assert sorted(one.delivery.seq for one in ledger.outcomes) == list(range(1, 41))
    assert {one.kind for one in ledger.outcomes} == {OutcomeKind.ACCEPTED, OutcomeKind.UNSENT}


async def test_a_domain_that_says_not_now_is_slowed_and_the_others_are_not() -> None:
    busy, outcomes = [f"user{number}@busy.example" for number in range(300)], Outcomes()
    for one in busy:
        outcomes.tell(one, "slow_down")
    queue = Queue(deliveries([*busy, *people(100)], message_class=MessageClass.NEWS))
    ledger = Ledger(queue)
    async with Sink(outcomes) as sink, running(email_settings(relay(sink.port)), queue, ledger) as channel:
        await until(lambda: sink.simulator.messages == 100)
        assert channel.domains_slowed() == 1
    kinds = Counter(one.kind for one in ledger.outcomes)
    assert kinds[OutcomeKind.ACCEPTED] == 100
    assert 5 <= kinds[OutcomeKind.RETRY] < 200  # an attempt each; the others keep theirs
    assert sum(kinds.values()) == 400


async def test_a_relay_that_says_not_now_of_itself_is_slowed_and_no_domain_is() -> None:
    queue = Queue(deliveries(people(300)))
    ledger = Ledger(queue)
    refusing = Outcomes(otherwise="retry")
    async with Sink(refusing) as sink, running(email_settings(relay(sink.port)), queue, ledger) as channel:
        await until(lambda: channel.relays_slowed() == {"sink": True})
        assert channel.domains_slowed() == 0
        assert queue.taken < 300


async def test_outcomes_gather_into_batches_while_the_store_is_busy() -> None:
    queue = Queue(deliveries(people(100)))
    ledger = Ledger(queue)
    ledger.gate.clear()
    async with Sink() as sink, running(email_settings(relay(sink.port)), queue, ledger) as channel:
        await until(lambda: sink.simulator.messages == 100 and channel.in_flight == 0)
        ledger.gate.set()
        await until(lambda: len(ledger.outcomes) == 100)
    assert ledger.batches <= 9  # eight that waited, and one of all the rest


async def test_a_store_that_fails_ends_the_run_with_its_error() -> None:
    async def broken(_batch: object) -> None:
        raise OSError("the store is gone")

    async with Sink() as sink:
        settings = email_settings(relay(sink.port), drain_s=0.1)
        channel = EmailChannel(transport=Transport.SIMULATED, settings=settings)
        with pytest.raises(ExceptionGroup) as caught:
            await channel.run(Queue(deliveries(people(1))), broken)
    assert caught.value.subgroup(OSError) is not None


# ---- the end of a run


async def test_cancelling_lets_what_was_begun_finish_and_takes_nothing_more() -> None:
    queue = Queue(deliveries(people(500)))
    ledger = Ledger(queue)
    async with Sink(behaviour=SmtpBehaviour(delay_s=0.05)) as sink:
        async with running(email_settings(relay(sink.port)), queue, ledger):
            await until(lambda: sink.simulator.messages > 4)
        assert queue.items
        assert len(ledger.outcomes) == queue.taken
        assert {one.kind for one in ledger.outcomes} == {OutcomeKind.ACCEPTED}
        assert len(sink.to) == queue.taken


async def test_what_is_not_answered_when_the_time_to_drain_is_over_is_unknown() -> None:
    queue = Queue(deliveries(people(1)))
    ledger = Ledger(queue)
    async with Sink(behaviour=SmtpBehaviour(delay_s=60)) as sink:
        settings = email_settings(relay(sink.port, connections=1), drain_s=0.1)
        async with running(settings, queue, ledger):
            await until(lambda: sink.simulator.messages == 1)
    assert [(one.kind, one.detail) for one in ledger.outcomes] == [
        (OutcomeKind.UNKNOWN, "no answer after the final dot")
    ]


async def test_an_envelope_without_its_body_comes_back_unsent_at_the_end() -> None:
    async def answer(line: str) -> str:
        if line.startswith("RCPT"):
            await asyncio.sleep(60)
        return "250 ok\r\n"

    queue = Queue(deliveries(people(1)))
    ledger = Ledger(queue)
    async with (
        Script(answer) as script,
        running(email_settings(relay(script.port), drain_s=0.1), queue, ledger) as channel,
    ):
        await until(lambda: any(line.startswith("RCPT") for line in script.lines))
        assert channel.in_flight == 1
    assert [one.kind for one in ledger.outcomes] == [OutcomeKind.UNSENT]


async def test_a_withdrawn_campaign_stops_before_its_body_and_the_others_go_on() -> None:
    held = asyncio.Event()

    async def answer(line: str) -> str:
        if line == "DATA":
            await held.wait()
            return "354 go\r\n"
        return "250 ok\r\n"

    queue = Queue(deliveries(people(1)))
    ledger = Ledger(queue)
    async with (
        Script(answer) as script,
        running(email_settings(relay(script.port, connections=1)), queue, ledger) as channel,
    ):
        await until(lambda: "DATA" in script.lines)
        await channel.withdraw(8)
        await channel.withdraw(7)
        held.set()
        await until(lambda: len(ledger.outcomes) == 1)
        assert ledger.outcomes[0].kind is OutcomeKind.UNSENT
        assert not any("Subject" in line for line in script.lines)


async def test_past_its_leases_it_writes_no_body_of_what_it_had_begun() -> None:
    """A process that slept between RCPT and the answer to DATA: another node may have sent it by now."""
    held, fence = asyncio.Event(), [True]

    async def answer(line: str) -> str:
        if line == "DATA":
            await held.wait()
            return "354 go\r\n"
        return "250 ok\r\n"

    queue = Queue(deliveries(people(1)))
    ledger = Ledger(queue)
    async with Script(answer) as script:
        settings = email_settings(relay(script.port, connections=1))
        channel = EmailChannel(transport=Transport.SIMULATED, settings=settings, fence=lambda: fence[0])
        task = asyncio.create_task(channel.run(queue, ledger.emit))
        await until(lambda: "DATA" in script.lines)
        fence[0] = False
        held.set()
        await until(lambda: len(ledger.outcomes) == 1)
        task.cancel()
        await asyncio.wait([task])
    assert ledger.outcomes[0].kind is OutcomeKind.UNSENT
    assert not any("Subject" in line for line in script.lines)


async def test_a_channel_that_does_not_run_answers_for_nothing() -> None:
    channel = EmailChannel(transport=Transport.LIVE, settings=email_settings(relay(1)))
    await channel.withdraw(7)
    assert channel.in_flight == 0
    assert not channel.able()
    assert channel.relays_up() == {"sink": False}


async def test_relays_may_be_replaced_for_the_simulated_transport() -> None:
    queue = Queue(deliveries(people(1)))
    ledger = Ledger(queue)
    async with Sink() as sink:
        settings = email_settings(relay(1, "live"))
        channel = EmailChannel(transport=Transport.SIMULATED, settings=settings, relays=[relay(sink.port, "simulated")])
        task = asyncio.create_task(channel.run(queue, ledger.emit))
        await until(lambda: len(ledger.outcomes) == 1)
        task.cancel()
        await asyncio.wait([task])
    assert ledger.outcomes[0].provider == "simulated"


def test_every_fate_has_an_outcome() -> None:
    assert set(KINDS) == set(Fate)
    assert set(KINDS.values()) == set(OutcomeKind) - {OutcomeKind.REPLACED}  # no mail takes the place of another
