"""One message on its way through a session: what is asked for, its command lines, its results so far.

Knows: MAIL, RCPT and DATA with their parameters, EHLO's capabilities.
Never knows: the order of replies, sockets, clocks, what a ticket stands for.
Implements RFC 5321 §3.3, RFC 1870, RFC 6152, RFC 6531, RFC 3461 §4.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from gateway.smtp.events import Done, Result
from gateway.smtp.message import xtext
from gateway.smtp.reply import Command, Reply

T = TypeVar("T")
CommandLine = tuple[Command, int, bytes]  # the recipient's index stands in the middle
_LAST: CommandLine = Command.DATA, 0, b"DATA\r\n"
_MAIL, _RCPT = Command.MAIL, Command.RCPT  # to name a member costs a call (Python 3.11)
_ALONE: list[Result | None] = [None]  # one recipient, who was not refused
MAX_RECIPIENTS = 100  # RFC 5321 §4.5.3.1.8


class Envelope(NamedTuple, Generic[T]):
    """One message to send: addresses in wire form, content as `Template.fill` gives it; `envid` is xtext or empty."""

    ticket: T
    sender: bytes
    recipients: tuple[bytes, ...]
    content: tuple[bytes, ...]
    utf8: bool = False
    envid: bytes = b""


class Transaction(Generic[T]):
    """One envelope on its way."""

    __slots__ = ("accepted", "envelope", "opened", "results", "steps", "withdrawn", "written")

    def __init__(self, envelope: Envelope[T], steps: Iterable[CommandLine]) -> None:
        self.envelope = envelope
        self.steps = iter(steps)
        self.results: list[Result | None] = [None] * len(envelope.recipients)
        self.accepted = 0
        self.opened = False
        self.written = False
        self.withdrawn = False

    def settle(self, result: Result) -> None:
        """Give the result to every recipient that has none yet."""
        self.results = [known or result for known in self.results]

    def done(self, result: Result) -> Done[T]:
        """The end of the envelope; `result` is for those whose fate was still open."""
        if self.results == _ALONE:
            return Done(self.envelope.ticket, (result,))
        return Done(self.envelope.ticket, tuple([known or result for known in self.results]))


def command_lines(envelope: Envelope[T], *, dsn: bool) -> list[CommandLine]:
    """The commands of one envelope, DATA last.  # RFC 5321 §3.3"""
    mail, rcpt = b"", b""
    if envelope.utf8:
        mail = b" BODY=8BITMIME SMTPUTF8"  # RFC 6531 §3.4
    if dsn and envelope.envid:
        mail += b" RET=HDRS ENVID=" + envelope.envid  # RFC 3461 §4.3, §4.4
        rcpt = b" NOTIFY=FAILURE"  # RFC 3461 §4.1
    first: CommandLine = _MAIL, 0, b"MAIL FROM:<%b>%b\r\n" % (envelope.sender, mail)
    if not rcpt and len(envelope.recipients) == 1:
        return [first, (_RCPT, 0, b"RCPT TO:<%b>\r\n" % envelope.recipients), _LAST]
    lines = [first]
    for index, recipient in enumerate(envelope.recipients):
        original = b" ORCPT=rfc822;" + xtext(recipient) if rcpt and not envelope.utf8 else b""  # RFC 3461 §4.2
        lines.append((_RCPT, index, b"RCPT TO:<%b>%b%b\r\n" % (recipient, rcpt, original)))
    lines.append(_LAST)
    return lines


def unfit(envelope: Envelope[T], capabilities: Mapping[str, str]) -> Reply | None:
    """What the server has already said that it would refuse."""
    if envelope.utf8 and "SMTPUTF8" not in capabilities:
        return Reply(553, b"5.6.7")  # RFC 6531 §3.5
    size = capabilities.get("SIZE", "")
    if size and int(size) and sum(map(len, envelope.content)) > int(size):
        return Reply(552, b"5.3.4")  # RFC 1870 §6.1
    return None


def read_capabilities(reply: Reply) -> dict[str, str]:
    """EHLO's keywords in upper case with their parameters; SIZE only when it is a number.  # RFC 5321 §4.1.1.1"""
    capabilities: dict[str, str] = {}
    for line in reply.text.split(b"\n")[1:]:
        keyword, _, parameters = line.decode("ascii", "replace").strip().partition(" ")
        if keyword.upper() == "SIZE" and not (parameters.isascii() and parameters.isdigit() and len(parameters) < 16):
            continue
        capabilities[keyword.upper()] = parameters
    return capabilities
