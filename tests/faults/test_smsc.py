"""SMSCs that misbehave in the middle of a campaign: everybody is reached, and whoever twice is on record."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from gateway.model import DeliveryState
from gateway.simulators.smsc_behaviour import Behaviour
from gateway.store.embedded import Cluster
from tests.support.line import Line, cap, people, provider, running, scene
from tests.support.waiting import until

PEOPLE = 300
QUICK = {"unknown_grace_s": 0.5, "receipt_window_s": 30}


async def reached(line: Line, name: str) -> Counter[str]:
    """How often each number got the message; more than once only if the delivery is flagged."""
    counted = Counter(record.to for record in line.received("sms"))
    flagged = {row["address"] for row in await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1")}
    assert {number for number, times in counted.items() if times > 1} <= flagged
    assert max(counted.values()) <= 2
    states = await line.states(name)
    missing = [state for (_, number), state in states.items() if number not in counted]
    assert set(missing) <= {DeliveryState.UNKNOWN}
    return counted


async def sent_through(line: Line, **settings: Any) -> dict[str, int]:
    """The counts of an urgent campaign after its end."""
    sms = {"rate_per_s": 300, "providers": [provider(line, **settings)]}
    retry = {"sms": {"first_s": 0.2, "max_s": 1, "max_attempts": 30}}
    async with running(line, sms=sms, dispatch=QUICK, retry=retry):
        name = await line.post(cap("one", channels="sms"))
        counts: dict[str, int] = (await line.closed(name))["channels"]["sms"]
        assert len(await reached(line, name)) + counts["unknown"] >= PEOPLE
    return counts


async def test_one_that_throttles_is_asked_more_slowly(pg: Cluster) -> None:
    """Nobody is lost to 'too fast', and nobody is sent it twice."""
    async with scene(pg, people(PEOPLE)) as line:
        line.simulators.smsc["live"].behaviour.throttle_per_s = 120
        counts = await sent_through(line)
        assert counts["delivered"] == PEOPLE == len(line.received("sms"))
        assert line.simulators.smsc["live"].refusals > 0


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(receipt_first=True), Behaviour(duplicate_receipts=True), Behaviour(receipts="tlv"),
     Behaviour(response_delay_s=0.3), Behaviour(dialect="upper")],
    ids=["receipts before responses", "receipts twice", "receipts in TLVs", "slow", "receipts in capitals"],
)  # fmt: skip
async def test_oddities_change_nothing(pg: Cluster, behaviour: Behaviour) -> None:
    """Everybody is delivered, once."""
    async with scene(pg, people(PEOPLE)) as line:
        line.simulators.smsc["live"].behaviour = behaviour
        counts = await sent_through(line)
        assert counts["delivered"] == PEOPLE == len(line.received("sms"))


async def test_one_that_swallows_responses_leaves_no_doubt_unsaid(pg: Cluster) -> None:
    """Every 40th answer never comes: those are unknown, sent once more, and said to be so."""
    async with scene(pg, people(PEOPLE)) as line:
        line.simulators.smsc["live"].behaviour.drop_response_every = 40
        counts = await sent_through(line, response_timeout_s=1.0)
        doubled = sum(times > 1 for times in Counter(record.to for record in line.received("sms")).values())
        assert doubled > 0
        assert counts["delivered"] + counts["unknown"] == PEOPLE


async def test_one_that_answers_after_the_response_timer_is_heard_and_nobody_is_told_twice(pg: Cluster) -> None:
    """All of them are unknown for a while; their answers say that the provider has them, and no second try begins."""
    many = 60
    async with scene(pg, people(many)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.response_delay_s = 2.0
        sms = {"providers": [provider(line, response_timeout_s=0.2, breaker_failures=1_000)]}
        async with running(line, sms=sms, dispatch={"unknown_grace_s": 300, "receipt_window_s": 30}) as node:
            name = await line.post(cap("one", channels="sms"))
            counts = (await line.closed(name))["channels"]["sms"]
            said = node.metrics.render()[0].decode().splitlines()
        assert f'gateway_deliveries_total{{channel="sms",outcome="unknown"}} {many}.0' in said
        assert f'gateway_deliveries_total{{channel="sms",outcome="submitted"}} {many}.0' in said
        assert counts["delivered"] == many == len(line.received("sms"))
        assert not await line.fetch("SELECT 1 FROM delivery WHERE flags & 1 = 1")


async def test_one_that_hangs_up_in_mid_stream_is_called_again(pg: Cluster) -> None:
    """What was in its window is unknown and sent once more; the rest does not notice."""
    async with scene(pg, people(PEOPLE)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.close_after = 120
        smsc.behaviour.response_delay_s = 0.1
        counts = await sent_through(line, reconnect_first_s=0.1)
        assert counts["delivered"] + counts["submitted"] + counts["unknown"] == PEOPLE
        assert len({record.to for record in line.received("sms")}) == PEOPLE


async def test_one_that_refuses_the_password_gets_nothing(pg: Cluster) -> None:
    """The campaign waits; it goes on when the password is right again, and meanwhile the node is not hammering."""
    async with scene(pg, people(20)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.bind_status = 0x0E
        async with running(line, sms={"providers": [provider(line, reconnect_refused_s=1.0)]}) as node:
            name = await line.post(cap("one", channels="sms"))
            await until(lambda: len(smsc.binds_seen) >= 4)
            assert not line.received("sms")
            assert not node.channel_states()[0]["smsc-live/1"]
            async with asyncio.timeout(60):
                while not (await line.campaign(name))["planned"]:
                    await asyncio.sleep(0.05)
            counts = (await line.campaign(name))["channels"]["sms"]
            assert (counts["planned"], counts["queued"], counts["in_flight"]) == (
                20,
                20,
                0,
            )  # a crash leaves none unknown
            smsc.behaviour.bind_status = 0
            assert (await line.closed(name))["channels"]["sms"]["delivered"] == 20
        assert len(line.received("sms")) == 20
