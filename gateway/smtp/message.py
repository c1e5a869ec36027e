"""A mail as bytes: what all recipients share is rendered once, what differs is filled in by bytes `%`.

Knows: header fields, encoded words, MIME parts, quoted-printable, dot-stuffing, address syntax.
Never knows: sockets, clocks, alerts, who may receive what.
Implements RFC 5322, RFC 2045-2047, 2231, 2387 and 2392, RFC 5321 §4.1.2 and §4.5.2, RFC 6531 and 6532, RFC 3834,
RFC 8058.
"""

import re
from base64 import b64encode, encodebytes
from binascii import b2a_qp
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_ADDRESS_BYTES = 254  # RFC 5321 §4.5.3.1.3: a path of 256 octets includes its brackets
MAX_LOCAL_BYTES = 64  # RFC 5321 §4.5.3.1.1
_WORD_BYTES = 39  # 52 base64 characters, 12 of "=?utf-8?B??=" and a short field name: below 76.  # RFC 2047 §2
_LINE_CHARS = 78  # RFC 5322 §2.1.1

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")  # RFC 5321 §4.1.2, RFC 6531 §3.3
_USUAL = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~]){0,62}"')
_LABEL = re.compile(rb"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_CONTROL = re.compile("[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029\ud800-\udfff]+")
_BLANK = re.compile("[\x00- \x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,35}")
_PLAIN = re.compile(r"[ -~]*")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_XTEXT = re.compile(rb"[!-*,-<>-~]*")  # printable, neither plus nor equals sign
_PLAIN_OCTETS = bytes(octet for octet in range(32, 127) if octet != ord("="))
_TO_QUOTE = re.compile(rb"[^ -<>-~]| \Z")  # line ends, too: what is no text has no lines.  # RFC 2045 §6.7
_QUOTED_LINE = re.compile(rb".{1,75}(?<!=)(?<!=.)")  # not cut inside "=XX"
_DOT = re.compile(rb"(?m)^\.")
_STUFFED = re.compile(rb"(?m)^\.(?=\.)")


class Address(NamedTuple):
    """A mailbox in wire form, without brackets; `utf8` when it can not travel without SMTPUTF8."""

    wire: bytes
    utf8: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with the mail; `kind` is its media type, `name` its file name (ASCII token)."""

    kind: str
    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """A picture that the HTML names as `cid:` and its `content_id` (a msg-id without brackets).  # RFC 2392 §2"""

    kind: str
    content_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What every recipient of one text gets.

    `sender` is the From address (checked), `sender_name` its words; `html` may be empty (a text-only mail);
    `fields` are further header fields, names and values both checked.
    """

    sender: str
    sender_name: str = ""
    subject: str
    text: str
    html: str = ""
    language: str = ""
    inline: Inline | None = None
    attachment: Attachment | None = None
    fields: tuple[tuple[str, str], ...] = ()


class Template:
    """One mail, rendered up to what differs: fill() is the hot path and only formats bytes."""

    __slots__ = ("_head", "_tail")

    def __init__(self, head: bytes, tail: bytes) -> None:
        self._head = head
        self._tail = tail

    def fill(self, *, to: bytes, message_id: bytes, date: bytes, extra: bytes = b"") -> tuple[bytes, bytes]:
        """The mail for one recipient, dot-stuffed and with its end-of-data line; the second part is shared.

        `to` comes from `parse_address`, `message_id` from `make_message_id`, `extra` from `field_line` or
        `url_field`: all are checked there.
        """
        return self._head % (to, message_id, date, extra), self._tail

    def shared(self) -> bytes:
        """What all recipients share, as it is read: fields, an empty line, the body; for a signature."""
        return _STUFFED.sub(b"", self._tail[: -len(b".\r\n")])


def render(content: Content) -> Template:
    """Render once; ValueError when an address, a field name or a token of the content is not allowed."""
    sender = parse_address(content.sender)
    if sender is None or sender.utf8:
        raise ValueError("the sender address is not a plain mailbox")
    kind, body = _body(content)
    shared = b"".join(
        [
            _mailbox_line("From", content.sender_name, sender.wire),
            field_line("Subject", content.subject),
            *(field_line(name, value) for name, value in content.fields),
            b"MIME-Version: 1.0\r\n",
            _language_line(content.language),
            kind,
            b"\r\n",
            body,
        ]
    )
    return Template(b"To: <%b>\r\nMessage-ID: <%b>\r\nDate: %b\r\n%b", _dot_stuff(shared) + b".\r\n")


def parse_address(text: str) -> Address | None:
    """The mailbox in wire form, or None: not an address, or one with characters that could break out of its line."""
    if len(text) <= MAX_ADDRESS_BYTES and text.find("@") <= MAX_LOCAL_BYTES and _USUAL.fullmatch(text):
        return Address(text.encode("ascii"))  # nearly all: the rest would say the same, later
    return _parse_address(text)


def _parse_address(text: str) -> Address | None:
    """By every rule."""
    local, at, domain = text.rpartition("@")
    if not at or len(text) > MAX_ADDRESS_BYTES or not (_LOCAL.fullmatch(local) or _QUOTED.fullmatch(local)):
        return None
    if _CONTROL.search(local):
        return None
    wire_domain = _domain(domain)
    wire_local = local.encode("utf-8")
    if wire_domain is None or len(wire_local) > MAX_LOCAL_BYTES:
        return None
    wire = b"%b@%b" % (wire_local, wire_domain)
    return Address(wire, not local.isascii()) if len(wire) <= MAX_ADDRESS_BYTES else None


def make_message_id(local: str, domain: str) -> bytes:
    """`local@domain`, checked; ValueError when it is not a msg-id.  # RFC 5322 §3.6.4"""
    address = parse_address(f"{local}@{domain}")
    if address is None or address.utf8 or local.startswith('"'):
        raise ValueError("not usable as Message-ID")
    return address.wire


def field_line(name: str, value: str) -> bytes:
    """One header line (folded where long) whose value can not leave it: controls become spaces, the rest is encoded."""
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError("not a header field name")
    value = clean(value)
    room = _LINE_CHARS - len(name) - 2
    if _PLAIN.fullmatch(value) and len(value) <= room and "=?" not in value:
        return f"{name}: {value}\r\n".encode("ascii")
    return f"{name}: ".encode("ascii") + b"\r\n ".join(encoded_words(value)) + b"\r\n"


def url_field(name: str, url: str) -> bytes:
    """A header line that holds one URL in angle brackets (List-Unsubscribe).  # RFC 2369 §2"""
    if not _FIELD_NAME.fullmatch(name) or not re.fullmatch(r"[!-;=?-~]{1,900}", url):
        raise ValueError("not usable as a URL in a header")
    return f"{name}: <{url}>\r\n".encode("ascii")


def clean(value: str) -> str:
    """The value as one line: runs of blanks, control characters, line breaks and lone surrogates become one space."""
    return _BLANK.sub(" ", value).strip(" ")


def encoded_words(value: str) -> list[bytes]:
    """The value as encoded words of whole characters, at most 75 octets each.  # RFC 2047 §5"""
    words: list[bytes] = []
    chunk = b""
    for character in value:
        octets = character.encode("utf-8")
        if len(chunk) + len(octets) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return [b"=?utf-8?B?" + b64encode(word) + b"?=" for word in words]


def xtext(value: bytes) -> bytes:
    """The value as xtext, for ORCPT and ENVID.  # RFC 3461 §4"""
    if _XTEXT.fullmatch(value):
        return value
    return b"".join(
        b"+%02X" % octet if octet in b"+=" or not 33 <= octet <= 126 else bytes((octet,)) for octet in value
    )


def _domain(domain: str) -> bytes | None:
    """The domain in ASCII; address literals and single labels are refused."""
    if len(domain) > MAX_ADDRESS_BYTES or _CONTROL.search(domain):
        return None
    try:
        wire = domain.encode("ascii") if domain.isascii() else domain.encode("idna")  # RFC 5890 §2.3.2.1
    except UnicodeError:
        return None
    labels = wire.split(b".")
    return wire if len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels) else None


