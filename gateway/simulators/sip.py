"""A SIP trunk's far end over UDP: called parties that answer, refuse, ring or hang up, and count the audio they get.

Knows: two UDP sockets and the loop's timers. Never knows: SIP itself (simulators/sip_party.py, gateway/sip).
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import cast

from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.sip_ear import Ear
from gateway.simulators.sip_party import CalledParties, Timing, by_last_digit
from gateway.sip import rtp, sieve

STARTS_KEPT = 200_000
SO_TIMESTAMPNS = 35  # socket(7): the kernel says when a packet came
ANCILLARY_BYTES = 64
RECEIVED_AT_ONCE = 500
_TIMESPEC = struct.Struct("@qq").unpack
RECEIVE_BUFFER_BYTES = 4 << 20  # a burst of 600 calls' audio fits while the loop does something else


class _Media:
    """Where all calls' audio goes; it is listened to, not kept."""

    def __init__(self, sock: socket.socket, listen_to: int) -> None:
        self.ear = Ear()
        self.sock = sock
        with contextlib.suppress(OSError):  # another system: all are counted, by our own clock
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            if listen_to > 1:
                sieve.attach(sock.setsockopt, sieve.one_call_in(listen_to))
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()

    def _readable(self) -> None:
        for _ in range(RECEIVED_AT_ONCE):
            try:
                data, told, _, _ = self.sock.recvmsg(rtp.PACKET_MAX_BYTES, ANCILLARY_BYTES)
            except OSError:
                return
            self.ear.take(data, _came_at(told))


def _came_at(told: list[tuple[int, int, bytes]]) -> float:
    """Seconds since 1970, by the kernel where it says so."""
    for _, kind, data in told:
        if kind == SO_TIMESTAMPNS and len(data) == 16:
            seconds, nanoseconds = _TIMESPEC(data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


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
        self._timing = timing or Timing()
        self._most = 0
        self._starts: deque[float] = deque(maxlen=STARTS_KEPT)
        self._media: _Media | None = None
        self._signalling: _Signalling | None = None
        self._transport: asyncio.BaseTransport | None = None

    @property
    def address(self) -> str:
        """host:port for a trunk's settings."""
        return f"{self.host}:{self.port}"

    @property
    def audio_packets(self) -> int:
        """RTP packets heard so far, all calls together."""
        return self._media.ear.packets if self._media else 0

    def audio(self) -> Mapping[str, float]:
        """The most calls at once; of those that were listened to, the packets and their lateness in milliseconds."""
        heard = self._media.ear.heard() if self._media else {}
        return {"calls_at_once": self._most, "one_call_in": self._timing.listen_to, **heard}

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
        self._media = _Media(media, self._timing.listen_to)
        self._signalling = _Signalling(parties)
        self._transport, _ = await loop.create_datagram_endpoint(partial(_same, self._signalling), sock=signalling)

    async def stop(self) -> None:
        """Close both sockets; calls in progress are left as they are."""
        if self._media is not None:
            self._media.close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        await asyncio.sleep(0)

    async def __aenter__(self) -> "SipSimulator":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _record(self, called: str) -> None:
        self._starts.append(time.monotonic())
        self._most = max(self._most, self.parties.in_progress + 1)
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
