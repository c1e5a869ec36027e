"""One SMPP connection after another: connect, drive a session, come back after a pause. The only I/O of the kit.

Knows: TCP, TLS, one timer, back-off. Never knows: what the events mean; they go to the callback, once per loop turn.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.smpp.events import Bound, Down, Event, Handle
from gateway.smpp.session import Session

_WRITE_HIGH_BYTES = 256 * 1024
_MOST_UNREAD_BYTES = 16 * 1024 * 1024  # above what the largest window holds
_LINGER_S = 2.0
_jitter = random.SystemRandom().random


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to connect; `tls` is a context or None. The certificate must be for `host`. With `listens` it is where the
    peer connects to us and says outbind."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_timeout_s: float = 10.0
    listens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses between connections: doubled after each failure, never shorter than said, longer after a refused bind.

    A connection that stayed bound for `steady_s` starts the count anew: a peer that takes binds and drops them
    is not hammered.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    refused_s: float = 30.0
    spread: float = 0.25
    steady_s: float = 5.0

    def wait_s(self, failures: int, *, refused: bool, fraction: float) -> float:
        """Seconds to wait after `failures` failures in a row (1 = the first). 0 <= fraction < 1 spreads the waits."""
        doubled = min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s)
        return max(doubled, self.refused_s if refused else 0.0) * (1.0 + self.spread * fraction)


class Link:
    """Keeps one bind up until it is closed. `on_events(link, events)` may submit and acknowledge; what it wrote into
    the session leaves in one write when it returns. After work outside the callback call `flush`."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        new_session: Callable[[], Session],
        on_events: Callable[["Link", Sequence[Event]], None],
        *,
        backoff: Backoff | None = None,
        most_owed: int = 4_000,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        self.name = name
        self.session: Session | None = None
        self.bound = False
        self.writable = True
        self._endpoint = endpoint
        self._new_session = new_session
        self._on_events = on_events
        self._backoff = backoff or Backoff()
        self._most_owed = most_owed
        self._clock = clock
        self._jitter = jitter
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._lost: asyncio.Future[None] | None = None
        self._closing = asyncio.Event()
        self._held_since: float | None = None
        self._held_s = 0.0
        self._unread = False  # the peer does not read what we answer: then we do not read what it asks
        self._refused = False
        self._bound_at: float | None = None

    def now(self) -> float:
        """The session's time: it stands still while we do not read, so that no answer is late through our own fault."""
        return (self._clock() if self._held_since is None else self._held_since) - self._held_s

    @property
    def room(self) -> int:
        """How many submits may be handed to the session now."""
        return self.session.room if self.session is not None and self.bound and self.writable else 0

    @property
    def in_flight(self) -> int:
        """Submits that wait for their answers."""
        return self.session.in_flight if self.session is not None else 0

    async def run(self) -> None:
        """Connect, serve, pause, again; returns after `close`, or when cancelled. May be run again after that."""
        failures = 0
        while not self._closing.is_set():
            self._refused = False
            bound_s = await self._serve_once()
            failures = 1 if bound_s >= self._backoff.steady_s else failures + 1
            pause_s = self._backoff.wait_s(failures, refused=self._refused, fraction=self._jitter())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause_s)
        self._closing.clear()

    async def close(self) -> None:
        """Unbind and end `run`; takes no longer than the session's own patience."""
        self._closing.set()
        if self.session is not None:
            self.session.unbind(self.now())
            self.flush()
        if self._lost is not None:
            await asyncio.wait([self._lost])

    def restart(self) -> None:
        """Unbind and come back: the peer says that this bind is not what it should be."""
        if self.session is not None:
            self.session.unbind(self.now())

    def acknowledge(self, session: Session, handles: Iterable[Handle], status: int = 0) -> None:
        """Answer messages that came by `session`; too late when that connection is gone."""
        session.acknowledge(handles, status)
        if session is self.session:
            if self._held_since is not None and session.owed <= self._most_owed // 2:
                self._release()
            self.flush()

    def flush(self) -> None:
        """Hand on events, write what the session wants to say, arm its timer."""
        session = self.session
        if session is None:
            return
        ended = False
        while events := session.events():
            ended = isinstance(events[-1], Down)
            self._note(events)
            self._on_events(self, events)
        data = session.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
        if ended:
            self._drop()
        else:
            self._arm()

    def connected(self, transport: asyncio.Transport) -> None:
        """The protocol has its transport: the session begins."""
        transport.set_write_buffer_limits(_WRITE_HIGH_BYTES)
        self._transport = transport
        self.writable = True
        self._held_since, self._held_s, self._unread = None, 0.0, False
        self.session = self._new_session()
        if self._endpoint.listens:
            self.session.await_outbind(self.now())
        else:
            self.session.bind(self.now())
        self.flush()

    def received(self, data: bytes) -> None:
        """The protocol read something."""
        session = self.session
        if session is None:
            return
        session.receive_data(data, self.now())
        self.flush()
        if session.owed > self._most_owed and self._held_since is None and self._transport is not None:
            self._held_since = self._clock()
            self._transport.pause_reading()
        self._hear_no_more_than_is_read()

    def drained(self, *, writable: bool) -> None:
        """The protocol is told whether the peer reads as fast as we write; when it does again, there may be room."""
        self.writable = writable
        if not writable or self.session is None or self._transport is None:
            return
        if self._unread and self._held_since is None:
            self._transport.resume_reading()
        self._unread = False
        self._on_events(self, [])
        self.flush()

    def disconnected(self, reason: str) -> None:
        """The protocol lost its transport."""
        if self.session is not None:
            self.session.connection_lost(reason)
            self.flush()
        self._drop()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    async def _serve_once(self) -> float:
        """One connection from start to end; the seconds it was bound."""
        loop = asyncio.get_running_loop()
        self._lost = lost = loop.create_future()
        self._bound_at = None
        try:
            await self._connect(loop)
        except (OSError, TimeoutError) as error:
            lost.set_result(None)
            self._lost = None
            self._on_events(self, [Down(f"can not connect: {type(error).__name__}", [])])
            return 0.0
        try:
            if self._closing.is_set():
                await self.close()
            await lost
        finally:
            self.disconnected("closed by us")
            self._lost = None
        return self._clock() - self._bound_at if self._bound_at is not None else 0.0

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        place = self._endpoint
        if place.listens:
            await self._accept(loop)
            return
        async with asyncio.timeout(place.connect_timeout_s):
            await loop.create_connection(
                lambda: _Wire(self),
                place.host,
                place.port,
                ssl=place.tls,
                server_hostname=place.host if place.tls is not None else None,
            )

    async def _accept(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until a peer connects, or until we are closed; while one is here no other is let in."""
        here = asyncio.Event()

        def wire() -> asyncio.Protocol:
            if here.is_set():
                return _Refused()
            here.set()
            return _Wire(self)

        place = self._endpoint
        server = await loop.create_server(wire, place.host, place.port, ssl=place.tls)
        waited = [asyncio.create_task(one.wait()) for one in (here, self._closing)]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.close()
            for task in waited:
                task.cancel()
        if self._closing.is_set():
            raise ConnectionAbortedError("closed by us")

    def _note(self, events: Sequence[Event]) -> None:
        """What the link itself needs to know of the events."""
        for event in events:
            match event:
                case Bound():
                    self.bound, self._bound_at = True, self._clock()
                case Down(status=status):
                    self.bound, self._refused = False, bool(status)
                case _:
                    pass

    def _arm(self) -> None:
        """One loop timer; an early one is left standing, because it re-arms itself."""
        due = self.session.next_timer() if self.session is not None else None
        if due is None or self._held_since is not None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, due - self.now())
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        # what is due at once comes back from uvloop as a handle that can not say when
        self._timer, self._timer_at = loop.call_at(at, self._tick), at

    def _tick(self) -> None:
        self._timer = None
        if self.session is not None and self._held_since is None:
            self.session.handle_timer(self.now())
            self.flush()

    def _release(self) -> None:
        """Read on; the time we did not read does not count."""
        if self._held_since is not None and self._transport is not None:
            self._held_s += self._clock() - self._held_since
            self._held_since = None
            if not self._unread:
                self._transport.resume_reading()

    def _hear_no_more_than_is_read(self) -> None:
        """A peer that asks and reads no answer would fill the memory. Its time goes on: enquire_link finds it."""
        transport = self._transport
        if not self.writable and transport is not None and transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self._unread = True
            transport.pause_reading()

    def _drop(self) -> None:
        """Let go of session and transport."""
        self.session, self.bound = None, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.close()
            # a peer that does not read would keep a closing transport open for ever
            asyncio.get_running_loop().call_later(_LINGER_S, transport.abort)


class _Wire(asyncio.Protocol):
    """What asyncio calls, handed to the link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop has transport classes of its own
        self._link.connected(transport)

    def data_received(self, data: bytes) -> None:
        self._link.received(data)

    def pause_writing(self) -> None:
        self._link.drained(writable=False)

    def resume_writing(self) -> None:
        self._link.drained(writable=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.disconnected("connection lost" if exc is not None else "connection closed by the peer")


class _Refused(asyncio.Protocol):
    """A second peer while the first is here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