def _mailbox_line(name: str, words: str, wire: bytes) -> bytes:
    """`From: words <address>`; the words quoted or encoded.  # RFC 5322 §3.4"""
    words = clean(words)
    if not words:
        return b"%b: <%b>\r\n" % (name.encode("ascii"), wire)
    if _PLAIN.fullmatch(words) and "=?" not in words and len(words) < 60:
        phrase = '"{}"'.format(words.replace("\\", "\\\\").replace('"', '\\"')).encode("ascii")
    else:
        phrase = b"\r\n ".join(encoded_words(words))
    return b"%b: %b\r\n <%b>\r\n" % (name.encode("ascii"), phrase, wire)


def _language_line(language: str) -> bytes:
    """RFC 3282 §2; without a language, no line."""
    if not language:
        return b""
    if not _LANGUAGE.fullmatch(language):
        raise ValueError("not a language tag")
    return b"Content-Language: " + language.encode("ascii") + b"\r\n"


def _body(content: Content) -> tuple[bytes, bytes]:
    """(Content-* lines, body): text; text and HTML (with its picture) as alternatives; the attachment beside them."""
    kind, body = _text_part("plain", content.text)
    if content.html:
        page = _text_part("html", content.html)
        if content.inline is not None:
            page = _multipart('related; type="text/html"', page, _inline_part(content.inline))  # RFC 2387 §3
        kind, body = _multipart("alternative", (kind, body), page)
    if content.attachment is not None:
        kind, body = _multipart("mixed", (kind, body), _file_part(content.attachment))
    return kind, body


