"""The SMS channel with several providers: routes, shares, failover, accounts, and a provider that fails by itself."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from gateway.channels.sms import SmsChannel
from gateway.model import Delivery, Mode, OutcomeKind, ReceiptKind, Transport
from gateway.policy.allowance import Allowance
from gateway.simulators.recorder import Outcomes
from gateway.simulators.smsc import SmscSimulator
from gateway.smpp import pdu
from tests.channels.sms_world import Given, Store, deliveries, provider, running, simulated, words
from tests.support.waiting import until

SIM = Transport.SIMULATED


@contextlib.asynccontextmanager
async def two(*outcomes: Outcomes) -> AsyncIterator[tuple[SmscSimulator, SmscSimulator]]:
    """Two providers' SMSCs."""
    one, other = outcomes or (None, None)
    async with simulated(one) as first, simulated(other) as second:
        yield first, second


def to(*numbers: str) -> list[Delivery]:
    """Deliveries to these numbers."""
    return [
        one._replace(address=number) for one, number in zip(deliveries(words(), len(numbers)), numbers, strict=True)
    ]


def reached(simulator: SmscSimulator) -> set[str]:
    return {record.to for record in simulator.recorder.records()}


async def up(channel: SmsChannel) -> None:
    await until(lambda: all(channel.bind_up().values()))


async def test_each_number_goes_to_the_provider_of_its_longest_prefix_with_that_providers_sender() -> None:
    async with two() as (home, world):
        channel = SmsChannel(
            SIM,
            [
                provider(home.port, name="home", prefixes=["+32"], source_addr="8686", source_ton=3),
                provider(world.port, name="world", source_addr="Alert"),
            ],
        )
        store, work = Store(), Given()
        async with running(channel, work, store):
            await up(channel)
            national, foreign = [f"+3247{n:07d}" for n in range(20)], [f"+336{n:08d}" for n in range(10)]
            work.add(to(*(x for pair in zip(national, [*foreign, *foreign], strict=True) for x in pair))[:30])
            await until(lambda: len(store.outcomes) == 30)
            assert reached(home) | reached(world) <= {*national, *foreign}
            assert all(number.startswith("+32") for number in reached(home))
            assert all(number.startswith("+33") for number in reached(world))
            assert {outcome.provider for outcome in store.outcomes} == {"home", "world"}


async def test_equals_share_by_weight() -> None:
    async with two() as (small, large):
        channel = SmsChannel(SIM, [provider(small.port, name="small"), provider(large.port, name="large", weight=3)])
        store, work = Store(), Given()
        async with running(channel, work, store):
            await up(channel)
            work.add(deliveries(words(), 400))
            await until(lambda: len(store.outcomes) == 400)
            assert abs(small.submits - 100) <= 5
            assert abs(large.submits - 300) <= 5


async def test_when_one_of_four_goes_the_three_share_what_it_had_and_notice_nothing_else() -> None:
    async with two() as (a, b), two() as (c, d):
        all_four = {"a": a, "b": b, "c": c, "d": d}
        channel = SmsChannel(SIM, [provider(one.port, name=name) for name, one in all_four.items()])
        store, work = Store(), Given()
        async with running(channel, work, store):
            for turn, (up_now, each) in enumerate((("abcd", 30), ("abc", 40), ("abcd", 30)), 1):
                if turn > 1:
                    await (d.start() if "d" in up_now else d.stop())
                await until(lambda now=up_now: [name[0] for name, up in channel.bind_up().items() if up] == [*now])
                before = {name: one.submits for name, one in all_four.items()}
                work.add(deliveries(words(), 120, first=len(store.outcomes)))
                await until(lambda wanted=120 * turn: len(store.outcomes) == wanted)
                shares = {name: one.submits - before[name] for name, one in all_four.items()}
                assert {name for name, share in shares.items() if share} == {*up_now}
                assert all(abs(shares[name] - each) <= 2 for name in up_now)
            assert store.kinds() == {OutcomeKind.ACCEPTED: 360}


async def test_when_a_provider_goes_the_next_takes_over_and_gives_it_back() -> None:
    async with two(Outcomes(), Outcomes()) as (first, spare):
        channel = SmsChannel(SIM, [provider(first.port, name="first"), provider(spare.port, name="spare", priority=1)])
        store, work = Store(), Given()
        async with running(channel, work, store):
            await up(channel)
            work.add(deliveries(words(), 20))
            await until(lambda: len(store.outcomes) == 20)
            assert (first.submits, spare.submits) == (20, 0)
            await first.stop()
            await until(lambda: not channel.bind_up()["first/1"])
            work.add(deliveries(words(), 20, first=20))
            await until(lambda: len(store.outcomes) == 40)
            assert spare.submits == 20
            await first.start()
            await up(channel)
            work.add(deliveries(words(), 20, first=40))
            await until(lambda: len(store.outcomes) == 60)
            assert (first.submits, spare.submits) == (40, 20)
            assert store.kinds() == {OutcomeKind.ACCEPTED: 60}


