"""The client's side of one SMTP connection, without I/O: bytes and times in, bytes and events out.

Knows: greeting, EHLO, STARTTLS, AUTH, pipelined envelopes, what a cut connection means for each message.
Never knows: sockets, clocks, loggers, what a ticket stands for, when to connect again.
Implements RFC 5321 (client), RFC 2920 (pipelining), RFC 3207, RFC 4954, RFC 1870, RFC 6152, RFC 6531, RFC 3461 §4.

One round trip a message: the envelope of the next one is written behind the body of the one before. An envelope is
asked for (`wants`) only when its bytes can be written at once, so nothing waits inside a session.
"""

from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.smtp.envelope import MAX_RECIPIENTS, Envelope, Transaction, command_lines, read_capabilities, unfit
from gateway.smtp.events import FATES, PHASES, Done, Down, Fate, Phase, Ready, Result, StartTls, Step
from gateway.smtp.reply import Command, Reply, ReplyParser, Verdict, judge

T = TypeVar("T")

# an enum's member costs a call each time it is named (Python 3.11), and a mail names thirty
_DOWN, _READY = Phase.DOWN, Phase.READY
_OK, _MORE, _CLOSE, _BROKEN = Verdict.OK, Verdict.MORE, Verdict.CLOSE, Verdict.BROKEN
_ACCEPTED = Fate.ACCEPTED
_RCPT, _DATA, _DOT, _QUIT = Command.RCPT, Command.DATA, Command.DOT, Command.QUIT


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How one connection behaves; times in seconds, shorter than RFC 5321 §4.5.3.2 because an alert can not wait.

    `starttls` demands it: without, nothing is sent. `messages` is the most per connection. `keep_alive` answers idle
    time by NOOP instead of QUIT.
    """

    client_name: str = "localhost"
    starttls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    pipelining: bool = True
    dsn: bool = True
    messages: int = 1000
    keep_alive: bool = False
    command_s: float = 30.0
    dot_s: float = 60.0
    idle_s: float = 30.0


class Session(Generic[T]):
    """One connection. Feed it, ask `wants`, `send`, write `data_to_send`, read `events`; one loop turn, one write."""

    def __init__(self, settings: SessionSettings, now: float) -> None:
        self.capabilities: Mapping[str, str] = {}
        self._settings = settings
        self._now = self._since = now
        self._phase = Phase.GREETING
        self._replies = ReplyParser()
        self._expected: deque[tuple[Command, Transaction[T] | None, int]] = deque([(Command.GREETING, None, 0)])
        self._open: deque[Transaction[T]] = deque()
        self._due: Transaction[T] | None = None
        self._out: list[bytes] = []
        self._events: list[Ready | StartTls | Done[T] | Down] = []
        self._encrypted = self._pipelining = self._dsn = self._reset_due = self._stopping = False
        self._secrets: list[bytes] = []
        self._sent = 0

    # ---- the five names

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the server."""
        self._now = now
        for reply in self._replies.feed(data):
            if self._phase is _DOWN:
                return
            self._take(reply)
        if self._replies.fault and self._phase is not _DOWN:
            self._lose(self._replies.fault)

    def handle_timer(self, now: float) -> None:
        """Act when `next_timer` has come: give up a silent server, end or refresh an idle connection."""
        due = self.next_timer()
        if due is None or now < due:
            return
        self._now = now
        if self._expected or self._phase is not _READY:
            self._lose("no answer in time")
        elif self._settings.keep_alive and not self._stopping:
            self._command(Command.NOOP, b"NOOP\r\n")
        else:
            self._quit()

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called; None when down."""
        if self._phase is _DOWN:
            return None
        if self._phase is _READY and not self._expected:
            return self._since + self._settings.idle_s
        at_dot = self._expected and self._expected[0][0] is _DOT
        return self._since + (self._settings.dot_s if at_dot else self._settings.command_s)

    def data_to_send(self) -> bytes:
        """The bytes to write now, in one write."""
        if self._due is not None:
            self._write_body(self._due)
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def events(self) -> list[Ready | StartTls | Done[T] | Down]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # ---- what the owner asks for

    @property
    def wants(self) -> bool:
        """True when an envelope given to `send` now goes out with the next write."""
        return (
            self._phase is _READY
            and not self._expected
            and not self._stopping
            and (self._pipelining or self._due is None)
        )

    @property
    def in_flight(self) -> int:
        """Envelopes begun and not yet done."""
        return len(self._open)

    def send(self, envelope: Envelope[T], now: float) -> bool:
        """Begin an envelope; only while `wants`. False: it is over, because the server has said that it refuses it."""
        if not self.wants or not 0 < len(envelope.recipients) <= MAX_RECIPIENTS:
            raise ValueError("the session does not want this envelope")
        self._now = now
        if not self._open:
            self._since = now  # after idle time the clock of the first command starts here
        if (refusal := unfit(envelope, self.capabilities)) is not None:
            result = Result(Fate.FAILED, refusal)
            self._events.append(Done(envelope.ticket, (result,) * len(envelope.recipients)))
            return False
        if self._due is not None:
            self._write_body(self._due)
        self._begin(envelope)
        return True

    def withdraw(self, chosen: Callable[[T], bool]) -> None:
        """Stop the envelopes whose final dot is not written: the connection is cut when their turn comes.

        Once DATA is accepted there is no other way: any dot would deliver something.  # RFC 5321 §4.1.1.4
        """
        for transaction in self._open:
            if not transaction.written and chosen(transaction.envelope.ticket):
                transaction.withdrawn = True
        if self._due is not None and self._due.withdrawn:
            self._lose("withdrawn", orderly=True)

    def tls_started(self, now: float) -> None:
        """The handshake succeeded: everything learnt before it is forgotten.  # RFC 3207 §4.2"""
        self._now = self._since = now
        if self._replies.pending:
            self._lose("bytes between STARTTLS and TLS")
            return
        self._encrypted = True
        self.capabilities = {}
        self._step(Step.TLS_UP)
        self._hello()

    def close(self, now: float) -> None:
        """Take no more envelopes; QUIT when those begun are done."""
        self._now = now
        self._stopping = True
        if self._phase is _READY:
            self._rest()
        elif self._phase not in (Phase.QUITTING, _DOWN):
            self._lose("closed before it was open", orderly=True)

    def lost(self, now: float, reason: str = "connection lost") -> None:
        """The connection is gone."""
        self._now = now
        if self._phase is not _DOWN:
            self._lose(reason, orderly=self._phase is Phase.QUITTING)

    # ---- replies

    def _take(self, reply: Reply) -> None:
        if not self._expected:
            self._lose(
                "closed by the server" if reply.code == 421 else "reply to nothing", reply, orderly=not self._open
            )
            return
        command, transaction, index = self._expected.popleft()
        self._since = self._now
        # nearly every reply is a 2yz or the 354, and what those mean is in no table but that of the first digits
        code = reply.code
        if command is _DATA:
            verdict = _MORE if code == 354 else judge(command, reply)
        else:
            verdict = _OK if 200 <= code < 300 else judge(command, reply)
        if command is _QUIT:
            self._lose("quit", reply, orderly=True)
        elif verdict is _CLOSE or verdict is _BROKEN:
            self._lose(f"{command.name} answered by {reply.code}", reply)
        elif transaction is None:
            self._answered(command, verdict, reply)
        elif command is _RCPT:
            self._answered_rcpt(transaction, index, verdict, reply)
        elif command is _DOT:
            fate = _ACCEPTED if verdict is _OK else FATES[verdict]
            self._finish(transaction, Result(fate, reply), reset=False)
        elif command is _DATA:
            self._answered_data(transaction, verdict, reply)
        else:
            self._answered_mail(transaction, verdict, reply)

    def _answered(self, command: Command, verdict: Verdict, reply: Reply) -> None:
        """Everything outside a mail transaction."""
        refused = verdict not in (_OK, _MORE)
        match command:
            case Command.EHLO if refused and not (self._settings.starttls or self._settings.username):
                self._command(Command.HELO, b"HELO %b\r\n" % self._client_name)  # RFC 5321 §3.2
            case Command.NOOP | Command.RSET:
                self._rest()
            case _ if refused:
                self._lose(f"{command.name} refused", reply)
            case Command.GREETING:
                self._step(Step.GREETED)
                self._hello()
            case Command.EHLO | Command.HELO:
                self._greeted_back(reply)
            case Command.STARTTLS:
                self._step(Step.TLS_AGREED)
                self._events.append(StartTls())
            case _:
                self._answered_auth(verdict)

    def _answered_mail(self, transaction: Transaction[T], verdict: Verdict, reply: Reply) -> None:
        if verdict is _OK:
            transaction.opened = True
        else:
            transaction.settle(Result(FATES[verdict], reply, of_sender=True))
        if not self._pipelining:
            self._next_step(transaction)

    def _answered_rcpt(self, transaction: Transaction[T], index: int, verdict: Verdict, reply: Reply) -> None:
        if transaction.results[index] is None:  # else MAIL was refused, and this is its echo
            if verdict is _OK:
                transaction.accepted += 1
            else:
                transaction.results[index] = Result(FATES[verdict], reply)
        if not self._pipelining:
            self._next_step(transaction)

    def _answered_data(self, transaction: Transaction[T], verdict: Verdict, reply: Reply) -> None:
        if verdict is not _MORE:
            self._finish(transaction, Result(FATES[verdict], reply), reset=transaction.opened)
        elif transaction.withdrawn:
            self._lose("withdrawn", orderly=True)
        else:
            self._due = transaction

    # ---- envelopes

    def _begin(self, envelope: Envelope[T]) -> None:
        lines = command_lines(envelope, dsn=self._dsn)
        transaction = Transaction(envelope, lines)
        self._open.append(transaction)
        self._sent += 1
        if self._sent >= self._settings.messages:
            self._stopping = True
        if not self._pipelining:
            self._next_step(transaction)
            return
        if self._reset_due:
            self._reset_due = False
            self._command(Command.RSET, b"RSET\r\n")
        for command, index, line in lines:  # RFC 2920 §3.1
            self._expected.append((command, transaction, index))
            self._out.append(line)

    def _next_step(self, transaction: Transaction[T]) -> None:
        """Without PIPELINING: the next command, or the end of an envelope that nobody will get."""
        command, index, line = next(transaction.steps)
        refused = None not in transaction.results
        if refused or (command is Command.DATA and transaction.withdrawn):
            self._finish(transaction, Result(Fate.UNSENT, Reply(0)), reset=transaction.opened)
        else:
            self._expected.append((command, transaction, index))
            self._out.append(line)

    def _write_body(self, transaction: Transaction[T]) -> None:
        """The content; a lone dot when DATA was accepted though every recipient was refused.  # RFC 2920 §3.1"""
        self._due = None
        if transaction.accepted:
            transaction.written = True
            self._out += transaction.envelope.content
        else:
            self._out.append(b".\r\n")
        self._expected.append((_DOT, transaction, 0))

    def _finish(self, transaction: Transaction[T], result: Result, *, reset: bool) -> None:
        """Hand out the results; `reset`: the server still holds the transaction open.  # RFC 5321 §4.1.1.5"""
        self._open.popleft()
        self._reset_due = reset
        self._events.append(transaction.done(result))
        if reset and not self._pipelining:
            self._reset_due = False
            self._command(Command.RSET, b"RSET\r\n")
        else:
            self._rest()

    # ---- the connection

    @property
    def _client_name(self) -> bytes:
        return self._settings.client_name.encode("ascii")

    def _hello(self) -> None:
        self._command(Command.EHLO, b"EHLO %b\r\n" % self._client_name)

    def _greeted_back(self, reply: Reply) -> None:
        """EHLO or HELO succeeded: TLS, authentication, or open."""
        self.capabilities = read_capabilities(reply)
        self._pipelining = self._settings.pipelining and "PIPELINING" in self.capabilities
        self._dsn = self._settings.dsn and "DSN" in self.capabilities
        if self._settings.starttls and not self._encrypted:
            if "STARTTLS" in self.capabilities:
                self._command(Command.STARTTLS, b"STARTTLS\r\n")
            else:
                self._lose("STARTTLS not offered")  # RFC 3207 §4.1
        elif self._settings.username:
            self._authenticate()
        else:
            self._opened()

    def _authenticate(self) -> None:
        """PLAIN in one round trip, else LOGIN.  # RFC 4616 §2"""
        mechanisms = self.capabilities.get("AUTH", "").upper().split()
        username, password = self._settings.username.encode(), self._settings.password.encode()
        if "PLAIN" in mechanisms:
            line = b"AUTH PLAIN " + b64encode(b"\0" + username + b"\0" + password)
        elif "LOGIN" in mechanisms:
            self._secrets = [b64encode(password), b64encode(username)]
            line = b"AUTH LOGIN"
        else:
            self._lose("no common authentication mechanism")
            return
        self._step(Step.AUTH_BEGUN)
        self._command(Command.AUTH, line + b"\r\n")

    def _answered_auth(self, verdict: Verdict) -> None:
        if verdict is _OK:
            self._opened()
        elif self._secrets:
            self._command(Command.AUTH, self._secrets.pop() + b"\r\n")
        else:
            self._lose("authentication asks for more than it was offered")

    def _opened(self) -> None:
        self._step(Step.OPENED)
        self._events.append(Ready(self.capabilities))

    def _rest(self) -> None:
        """Between two messages: QUIT when no more shall follow."""
        if self._stopping and not self._expected and not self._open:
            self._quit()

    def _quit(self) -> None:
        if self._phase is _READY:
            self._step(Step.QUIT)
            self._command(Command.QUIT, b"QUIT\r\n")

    def _command(self, command: Command, line: bytes) -> None:
        if not self._expected:
            self._since = self._now
        self._expected.append((command, None, 0))
        self._out.append(line)

    def _step(self, step: Step) -> None:
        self._phase = PHASES[self._phase, step]

    def _lose(self, reason: str, reply: Reply | None = None, *, orderly: bool = False) -> None:
        """The end: only a message whose final dot was written and not answered is unknown, all others are unsent."""
        reply = reply or Reply(0)
        for transaction in self._open:
            fate = Fate.UNKNOWN if transaction.written else Fate.UNSENT
            self._events.append(transaction.done(Result(fate, reply)))
        self._open.clear()
        self._expected.clear()
        self._out.clear()
        self._due = None
        self._step(Step.LOST)
        self._events.append(Down(reason, reply.code, orderly))
