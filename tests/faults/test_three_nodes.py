"""Three nodes on one database: replaced one after the other in the middle of a campaign, and one of them killed."""

import asyncio
from collections import Counter
from pathlib import Path

from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from tests.support.line import Process, cap, people, provider, scene
from tests.support.ports import free_port
from tests.support.waiting import until

QUICK = {"lease_s": 5.0, "heartbeat_s": 0.5, "unknown_grace_s": 0.5, "drain_s": 10, "chunk": {"sms": 50}}
PEOPLE = 900


async def test_a_rolling_restart_and_a_kill_lose_nobody_and_refuse_no_alert(pg: Cluster, tmp_path: Path) -> None:
    """Each node drains and comes back while the others send; alerts go to whoever is there; then one is killed."""
    async with scene(pg, people(PEOPLE)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.most_binds = 3
        sms = {"rate_per_s": 60, "providers": [provider(line, binds=3)]}
        nodes = [
            Process(line, tmp_path / name, free_port(), node={"name": name}, sms=sms, dispatch=QUICK)
            for name in ("one", "two", "three")
        ]
        try:
            for node in nodes:
                await node.start()
            for node in nodes:
                await node.ready(120)
            line.url = nodes[0].url
            names = [await line.post(cap("first", channels="sms"))]
            await until(lambda: len(line.received("sms")) > 60, within_s=60)
            for number, node in enumerate(nodes):
                line.url = nodes[(number + 1) % 3].url
                ending = asyncio.create_task(node.end())
                names.append(await line.post(cap(f"during-{number}", channels="email")))
                assert await ending == 0
                await node.start()
                await node.ready(120)
            states = Counter((await line.states(names[0])).values())
            assert states[DeliveryState.UNKNOWN] == 0
            await until(lambda: smsc.bound == 3)
            await nodes[2].kill()
            line.url = nodes[0].url
            await until(lambda: smsc.bound == 3)
            await line.closed(names[0], within_s=120)
            for name in names[1:]:
                await line.closed(name)
        finally:
            for node in nodes:
                await node.end()
        counted = Counter(record.to for record in line.received("sms"))
        flagged = {row["address"] for row in await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1")}
        assert len(counted) == PEOPLE
        assert all(taken for *_, taken in smsc.binds_seen), "the provider saw one bind too many"
        assert {number for number, times in counted.items() if times > 1} <= flagged
        assert not any("Traceback" in node.log() for node in nodes)
