"""SIGTERM in the middle of a campaign: what left is recorded, the rest is left for the next process."""

import signal
import time
from collections import Counter
from pathlib import Path

from gateway.model import ChannelName, DeliveryState
from gateway.store.embedded import Cluster
from tests.support.line import Process, cap, people, running, scene
from tests.support.waiting import stretched, until

POSITIVE = {DeliveryState.SUBMITTED, DeliveryState.DELIVERED}


async def test_a_stopped_gateway_leaves_nothing_unknown(pg: Cluster, tmp_path: Path, port: int) -> None:
    """It ends within its drain time with exit code 0, and the next one goes on where it stood."""
    async with scene(pg, people(1200, by=("mobile", "email"))) as line:
        line.simulators.smsc["live"].behaviour.response_delay_s = 0.5
        process = Process(
            line, tmp_path, port, sms={"rate_per_s": 300}, email={"rate_per_s": 300}, dispatch={"drain_s": 10}
        )
        await process.start()
        try:
            await process.ready()
            name = await line.post(cap("one"))
            await until(lambda: len(line.received("sms")) > 300)
            began = time.monotonic()
            assert await process.end(signal.SIGTERM) == 0
            assert time.monotonic() - began <= stretched(10 + 5)
            states = await line.states(name)
            left = {(channel, record.to) for channel in ("sms", "email") for record in line.received(channel)}
            assert {states[endpoint] for endpoint in left} <= POSITIVE
            assert {state for endpoint, state in states.items() if endpoint not in left} <= {
                DeliveryState.QUEUED,
                DeliveryState.RETRY_WAIT,
            }
            leased = await line.fetch("SELECT count(*) FROM chunk WHERE state = 1")
            assert leased[0]["count"] == 0
            await process.start()
            await process.ready()
            await line.closed(name)
        finally:
            await process.end()
        for channel in ("sms", "email"):
            counted = Counter(record.to for record in line.received(channel))
            assert len(counted) == 1200
            assert set(counted.values()) == {1}
        assert "Traceback" not in process.log()


async def test_a_provider_that_falls_silent_does_not_hold_the_end(pg: Cluster) -> None:
    """No answer, no good-bye: the node ends in its drain time and ten seconds; what it could not record by then
    is unknown to the next process, as after a kill.
    """
    async with scene(pg, people(300)) as line:
        async with running(line, sms={"rate_per_s": 300}, dispatch={"drain_s": 1}) as node:
            await line.post(cap("one", channels="sms"))
            await until(lambda: len(line.received("sms")) > 50)
            line.simulators.smsc["live"].behaviour.mute = True
            await until(lambda: node.channel_states()[1][ChannelName.SMS] > 0)
            began = time.monotonic()
        assert time.monotonic() - began <= stretched(1 + 10 + 5)
        leased = await line.fetch("SELECT count(*) FROM bind_lease WHERE node IS NOT NULL")
        assert leased[0]["count"] == 0


async def test_a_gateway_that_is_told_to_stop_twice_still_records(pg: Cluster, tmp_path: Path, port: int) -> None:
    """An impatient administrator does not make anything unknown."""
    async with scene(pg, people(300)) as line:
        line.simulators.smsc["live"].behaviour.response_delay_s = 1.0
        process = Process(line, tmp_path, port, sms={"rate_per_s": 100})
        await process.start()
        try:
            await process.ready()
            name = await line.post(cap("one", channels="sms"))
            await until(lambda: len(line.received("sms")) > 30)
            process.tell(signal.SIGINT)
            process.tell(signal.SIGTERM)
            assert await process.end(signal.SIGINT) == 0
        finally:
            await process.end()
        assert DeliveryState.UNKNOWN not in (await line.states(name)).values()
