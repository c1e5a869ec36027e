"""One connection to an IMAP mailbox: what is in it, the mails, the wait for news; any trouble ends the connection.

Knows: aioimaplib, deadlines, bounds on what a server may send. Never knows: what mails are for, the store.
Standard: RFC 3501 (SELECT, UID SEARCH, FETCH, STORE), RFC 2177 (IDLE), RFC 8314 §3.1 (implicit TLS).
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aioimaplib import aioimaplib

from gateway.mailbox.settings import BoxSettings

HEADER_BYTES = 262_144
_ANSWER_BYTES = 4_194_304
_LONGEST_LINE_BYTES = 4_194_304
_EXISTS = re.compile(rb"\* [0-9]+ EXISTS")  # RFC 3501 §7.3.1
_FETCH = re.compile(rb"[0-9]{1,10} FETCH \(")
_UID = re.compile(rb"[ (]UID ([0-9]{1,10})")
_SIZE = re.compile(rb"[ (]RFC822\.SIZE ([0-9]{1,19})")
_VALIDITY = re.compile(rb"\[UIDVALIDITY ([0-9]{1,10})\]", re.IGNORECASE)
_BROKEN = (aioimaplib.AioImapException, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What aioimaplib raises when a server says what it should not."""


class BoxLost(Exception):
    """The connection is over, or of no more use; the words say why and hold nothing that a mail said."""


class Head(NamedTuple):
    """A mail in the mailbox: its number, its size as the server says, and its header."""

    uid: int
    size_bytes: int
    header: bytes


