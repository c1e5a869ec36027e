"""The gateway put together: roles, start, stop, what fails ends it, what it serves."""

import asyncio
import signal
from pathlib import Path

import asyncpg
import pytest

from gateway.app import Gateway
from gateway.errors import NameTaken, StoreUnavailable
from gateway.model import ChannelName
from gateway.settings import Role
from gateway.store.embedded import Cluster
from gateway.store.presence import NODE_LOCKS
from gateway.world import settings_for
from tests.support.line import HOST, Line, Process, cap, people, running, scene, whole_line
from tests.support.waiting import until


async def status(line: Line, path: str) -> int:
    async with line.session.get(line.url + path) as answer:
        return answer.status


async def test_a_node_with_every_role_serves_everything(pg: Cluster) -> None:
    async with whole_line(pg) as line:
        for path in ("/healthz", "/metrics", "/openapi.json", "/docs", "/cap/feed.atom", "/cap/exercise/feed.atom"):
            assert await status(line, path) == 200, path
        await until_ready(line)
        for path in ("/v1/campaigns", "/v1/sources"):
            assert await status(line, path) == 401


async def until_ready(line: Line) -> None:
    """Wait until /readyz says so."""
    async with asyncio.timeout(60):
        while await status(line, "/readyz") != 200:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("role", "served", "absent"),
    [
        (Role.API, "/v1/campaigns", "/cap/feed.atom"),
        (Role.FEED, "/cap/feed.atom", "/v1/campaigns"),
        (Role.DISPATCH, "/healthz", "/v1/campaigns"),
        (Role.CALLBACKS, "/healthz", "/cap/feed.atom"),
        (Role.MAILBOX, "/healthz", "/v1/sources"),
    ],
)
async def test_a_node_serves_what_its_roles_say(pg: Cluster, role: Role, served: str, absent: str) -> None:
    async with scene(pg) as line:
        settings = settings_for(line.simulators, pg.app_dsn, host=HOST, port=0, more={})
        async with Gateway.running(settings, frozenset({role}), pg.app_dsn) as node:
            line.url = node.url
            assert await status(line, served) in (200, 401)
            assert await status(line, absent) == 404
            assert bool(node.channels) is (role is Role.DISPATCH)


async def test_one_node_takes_alerts_and_another_sends_them(pg: Cluster) -> None:
    """Two processes' worth of nodes over one database: what one accepts, the other hears of at once."""
    async with scene(pg, people(20)) as line:
        settings = [
            settings_for(line.simulators, pg.app_dsn, host=HOST, port=0, more={"node": {"name": name}})
            for name in ("front", "back")
        ]
        async with (
            Gateway.running(settings[0], frozenset({Role.API, Role.FEED}), pg.app_dsn) as front,
            Gateway.running(settings[1], frozenset({Role.DISPATCH}), pg.app_dsn),
        ):
            line.url = front.url
            seen = await line.closed(await line.post(cap("one")))
            assert seen["channels"]["sms"]["delivered"] == 20


async def test_two_nodes_share_a_campaign_and_send_nothing_twice(pg: Cluster) -> None:
    async with scene(pg, people(1500)) as line:
        both = [
            settings_for(
                line.simulators, pg.app_dsn, host=HOST, port=0,
                more={"node": {"name": name}, "sms": {"rate_per_s": 200}, "dispatch": {"chunk": {"sms": 100}}},
            )
            for name in ("one", "two")
        ]  # fmt: skip
        async with (
            Gateway.running(both[0], frozenset(), pg.app_dsn) as first,
            Gateway.running(both[1], frozenset(), pg.app_dsn) as second,
        ):
            line.url = first.url
            name = await line.post(cap("one", channels="sms"))
            seen = await line.closed(name)
            assert seen["channels"]["sms"]["delivered"] == 1500
            numbers = [record.to for record in line.received("sms")]
            assert len(numbers) == len(set(numbers)) == 1500
            nodes = await line.fetch("SELECT DISTINCT node FROM chunk WHERE lo > 0")
            assert {row["node"] for row in nodes} == {first.number, second.number}


