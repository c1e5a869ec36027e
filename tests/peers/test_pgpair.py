"""The database fails over to its synchronous standby in the middle of a campaign."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from gateway.store.migrate import migrate
from gateway.store.pool import WATCHED, Store
from tests.support import peers
from tests.support.line import Line, Process, cap, people, scene, whole_line
from tests.support.ports import free_port
from tests.support.waiting import stretched, until

pytestmark = pytest.mark.peer("postgresql-15")

PEOPLE = 1200
RATE = {"rate_per_s": 150}
LONGEST_PAUSE_S = 15.0
POSITIVE = (DeliveryState.SUBMITTED, DeliveryState.DELIVERED)


@dataclass(frozen=True, kw_only=True)
class Pair(Cluster):
    """Two servers, of which whichever takes writes is meant."""

    ports: tuple[int, int]

    def _dsn(self, role: str, password: str, database: str) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        who = f"{quote(role)}:{quote(password)}"
        return f"postgresql://{who}@{hosts}/{quote(database)}?target_session_attrs=read-write"

    async def fail_over(self) -> None:
        """Kill the one that takes writes; the other one takes over."""
        await asyncio.to_thread(peers.run, "pgpair.sh", "failover", self.socket)

    async def rejoin(self) -> None:
        """The dead one comes back as the standby of the other."""
        await asyncio.to_thread(peers.run, "pgpair.sh", "rejoin", self.socket)

    async def back_up(self) -> None:
        """A base backup of the one that takes writes."""
        await asyncio.to_thread(peers.run, "pgpair.sh", "backup", self.socket)

    async def restore(self) -> None:
        """What was written since the backup is lost."""
        await asyncio.to_thread(peers.run, "pgpair.sh", "restore", self.socket)


@pytest.fixture
def pair(public_path: Path) -> Iterator[Pair]:
    """Started and empty."""
    ports = (free_port(), free_port())
    with peers.running("pgpair.sh", public_path / "pair", *ports) as folder:
        yield Pair(
            socket=folder, ports=ports, database="gw", admin_role="gw", owner_role="gw", admin_password="",
            owner_password="", app_password="unused",
        )  # fmt: skip


def longest_pause_s(line: Line) -> float:
    """Between two messages, from the first to the last."""
    times = sorted(record.at for record in line.received("sms"))
    return max(later - earlier for earlier, later in pairwise(times))


async def test_the_server_lets_go_of_a_host_that_is_gone_without_a_word(pair: Pair) -> None:
    """Of the rows, too, that its sessions held."""
    await migrate(pair.owner_dsn, pair.app_role, pair.app_password)
    store = await Store.open(pair.app_dsn)
    try:
        for pool in (store.ask, store.queue):
            kept = {name: await pool.fetchval(f"SHOW {name}") for name in WATCHED}
            assert kept == WATCHED
    finally:
        await store.close()


async def test_a_campaign_goes_on_through_two_failovers(pair: Pair) -> None:
    """There and back again: nobody is left out or told twice, every count is right, the pauses are short."""
    await migrate(pair.owner_dsn, pair.app_role, pair.app_password)
    async with whole_line(pair, people(PEOPLE), sms=RATE) as line:
        name = await line.post(cap("one", channels="sms"))
        await until(lambda: len(line.received("sms")) > 200)
        await pair.fail_over()
        await until(lambda: len(line.received("sms")) > 500)
        await pair.rejoin()
        await until(lambda: len(line.received("sms")) > 700)
        await pair.fail_over()
        seen = await line.closed(name, within_s=180)
        counted = Counter(record.to for record in line.received("sms"))
        assert len(counted) == PEOPLE
        assert set(counted.values()) == {1}
        assert seen["channels"]["sms"]["delivered"] == seen["channels"]["sms"]["planned"] == PEOPLE
        assert longest_pause_s(line) <= stretched(LONGEST_PAUSE_S)


async def test_a_gateway_that_dies_with_its_primary_goes_on_at_the_standby(pair: Pair, tmp_path: Path) -> None:
    """Every answer that was recorded is on record there: nobody of those is sent anything again."""
    await migrate(pair.owner_dsn, pair.app_role, pair.app_password)
    async with scene(pair, people(PEOPLE)) as line:
        process = Process(line, tmp_path, free_port(), sms=RATE, dispatch={"unknown_grace_s": 0.5})
        try:
            await process.start()
            await process.ready()
            name = await line.post(cap("one", channels="sms"))
            await until(lambda: len(line.received("sms")) > 300)
            answered = {to for (_, to), state in (await line.states(name)).items() if state in POSITIVE}
            await asyncio.gather(process.kill(), pair.fail_over())
            await process.start()
            await process.ready()
            await line.closed(name, within_s=180)
        finally:
            await process.end()
        counted = Counter(record.to for record in line.received("sms"))
        flagged = {row["address"] for row in await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1")}
        assert len(counted) == PEOPLE
        assert len(answered) > 100
        assert {counted[to] for to in answered} == {1}
        assert {to for to, times in counted.items() if times > 1} <= flagged
        assert "Traceback" not in process.log()


async def test_what_a_restored_database_holds_is_sent_when_somebody_says_so_and_not_before(
    pair: Pair, tmp_path: Path
) -> None:
    """The campaign was half sent at the time of the backup and went on: nothing of it leaves again by itself."""
    await migrate(pair.owner_dsn, pair.app_role, pair.app_password)
    async with scene(pair, people(PEOPLE)) as line:
        process = Process(line, tmp_path, free_port(), sms=RATE, database={"failover_s": 0.5})
        try:
            await process.start()
            await process.ready()
            name = await line.post(cap("one", channels="sms"))
            await until(lambda: len(line.received("sms")) > 200)
            await pair.back_up()
            at_backup = len(line.received("sms"))
            await until(lambda: len(line.received("sms")) > at_backup + 200)
            await process.end()
            await pair.restore()
            sent = len(line.received("sms"))
            await process.start()
            await process.ready()
            again = cap("two", sent=datetime.now(UTC) - timedelta(minutes=1), channels="sms")
            old = await line.post(again)
            for one in (name, old):
                assert (await line.campaign(one))["state"] == "paused"
            await until(lambda: "database_restored" in process.log())
            await asyncio.sleep(2)
            assert len(line.received("sms")) == sent
            await line.act(old, "stop")
            await line.act(name, "resume")
            await line.closed(name, within_s=180)
        finally:
            await process.end()
        counted = Counter(record.to for record in line.received("sms"))
        assert len(counted) == PEOPLE
        assert max(counted.values()) == 2  # those of after the backup, which nobody can know any more
