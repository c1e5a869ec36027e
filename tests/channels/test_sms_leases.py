"""Which binds a channel opens: those it is told, closed in peace when they are to go to another node."""

import asyncio

from gateway.channels.sms import SmsChannel
from gateway.model import OutcomeKind, Transport
from tests.channels.sms_world import Given, Store, deliveries, provider, running, simulated, words
from tests.support.waiting import until


async def test_only_what_is_leased_is_opened_and_it_is_closed_in_peace() -> None:
    """Answers come before the good-bye; what did not fit into the other window leaves by it later."""
    async with simulated(response_delay_s=0.3) as simulator:
        settings = provider(simulator.port, binds=3, window=50)
        channel, store, work = SmsChannel(Transport.SIMULATED, [settings], leased=True), Store(), Given()
        assert channel.leases.wanted() == {"sim": 3}
        assert channel.bind_up() == {}
        async with running(channel, work, store):
            channel.leases.open("sim", 1)
            channel.leases.open("sim", 3)
            await until(lambda: channel.bind_up() == {"sim/1": True, "sim/3": True})
            assert channel.leases.held() == {"sim/1": True, "sim/2": False, "sim/3": True}
            assert channel.leases.is_up("sim", 3) and not channel.leases.is_up("sim", 2)
            work.add(deliveries(words(), 130))
            await until(lambda: channel.in_flight == 100)
            await channel.leases.close("sim", 3, within_s=10)
            assert simulator.bound == 1
            await until(lambda: store.kinds() == {OutcomeKind.ACCEPTED: 130})
            channel.leases.open("sim", 3)
            await until(lambda: simulator.bound == 2)
        assert simulator.recorder.count == 130
        assert simulator.bound == 0


async def test_with_all_binds_gone_nothing_is_taken_until_one_is_back() -> None:
    async with simulated() as simulator:
        settings = provider(simulator.port, bind_as="transmitter+receiver")
        channel, store, work = SmsChannel(Transport.SIMULATED, [settings], leased=True), Store(), Given()
        async with running(channel, work, store):
            channel.leases.open("sim", 1)
            await until(lambda: simulator.bound == 2)
            await channel.leases.close("sim", 1, within_s=0)
            assert simulator.bound == 0 and not channel.able()
            work.add(deliveries(words(), 5))
            await asyncio.sleep(0.05)
            assert len(work.left) == 5
            channel.leases.open("sim", 1)
            await until(lambda: store.kinds() == {OutcomeKind.ACCEPTED: 5})


async def test_a_bind_that_is_closed_while_it_waits_to_connect_stays_closed() -> None:
    async with simulated(bind_status=0x0D) as simulator:
        settings = provider(simulator.port, reconnect_refused_s=0.01)
        channel = SmsChannel(Transport.SIMULATED, [settings], leased=True)
        async with running(channel, Given(), Store()):
            channel.leases.open("sim", 1)
            await until(lambda: len(simulator.binds_seen) > 1)
            await channel.leases.close("sim", 1, within_s=0)
            tried = len(simulator.binds_seen)
            simulator.behaviour.bind_status = 0
            await asyncio.sleep(0.05)
            assert (len(simulator.binds_seen), simulator.bound) == (tried, 0)


async def test_a_bind_that_is_taken_away_before_it_began_is_not_opened() -> None:
    async with simulated() as simulator:
        channel = SmsChannel(Transport.SIMULATED, [provider(simulator.port)], leased=True)
        async with running(channel, Given(), Store()):
            await asyncio.sleep(0)
            channel.leases.open("sim", 1)
            await channel.leases.close("sim", 1, within_s=0)
            await asyncio.sleep(0.05)
            assert not simulator.binds_seen
