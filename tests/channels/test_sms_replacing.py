"""An Update's texts in the place of those that a provider holds and has not delivered, against the SMSC simulator."""

from gateway.channels.sms import SmsChannel
from gateway.model import Delivery, Earlier, OutcomeKind, Transport
from gateway.simulators.recorder import Outcomes
from gateway.simulators.smsc import SmscSimulator
from gateway.smpp.status import BY_NAME
from tests.channels.sms_world import Given, Store, deliveries, provider, running, simulated, words
from tests.support.waiting import until

FAR = Outcomes(delay_s=30)
REFUSED = BY_NAME["ESME_RREPLACEFAIL"].code


def later(store: Store, body: str = "New words", name: str = "sim") -> list[Delivery]:
    """The second campaign to those whom the first one was recorded for."""
    new = deliveries(words(body, campaign=2), len(store.outcomes))
    ids = {outcome.delivery.seq: outcome.message_ids[0] for outcome in store.outcomes}
    new[0].lease.replaces.update({seq: Earlier(name, ids[seq], "Old words") for seq in ids})
    return new


def said(simulator: SmscSimulator, body: str) -> int:
    return sum(record.text == body for record in simulator.recorder.records())


async def test_a_text_that_has_not_arrived_gives_way_to_the_new_one() -> None:
    async with simulated(FAR) as simulator:
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store(), Given()
        async with running(channel, work, store):
            work.add(deliveries(words("Old words"), 150))  # more than a window
            await until(lambda: len(store.outcomes) == 150)
            work.add(new := later(store))
            await until(lambda: len(store.outcomes) == 300)
            assert store.kinds() == {OutcomeKind.ACCEPTED: 150, OutcomeKind.REPLACED: 150}
            ids = [outcome.message_ids for outcome in store.outcomes]
            assert sorted(ids[150:]) == sorted(ids[:150])
            assert (simulator.submits, simulator.replaced, said(simulator, "New words")) == (150, 150, 150)
            assert new[0].lease.replaces == {}


async def test_what_is_refused_or_does_not_fit_is_sent_like_any_other() -> None:
    async with simulated(FAR) as simulator:
        settings = provider(simulator.port, cancel_sm=True)
        channel, store, work = SmsChannel(Transport.SIMULATED, [settings]), Store(), Given()
        async with running(channel, work, store):
            work.add(deliveries(words("Old words"), 20))
            await until(lambda: len(store.outcomes) == 20)
            simulator.behaviour.replace_status = REFUSED
            work.add(later(store)[:10])
            await until(lambda: said(simulator, "New words") == 10)
            await until(lambda: simulator.cancelled == 10)
            simulator.behaviour.replace_status = 0
            work.add(later(store, "\u041f\u043e\u0436\u0430\u0440")[10:20])
            await until(lambda: said(simulator, "\u041f\u043e\u0436\u0430\u0440") == 10)
            await until(lambda: (simulator.cancelled, len(store.outcomes)) == (20, 40))
            assert (store.kinds(), simulator.replaced) == ({OutcomeKind.ACCEPTED: 40}, 0)


async def test_one_that_is_asked_too_fast_is_asked_again() -> None:
    async with simulated(FAR) as simulator:
        channel, store, work = SmsChannel(Transport.SIMULATED, [provider(simulator.port)]), Store(), Given()
        async with running(channel, work, store):
            work.add(deliveries(words("Old words"), 1))
            await until(lambda: store.outcomes)
            simulator.behaviour.replace_status = BY_NAME["ESME_RTHROTTLED"].code
            work.add(later(store))
            await until(lambda: any(one.again for one in channel.carriers))
            simulator.behaviour.replace_status = 0
            await until(lambda: len(store.outcomes) == 2)
            assert (store.outcomes[1].kind, simulator.submits) == (OutcomeKind.REPLACED, 1)


async def test_only_who_holds_the_old_text_is_asked() -> None:
    async with simulated(FAR) as first, simulated(FAR) as second:
        settings = [provider(first.port, name="one"), provider(second.port, name="two", priority=1)]
        channel, store, work = SmsChannel(Transport.SIMULATED, settings), Store(), Given()
        async with running(channel, work, store):
            await until(lambda: all(channel.bind_up().values()))
            first.outcomes = Outcomes(otherwise="refused")
            work.add(deliveries(words("Old words"), 3))
            await until(lambda: len(store.outcomes) == 3)
            held = deliveries(words("Old words", campaign=3), 3, first=10)
            assert (
                channel.carriers.all[1].binds[0].submit(channel.carriers.all[1].provider.prepared(held[0].text), held)
            )
            channel.carriers.all[1].binds[0].link.flush()
            await until(lambda: len(store.outcomes) == 6)
            first.outcomes = FAR
            new = deliveries(words("New words", campaign=2), 3, first=10)
            ids = {outcome.delivery.seq: outcome.message_ids[0] for outcome in store.outcomes[3:]}
            new[0].lease.replaces.update({seq: Earlier("two", ids[seq], "Old words") for seq in ids})
            work.add(new)
            await until(lambda: len(store.outcomes) == 9)
            assert (second.replaced, first.submits) == (3, 3)
            second.drop()
            await until(lambda: not channel.bind_up()["two/1"])
            new = deliveries(words("Newer words", campaign=4), 3, first=10)
            new[0].lease.replaces.update({seq: Earlier("two", ids[seq], "Old words") for seq in ids})
            work.add(new)
            await until(lambda: said(first, "Newer words") == 3)
