"""What an SMTP server says: replies out of bytes, and what each of them means for the message at hand.

Knows: reply lines and their bounds, enhanced status codes, one table of (command, code) -> verdict with its clause.
Never knows: sockets, clocks, who the recipient is; the server's own wording is kept as bytes and never interpreted.
Implements RFC 5321 §4.2 (replies), RFC 3463 and RFC 2034 (enhanced status codes), RFC 4954 §6 (authentication codes).
"""

import re
from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import NamedTuple

# RFC 5321 §4.5.3.1.5 says 512 octets; real servers exceed it in multi-line refusals.
MAX_LINE_BYTES = 2048
MAX_LINES = 100
_MOST_KNOWN, _MOST_KNOWN_BYTES = 64, 128  # replies kept read, of such a length: a server says the same again and again

_CODES = {b"%d" % code: code for code in range(200, 600)}
_ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?=[ \n]|\Z)")


class Command(IntEnum):
    """What a reply answers. DOT is the end of the message, NOOP the keep-alive."""

    GREETING = 0
    EHLO = 1
    HELO = 2
    STARTTLS = 3
    AUTH = 4
    MAIL = 5
    RCPT = 6
    DATA = 7
    DOT = 8
    RSET = 9
    NOOP = 10
    QUIT = 11


class Verdict(Enum):
    """What a reply means for the message (or, before one, for the connection)."""

    OK = "ok"
    MORE = "more"  # 3yz: the server waits for the rest
    RETRY = "retry"  # refused for now
    FAILED = "failed"  # refused for good
    CLOSE = "close"  # this relay does not serve us at present: nothing is said about the message
    BROKEN = "broken"  # not an answer to this command: the two sides are out of step


class Scope(Enum):
    """Whom a refusal for now speaks of."""

    RELAY = "relay"
    DOMAIN = "domain"
    MAILBOX = "mailbox"


class Reply(NamedTuple):
    """One reply: its code and its text, lines joined by LF, codes removed, bytes as received."""

    code: int
    text: bytes = b""

    @property
    def enhanced(self) -> str:
        """The enhanced status code, such as "5.1.1", or "" without one (or with one of another class)."""
        match = _ENHANCED.match(self.text)  # RFC 2034 §4
        if match is None or int(match[1]) != self.code // 100:
            return ""
        return b".".join(match.groups()).decode("ascii")

    @property
    def meaning(self) -> str:
        """Enhanced code and meaning in the standards' words: safe to store and to count, it never repeats the peer."""
        enhanced = self.enhanced
        words = ENHANCED_WORDS.get(enhanced[2:], "") or CODE_WORDS.get(self.code, "")
        return f"{enhanced} {words}".strip()


class ReplyParser:
    """Cuts replies out of a byte stream; `fault` says why no more can be read.

    Replies before a fault are still given out: they were answers. Memory is bounded by MAX_LINES lines.
    """

    def __init__(self) -> None:
        self.fault = ""
        self._rest = b""
        self._code = 0
        self._lines: list[bytes] = []
        self._known: dict[bytes, Reply] = {}

    @property
    def pending(self) -> bool:
        """True when the stream stands inside a reply."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes; empty after a fault."""
        if self.fault:
            return []
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        replies: list[Reply] = []
        for line in lines:
            reply = None if self._lines else self._known.get(line) or self._whole(line)
            if reply is not None:  # nearly all are such
                replies.append(reply)
                continue
            fault = self._line(line[:-1] if line[-1:] == b"\r" else line, replies)
            if fault:
                self.fault = fault
                return replies
        if len(self._rest) > MAX_LINE_BYTES:
            self.fault = "reply line too long"
        return replies

    def _whole(self, line: bytes) -> Reply | None:
        """A reply of one line with a text; None: it is something else."""
        code = _CODES.get(line[:3])
        if code is None or line[3:4] != b" " or len(line) > MAX_LINE_BYTES:
            return None
        reply = Reply(code, line[4:-1] if line[-1:] == b"\r" else line[4:])
        if len(self._known) < _MOST_KNOWN and len(line) <= _MOST_KNOWN_BYTES:
            self._known[line] = reply
        return reply

    def _line(self, line: bytes, replies: list[Reply]) -> str:
        """One line: a fault, or "" when all is well.  # RFC 5321 §4.2.1

        Code, hyphen or space, text; a code alone ends a reply, too.
        """
        code = line[:3]
        mark = line[3:4]
        if len(line) > MAX_LINE_BYTES:
            return "reply line too long"
        if len(code) != 3 or not code.isdigit() or not b"200" <= code <= b"599" or mark not in (b" ", b"-", b""):
            return "not a reply"
        if self._lines and int(code) != self._code:
            return "code changes inside a reply"
        if mark == b"-":
            return self._more(int(code), line[4:])
        if self._lines:
            replies.append(Reply(int(code), b"\n".join([*self._lines, line[4:]])))
            self._lines.clear()
        else:
            replies.append(Reply(int(code), line[4:]))
        return ""

    def _more(self, code: int, text: bytes) -> str:
        self._code = code
        self._lines.append(text)
        return "reply without end" if len(self._lines) >= MAX_LINES else ""


