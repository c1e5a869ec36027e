"""SMTP connections with their sockets: one link, and the pool of links to one relay.

Knows: asyncio, TLS contexts, connecting with a deadline, one timer a link, when to open more and when to wait.
Never knows: what is sent, to whom, or why; the session decides everything.
Implements RFC 3207 (STARTTLS) and RFC 8314 §3.3 (implicit TLS) on the client's side.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar, cast

from gateway.smtp.events import Done, Down, Fate, Ready, Result, StartTls
from gateway.smtp.pace import Backoff, Pace
from gateway.smtp.reply import Scope, scope
from gateway.smtp.session import Session, SessionSettings

T = TypeVar("T")

_ACCEPTED = Fate.ACCEPTED  # to name a member costs a call (Python 3.11)
_LOOK_S = 1.0  # the longest time between two looks at a session's timer


class Security(Enum):
    """How a connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where to connect and how; `ca_file` replaces the system's certificate authorities."""

    host: str
    port: int
    security: Security = Security.STARTTLS
    ca_file: Path | None = None
    connect_s: float = 10.0
    session: SessionSettings = field(default_factory=SessionSettings)

    def tls_context(self) -> ssl.SSLContext | None:
        """A context that verifies certificate and name, or None without TLS."""
        if self.security is Security.NONE:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 §1
        return context


