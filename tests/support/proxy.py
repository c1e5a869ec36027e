"""A TCP proxy on loopback that does to a connection what networks do: delay, cut, go silent, crawl, swallow a reply.

What it does may be changed while it runs. Upstream is a TCP port, or the Unix socket of a PostgreSQL.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from gateway.store.embedded import Cluster

READ_BYTES = 65_536
Swallow = Callable[[bytes], bool]
Watch = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Faults:
    """`latency_s` before each piece; `silent`: bytes vanish and nobody hangs up (half-open); `bytes_per_s` towards the
    client; `swallow` looks at each piece of the client's: True means that it still arrives, and that its reply, and the
    connection with it, is lost. `from_client` and `from_server` are awaited with each piece before it goes on."""

    latency_s: float = 0.0
    silent: bool = False
    bytes_per_s: float | None = None
    swallow: Swallow | None = None
    from_client: Watch | None = None
    from_server: Watch | None = None
    lost: int = 0


@dataclass(slots=True)
class Proxy:
    """One listener, and every connection through it."""

    upstream: tuple[str, int] | Path  # where it leads: host and port, or a socket's file
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    connections: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        """Listening until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    def cut(self) -> None:
        """End every connection at once, with a reset."""
        for writer in list(self.connections):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self.upstream, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(str(self.upstream))
            else:
                far_reader, far_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self.connections |= both
        lost = asyncio.Event()
        pumps = [
            asyncio.create_task(self._to_server(reader, far_writer, lost)),
            asyncio.create_task(self._to_client(far_reader, writer, lost)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for end in both:
                end.transport.abort()
            self.connections -= both

    async def _to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        with suppress(OSError):
            while piece := await reader.read(READ_BYTES):
                await asyncio.sleep(self.faults.latency_s)
                if self.faults.silent:
                    continue
                if self.faults.from_client is not None:
                    await self.faults.from_client(piece)
                if self.faults.swallow is not None and self.faults.swallow(piece):
                    self.faults.lost += 1
                    lost.set()
                writer.write(piece)
                await writer.drain()

    async def _to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        with suppress(OSError):
            while piece := await reader.read(READ_BYTES):
                if lost.is_set():  # the server has answered: it is done, and nobody hears of it
                    return
                await asyncio.sleep(self.faults.latency_s)
                if self.faults.silent:
                    continue
                if self.faults.from_server is not None:
                    await self.faults.from_server(piece)
                await self._crawl(writer, piece)

    async def _crawl(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        if self.faults.bytes_per_s is None:
            writer.write(piece)
        else:
            for at in range(len(piece)):
                writer.write(piece[at : at + 1])
                await asyncio.sleep(1 / self.faults.bytes_per_s)
        await writer.drain()


def every(number: int, word: bytes) -> Swallow:
    """The reply to every n-th piece that holds this word is lost."""
    seen = 0

    def swallow(piece: bytes) -> bool:
        nonlocal seen
        seen += word in piece
        return word in piece and seen % number == 0

    return swallow


def to_database(cluster: Cluster) -> Proxy:
    """A proxy in front of a cluster; `dsn_through` leads over it."""
    return Proxy(cluster.socket / ".s.PGSQL.5432")


def dsn_through(proxy: Proxy, cluster: Cluster) -> str:
    """The application's way to the database over a proxy that runs."""
    return f"postgresql://{cluster.app_role}:{quote(cluster.app_password)}@127.0.0.1:{proxy.port}/{cluster.database}"