async def test_what_waits_at_a_provider_that_goes_leaves_by_another_one() -> None:
    async with two(Outcomes(otherwise="unanswered"), Outcomes()) as (first, spare):
        settings = provider(first.port, name="first", window=4), provider(spare.port, name="spare", priority=1)
        channel, store, work = SmsChannel(SIM, settings, drain_s=0.05), Store(), Given()
        async with running(channel, work, store):
            await up(channel)
            work.add(deliveries(words(), 8))
            await until(lambda: first.submits == 4)
            first.behaviour.bind_status = 0x0D
            first.drop()
            await until(lambda: len(store.outcomes) == 8)
            assert store.kinds() == {OutcomeKind.UNKNOWN: 4, OutcomeKind.ACCEPTED: 4}
            assert spare.submits == 4


async def test_a_number_without_any_route_fails_and_one_whose_route_is_down_waits_without_an_attempt() -> None:
    async with simulated() as simulator:
        channel = SmsChannel(
            SIM,
            [
                provider(simulator.port, name="home", prefixes=["+32"]),
                provider(1, name="gone", prefixes=["+33"]),
            ],
        )
        store = Store()
        async with running(channel, Given(*to("+32470000001", "+33600000001", "+4900000001")), store):
            await until(lambda: len(store.outcomes) == 3)
            told = {o.delivery.address: (o.kind, o.detail, o.retry_after_s) for o in store.outcomes}
            assert told["+32470000001"][0] is OutcomeKind.ACCEPTED
            assert told["+33600000001"] == (OutcomeKind.UNSENT, "", 2.0)
            assert told["+4900000001"] == (OutcomeKind.FAILED, "no route for this number", None)


async def test_a_provider_that_fails_by_itself_is_left_alone_and_tried_with_one_message() -> None:
    async with simulated(Outcomes(otherwise="refused"), refuse_status=0x08) as bad, simulated() as good:
        channel = SmsChannel(
            SIM,
            [
                provider(
                    bad.port, name="bad", breaker_failures=5, breaker_first_s=0.1, breaker_longest_s=0.2, window=5
                ),
                provider(good.port, name="good", priority=1),
            ],
        )
        store, work = Store(), Given()
        async with running(channel, work, store):
            await up(channel)
            work.add(deliveries(words(), 5))
            await until(lambda: len(store.outcomes) == 5)
            assert channel.breakers_open() == {"bad": True, "good": False}
            work.add(deliveries(words(), 50, first=5))
            await until(lambda: len(store.outcomes) == 55)
            counted = Counter((o.provider, o.kind) for o in store.outcomes)
            assert counted["good", OutcomeKind.ACCEPTED] >= 45
            bad.outcomes = Outcomes()
            for turn in range(100):
                work.add(deliveries(words(), 1, first=55 + turn))
                await asyncio.sleep(0.01)
                if not channel.breakers_open()["bad"]:
                    break
            assert channel.breakers_open() == {"bad": False, "good": False}


async def test_providers_of_one_account_share_its_rate_and_only_what_was_granted_leaves() -> None:
    granted, asked = Allowance(1_000, shared=True), asyncio.Event()
    granted.hungry = asked.set
    clock = [0.0]
    async with two() as (one, other):
        both = [
            provider(one.port, name="one", account="us", max_rate_per_s=1_000),
            provider(other.port, name="other", account="us", max_rate_per_s=1_000, binds=2),
        ]
        channel = SmsChannel(SIM, both, allowances={"us": granted}, monotonic=lambda: clock[0])
        store, work = Store(), Given()
        async with running(channel, work, store):
            await up(channel)
            work.add(deliveries(words("x" * 200), 100))
            await until(asked.is_set)
            await asyncio.sleep(0.05)
            assert one.submits + other.submits == 0
            granted.granted(0.0, 50)
            clock[0] = 0.0495
            channel.granted()
            await until(lambda: one.submits + other.submits >= 50)
            await asyncio.sleep(0.1)
            assert 50 <= one.submits + other.submits <= 52
            assert granted.spent == one.submits + other.submits