class Link(asyncio.Protocol, Generic[T]):
    """A session on a socket. `touched` is called when something arrived or changed: the owner then reads `events`,
    gives envelopes while `wants`, and calls `flush` once: one write a loop turn. `closed` is done when all is over.
    """

    def __init__(self, settings: LinkSettings, touched: "Callable[[Link[T]], None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._touched = touched
        self._transport: asyncio.Transport | None = None
        self._context: ssl.SSLContext | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._upgrade: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.session: Session[T] = Session(settings.session, self._loop.time())

    async def connect(self, context: ssl.SSLContext | None) -> None:
        """Connect and, with implicit TLS, shake hands; OSError or TimeoutError when that fails."""
        self._context = context
        implicit = context if self._settings.security is Security.TLS else None
        async with asyncio.timeout(self._settings.connect_s):
            await self._loop.create_connection(
                lambda: self,
                self._settings.host,
                self._settings.port,
                ssl=implicit,
                server_hostname=self._settings.host if implicit else None,
            )

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there; a second call comes with TLS around it."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        self.session.receive_data(data, self._loop.time())
        self._touched(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, in whatever way."""
        self._over("connection lost" if exc is None else type(exc).__name__)

    # ---- the owner's side

    def events(self) -> list[Ready | Done[T] | Down]:
        """What happened; STARTTLS is dealt with here and not handed on."""
        events: list[Ready | Done[T] | Down] = []
        for event in self.session.events():
            if isinstance(event, StartTls):
                self._upgrade = self._loop.create_task(self._start_tls())
            else:
                events.append(event)
        return events

    def flush(self) -> None:
        """Write what the session has to say; drop the socket when the session is over: all that counts was answered."""
        if self._transport is None:
            return
        if data := self.session.data_to_send():
            self._transport.write(data)
        if self.session.next_timer() is None:
            self._transport.abort()

    def cut(self, reason: str = "cut") -> None:
        """Close at once; what is in flight becomes unknown or unsent."""
        if self._transport is not None:
            self._transport.abort()
        self._over(reason)

    def _over(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._upgrade is not None and self._upgrade is not asyncio.current_task():
            self._upgrade.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
            self.session.lost(self._loop.time(), reason)
            self._touched(self)

    # ---- TLS and time

    async def _start_tls(self) -> None:
        """The handshake inside the connection; a failure ends it."""
        assert self._transport is not None and self._context is not None
        try:
            async with asyncio.timeout(self._settings.connect_s):
                transport = await self._loop.start_tls(
                    self._transport, self, self._context, server_hostname=self._settings.host
                )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self.cut(type(error).__name__)  # asyncio tells nobody of a connection lost inside the handshake
            return
        if transport is None:
            self.cut("connection lost")
            return
        self._transport = transport
        self.session.tls_started(self._loop.time())
        self._touched(self)

    def _watch(self) -> None:
        """One timer that looks late rather than one that is moved with every reply."""
        now = self._loop.time()
        due = self.session.next_timer()
        if due is not None and due <= now:
            self.session.handle_timer(now)
            self._touched(self)
            due = self.session.next_timer()
        if due is not None and not self.closed.done():
            self._timer = self._loop.call_later(min(max(due - now, 0.001), _LOOK_S), self._watch)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """One relay: how many links at most, how many messages a second, how long to wait after failures."""

    name: str
    link: LinkSettings
    connections: int = 10
    per_s: float | None = None
    backoff_first_s: float = 0.5
    backoff_most_s: float = 30.0


class Pool(Generic[T]):
    """The links to one relay: one is kept open always, more are opened while there is more work than they take.

    After a failure nothing is opened until the back-off has passed; a message that was answered ends it. A relay that
    says "not now" of itself is asked more slowly, and then gradually as fast as before (`pace`).
    `touched` is called when a link has something to `collect`.
    """

    def __init__(self, settings: PoolSettings, touched: "Callable[[Pool[T], Link[T]], None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._touched = touched
        self._context = settings.link.tls_context()
        self._backoff = Backoff(settings.backoff_first_s, settings.backoff_most_s)
        self._retry_at = self._loop.time()
        self._opening = 0
        self._closing = False
        self.settings = settings
        self.links: set[Link[T]] = set()
        self.ready: set[Link[T]] = set()
        self.free: set[Link[T]] = set()
        self.pace = Pace(settings.per_s, self._loop.time())

    async def keep(self) -> None:
        """Hold one link open until `close`."""
        while not self._closing:
            await self._serve(keep_alive=True)
            await asyncio.sleep(max(self._retry_at - self._loop.time(), 0.01))

    def grow(self, group: asyncio.TaskGroup) -> None:
        """There is more work: as many links again as are ready, when none is on its way."""
        if not self.ready or self._opening or len(self.ready) < len(self.links) or self._loop.time() < self._retry_at:
            return
        for _ in range(min(len(self.ready), self.settings.connections - len(self.links))):
            self._opening += 1
            group.create_task(self._open())

    def close(self) -> None:
        """Open nothing more; every link ends when its messages are answered."""
        self._closing = True
        for link in self.links:
            link.session.close(self._loop.time())
            self._touch(link)

    def collect(self, link: Link[T]) -> list[Done[T]]:
        """What became of messages on this link; keeps `ready` (open) and `free` (wants a message) up to date."""
        done: list[Done[T]] = []
        for event in link.events():
            if isinstance(event, Done):
                done.append(event)
                for result in event.results:
                    self._judge(result)
            elif isinstance(event, Ready):
                self.ready.add(link)
            else:
                self.ready.discard(link)
                if not event.orderly:
                    self._failed()
        if link.session.wants:
            self.free.add(link)
        else:
            self.free.discard(link)
        return done

    def _judge(self, result: Result) -> None:
        """What a message's fate says of the relay."""
        if result.fate is _ACCEPTED:
            self._backoff.succeeded()
        elif result.fate is Fate.RETRY and scope(result.reply, of_sender=result.of_sender) is Scope.RELAY:
            self.pace.refused(self._loop.time())

    def _touch(self, link: Link[T]) -> None:
        self._touched(self, link)

    def _failed(self) -> None:
        """A link failed; many at once count as one."""
        now = self._loop.time()
        if now >= self._retry_at:
            self._retry_at = now + self._backoff.failed()

    async def _open(self) -> None:
        self._opening -= 1  # from here on it is among the links
        await self._serve(keep_alive=False)

    async def _serve(self, *, keep_alive: bool) -> None:
        """One link from its first byte to its last."""
        session = replace(self.settings.link.session, keep_alive=keep_alive)
        link: Link[T] = Link(replace(self.settings.link, session=session), self._touch)
        self.links.add(link)
        try:
            await link.connect(self._context)
            await link.closed
        except (OSError, TimeoutError):
            self._failed()
        finally:
            link.cut()
            self.links.discard(link)
            self.ready.discard(link)
            self.free.discard(link)
