"""The server's side of SMTP, strict and without I/O: what a session under test talks to.

It knows the rules of RFC 5321 and RFC 2920 for a client and notes every breach in `violations`; replies are decided by
the test. Written apart from the session, from the server's point of view.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

PATH = re.compile(rb"(MAIL FROM|RCPT TO):<([^<>\r\n]*)>((?: [!-~]+)*)")


class Delivered(NamedTuple):
    """A message that the server took responsibility for."""

    sender: bytes
    recipients: tuple[bytes, ...]
    content: bytes


class StrictServer:
    """`decide(command)` gives the code for MAIL, RCPT, DATA, DOT and RSET; 250 and 354 are the usual answers."""

    def __init__(self, decide: Callable[[str], int], *, pipelining: bool = True, extensions: bytes = b"") -> None:
        self.decide = decide
        self.pipelining = pipelining
        self.extensions = extensions
        self.delivered: list[Delivered] = []
        self.violations: list[str] = []
        self.commands: list[bytes] = []
        self.finished = 0  # final dots seen for messages with recipients
        self._buffer = b""
        self._greeted = self._open = self._refused = self._in_data = False
        self._sender = b""
        self._recipients: list[bytes] = []

    def greeting(self) -> bytes:
        """What the server says first."""
        return b"220 strict.example ESMTP\r\n"

    def receive(self, data: bytes) -> bytes:
        """One write of the client; the replies to all of it."""
        self._buffer += data
        replies: list[bytes] = []
        before = len(self.commands)
        while (reply := self._content() if self._in_data else self._command()) is not None:
            replies.append(reply)
        if not self.pipelining and len(self.commands) - before > 1:
            self.violations.append("several commands at once without PIPELINING")
        return b"".join(replies)

    def _command(self) -> bytes | None:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return None
        self._buffer = rest
        self.commands.append(line)
        match line.split(b" ")[0].split(b":")[0].upper():
            case b"EHLO":
                self._greeted = True
                words = [b"strict.example", *([b"PIPELINING"] if self.pipelining else []), *self.extensions.split(b"|")]
                lines = [word for word in words if word]
                return b"".join(b"250-%b\r\n" % word for word in lines[:-1]) + b"250 %b\r\n" % lines[-1]
            case b"MAIL":
                return self._mail(line)
            case b"RCPT":
                return self._rcpt(line)
            case b"DATA":
                return self._data()
            case b"RSET":
                self._reset()
                return b"%d reset\r\n" % self.decide("RSET")
            case b"NOOP":
                return b"250 here\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                self.violations.append(f"not a command: {line[:60]!r}")
                return b"500 what\r\n"

    def _mail(self, line: bytes) -> bytes:
        match = PATH.fullmatch(line)
        if not self._greeted or self._open or match is None or match[1] != b"MAIL FROM":
            self.violations.append(f"MAIL out of place: {line[:60]!r}")
        code = self.decide("MAIL")
        self._open = code == 250
        self._refused = not self._open
        self._recipients = []
        self._sender = match[2] if match else b""
        return b"%d sender\r\n" % code

    def _rcpt(self, line: bytes) -> bytes:
        match = PATH.fullmatch(line)
        if match is None or match[1] != b"RCPT TO" or not (self._open or self._refused):
            self.violations.append(f"RCPT out of place: {line[:60]!r}")
            return b"503 no\r\n"
        if self._refused:
            if not self.pipelining:
                self.violations.append("RCPT after a refused MAIL")
            return b"503 no\r\n"
        code = self.decide("RCPT")
        if code == 250:
            self._recipients.append(match[2])
        return b"%d recipient\r\n" % code

    def _data(self) -> bytes:
        if self._buffer:
            self.violations.append("bytes behind DATA before its reply")
        if not (self._open or self._refused):
            self.violations.append("DATA out of place")
        if not self.pipelining and not self._recipients:
            self.violations.append("DATA for nobody")
        code = self.decide("DATA")
        self._in_data = code == 354
        return b"%d data\r\n" % code

    def _content(self) -> bytes | None:
        if self._buffer.startswith(b".\r\n"):
            content, self._buffer = b"", self._buffer[3:]
        else:
            content, end, rest = self._buffer.partition(b"\r\n.\r\n")
            if not end:
                return None
            content, self._buffer = content + b"\r\n", rest
        self._in_data = False
        recipients, self._open, self._refused = tuple(self._recipients), False, False
        if not recipients:
            if content:
                self.violations.append("content for nobody")
            return b"554 no recipients\r\n"
        if not content:
            self.violations.append("an empty message for somebody")
        self.finished += 1
        code = self.decide("DOT")
        if code == 250:
            self.delivered.append(Delivered(self._sender, recipients, content))
        self._recipients = []
        return b"%d message\r\n" % code

    def _reset(self) -> None:
        self._open = self._refused = False
        self._recipients = []
