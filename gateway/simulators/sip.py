"""A SIP trunk's far end over UDP: called parties that answer, refuse, ring or hang up, and count the audio they get.

Knows: two UDP sockets and the loop's timers. Never knows: SIP itself (simulators/sip_party.py, gateway/sip).
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping

from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.sip_ear import Ear
from gateway.simulators.sip_party import CalledParties, Timing, by_last_digit
from gateway.sip import rtp, sieve

STARTS_KEPT = 200_000
SO_TIMESTAMPNS = 35  # socket(7): the kernel says when a packet came
ANCILLARY_BYTES = 64
RECEIVED_AT_ONCE = 500
DATAGRAM_MAX_BYTES = 65_535
_TIMESPEC = struct.Struct("@qq").unpack
RECEIVE_BUFFER_BYTES = 4 << 20  # a burst of 600 calls' audio fits while the loop does something else


class _Datagrams:
    """What comes to a socket, each with the moment at which it came by the kernel's clock: however late this process
    reads it, that stays true."""

    def __init__(
        self, sock: socket.socket, max_bytes: int, take: Callable[[bytes, tuple[str, int], float], None]
    ) -> None:
        self.sock = sock
        self._max_bytes = max_bytes
        self._take = take
        with contextlib.suppress(OSError):  # another system: by our own clock
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()

    def _readable(self) -> None:
        for _ in range(RECEIVED_AT_ONCE):
            try:
                data, told, _, source = self.sock.recvmsg(self._max_bytes, ANCILLARY_BYTES)
            except OSError:
                return
            self._take(data, source[:2], _came_at(told))


def _came_at(told: list[tuple[int, int, bytes]]) -> float:
    """Seconds since 1970, by the kernel where it says so."""
    for _, kind, data in told:
        if kind == SO_TIMESTAMPNS and len(data) == 16:
            seconds, nanoseconds = _TIMESPEC(data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


class _Media:
    """Where all calls' audio goes; it is listened to, not kept."""

    def __init__(self, sock: socket.socket, listen_to: int) -> None:
        self.ear = Ear()
        self.datagrams = _Datagrams(sock, rtp.PACKET_MAX_BYTES, self._heard)
        if listen_to > 1:
            with contextlib.suppress(OSError):  # another system: all are counted
                sieve.attach(sock.setsockopt, sieve.one_call_in(listen_to))

    def close(self) -> None:
        """Listen no more."""
        self.datagrams.close()

    def _heard(self, data: bytes, source: tuple[str, int], came_s: float) -> None:
        self.ear.take(data, came_s)


class _Signalling:
    """One socket for all calls."""

    def __init__(self, sock: socket.socket, parties: CalledParties) -> None:
        self.parties = parties
        self.came_s = 0.0  # of the datagram in hand
        self._datagrams = _Datagrams(sock, DATAGRAM_MAX_BYTES, self._received)
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Neither listen nor act any more."""
        self._datagrams.close()
        if self._timer is not None:
            self._timer.cancel()

    def _received(self, data: bytes, source: tuple[str, int], came_s: float) -> None:
        self.came_s = came_s
        self.parties.receive_data(data, source, time.monotonic())
        self._flush()

    def _wake(self) -> None:
        self.parties.handle_timer(time.monotonic())
        self._flush()

    def _flush(self) -> None:
        for datagram in self.parties.data_to_send():
            with contextlib.suppress(OSError):  # RFC 3261 §17: what is lost on UDP is sent again
                self._datagrams.sock.sendto(datagram.data, datagram.to)
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
        """When calls came in (seconds since 1970, by the kernel)."""
        return tuple(self._starts)

    async def start(self) -> None:
        """Listen; port 0 takes a free one."""
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
        self._signalling = _Signalling(signalling, parties)

    async def stop(self) -> None:
        """Close both sockets; calls in progress are left as they are."""
        for listening in (self._media, self._signalling):
            if listening is not None:
                listening.close()

    async def __aenter__(self) -> "SipSimulator":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _record(self, called: str) -> None:
        came_s = self._signalling.came_s if self._signalling else time.time()
        self._starts.append(came_s)
        self._most = max(self._most, self.parties.in_progress + 1)
        self.recorder.add("voice", called, "", self._mode, at=came_s)


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