async def test_a_receiver_alone_is_no_way_out() -> None:
    async with simulated() as simulator:
        settings = provider(simulator.port, bind_as="transmitter+receiver")
        channel = SmsChannel(SIM, [settings, provider(1, name="gone")])
        store, work = Store(), Given(*deliveries(words(), 10))
        assert not channel.able()
        async with running(channel, work, store):
            await until(lambda: len(store.outcomes) == 10)
            assert store.kinds() == {OutcomeKind.ACCEPTED: 10}
            assert channel.able()


async def test_a_probe_goes_the_way_of_its_number_or_of_its_provider_and_tells_its_id() -> None:
    live = words("Piep", mode=Mode.LIVE)
    async with two() as (home, world):
        settings = [provider(home.port, name="home", prefixes=["+32"]), provider(world.port, name="world")]
        channel, store = SmsChannel(Transport.LIVE, settings), Store()
        async with running(channel, Given(), store):
            assert await channel.probe("+32470000001", live) == ("", "")
            await up(channel)
            assert await channel.probe("+32470000001", live) == ("home", str(home.behaviour.first_id + 1))
            assert (await channel.probe("+32470000001", live, "world"))[0] == "world"
            assert (await channel.probe("+33600000001", live))[0] == "world"
            assert await channel.probe("+32470000001", live, "nobody") == ("", "")
            home.outcomes = Outcomes(otherwise="refused")
            assert await channel.probe("+32470000001", live) == ("", "")
            assert [record.text for record in world.recorder.records()] == ["Piep", "Piep"]
            assert store.outcomes == []


async def test_a_channel_of_simulations_sends_no_probe() -> None:
    async with simulated() as simulator:
        channel = SmsChannel(SIM, [provider(simulator.port)])
        async with running(channel, Given(), Store()):
            await up(channel)
            assert await channel.probe("+32470000001", words("Piep")) == ("", "")
            assert simulator.submits == 0


async def test_what_a_provider_still_holds_can_be_recalled_and_its_receipt_says_so() -> None:
    async with simulated(Outcomes(delay_s=30)) as simulator:
        settings = provider(simulator.port, cancel_sm=True, binds=2)
        channel, store = SmsChannel(SIM, [settings, provider(1, name="other")]), Store()
        assert channel.carriers.recall_room() == {}
        async with running(channel, Given(*deliveries(words(), 30)), store):
            await until(lambda: len(store.outcomes) == 30 and simulator.bound == 2)
            assert channel.carriers.recall_room() == {"sim": 200}
            first = [(o.message_ids[0], o.delivery.address) for o in store.outcomes[:20]]
            channel.carriers.recall("sim", [*first, ("nobodys", "+32470000001")])
            await until(lambda: channel.recalled == {"taken": 20, "refused": 1})
            await until(lambda: len(store.receipts) == 20)
            assert {(r.kind, r.detail) for r in store.receipts} == {(ReceiptKind.FAILED, "DELETED")}
            assert {r.message_id for r in store.receipts} == {message_id for message_id, _ in first}
            assert channel.findings == {}


async def test_receipts_come_by_the_connection_that_the_provider_makes_when_it_says_outbind(port: int) -> None:
    async with simulated() as simulator:
        settings = provider(
            simulator.port, bind_as="transmitter+receiver", outbind_port=port, outbind_system_id="smsc",
            outbind_password="open",
        )  # fmt: skip
        channel, store = SmsChannel(SIM, [settings]), Store()
        async with running(channel, Given(), store):
            await until(lambda: channel.bind_up() == {"sim/1": True, "sim/2": True, "sim/outbind": False})
            async with asyncio.timeout(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(pdu.encode(pdu.OUTBIND, 0, 1, b"smsc\0open\0"))
                asked = await reader.readexactly(16)
                length, command, _, number = pdu.unpack_header(asked, 0)
                await reader.readexactly(length - 16)
                assert command == pdu.BIND_RECEIVER
                writer.write(pdu.encode(pdu.RESPONSE | command, 0, number, b"smsc\0"))
                await until(lambda: channel.bind_up()["sim/outbind"])
                made = pdu.template(source_addr="32470000001", short_message=RECEIPT, esm_class=pdu.ESM_RECEIPT)
                writer.write(pdu.from_template(made, pdu.DELIVER_SM, 2, b"BE-Alert"))
                await until(lambda: [r.message_id for r in store.receipts] == ["77"])
                _, answered, status, number = pdu.unpack_header(await reader.readexactly(17), 0)
                assert (answered, status, number) == (pdu.DELIVER_SM_RESP, 0, 2)
                writer.close()


RECEIPT = b"id:77 sub:001 dlvrd:001 submit date:2611212200 done date:2611212201 stat:DELIVRD err:000 text:"
