"""What networks do between the gateway, its SMSC and its database, in the middle of a campaign."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from tests.support.line import Line, Process, cap, people, provider, running, scene
from tests.support.proxy import Faults, Proxy, dsn_through, every, to_database
from tests.support.waiting import until

QUICK = {"unknown_grace_s": 0.5, "receipt_window_s": 4, "lease_s": 4, "heartbeat_s": 0.5}
RETRY = {"sms": {"first_s": 0.2, "max_s": 1, "max_attempts": 30}}
RECORD = b"in_flight = in_flight - n.total, submitted = progress.submitted + n."  # of those that record answers
POSITIVE = (DeliveryState.SUBMITTED, DeliveryState.DELIVERED)


async def honest(line: Line, name: str, everybody: int) -> Counter[str]:
    """Everybody is reached or listed as unknown; twice only where the delivery says so, and never three times."""
    counted = Counter(record.to for record in line.received("sms"))
    flagged = {row["address"] for row in await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1")}
    assert {number for number, times in counted.items() if times > 1} <= flagged
    assert max(counted.values()) <= 2
    states = await line.states(name)
    assert len(states) == everybody
    assert {state for (_, number), state in states.items() if number not in counted} <= {DeliveryState.UNKNOWN}
    counts = (await line.campaign(name))["channels"]["sms"]
    ends = ("queued", "in_flight", "submitted", "delivered", "failed", "expired", "cancelled", "unknown")
    assert counts["planned"] == everybody == sum(counts[end] for end in ends)
    return counted


async def test_a_connection_that_went_silent_is_noticed_and_replaced(pg: Cluster) -> None:
    """Half-open: nobody hangs up, nothing arrives. enquire_link finds out; what was in the window is unknown."""
    async with scene(pg, people(300)) as line:
        smsc = line.simulators.smsc["live"]
        async with Proxy((smsc.host, smsc.port)).running() as proxy:
            settings = provider(
                line,
                port=proxy.port,
                enquire_link_s=1.0,
                control_timeout_s=1.0,
                reconnect_first_s=0.1,
                binds=1,
                window=20,
            )
            sms = {"rate_per_s": 150, "providers": [settings]}
            async with running(line, sms=sms, dispatch=QUICK, retry=RETRY) as node:
                name = await line.post(cap("one", channels="sms"))
                await until(lambda: len(line.received("sms")) > 50)
                proxy.faults.silent = True
                # noticed in enquire_link_s + control_timeout_s; with the usual settings in 25 s
                await until(lambda: not node.channel_states()[0]["smsc-live/1"])
                proxy.faults.silent = False
                await line.closed(name, within_s=60)
                unknown = await line.fetch("SELECT count(*) AS n FROM delivery WHERE flags & 1 = 1 OR state = 8")
                assert unknown[0]["n"] <= 20
                await honest(line, name, 300)


async def test_a_network_that_is_slow_and_cut_again_and_again_loses_nobody(pg: Cluster) -> None:
    """50 ms each way, three resets; then an SMSC that answers so slowly that its answers are not waited for."""
    async with scene(pg, people(400)) as line:
        smsc = line.simulators.smsc["live"]
        async with Proxy((smsc.host, smsc.port), Faults(latency_s=0.05)).running() as proxy:
            settings = provider(
                line, port=proxy.port, response_timeout_s=2.0, control_timeout_s=2.0, reconnect_first_s=0.1, window=50
            )
            sms = {"rate_per_s": 200, "providers": [settings]}
            async with running(line, sms=sms, dispatch=QUICK, retry=RETRY):
                name = await line.post(cap("one", channels="sms"))
                for before in (60, 120, 180):
                    await until(lambda at=before: len(line.received("sms")) > at)
                    proxy.cut()
                await until(lambda: len(line.received("sms")) > 230)
                proxy.faults.bytes_per_s = 200.0  # an answer of 26 bytes and more, for a window of 50
                await asyncio.sleep(3)
                proxy.faults.bytes_per_s = None
                proxy.cut()
                await line.closed(name, within_s=60)
                await honest(line, name, 400)


async def test_a_database_whose_replies_get_lost_has_no_double_effect(pg: Cluster) -> None:
    """Every 40th statement is done and its reply, with the connection, is lost: COMMIT, marks, records, whatever it is.
    An alert that was stored without an answer is answered the second time as the first would have been."""
    async with scene(pg, people(400)) as line, to_database(pg).running() as proxy:
        through = {"dsn": dsn_through(proxy, pg)}
        async with running(line, database=through, sms={"rate_per_s": 150}, dispatch=QUICK, retry=RETRY):
            proxy.faults.swallow = every(2, b"COMMIT")
            statuses: list[int] = []
            raw = cap("one", channels="sms")
            while not statuses or statuses[-1] == 503:
                status, body = await line.ask("POST", "/v1/alerts", raw=raw)
                statuses.append(status)
                assert len(statuses) < 20
            assert statuses[-1] in (200, 201)
            proxy.faults.swallow = every(40, b"")
            await until(lambda: len(line.received("sms")) > 300, within_s=60)
            proxy.faults.swallow = None
            await line.closed(body["campaign"], within_s=60)
            assert proxy.faults.lost >= 3
            assert (await line.fetch("SELECT count(*) AS n FROM campaign"))[0]["n"] == 1
            await honest(line, body["campaign"], 400)


async def test_a_gateway_killed_in_each_window_of_a_commit(pg: Cluster, tmp_path: Path, port: int) -> None:
    """Five times in one campaign: as it asks for its first mark; as its first bytes are on their way; as the first
    answer is; as it asks to record it; when the record has just been made. Who has a recorded answer is left alone."""
    async with scene(pg, people(500)) as line, to_database(pg).running() as proxy:
        smsc = line.simulators.smsc["live"]
        async with Proxy((smsc.host, smsc.port)).running() as network:
            settings = provider(line, port=network.port, reconnect_first_s=0.1, window=30)
            process = Process(
                line, tmp_path, port, database={"dsn": dsn_through(proxy, pg)}, dispatch=QUICK, retry=RETRY,
                sms={"rate_per_s": 100, "providers": [settings]},
            )  # fmt: skip
            try:
                await process.start()
                await process.ready()
                windows = (
                    (proxy.faults, "from_client", b"UPDATE chunk SET marked_to"),
                    (network.faults, "from_client", b"Stay inside"),
                    (network.faults, "from_server", b"\x80\x00\x00\x04"),  # submit_sm_resp
                    (proxy.faults, "from_client", RECORD),
                    (proxy.faults, "from_client", b"first_submit_at = coalesce(first_submit_at"),
                )
                name, left_alone = "", Counter[str]()
                for faults, side, word in windows:
                    reached = trap(faults, side, word, process)
                    name = name or await line.post(cap("one", channels="sms"))
                    async with asyncio.timeout(60):
                        await reached.wait()
                    setattr(faults, side, None)
                    await process.end()
                    answered = [a for (_, a), state in (await line.states(name)).items() if state in POSITIVE]
                    before = Counter(record.to for record in line.received("sms"))
                    left_alone |= {number: before[number] for number in answered}
                    await process.start()
                    await process.ready()
                await line.closed(name, within_s=60)
                counted = await honest(line, name, 500)
                assert {number: counted[number] for number in left_alone} == left_alone
            finally:
                await process.end()
        assert "Traceback" not in process.log()


async def test_what_a_kill_leaves_unknown_is_no_more_than_what_was_promised(
    pg: Cluster, tmp_path: Path, port: int
) -> None:
    """The store takes no answer: no more leave than a window above what may be unrecorded. After the kill those are
    listed, and beside them what was marked ahead; nobody else gets anything twice."""
    window, unrecorded, ahead = 10, 60, 20
    lease = QUICK | {"mark_ahead": ahead, "lease_s": 20}
    async with scene(pg, people(400)) as line, to_database(pg).running() as proxy:
        one = provider(line, binds=1, window=window)
        process = Process(
            line, tmp_path, port, database={"dsn": dsn_through(proxy, pg)}, dispatch=lease,
            retry=RETRY, sms={"rate_per_s": 200, "max_unrecorded": unrecorded, "providers": [one]},
        )  # fmt: skip
        try:
            await process.start()
            await process.ready()
            proxy.faults.from_client = no_record
            name = await line.post(cap("one", channels="sms"))
            await until(lambda: len(line.received("sms")) >= unrecorded)
            await asyncio.sleep(1.0)
            await process.kill()
            arrived = {record.to for record in line.received("sms")}
            assert unrecorded <= len(arrived) < unrecorded + window
            proxy.faults.from_client = None
            await process.start()
            await process.ready()
            await line.closed(name, within_s=120)
            rows = await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1 OR state = 8")
            doubtful = {row["address"] for row in rows}
            assert arrived <= doubtful
            assert len(doubtful) <= unrecorded + window + ahead
            await honest(line, name, 400)
        finally:
            await process.end()


async def no_record(piece: bytes) -> None:
    """The statement that records answers never arrives; every other one does."""
    if RECORD in piece:
        await asyncio.Event().wait()


def trap(faults: Faults, side: str, word: bytes, process: Process) -> asyncio.Event:
    """Kill the process before the first piece with this word goes on; the event says that it happened."""
    reached = asyncio.Event()

    async def watch(piece: bytes) -> None:
        if word in piece and not reached.is_set():
            process.tell(signal.SIGKILL)
            reached.set()

    setattr(faults, side, watch)
    return reached
