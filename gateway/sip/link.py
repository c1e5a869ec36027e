"""One link to a trunk: a user agent on a UDP socket, or on a TCP or TLS connection that is made again when it breaks.

Knows: RFC 3261 §18 (transports), RFC 5626 §4.4.1 (keep-alives), the agent. Never knows: what calls are for, audio.
The one module of the kit that does I/O.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gateway.sip.agent import Asked, Ended, Happening, UserAgent
from gateway.sip.framing import PONG, Framer
from gateway.sip.request import Identity

RECEIVE_BUFFER_BYTES = 4 << 20
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.5, 30.0
ASK_WITHIN_S = 5.0
UNACKNOWLEDGED_MS = 20_000
"""A connection ends when what was written is not acknowledged for so long: a path that is gone does not say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a trunk listens, and how it is reached. `local_host` and `local_port` "" and 0: as the system has it."""

    host: str
    port: int = 5060
    transport: Literal["udp", "tcp", "tls"] = "udp"
    tls: ssl.SSLContext | None = None
    local_host: str = ""
    local_port: int = 0
    public_host: str = ""
    connect_timeout_s: float = 5.0
    keep_alive_s: float = 30.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.transport}"


Told = Callable[[Sequence[Happening]], None]


class SipLink:
    """`run` keeps it alive until cancelled; `up` says whether the trunk answered last time."""

    def __init__(self, server: Server, identity: Identity, told: Told) -> None:
        self.server = server
        self.up = server.transport == "udp"  # until it is heard otherwise; a connection has to be made first
        self.agent = UserAgent(identity)
        self._told = told
        self._peer: tuple[str, int] = ("", 0)
        self._heard = False
        self._udp: asyncio.DatagramTransport | None = None
        self._stream: asyncio.StreamWriter | None = None
        self._stream_reader: asyncio.StreamReader | None = None
        self._timer: asyncio.TimerHandle | None = None

    # what the driver does ------------------------------------------------------------------------------------

    def invite(self, call_id: str, number: str, *, offer: bytes, media: tuple[str, int]) -> None:
        """Call a number."""
        self.agent.invite(call_id, number, offer=offer, media=media, now=time.monotonic())
        self._flush()

    def hang_up(self, call_id: str) -> bool:
        """End a call in whatever way its state asks for."""
        known = self.agent.hang_up(call_id, time.monotonic())
        self._flush()
        return known

    @property
    def connected(self) -> bool:
        """Whether anything can be sent at all."""
        return self._udp is not None or self._stream is not None

    @property
    def address(self) -> str:
        """Our address as the trunk sees it."""
        return self.agent.identity.local[0]

    async def open(self) -> None:
        """Bind or connect once. Raises OSError when that is not possible now; `run` tries again."""
        async with asyncio.timeout(self.server.connect_timeout_s):
            if self.server.transport == "udp":
                await self._bind()
            elif self._stream is None:
                await self._connect()

    async def run(self) -> None:
        """Keep the link until cancelled: connect again, and ask whether the trunk is there."""
        pause_s = RECONNECT_FIRST_S
        while True:
            try:
                await self.open()
            except (OSError, TimeoutError, ssl.SSLError):
                self._change(up=False)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RECONNECT_MAX_S)
                continue
            pause_s = RECONNECT_FIRST_S
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(self._keep_alive())
                if self._stream_reader is not None:
                    await self._read(self._stream_reader)
                    asking.cancel()

    async def close(self) -> None:
        """Let go of the socket; calls are left as they are."""
        if self._timer is not None:
            self._timer.cancel()
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        if self._stream is not None:
            self._stream.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await self._stream.wait_closed()
            self._stream = None

    # UDP -----------------------------------------------------------------------------------------------------

    async def _bind(self) -> None:
        if self._udp is not None:
            return
        loop = asyncio.get_running_loop()
        server = self.server
        family, self._peer = (await self._addresses())[0]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.bind((server.local_host or _way_to(family, self._peer), server.local_port))
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=sock)
        except BaseException:
            sock.close()
            raise
        self._udp = transport
        self._local(sock.getsockname())

    async def _addresses(self) -> list[tuple[int, tuple[str, int]]]:
        """What the trunk's name stands for now: families and addresses. Raises OSError."""
        server = self.server
        found = await asyncio.get_running_loop().getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
        return [(int(family), (str(peer[0]), int(peer[1]))) for family, _, _, _, peer in found]

    async def _follow(self) -> None:
        """A trunk that does not answer may have moved: its name stands for another machine now."""
        if self._udp is None:
            return  # a connection looks the name up each time it is made
        ours = self._udp.get_extra_info("socket").family
        with contextlib.suppress(OSError):
            there = [peer for family, peer in await self._addresses() if family == ours]
            if there and self._peer not in there:
                self._peer = there[0]

    # TCP and TLS ---------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        server = self.server
        local = (server.local_host, server.local_port) if server.local_host else None
        reader, writer = await asyncio.open_connection(
            server.host, server.port, ssl=server.tls, local_addr=local,
            server_hostname=server.host if server.tls else None,
        )  # fmt: skip
        self._stream_reader, self._stream = reader, writer
        self._peer = writer.get_extra_info("peername")[:2]
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # RFC 5482 §3: without it a system tries for a quarter of an hour
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._local(writer.get_extra_info("sockname"))
        self._change(up=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the connection ends."""
        framer = Framer()
        try:
            while (data := await reader.read(65_536)) and not framer.broken:
                for message in framer.feed(data):
                    self.received(message, self._peer)
                if framer.pings and self._stream is not None:
                    self._stream.write(PONG * framer.pings)
                    framer.pings = 0
        except (OSError, ssl.SSLError):
            pass
        stream, self._stream, self._stream_reader = self._stream, None, None
        if stream is not None:
            stream.close()
        self._change(up=False)
        self.agent.broken(time.monotonic())
        self._flush()

    # both ----------------------------------------------------------------------------------------------------

    def received(self, data: bytes, source: tuple[str, int]) -> None:
        """One whole message. Of another host than the trunk's it is nothing."""
        if source[0] == self._peer[0]:
            self.up = self._heard = True
            self.agent.receive_data(data, source, time.monotonic())
            self._flush()

    async def _keep_alive(self) -> None:
        # RFC 3261 §11: a trunk that answers OPTIONS takes calls
        while True:
            if not self.up:
                await self._follow()
            self._heard = False
            self.agent.ask(time.monotonic(), within_s=min(ASK_WITHIN_S, self.server.keep_alive_s))
            self._flush()
            await asyncio.sleep(self.server.keep_alive_s)

    def _local(self, name: tuple[str, int]) -> None:
        host = self.server.public_host or name[0]
        self.agent.identity = replace(self.agent.identity, local=(host, int(name[1])))

    def _change(self, *, up: bool) -> None:
        self.up = up

    def _flush(self) -> None:
        for data in self.agent.data_to_send():
            if self._udp is not None:
                self._udp.sendto(data, self._peer)
            elif self._stream is not None:
                self._stream.write(data)
        happened = self.agent.events()
        for event in happened:
            if isinstance(event, Asked):
                # a server that knows no OPTIONS is there all the same while it says anything else
                self._change(up=self._heard if event.code == 0 else event.code < 500 and event.code != 408)
            elif isinstance(event, Ended) and event.code == 0:
                self._change(up=False)
        if happened:
            self._told(happened)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due_at = self.agent.next_timer()
        if due_at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due_at - time.monotonic()), self._wake)

    def _wake(self) -> None:
        self.agent.handle_timer(time.monotonic())
        self._flush()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, link: SipLink) -> None:
        self._link = link

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._link.received(data, addr[:2])


def _way_to(family: int, peer: tuple[str, int]) -> str:
    """Our address on the way to a peer: nothing is sent to find that out."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(peer)
        return str(probe.getsockname()[0])