def _text_part(subtype: str, text: str) -> tuple[bytes, bytes]:
    head = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n" % subtype.encode(
        "ascii"
    )
    return head, quoted_printable(text)


def quoted_printable(text: str) -> bytes:
    """The text in quoted-printable, each line ended by CRLF: it passes every relay unharmed.  # RFC 2045 §6.7"""
    lines = _NEWLINE.split(text)
    if not lines[-1]:
        lines.pop()
    octets = (line.encode("utf-8", "replace") for line in lines)
    return b"".join(b2a_qp(line, istext=True).replace(b"=\n", b"=\r\n") + b"\r\n" for line in octets)


def _file_part(attachment: Attachment) -> tuple[bytes, bytes]:
    main, _, sub = attachment.kind.partition("/")
    if not (_TOKEN.fullmatch(main) and _TOKEN.fullmatch(sub) and _TOKEN.fullmatch(attachment.name)):
        raise ValueError("not usable as an attachment's type or name")
    name = attachment.name.encode("ascii")
    encoding, body = _encoded(attachment.data)
    head = (
        b'Content-Type: %b; name="%b"\r\nContent-Transfer-Encoding: %b\r\n'
        b'Content-Disposition: attachment; filename="%b"\r\n' % (attachment.kind.encode("ascii"), name, encoding, name)
    )
    return head, body


def _inline_part(inline: Inline) -> tuple[bytes, bytes]:
    main, _, sub = inline.kind.partition("/")
    local, _, domain = inline.content_id.partition("@")
    if not (_TOKEN.fullmatch(main) and _TOKEN.fullmatch(sub)):
        raise ValueError("not usable as a picture's type")
    encoding, body = _encoded(inline.data)
    head = (
        b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\nContent-Disposition: inline\r\nContent-ID: <%b>\r\n"
        % (inline.kind.encode("ascii"), encoding, make_message_id(local, domain))  # RFC 2045 §7
    )
    return head, body


def _encoded(data: bytes) -> tuple[bytes, bytes]:
    """A file, every byte as it is, in the encoding that is shorter for it: XML in Latin letters grows little in
    quoted-printable, anything else by more than the third that base64 adds."""
    to_quote = len(data.translate(None, _PLAIN_OCTETS))
    if 2 * to_quote < 0.3 * len(data):  # base64 adds a third
        quoted = _TO_QUOTE.sub(lambda octet: b"=%02X" % octet[0][0], data)
        return b"quoted-printable", b"=\r\n".join(_QUOTED_LINE.findall(quoted))
    return b"base64", encodebytes(data).replace(b"\n", b"\r\n")  # RFC 2045 §6.8


def _multipart(subtype: str, *parts: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The boundary holds "=_", which neither quoted-printable nor base64 can contain, and differs from those of the
    parts inside: no mail needs another one.  # RFC 2045 §6.7, RFC 2046 §5.1.1
    """
    boundary = b"=_" + subtype[:1].encode("ascii")
    head = b'Content-Type: multipart/%b; boundary="%b"\r\n' % (subtype.encode("ascii"), boundary)
    pieces = [b"--%b\r\n%b\r\n%b\r\n" % (boundary, kind, body) for kind, body in parts]
    return head, b"".join(pieces) + b"--" + boundary + b"--\r\n"


def _dot_stuff(message: bytes) -> bytes:
    """A line that starts with a dot gets another one.  # RFC 5321 §4.5.2"""
    return _DOT.sub(b"..", message)
