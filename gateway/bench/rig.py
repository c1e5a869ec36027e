"""The rig of a bench: a database and a gateway of its own, started as in production, and how they are driven and read.

Knows: the embedded PostgreSQL, `gateway serve`, the API, /metrics. Never knows: which bench it serves.
Nothing of it outlives the block, whatever happens inside.
"""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import aiohttp

from gateway.bench import config
from gateway.bench.children import Child, NotReady, started
from gateway.bench.machine import machine
from gateway.bench.peers import HOST, free_port
from gateway.bench.people import Tokens, authority
from gateway.bench.terminal import Line
from gateway.bench.usage import Meter, child_that_runs, processes
from gateway.errors import GatewayError
from gateway.model import ChannelName
from gateway.settings import parse
from gateway.store import admin
from gateway.store.embedded import Cluster, EmbeddedPostgres
from gateway.store.migrate import migrate
from gateway.store.pool import Connection
from gateway.store.registry import CHANNELS
from gateway.store.sql import Queries

_SQL = Queries.load("bench")
LINKS_S = 30.0
LOOK_S = 1.0
ANSWER_CHARACTERS = 2_000
MOST_MISSED = 20
OPEN_COUNTS = ("queued", "in_flight")
PLAYER = "gateway.channels.voice_player"


class Refused(GatewayError):
    """The gateway did not take what the bench posted."""


class Span(NamedTuple):
    """When one channel's deliveries were recorded: first and last submission, last end, and how many left."""

    first_at: datetime | None
    last_at: datetime | None
    done_at: datetime | None
    submitted: int


class Ground:
    """The database of a bench and what stands on it."""

    def __init__(self, folder: Path, cluster: Cluster, line: Line, tokens: Tokens, server: Mapping[str, Any]) -> None:
        self.folder = folder
        self.cluster = cluster
        self.line = line
        self.tokens = tokens
        self.postmaster: int = server["postmaster"]
        self.machine = machine(server["version"])
        self.shared_buffers: str = server["shared_buffers"]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A session as the application's role."""
        async with admin.connected(self.cluster.app_dsn) as connection:
            yield connection

    @asynccontextmanager
    async def filling(self) -> AsyncIterator[Connection]:
        """A session that may COPY into tables whose rows belong to entities."""
        async with admin.connected(self.cluster.admin_dsn) as connection:
            yield connection

    async def settle(self) -> None:
        """Statistics for what was just filled in, and a checkpoint, so that the run pays for itself only."""
        async with admin.connected(self.cluster.admin_dsn) as connection:
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("CHECKPOINT")

    async def spans(self, campaign: str) -> dict[ChannelName, Span]:
        """By channel, from the rows themselves."""
        async with self.connection() as connection:
            rows = await connection.fetch(_SQL["bench_spans"], campaign)
        return {CHANNELS[row[0]]: Span(*row[1:]) for row in rows}

    async def seconds(self, campaign: str) -> dict[ChannelName, dict[int, int]]:
        """By channel: second -> submissions recorded in it."""
        async with self.connection() as connection:
            rows = await connection.fetch(_SQL["bench_seconds"], campaign)
        found: dict[ChannelName, dict[int, int]] = {}
        for row in rows:
            found.setdefault(CHANNELS[row["channel"]], {})[row["second"]] = row["submitted"]
        return found