async def test_two_nodes_of_one_name_are_refused(pg: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second would take the first one's chunks for its own."""
    async with whole_line(pg) as line:
        real = asyncio.sleep
        monkeypatch.setattr(asyncio, "sleep", lambda _seconds: real(0))
        with pytest.raises(StoreUnavailable, match=r"node\.name"):
            async with running(line):
                pass


async def test_a_taken_port_is_said_and_nothing_is_left(pg: Cluster) -> None:
    async with whole_line(pg) as line:
        taken = int(line.url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(taken)):
            async with running(line, taken, node={"name": "second"}):
                pass


async def test_metrics_may_move_to_an_address_of_their_own(pg: Cluster, port: int) -> None:
    async with whole_line(pg, metrics={"listen": f"{HOST}:{port}"}) as line:
        assert await status(line, "/metrics") == 404
        async with line.session.get(f"http://{HOST}:{port}/metrics") as answer:
            assert "gateway_bind_up" in await answer.text()


async def test_a_part_that_fails_ends_the_node(pg: Cluster) -> None:
    """Rather a restart by whoever watches than a gateway without a planner."""
    async with scene(pg) as line:
        settings = settings_for(line.simulators, pg.app_dsn, host=HOST, port=0, more={})
        async with Gateway.running(settings, frozenset(), pg.app_dsn) as node:

            async def broken(least: int = 0) -> bool:
                raise ZeroDivisionError

            node.planner.slice = broken  # type: ignore[method-assign]
            async with asyncio.timeout(60):
                await node.until_stopped()
            assert isinstance(node.failed, ExceptionGroup)


async def test_a_node_whose_name_another_process_took_ends_and_loses_nothing(pg: Cluster) -> None:
    """As it does when it was frozen for long; a supervisor starts it again, under its name or none."""
    async with scene(pg, people(30)) as line:
        admin, other = await asyncpg.connect(pg.admin_dsn), await asyncpg.connect(pg.app_dsn)
        async with running(line, sms={"rate_per_s": 20}) as node:
            name = await line.post(cap("one", channels="sms"))
            take = other.execute("SELECT pg_advisory_lock($1, hashtext($2))", NODE_LOCKS, node.name)
            taking = asyncio.create_task(take)
            await until(lambda: admin.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
            nodes = "FROM pg_stat_activity WHERE application_name = 'gateway node'"
            await admin.execute(f"SELECT pg_terminate_backend(pid) {nodes}")
            await taking
            async with asyncio.timeout(60):
                await node.until_stopped()
            assert isinstance(node.failed, ExceptionGroup)
            assert isinstance(node.failed.exceptions[0], NameTaken)
        await other.close()
        await admin.close()
        async with running(line):
            counts = (await line.closed(name))["channels"]["sms"]
        assert counts["delivered"] == 30 == len(line.received("sms"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_ends_with_zero_when_told(pg: Cluster, tmp_path: Path, port: int, number: signal.Signals) -> None:
    """And says once that it is ready."""
    async with scene(pg) as line:
        process = Process(line, tmp_path, port)
        await process.start()
        try:
            await process.ready()
            assert await status(line, "/healthz") == 200
        finally:
            assert await process.end(number) == 0
        assert "Traceback" not in process.log()


async def test_the_rates_are_those_of_the_settings(pg: Cluster) -> None:
    async with scene(pg) as line:
        more = {"sms": {"rate_per_s": 123}, "email": {"rate_per_s": 456}, "voice": {"max_starts_per_minute": 60}}
        settings = settings_for(line.simulators, pg.app_dsn, host=HOST, port=0, more=more)
        assert settings.rates() == {ChannelName.SMS: 123, ChannelName.EMAIL: 456, ChannelName.VOICE: 1}
