"""One of two nodes dies or sleeps in the middle of a campaign: the other takes over what it held."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from tests.support.line import Line, Process, cap, people, running, scene
from tests.support.ports import free_port
from tests.support.waiting import until

QUICK = {"lease_s": 4.0, "heartbeat_s": 0.4, "unknown_grace_s": 0.5, "chunk": {"sms": 100}}
RATE = {"rate_per_s": 150}
PEOPLE = 800


async def arrivals(line: Line) -> Counter[str]:
    """How often each was reached: more than once only where the delivery says so, and not at all only where it was lost
    again after it was given to somebody else, and is listed as unknown (a machine that stands still for a lease)."""
    counted = Counter(record.to for record in line.received("sms"))
    rows = await line.fetch("SELECT address, flags & 1 = 1 AS again, state FROM delivery")
    flagged = {row["address"] for row in rows if row["again"]}
    assert {number for number, times in counted.items() if times > 1} <= flagged
    missed = {row["address"]: row["state"] for row in rows if row["address"] not in counted}
    assert len(counted) + len(missed) == len(rows) == PEOPLE
    assert missed.keys() <= flagged and set(missed.values()) <= {DeliveryState.UNKNOWN}
    return counted


def binds_up(node: Gateway) -> int:
    """How many binds of real providers stand at a node."""
    return sum(up for name, up in node.channel_states()[0].items() if name.startswith("smsc-live/"))


async def test_the_chunks_and_binds_of_a_killed_node_are_taken_over(pg: Cluster, tmp_path: Path, port: int) -> None:
    """When its leases have ended; nobody with a recorded answer is sent it again."""
    async with scene(pg, people(PEOPLE)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.most_binds = 2  # as many as the two nodes may have together
        process = Process(line, tmp_path, port, node={"name": "two"}, sms=RATE, dispatch=QUICK)
        async with running(line, node={"name": "one"}, sms=RATE, dispatch=QUICK) as one:
            await until(lambda: binds_up(one) == smsc.bound == 2)
            await process.start()
            try:
                await process.ready()
                await until(lambda: (binds_up(one), smsc.bound) == (1, 2))
                name = await line.post(cap("one", channels="sms"))
                await until(lambda: len(line.received("sms")) > 200)
            finally:
                await process.kill()
            states = await line.states(name)
            answered = [a for (_, a), s in states.items() if s in (DeliveryState.SUBMITTED, DeliveryState.DELIVERED)]
            await until(lambda: binds_up(one) == smsc.bound == 2)
            await line.closed(name)
        assert all(taken for *_, taken in smsc.binds_seen), "the provider saw one bind too many"
        counted = await arrivals(line)
        assert {counted[address] for address in answered} == {1}


@pytest.mark.parametrize("slept_s", [8, pytest.param(60, marks=pytest.mark.long)])
async def test_a_node_that_slept_past_its_leases_sends_nothing_of_them(
    pg: Cluster, tmp_path: Path, port: int, slept_s: int
) -> None:
    """Stopped for twice its lease or a minute (a snapshot, a debugger) it wakes up when everybody was told by the other
    one: not a message more leaves, whatever it had in hand; it lets go, and takes part again."""
    async with scene(pg, people(PEOPLE)) as line:
        smsc = line.simulators.smsc["live"]
        process = Process(line, tmp_path, port, node={"name": "two"}, sms=RATE, dispatch=QUICK)
        async with running(line, node={"name": "one"}, sms=RATE, dispatch=QUICK) as one:
            await until(lambda: binds_up(one) == 2)
            await process.start()
            try:
                await process.ready()
                await until(lambda: (binds_up(one), smsc.bound) == (1, 2))
                line.url = one.url
                name = await line.post(cap("one", channels="sms"))
                await until(lambda: len(line.received("sms")) > 200)
                process.tell(signal.SIGSTOP)
                await asyncio.sleep(slept_s)
                await line.closed(name, within_s=60)
                told = len(line.received("sms"))
                process.tell(signal.SIGCONT)
                await until(lambda: (binds_up(one), smsc.bound) == (1, 2))
                await asyncio.sleep(1.0)
                assert len(line.received("sms")) == told
            finally:
                process.tell(signal.SIGCONT)
                assert await process.end() == 0
        await arrivals(line)
        assert "Traceback" not in process.log()


@pytest.mark.long
async def test_a_node_that_wakes_beside_one_of_its_name_ends_and_disturbs_nobody(
    pg: Cluster, tmp_path: Path, port: int
) -> None:
    """Frozen in mid-campaign until another process was started under its name and has told everybody."""
    async with scene(pg, people(PEOPLE)) as line:
        smsc = line.simulators.smsc["live"]
        frozen = Process(line, tmp_path / "frozen", free_port(), node={"name": "two"}, sms=RATE, dispatch=QUICK)
        other = Process(line, tmp_path / "other", port, node={"name": "two"}, sms=RATE, dispatch=QUICK)
        await frozen.start()
        try:
            await frozen.ready()
            line.url = frozen.url
            name = await line.post(cap("one", channels="sms"))
            await until(lambda: len(line.received("sms")) > 200)
            frozen.tell(signal.SIGSTOP)
            await asyncio.sleep(12)  # the server ends its session after ten
            await other.start()
            await other.ready()
            line.url = other.url
            await line.closed(name, within_s=60)
            told, held = (
                len(line.received("sms")),
                await line.fetch("SELECT ordinal, epoch FROM bind_lease ORDER BY 1, 2"),
            )
            assert await frozen.end(signal.SIGCONT) == 1
            assert len(line.received("sms")) == told
            assert await line.fetch("SELECT ordinal, epoch FROM bind_lease ORDER BY 1, 2") == held
            assert smsc.bound > 0
        finally:
            await frozen.kill()
            assert await other.end() == 0
        await arrivals(line)
        assert "node_name_taken" in frozen.log()