def judge(command: Command, reply: Reply) -> Verdict:
    """The verdict of a reply: the row of the table, else its first digit (RFC 5321 §4.2.1)."""
    enhanced = reply.enhanced
    if enhanced and (verdict := REFINED.get((command, enhanced))) is not None:
        return verdict
    if (verdict := VERDICTS.get((command, reply.code))) is not None:
        return verdict
    return _BY_CLASS.get((reply.code // 100, command is Command.DATA), Verdict.BROKEN)


def scope(reply: Reply, *, of_sender: bool) -> Scope:
    """Whom a refusal for now (4yz) speaks of; what was said to MAIL speaks of us, so of the relay that says it.

    Without an enhanced code it is the domain: that is who a relay can not hand the mail on to.
    """
    subject = reply.enhanced[2:].partition(".")[0]
    return Scope.RELAY if of_sender else SCOPES.get(subject, Scope.DOMAIN)


# RFC 3463 §3: the subject of an enhanced code, its second number.
SCOPES: Mapping[str, Scope] = {
    "1": Scope.MAILBOX,  # RFC 3463 §3.2, addressing
    "2": Scope.MAILBOX,  # RFC 3463 §3.3, mailbox
    "3": Scope.RELAY,  # RFC 3463 §3.4, mail system
    "4": Scope.DOMAIN,  # RFC 3463 §3.5, network and routing
    "5": Scope.RELAY,  # RFC 3463 §3.6, mail delivery protocol
    "6": Scope.MAILBOX,  # RFC 3463 §3.7, this message for this mailbox
    "7": Scope.DOMAIN,  # RFC 3463 §3.8, policy
}


# First digit, and whether the command is DATA, the only one whose success is a 3yz.  # RFC 5321 §4.3.2
_BY_CLASS: Mapping[tuple[int, bool], Verdict] = {
    (2, False): Verdict.OK,
    (2, True): Verdict.BROKEN,
    (3, False): Verdict.BROKEN,
    (3, True): Verdict.BROKEN,
    (4, False): Verdict.RETRY,
    (4, True): Verdict.RETRY,
    (5, False): Verdict.FAILED,
    (5, True): Verdict.FAILED,
}

# Where the first digit alone would mislead. A 5yz to MAIL speaks of us, the sender, not of the recipient:
# it must not burn the recipients of an alert, but move them to another relay or to later.
VERDICTS: Mapping[tuple[Command, int], Verdict] = {
    (Command.DATA, 354): Verdict.MORE,  # RFC 5321 §4.1.1.4
    (Command.AUTH, 334): Verdict.MORE,  # RFC 4954 §4
    **{(command, 421): Verdict.CLOSE for command in Command},  # RFC 5321 §3.8
    (Command.GREETING, 554): Verdict.CLOSE,  # RFC 5321 §3.1
    (Command.MAIL, 451): Verdict.RETRY,  # RFC 5321 §4.2.3
    (Command.MAIL, 500): Verdict.CLOSE,  # RFC 5321 §4.2.4
    (Command.MAIL, 501): Verdict.RETRY,  # RFC 5321 §4.2.4
    (Command.MAIL, 502): Verdict.CLOSE,  # RFC 5321 §4.2.4
    (Command.MAIL, 503): Verdict.CLOSE,  # RFC 5321 §4.1.4
    (Command.MAIL, 530): Verdict.CLOSE,  # RFC 4954 §6
    (Command.MAIL, 535): Verdict.CLOSE,  # RFC 4954 §6
    (Command.MAIL, 538): Verdict.CLOSE,  # RFC 4954 §6
    (Command.MAIL, 554): Verdict.CLOSE,  # RFC 5321 §3.1
    (Command.MAIL, 550): Verdict.RETRY,  # RFC 5321 §4.2.3
    (Command.MAIL, 551): Verdict.RETRY,  # RFC 5321 §3.4
    (Command.MAIL, 553): Verdict.RETRY,  # RFC 5321 §4.2.3
    (Command.MAIL, 555): Verdict.RETRY,  # RFC 5321 §4.1.1.11
    (Command.MAIL, 552): Verdict.FAILED,  # RFC 1870 §6.1
    (Command.RCPT, 530): Verdict.CLOSE,  # RFC 4954 §6
    (Command.RCPT, 552): Verdict.RETRY,  # RFC 5321 §4.5.3.1.10
    (Command.DATA, 530): Verdict.CLOSE,  # RFC 4954 §6
}

REFINED: Mapping[tuple[Command, str], Verdict] = {
    (Command.MAIL, "5.3.4"): Verdict.FAILED,  # RFC 3463 §3.4
    (Command.MAIL, "5.6.7"): Verdict.FAILED,  # RFC 6531 §3.5
    (Command.MAIL, "5.1.7"): Verdict.RETRY,  # RFC 3463 §3.2
    (Command.MAIL, "5.1.8"): Verdict.RETRY,  # RFC 3463 §3.2
    (Command.MAIL, "5.7.1"): Verdict.RETRY,  # RFC 3463 §3.8
}

# RFC 5321 §4.2.3, without the server's own words.
CODE_WORDS: Mapping[int, str] = {
    211: "system status",
    214: "help",
    220: "service ready",
    221: "closing",
    235: "authentication succeeded",
    250: "done",
    251: "not local, forwarded",
    252: "not verified, accepted",
    354: "start mail input",
    421: "service not available, closing",
    432: "password transition needed",
    450: "mailbox unavailable for now",
    451: "local error in processing",
    452: "insufficient storage",
    454: "temporary authentication failure",
    455: "parameters can not be accommodated",
    500: "syntax error",
    501: "syntax error in parameters",
    502: "command not implemented",
    503: "bad sequence of commands",
    504: "parameter not implemented",
    521: "host accepts no mail",
    530: "authentication required",
    534: "authentication mechanism too weak",
    535: "credentials invalid",
    538: "encryption required for authentication",
    550: "mailbox unavailable",
    551: "user not local",
    552: "storage allocation exceeded",
    553: "mailbox name not allowed",
    554: "transaction failed",
    555: "parameters not recognised",
    556: "domain accepts no mail",
}

# RFC 3463 §3: subject and detail, without the class.
ENHANCED_WORDS: Mapping[str, str] = {
    "0.0": "other undefined status",
    "1.0": "other address status",
    "1.1": "bad destination mailbox address",
    "1.2": "bad destination system address",
    "1.3": "bad destination mailbox address syntax",
    "1.4": "destination mailbox address ambiguous",
    "1.5": "destination address valid",
    "1.6": "mailbox has moved",
    "1.7": "bad sender's mailbox address syntax",
    "1.8": "bad sender's system address",
    "1.10": "recipient address has null MX",  # RFC 7505 §5
    "2.0": "other or undefined mailbox status",
    "2.1": "mailbox disabled",
    "2.2": "mailbox full",
    "2.3": "message length exceeds administrative limit",
    "2.4": "mailing list expansion problem",
    "3.0": "other or undefined mail system status",
    "3.1": "mail system full",
    "3.2": "system not accepting network messages",
    "3.3": "system not capable of selected features",
    "3.4": "message too big for system",
    "3.5": "system incorrectly configured",
    "4.0": "other or undefined network or routing status",
    "4.1": "no answer from host",
    "4.2": "bad connection",
    "4.3": "directory server failure",
    "4.4": "unable to route",
    "4.5": "mail system congestion",
    "4.6": "routing loop detected",
    "4.7": "delivery time expired",
    "5.0": "other or undefined protocol status",
    "5.1": "invalid command",
    "5.2": "syntax error",
    "5.3": "too many recipients",
    "5.4": "invalid command arguments",
    "5.5": "wrong protocol version",
    "6.0": "other or undefined media error",
    "6.1": "media not supported",
    "6.2": "conversion required and prohibited",
    "6.3": "conversion required but not supported",
    "6.4": "conversion with loss performed",
    "6.5": "conversion failed",
    "6.7": "non-ASCII addresses not permitted",  # RFC 6531 §3.5
    "7.0": "other or undefined security status",
    "7.1": "delivery not authorized, message refused",
    "7.2": "mailing list expansion prohibited",
    "7.3": "security conversion required but not possible",
    "7.4": "security features not supported",
    "7.5": "cryptographic failure",
    "7.6": "cryptographic algorithm not supported",
    "7.7": "message integrity failure",
    "7.8": "authentication credentials invalid",  # RFC 4954 §6
    "7.9": "authentication mechanism too weak",  # RFC 4954 §6
    "7.11": "encryption required for authentication",  # RFC 4954 §6
}