class _Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """aioimaplib's, with a bound on what arrives, and an event for new mails that no command can swallow."""

    def __init__(self, lost: asyncio.Future[str]) -> None:
        super().__init__(asyncio.get_running_loop(), self._end)
        self.news = asyncio.Event()
        self.may_receive = _ANSWER_BYTES
        self._lost = lost

    def data_received(self, data: bytes) -> None:
        self.may_receive -= len(data)
        if self.may_receive < 0 or len(self.incomplete_line) > _LONGEST_LINE_BYTES:
            self.abort("the server sends more than it was asked for")
            return
        try:
            super().data_received(data)
        except _BROKEN:
            self.abort("the server sends what can not be understood")

    def abort(self, words: str) -> None:
        """Cut the connection."""
        if not self._lost.done():
            self._lost.set_result(words)
        if self.transport is not None:
            self.transport.abort()

    def _end(self, _error: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result("the server closed the connection")

    def _untagged_response(self, line: bytes) -> Any:
        if _EXISTS.match(line):
            self.news.set()
        return super()._untagged_response(line)


class _Client(aioimaplib.IMAP4):  # type: ignore[misc]
    """aioimaplib's, on that protocol."""

    def __init__(self, settings: BoxSettings, lost: asyncio.Future[str]) -> None:
        self._lost_result = lost
        super().__init__(
            settings.host, settings.port, timeout=settings.command_timeout_s, ssl_context=settings.tls_context()
        )

    def create_client(self, host: str, port: int, loop: Any, _lost: Any = None, ssl_context: Any = None) -> None:
        loop = loop or asyncio.get_running_loop()
        self.protocol = _Protocol(self._lost_result)
        self._client_task = loop.create_task(loop.create_connection(lambda: self.protocol, host, port, ssl=ssl_context))


class Box:
    """A mailbox that is logged in to. Every method raises BoxLost."""

    def __init__(self, settings: BoxSettings) -> None:
        self._settings = settings
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._client = _Client(settings, self._lost)
        self._protocol: _Protocol = self._client.protocol

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: BoxSettings) -> AsyncIterator["Box"]:
        """Connected and logged in while the block runs."""
        logging.getLogger("aioimaplib").setLevel(logging.WARNING)  # at INFO and below it quotes what servers say
        try:
            box = cls(settings)
        except OSError as error:
            raise BoxLost(f"ca_file can not be read: {error.strerror}") from error
        try:
            await box._log_in()
            yield box
        finally:
            await box._close()

    async def _log_in(self) -> None:
        await self._ask(self._client.wait_hello_from_server())
        user, password = aioimaplib.quoted(self._settings.username), self._settings.password.get_secret_value()
        answer = await self._ask(self._client.login(user, password))
        if answer.result != "OK":
            raise BoxLost("the server refuses the user name or password")

    async def select(self) -> int:
        """Open the folder (again) and return its UIDVALIDITY. # RFC 3501 §6.3.1"""
        answer = await self._ask(self._client.select(aioimaplib.quoted(self._settings.folder)))
        self._protocol.news.clear()  # what SELECT itself said; the search that follows sees what came since
        validity = next((found for line in _texts(answer.lines) if (found := _VALIDITY.search(line))), None)
        if answer.result != "OK" or validity is None:
            raise BoxLost("the server does not open the folder")
        return int(validity[1])

    async def uids_behind(self, uid: int) -> list[int]:
        """The numbers of all mails above this one, ascending. # RFC 3501 §6.4.4"""
        answer = await self._ask(self._client.uid_search(f"UID {uid + 1}:*", charset=None))
        if answer.result != "OK":
            raise BoxLost("the server refuses to search")
        words = [word for line in _texts(answer.lines[:-1]) for word in line.split()]
        # RFC 3501 §6.4.8: * is the last mail there is, whatever its number
        return sorted({int(word) for word in words if word.isdigit() and int(word) > uid})

    async def heads(self, uids: Sequence[int]) -> list[Head]:
        """Sizes and headers of a few mails; those that are gone are left out."""
        names = f"(UID RFC822.SIZE BODY.PEEK[HEADER]<0.{HEADER_BYTES}>)"
        most = len(uids) * (HEADER_BYTES + 1000) + _ANSWER_BYTES
        found = await self._fetch(",".join(map(str, uids)), names, most)
        heads = [Head(uid, size, literal) for uid, size, literal in found if uid in uids]
        return sorted(heads)

    async def mail(self, uid: int, most_bytes: int) -> bytes | None:
        """The whole mail, None when it is gone. It stays unseen."""
        names = "(UID RFC822.SIZE BODY.PEEK[])"
        found = await self._fetch(str(uid), names, most_bytes + _ANSWER_BYTES)
        return next((literal for number, _, literal in found if number == uid), None)

    async def _fetch(self, uids: str, names: str, most_bytes: int) -> list[tuple[int, int, bytes]]:
        fetching = self._client.uid("FETCH", uids, names)
        answer = await self._ask(fetching, timeout_s=self._settings.mail_timeout_s, most_bytes=most_bytes)
        if answer.result != "OK":
            raise BoxLost("the server refuses to hand out a mail")
        return list(_fetched(answer.lines))

    async def mark_seen(self, uids: Sequence[int]) -> bool:
        """Set \\Seen; False when the server does not let us. # RFC 3501 §6.4.6"""
        numbers = ",".join(map(str, uids))
        answer = await self._ask(self._client.uid("STORE", numbers, "+FLAGS.SILENT", r"(\Seen)"))
        return bool(answer.result == "OK")

    async def wait(self, seconds: float) -> None:
        """Return when there are new mails since `select`, or the time has passed. # RFC 2177 §3"""
        if self._protocol.news.is_set():
            return
        if not self._client.has_capability("IDLE"):
            await self._wait_for_news(seconds)
            await self._ask(self._client.noop())
            return
        idle: asyncio.Future[Any] = await self._ask(self._client.idle_start(timeout=seconds + 3600))
        await self._wait_for_news(seconds)
        self._client.idle_done()
        await self._ask(idle)

    async def _wait_for_news(self, seconds: float) -> None:
        news = asyncio.ensure_future(self._protocol.news.wait())
        try:
            either: set[asyncio.Future[Any]] = {news, self._lost}
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        if self._lost.done():
            raise BoxLost(self._lost.result())

    async def _ask(
        self, work: Awaitable[Any], *, timeout_s: float | None = None, most_bytes: int = _ANSWER_BYTES
    ) -> Any:
        """The answer to a command, within a time and a size, unless the connection ends first."""
        self._protocol.may_receive = most_bytes
        task = asyncio.ensure_future(work)
        within = self._settings.command_timeout_s if timeout_s is None else timeout_s
        try:
            await asyncio.wait({task, self._lost}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
        if task.done() and not task.cancelled():
            try:
                return task.result()
            except (*_BROKEN, OSError, TimeoutError) as error:
                raise BoxLost(f"the connection failed: {type(error).__name__}") from error
        raise BoxLost(self._lost.result() if self._lost.done() else "the server does not answer")

    async def _close(self) -> None:
        """Politely when that is quick, and at once otherwise."""
        client = self._client
        if not self._lost.done() and client.get_state() in ("AUTH", "SELECTED") and not client.has_pending_idle():
            with contextlib.suppress(BoxLost):
                await self._ask(client.logout(), timeout_s=1.0)
        self._protocol.abort("closed")
        tasks = [client._client_task, *client.tasks, *self._protocol.tasks]
        for task in tasks:
            task.cancel()
        if client._idle_waiter is not None:
            client._idle_waiter.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _texts(lines: Sequence[bytes]) -> list[bytes]:
    return [bytes(line) for line in lines]


def _fetched(lines: Sequence[bytes | bytearray]) -> list[tuple[int, int, bytes]]:
    """(UID, size, literal) of each mail in an answer; literals are bytearrays there, and lines bytes."""
    found: list[tuple[bytes, bytes]] = []
    for line in lines[:-1]:
        if isinstance(line, bytearray):
            if found:
                found[-1] = (found[-1][0], bytes(line))
        elif _FETCH.match(line):
            found.append((b" " + line, b""))
        elif found:
            found[-1] = (found[-1][0] + b" " + line, found[-1][1])
    read = [(_UID.search(text), _SIZE.search(text), literal) for text, literal in found]
    return [(int(uid[1]), int(size[1]) if size else 0, literal) for uid, size, literal in read if uid]
