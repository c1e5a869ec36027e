"""A SIP trunk's far end over UDP: called parties that answer, refuse, ring or hang up, and count the audio they get.

Knows: two UDP sockets and the loop's timers. Never knows: SIP itself (simulators/sip_party.py, gateway/sip).
"""

import asyncio
import socket
import time
from collections import deque
from functools import partial
from typing import cast

from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.sip_party import CalledParties, Timing, by_last_digit

STARTS_KEPT = 200_000
RECEIVE_BUFFER_BYTES = 4 << 20  # a burst of 600 calls' audio fits while the loop does something else


class _Media(asyncio.DatagramProtocol):
    """Where all calls' audio goes; it is counted only."""

    def __init__(self) -> None:
        self.packets = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets += 1


class _Signalling(asyncio.DatagramProtocol):
    """One socket for all calls."""

    def __init__(self, parties: CalledParties) -> None:
        self.parties = parties
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # loops' classes do not always inherit it

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.parties.receive_data(data, addr[:2], time.monotonic())
        self._flush()

    def _wake(self) -> None:
        self.parties.handle_timer(time.monotonic())
        self._flush()

    def _flush(self) -> None:
        if self._transport is None:
            return
        for datagram in self.parties.data_to_send():
            self._transport.sendto(datagram.data, datagram.to)
        if self._timer is not None:
            self._timer.cancel()
        due_at = self.parties.next_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, due_at - time.monotonic()), self._wake) if due_at is not None else None


class SipSimulator:
    """`async with` it, or start() and stop(). Without `outcomes` the last digit of the number decides."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        mode: str = "test",
        recorder: Recorder | None = None,
        outcomes: Outcomes | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.host, self.port = host, port
        self.recorder = recorder or Recorder()
        self._mode = mode
        self._outcomes = outcomes
        self._timing = timing
        self._starts: deque[float] = deque(maxlen=STARTS_KEPT)
        self._media = _Media()
        self._signalling: _Signalling | None = None
        self._transports: list[asyncio.BaseTransport] = []

    @property
    def address(self) -> str:
        """host:port for a trunk's settings."""
        return f"{self.host}:{self.port}"

    @property
    def audio_packets(self) -> int:
        """RTP packets received so far, all calls together."""
        return self._media.packets

    @property
    def parties(self) -> CalledParties:
        """The calls themselves, once started."""
        if self._signalling is None:
            raise RuntimeError("the simulator was not started")
        return self._signalling.parties

    def starts(self) -> tuple[float, ...]:
        """When calls came in (monotonic seconds)."""
        return tuple(self._starts)

    async def start(self) -> None:
        """Listen; port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        signalling, media = _bound(self.host, self.port), _bound(self.host, 0)
        self.port = signalling.getsockname()[1]
        parties = CalledParties(
            local=(self.host, self.port),
            media=(self.host, media.getsockname()[1]),
            outcome=self._outcomes.decide if self._outcomes else by_last_digit,
            called=self._record,
            timing=self._timing,
        )
        self._signalling = _Signalling(parties)
        for protocol, sock in ((self._media, media), (self._signalling, signalling)):
            transport, _ = await loop.create_datagram_endpoint(partial(_same, protocol), sock=sock)
            self._transports.append(transport)

    async def stop(self) -> None:
        """Close both sockets; calls in progress are left as they are."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()
        await asyncio.sleep(0)

    async def __aenter__(self) -> "SipSimulator":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _record(self, called: str) -> None:
        self._starts.append(time.monotonic())
        self.recorder.add("voice", called, "", self._mode)


def _bound(host: str, port: int) -> socket.socket:
    """Bound before anything listens, so that both addresses are known when the first datagram comes."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    bound.setblocking(False)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _same(protocol: asyncio.DatagramProtocol) -> asyncio.DatagramProtocol:
    return protocol
