"""PostgreSQL goes away and comes back in the middle of a campaign."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest_asyncio

from gateway.store.embedded import Cluster, EmbeddedPostgres
from gateway.store.migrate import migrate
from tests.support.database import SETTINGS
from tests.support.line import Line, cap, people, whole_line
from tests.support.waiting import until


class Server:
    """A PostgreSQL of this test's own, that it may stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = self._made()
        self.cluster: Cluster

    def _made(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self._folder / "own", settings=SETTINGS, state_root=self._folder)

    async def start(self) -> None:
        """Start it, or start it again."""
        self._server = self._made()
        self.cluster = await self._server.start()

    async def crash(self) -> None:
        """An immediate shutdown: no session is told, and the next start goes through crash recovery."""
        connection = await asyncpg.connect(self.cluster.admin_dsn)
        try:
            folder = await connection.fetchval("SHOW data_directory")
        finally:
            await connection.close()
        number = int((Path(folder) / "postmaster.pid").read_text().split()[0])
        os.kill(number, signal.SIGQUIT)
        async with asyncio.timeout(20):
            while (Path(folder) / "postmaster.pid").exists():
                await asyncio.sleep(0.05)
        await self._server.stop()

    async def stop(self) -> None:
        """A fast shutdown: every session is told that it is over."""
        await self._server.stop()


@pytest_asyncio.fixture
async def server(public_path: Path) -> AsyncIterator[Server]:
    """Started and migrated."""
    server = Server(public_path)
    await server.start()
    await migrate(server.cluster.owner_dsn, server.cluster.app_role, server.cluster.app_password)
    yield server
    await server.stop()


async def reached_once(line: Line, channel: str) -> int:
    """How many were reached; nobody may be twice."""
    counted = Counter(record.to for record in line.received(channel))
    assert set(counted.values()) == {1}
    return len(counted)


async def test_a_campaign_goes_on_after_a_restart_of_the_database(server: Server) -> None:
    """Three times; nobody is left out or told twice, nothing is unknown, and the counts are right."""
    everybody = people(1500, by=("mobile", "email"))
    async with whole_line(server.cluster, everybody, sms={"rate_per_s": 200}, email={"rate_per_s": 200}) as line:
        name = await line.post(cap("one"))
        for before in (200, 500, 800):
            await until(lambda at=before: len(line.received("sms")) > at)
            await server.stop()
            await asyncio.sleep(0.7)
            await server.start()
        seen = await line.closed(name)
        for channel, good in (("sms", "delivered"), ("email", "submitted")):
            assert await reached_once(line, channel) == 1500
            assert seen["channels"][channel][good] == seen["channels"][channel]["planned"] == 1500


async def test_a_campaign_goes_on_after_a_crash_of_the_database(server: Server) -> None:
    """What was committed is there after the recovery; what was not had not been promised to anybody."""
    async with whole_line(server.cluster, people(600), sms={"rate_per_s": 200}) as line:
        name = await line.post(cap("one", channels="sms"))
        await until(lambda: len(line.received("sms")) > 150)
        await server.crash()
        await server.start()
        seen = await line.closed(name, within_s=60)
        assert await reached_once(line, "sms") == 600
        assert seen["channels"]["sms"]["delivered"] == 600


async def test_while_the_database_is_away_alerts_are_answered_with_try_again(server: Server) -> None:
    """503 and Retry-After, not a lost alert; the process lives, and is not ready."""
    async with whole_line(server.cluster, people(3)) as line:
        await server.stop()
        try:
            headers = {"Authorization": f"Bearer {line.tokens['demo-commune']['live']}"}
            headers |= {"Content-Type": "application/cap+xml"}
            async with line.session.post(line.url + "/v1/alerts", data=cap("one"), headers=headers) as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) > 0
            async with line.session.get(line.url + "/healthz") as answer:
                assert answer.status == 200
            async with line.session.get(line.url + "/readyz") as answer:
                assert answer.status == 503
        finally:
            await server.start()
        await line.closed(await line.post(cap("one")))
        assert await reached_once(line, "sms") == 3


async def test_a_slice_that_the_database_lost_is_planned_again(server: Server) -> None:
    """The server stops while a large campaign is being planned: in the end everybody is planned once."""
    async with whole_line(server.cluster, people(12_000), sms={"rate_per_s": 20_000}) as line:
        name = await line.post(cap("one", channels="sms"))
        await until(lambda: len(line.received("sms")) > 0)
        await server.stop()
        await server.start()
        counts = (await line.closed(name))["channels"]["sms"]
        assert counts["planned"] == counts["delivered"] == 12_000
        assert await reached_once(line, "sms") == 12_000


async def test_nothing_is_sent_when_the_database_is_away_for_longer_than_a_lease(server: Server) -> None:
    """Another node might have taken over by then; when it is back, the sending goes on, to everybody once."""
    lease = {"lease_s": 2.0, "heartbeat_s": 0.3, "mark_ahead": 500}
    async with whole_line(server.cluster, people(900), sms={"rate_per_s": 150}, dispatch=lease) as line:
        name = await line.post(cap("one", channels="sms"))
        await until(lambda: len(line.received("sms")) > 150)
        await server.stop()
        try:
            await asyncio.sleep(1.5)
            before = len(line.received("sms"))
            await asyncio.sleep(1.5)
            assert len(line.received("sms")) == before < 900
        finally:
            await server.start()
        seen = await line.closed(name)
        assert await reached_once(line, "sms") == 900
        assert seen["channels"]["sms"]["delivered"] == 900