@asynccontextmanager
async def ground(line: Line, *, settings: Mapping[str, str] | None = None) -> AsyncIterator[Ground]:
    """A fresh database in a folder of its own, both deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    server = EmbeddedPostgres(folder / "data", settings=settings)
    try:
        line.step("starting PostgreSQL")
        cluster = await server.start()
        await migrate(cluster.owner_dsn, cluster.app_role, cluster.app_password)
        async with admin.connected(cluster.app_dsn) as connection:
            tokens = await authority(connection)
            row = dict(await connection.fetchrow(_SQL["bench_server"]) or {})
            session = processes().get(row["session"])
        yield Ground(folder, cluster, line, tokens, row | {"postmaster": session.parent if session else None})
    except (GatewayError, OSError, aiohttp.ClientError):
        kept = keep_logs(folder)
        line.step(f"the logs of this run are kept in {kept}")
        raise
    finally:
        line.end()
        await asyncio.shield(_clear(server, folder))


def keep_logs(folder: Path) -> Path:
    """Copy what the programs of a failed run wrote to a folder that stays."""
    kept = Path(tempfile.mkdtemp(prefix="gateway-bench-failed-"))
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)
    return kept


async def _clear(server: EmbeddedPostgres, folder: Path) -> None:
    try:
        await server.destroy()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Node:
    """The gateway under measurement, as its clients see it."""

    def __init__(self, url: str, child: Child, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.pid = child.pid
        self._child = child
        self._session = session

    async def post(self, raw: bytes, token: str, *, dry_run: bool = False) -> dict[str, Any]:
        """The answer to an alert that is taken. Raises Refused."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cap+xml"}
        query = "?dry_run=true" if dry_run else ""
        async with self._session.post(f"{self.url}/v1/alerts{query}", data=raw, headers=headers) as response:
            if response.status not in (200, 201):
                raise Refused(f"{response.status}: {(await response.text())[:ANSWER_CHARACTERS]}")
            body: dict[str, Any] = await response.json(content_type=None)
            return body

    async def get(self, path: str, token: str = "") -> Any:
        """A page of the API as JSON."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            return await response.json(content_type=None)

    async def metrics(self) -> str:
        """The /metrics page."""
        return await self.text(f"{self.url}/metrics")

    async def page(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, str, bytes]:
        """A public page, not compressed: status, ETag, bytes."""
        plain = {"Accept-Encoding": "identity", **headers}
        async with self._session.get(f"{self.url}{path}", headers=plain) as response:
            return response.status, response.headers.get("ETag", ""), await response.read()

    async def text(self, url: str) -> str:
        """A page of anybody's."""
        async with self._session.get(url) as response:
            return await response.text()

    async def stop(self, campaign: str, token: str) -> None:
        """End a campaign: nothing more of it leaves."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.post(f"{self.url}/v1/campaigns/{campaign}/stop", headers=headers) as response:
            await response.read()

    async def linked(self) -> None:
        """Return when every bind and trunk is up; relays open their connections when there is work."""
        deadline = asyncio.get_running_loop().time() + LINKS_S
        while asyncio.get_running_loop().time() < deadline:
            self.alive()
            seen = await self.get("/readyz")
            if all(up for name, up in seen["links"].items() if name.startswith("sms")) and not seen["problems"]:
                return
            await asyncio.sleep(0.1)
        raise NotReady(f"not every bind came up: {seen}")

    @property
    def media_pid(self) -> int | None:
        """The process that plays, where calls are the gateway's own."""
        return child_that_runs(PLAYER, self.pid)

    def alive(self) -> None:
        """Raises NotReady when the gateway has ended."""
        if not self._child.running:
            raise NotReady(f"the gateway ended: {self._child.exit_code}")

    async def followed(
        self, campaign: str, token: str, told: Callable[[Mapping[str, Any]], None], until: Callable[[Any], bool]
    ) -> Mapping[str, Any]:
        """The campaign's counts when `until` says so; `told` sees them now and then."""
        missed = 0
        while True:
            self.alive()
            try:
                seen: Mapping[str, Any] = await self.get(f"/v1/campaigns/{campaign}", token)
            except aiohttp.ClientError:  # it may be ending, or starve for a moment beside what it serves
                missed += 1
                if missed > MOST_MISSED:
                    raise
                await asyncio.sleep(0.25)
                continue
            missed = 0
            told(seen)
            if until(seen):
                return seen
            await asyncio.sleep(0.25)


@asynccontextmanager
async def node(
    floor: Ground, channels: Mapping[str, Any], *, roles: Sequence[str] = (), port: int = 0
) -> AsyncIterator[Node]:
    """`gateway serve` with these channels, until the block ends."""
    port = port or free_port()
    document = config.base(floor.cluster.app_dsn, port) | dict(channels)
    parse(document)  # every mistake at once, before anything is started
    file = floor.folder / "gateway.toml"
    file.touch(mode=0o600)
    file.write_text(config.as_toml(document), encoding="utf-8")
    chosen = ["--roles", ",".join(roles)] if roles else []
    words: list[str | Path] = [sys.executable, "-m", "gateway", "serve", "--config", file, *chosen]
    log = floor.folder / "gateway.log"
    async with AsyncExitStack() as stack:
        floor.line.step("starting the gateway")
        child = await stack.enter_async_context(started("the gateway", words, log=log))
        try:
            await child.says(r"^Gateway ready: ")
        except NotReady as error:
            raise NotReady(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from None
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Node(f"http://{HOST}:{port}", child, session)


@asynccontextmanager
async def metered(floor: Ground, gateway: Node, peers: Mapping[str, int | None]) -> AsyncIterator[Meter]:
    """CPU and memory of gateway, its playing process, postgres and the named peers while the block runs."""
    media = {"media": pid} if (pid := gateway.media_pid) is not None else {}
    meter = Meter({"gateway": gateway.pid, **media, "postgres": floor.postmaster, **peers})
    meter.start()
    looking = asyncio.create_task(_look(meter))
    try:
        yield meter
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        meter.look()


async def _look(meter: Meter) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        meter.look()


def closed(seen: Mapping[str, Any]) -> bool:
    """Nothing of the campaign is open."""
    return bool(seen["state"] == "closed")


def all_left(seen: Mapping[str, Any]) -> bool:
    """Everything was planned and has left."""
    return bool(seen["planned"]) and not any(of[k] for of in seen["channels"].values() for k in OPEN_COUNTS)
