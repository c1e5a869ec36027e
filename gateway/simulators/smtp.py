"""An SMTP relay that takes every mail, records it, and misbehaves on request.

Knows: the server's side of SMTP as far as a client needs it, what each agreed outcome looks like on the wire.
Never knows: where mail would go next. It listens on loopback unless told otherwise and never sends.
Implements RFC 5321 (server, without relaying), RFC 2920, RFC 6152, RFC 6531, RFC 3461 (parameters only), RFC 2034.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, cast

from gateway.simulators.recorder import DELIVERED, EXPIRED, FAILED, SILENT, Outcomes, Recorder

MAX_LINE_BYTES = 4096
MAX_MESSAGE_BYTES = 20_000_000
MAX_RECIPIENTS = 1000
_MAX_TEXT_BYTES = 100_000
_FORGET_AFTER = 100_000

_PATH = re.compile(rb"(?i)(?:MAIL FROM|RCPT TO):\s*<([^>]*)>")
_KIND = re.compile(rb"(?im)^(?:Content-Type|Content-Transfer-Encoding):[^\r]*(?:\r\n[ \t][^\r]*)*")
_MODE = re.compile(rb"(?im)^X-Alert-Mode:[ \t]*([a-z]{1,20})[ \t]*\r?$")


class When(Enum):
    """Where in a transaction an outcome shows."""

    RCPT = "rcpt"
    DOT = "dot"


class Act(NamedTuple):
    """What the simulator does for one recipient: a reply (empty: none), then perhaps the end of the connection."""

    when: When
    reply: bytes
    taken: bool = False
    cut: bool = False


_TAKEN = Act(When.DOT, b"250 2.0.0 taken\r\n", taken=True)

# The words that Outcomes may give, and what they look like.
ACTS: Mapping[str, Act] = {
    DELIVERED: _TAKEN,
    EXPIRED: _TAKEN,  # what happens behind a relay does not show here
    SILENT: _TAKEN,
    FAILED: Act(When.RCPT, b"550 5.1.1 no such mailbox\r\n"),  # RFC 5321 §4.2.3
    "retry": Act(When.RCPT, b"451 4.3.0 try again later\r\n"),
    "retry_once": Act(When.RCPT, b"450 4.2.0 try again later\r\n"),
    "full": Act(When.RCPT, b"452 4.2.2 mailbox full\r\n"),
    "slow_down": Act(When.RCPT, b"451 4.7.0 too many for now\r\n"),
    "refused": Act(When.DOT, b"554 5.7.1 message refused\r\n"),
    "retry_message": Act(When.DOT, b"451 4.3.0 try again later\r\n"),
    "closing": Act(When.RCPT, b"421 4.3.2 closing\r\n", cut=True),  # RFC 5321 §3.8
    "cut": Act(When.DOT, b"", taken=True, cut=True),
    "lost": Act(When.DOT, b"", cut=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpBehaviour:
    """How the whole simulator behaves; `delay_s` comes before every answer to a final dot.

    `messages` is the most per connection (then 421); `endless_reply` never ends its answer to EHLO;
    `mute` never answers anything; `refuse` answers the connection itself by 554.
    """

    pipelining: bool = True
    delay_s: float = 0.0
    messages: int | None = None
    endless_reply: bool = False
    mute: bool = False
    refuse: bool = False


class SmtpSimulator:
    """The relay. `start` binds (port 0: any free one, then in `port`), `stop` ends every connection."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        mode: str = "test",
        outcomes: Outcomes,
        recorder: Recorder,
        behaviour: SmtpBehaviour | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.mode = mode
        self.messages = 0
        self.outcomes = outcomes
        self.behaviour = behaviour or SmtpBehaviour()
        self._recorder = recorder
        self._decode = lru_cache(maxsize=256)(decode)  # the body of one text is the same for all its recipients
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def start(self) -> None:
        """Listen; OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.drop()
        await self._server.wait_closed()
        self._server = None

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    def opened(self, connection: "_Connection") -> None:
        """A client came."""
        self._connections.add(connection)

    def ended(self, connection: "_Connection") -> None:
        """A client went."""
        self._connections.discard(connection)

    def act(self, address: str) -> Act:
        """What to do for this recipient; retry_once becomes delivered the second time."""
        word = self.outcomes.decide(address)
        if word == "retry_once":
            if address in self._seen:
                return _TAKEN
            self._seen[address] = None
            if len(self._seen) > _FORGET_AFTER:
                self._seen.popitem(last=False)
        return ACTS.get(word, _TAKEN)

    def take(self, recipients: list[str], message: bytes) -> None:
        """Record one message for each of its recipients."""
        head, _, body = (b"\r\n" + message).partition(b"\r\n\r\n")  # a mail may have no header at all
        mode = _MODE.search(head)
        read = self._decode if len(body) < _MAX_TEXT_BYTES else decode
        text = read(b"\r\n".join(_KIND.findall(head)), body)
        self.messages += 1
        for recipient in recipients:
            self._recorder.add(
                channel="email", to=recipient, text=text, mode=mode[1].decode("ascii") if mode else self.mode
            )


class _Connection(asyncio.Protocol):
    """One client: commands in, replies out, one write per arrival."""

    def __init__(self, owner: SmtpSimulator) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._searched = 0
        self._out: list[bytes] = []
        self._in_data = self._mail = False
        self._recipients: list[tuple[str, Act]] = []
        self._taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, unless told otherwise."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._owner.opened(self)
        if self._owner.behaviour.refuse:
            self._end(b"554 5.3.2 no service here\r\n")
        elif not self._owner.behaviour.mute:
            self._transport.write(b"220 simulator.invalid ESMTP simulator\r\n")

    def data_received(self, data: bytes) -> None:
        """Commands, or a part of a message."""
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) > MAX_MESSAGE_BYTES:
            self.drop()
        elif self._timer is None and not self._owner.behaviour.mute:
            self._work()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._owner.ended(self)

    def drop(self) -> None:
        """Cut without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _work(self) -> None:
        """As far as the buffer goes; one write for all replies."""
        assert self._transport is not None
        while not self._transport.is_closing() and self._timer is None:
            if not (self._message() if self._in_data else self._line()):
                break
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _line(self) -> bool:
        """One command; False when none is complete."""
        end = self._buffer.find(b"\r\n")
        if end < 0 or end > MAX_LINE_BYTES:
            if len(self._buffer) > MAX_LINE_BYTES:
                self._end(b"500 5.5.2 line too long\r\n")
            return False
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        match line[:4].upper():
            case b"MAIL":
                self._on_mail(line)
            case b"RCPT":
                self._on_rcpt(line)
            case b"DATA":
                self._on_data()
            case b"EHLO" | b"HELO":
                self._on_hello(line)
            case b"QUIT":
                self._end(b"221 2.0.0 bye\r\n")
            case b"RSET":
                self._reset()
                self._out.append(b"250 2.0.0 reset\r\n")
            case b"NOOP":
                self._out.append(b"250 2.0.0 here\r\n")
            case _:
                self._out.append(b"502 5.5.1 not implemented\r\n")
        return True

    def _on_hello(self, line: bytes) -> None:
        self._reset()
        if line[:1] in b"Hh":
            self._out.append(b"250 simulator.invalid\r\n")
            return
        if self._owner.behaviour.endless_reply:
            self._out.append(b"250-simulator.invalid\r\n" * 1000)
            return
        pipelining = b"250-PIPELINING\r\n" if self._owner.behaviour.pipelining else b""
        self._out.append(
            b"250-simulator.invalid\r\n%b250-SIZE %d\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
            b"250 ENHANCEDSTATUSCODES\r\n" % (pipelining, MAX_MESSAGE_BYTES)
        )

    def _on_mail(self, line: bytes) -> None:
        limit = self._owner.behaviour.messages
        if limit is not None and self._taken >= limit:
            self._end(b"421 4.7.0 too many messages\r\n")
        elif self._mail:
            self._out.append(b"503 5.5.1 nested MAIL\r\n")  # RFC 5321 §4.1.4
        elif _PATH.match(line) is None:
            self._out.append(b"501 5.1.7 no sender\r\n")
        else:
            self._mail = True
            self._out.append(b"250 2.1.0 sender ok\r\n")

    def _on_rcpt(self, line: bytes) -> None:
        match = _PATH.match(line)
        if not self._mail:
            self._out.append(b"503 5.5.1 MAIL first\r\n")
        elif match is None:
            self._out.append(b"501 5.1.3 no recipient\r\n")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._out.append(b"452 4.5.3 too many recipients\r\n")
        else:
            address = match[1].decode("utf-8", "replace")
            act = self._owner.act(address)
            if act.when is When.DOT:
                self._recipients.append((address, act))
                self._out.append(b"250 2.1.5 recipient ok\r\n")
            elif act.cut:
                self._end(act.reply)
            else:
                self._out.append(act.reply)

    def _on_data(self) -> None:
        if not self._recipients:
            self._out.append(b"503 5.5.1 RCPT first\r\n")
            return
        self._in_data = True
        self._searched = 0
        self._out.append(b"354 end with a dot\r\n")

    def _message(self) -> bool:
        """The message up to its final dot; False when it is not complete."""
        buffer = self._buffer
        end = -2 if buffer.startswith(b".\r\n") else buffer.find(b"\r\n.\r\n", self._searched)
        if end == -1:
            self._searched = max(0, len(buffer) - 4)
            return False
        message = buffer[: end + 2]
        self._buffer = buffer[end + 5 :]
        self._in_data = False
        recipients = [address for address, act in self._recipients if act.taken]
        act = self._recipients[0][1]
        delay_s = self._owner.behaviour.delay_s + self._owner.outcomes.delay_of(self._recipients[0][0])
        self._reset()
        if recipients:
            message = message.replace(b"\r\n..", b"\r\n.")  # RFC 5321 §4.5.2
            self._owner.take(recipients, message[1:] if message.startswith(b"..") else message)
            self._taken += 1
        if delay_s:
            self._timer = self._loop.call_later(delay_s, self._late, act)
        else:
            self._answer(act)
        return True

    def _answer(self, act: Act) -> None:
        if act.cut:
            self._end(act.reply)
        else:
            self._out.append(act.reply)

    def _late(self, act: Act) -> None:
        self._timer = None
        self._answer(act)
        self._work()

    def _reset(self) -> None:
        self._mail = False
        self._recipients = []

    def _end(self, reply: bytes) -> None:
        """The replies so far, this one, and the end."""
        assert self._transport is not None
        self._transport.write(b"".join([*self._out, reply]))
        self._out.clear()
        self._transport.close()


def decode(kind: bytes, body: bytes) -> str:
    """The text part as the standard library reads it: plain text before HTML before whatever is there."""
    try:
        head = kind + b"\r\n\r\n" if kind else b"\r\n"
        parts = list(message_from_bytes(head + body).walk())
    except RecursionError:
        parts = []
    for wanted in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == wanted and part.get_content_disposition() != "attachment":
                payload = part.get_payload(decode=True)
                if isinstance(payload, bytes):
                    return _words(payload)
    return _words(body)


def _words(payload: bytes) -> str:
    return payload[:_MAX_TEXT_BYTES].decode("utf-8", "replace").replace("\r\n", "\n")
