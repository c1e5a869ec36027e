"""A mail divided into its header fields and parts, in bounded time and memory, without copying its body.

Knows: header fields, Content-Type, boundaries, transfer encodings. Never knows: CAP, signatures, who sent it, sockets.
Standard: RFC 5322 §2.2, RFC 2045 §5 and §6, RFC 2046 §5.1.

Whatever readers could take in two ways (a bare line feed or a broken line in a header, a field twice that may stand
once) makes a mail unreadable here: what was proven has to be what is read.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")  # RFC 5322 §2.2
_KIND = re.compile(r"[ \t]*([\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,80})[ \t]*(?=;|$)", re.ASCII)
_PARAMETER = re.compile(
    r'[; \t]*([\w!#$&^.*+-]{1,60})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.){0,500})"|([^\s;"]{0,500}))[ \t]*(?=;|$)', re.ASCII
)
_LONGEST_STRUCTURED = 4_000
_MOST_FIELDS = 1_000
ONCE = frozenset({
    b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"mime-version",
    b"content-type", b"content-transfer-encoding", b"content-disposition",
})  # fmt: skip
"""Fields that stand once or not at all. # RFC 5322 §3.6"""

_SMALLEST_SHARE = {"base64": 0.7, "quoted-printable": 0.3}
"""How much of a part is left at least without its transfer encoding; less is padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a mail may be: bytes of one header, parts in all, multiparts inside each other, bytes after decoding."""

    header_bytes: int = 262_144
    parts: int = 200
    depth: int = 10
    decoded_bytes: int = 33_554_432


class Field(NamedTuple):
    """One header field: its name in lower case, and its bytes with name, folding and line end."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> str:
        """What stands behind the colon, in one line."""
        unfolded = self.raw.partition(b":")[2].replace(b"\r\n", b"")  # RFC 5322 §2.2.3
        return unfolded.decode("utf-8", "replace").strip(" \t")


class Unreadable(NamedTuple):
    """Why a mail is not read."""

    words: str


class Part(NamedTuple):
    """One part without parts of its own: its media type, parameters, file name, encoding, and where its body lies."""

    kind: str
    charset: str
    filename: str
    attached: bool
    encoding: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A header and a body: a mail or one part of it. `start` and `end` bound it, `body` is where its body begins."""

    fields: tuple[Field, ...]
    kind: str
    parameters: Mapping[str, str]
    start: int
    body: int
    end: int

    def values(self, name: bytes) -> list[str]:
        """The values of every field of this name (lower case), in order."""
        return [field.value for field in self.fields if field.name == name]

    def value(self, name: bytes) -> str:
        """The value of the first field of this name, "" without one."""
        return next((field.value for field in self.fields if field.name == name), "")


def read_entity(raw: bytes, start: int, end: int, limits: Limits, default: str = "text/plain") -> Entity | Unreadable:
    """The header of what lies between start and end. # RFC 5322 §2.1"""
    empty_line = raw.find(b"\r\n\r\n", start, end)
    if raw.startswith(b"\r\n", start, end):
        header_end = start
    else:
        header_end = end if empty_line < 0 else empty_line + 2
    if header_end - start > limits.header_bytes:
        return Unreadable("a header is too large")
    fields = read_fields(raw[start:header_end])
    if isinstance(fields, Unreadable):
        return fields
    content_type = next((field.value for field in fields if field.name == b"content-type"), None)
    kind, parameters = (default, dict[str, str]()) if content_type is None else parse_structured(content_type)
    return Entity(fields=fields, kind=kind, parameters=parameters, start=start, body=min(header_end + 2, end), end=end)


def read_fields(header: bytes) -> tuple[Field, ...] | Unreadable:
    """The fields of a header block, which ends behind its last field. # RFC 5322 §2.2"""
    lines = header.split(b"\r\n")
    if lines and not lines[-1]:
        lines.pop()
    if any(b"\n" in line or b"\r" in line or b"\0" in line for line in lines):
        return Unreadable("a line of a header is not ended by CRLF")
    fields: list[list[bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1].append(line)
        elif _FIELD.match(line):
            fields.append([line])
        else:
            return Unreadable("a line of a header is no field")
    if len(fields) > _MOST_FIELDS:
        return Unreadable("a header has too many fields")
    found = tuple(Field(_name(lines[0]), b"\r\n".join(lines) + b"\r\n") for lines in fields)
    names = [field.name for field in found if field.name in ONCE]
    if len(names) > len(set(names)):
        return Unreadable("a header field stands twice that may stand once")
    return found


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].rstrip(b" \t").lower()


def parse_structured(value: str) -> tuple[str, dict[str, str]]:
    """Media type and parameters of a Content-Type, names in lower case. # RFC 2045 §5.1

    What is not a media type is application/octet-stream, whose content is looked at all the same. # RFC 2045 §5.2
    """
    match = _KIND.match(value[:_LONGEST_STRUCTURED])
    if match is None:
        return "application/octet-stream", {}
    return match[1].lower(), parse_parameters(value[match.end() : _LONGEST_STRUCTURED])


def parse_parameters(text: str) -> dict[str, str]:
    """The name=value pairs behind a semicolon; reading ends at the first that is none."""
    found: dict[str, str] = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        quoted, plain = match[2], match[3]
        found.setdefault(match[1].lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    return found


def divide(raw: bytes, entity: Entity, most: int) -> list[tuple[int, int]] | Unreadable:
    """Where the parts of a multipart lie, at most `most`. # RFC 2046 §5.1.1"""
    boundary = entity.parameters.get("boundary", "").rstrip(" ").encode("utf-8", "replace")
    if not boundary or len(boundary) > 70:
        return Unreadable("a multipart has no usable boundary")
    spans: list[tuple[int, int]] = []
    begun: int | None = None
    for number, (before, behind, rest) in enumerate(_delimiters(raw, entity.body, entity.end, b"--" + boundary)):
        if len(spans) >= most or number > 10 * most:
            return Unreadable("a mail has too many parts")
        if rest in (b"", b"--"):
            if begun is not None:
                spans.append((begun, max(begun, before)))
            if rest:
                return spans
            begun = behind
    if begun is not None:  # the closing line is missing: cut off on its way, or never written
        spans.append((begun, entity.end))
    return spans


def _delimiters(raw: bytes, start: int, end: int, delimiter: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(end of what is before, start of what is behind, rest of the line) of each line that begins like a delimiter."""
    at = start if raw.startswith(delimiter, start, end) else raw.find(b"\r\n" + delimiter, start, end)
    while at >= 0:
        before = at
        at += len(delimiter) + (2 if raw.startswith(b"\r\n", at) else 0)
        stop = min(end, at + 200)
        line_end = raw.find(b"\r\n", at, stop)
        behind = line_end + 2 if line_end >= 0 else stop
        yield before, behind, raw[at : stop if line_end < 0 else line_end].strip(b" \t")
        # the line end of this line may begin the next delimiter
        at = raw.find(b"\r\n" + delimiter, behind - 2 if line_end >= 0 else behind, end)


def leaves(raw: bytes, entity: Entity, limits: Limits) -> list[Part] | Unreadable:
    """Every part that has no parts, in order. What is inside message/* was said by somebody else and is not entered."""
    found: list[Part] = []
    waiting: list[tuple[Entity, int]] = [(entity, 0)]
    seen = 1
    while waiting:
        here, depth = waiting.pop()
        if not here.kind.startswith("multipart/"):
            found.append(_part(here))
            continue
        if depth >= limits.depth:
            return Unreadable("multiparts stand too deep inside each other")
        spans = divide(raw, here, limits.parts - seen)
        if isinstance(spans, Unreadable):
            return spans
        seen += len(spans)
        inner = [read_entity(raw, start, end, limits) for start, end in spans]
        problem = next((part for part in inner if isinstance(part, Unreadable)), None)
        if problem is not None:
            return problem
        waiting.extend((part, depth + 1) for part in reversed(inner) if isinstance(part, Entity))
    return found


def _part(entity: Entity) -> Part:
    disposition, _, rest = entity.value(b"content-disposition")[:_LONGEST_STRUCTURED].partition(";")
    named = parse_parameters(rest)
    return Part(
        kind=entity.kind,
        charset=entity.parameters.get("charset", "").lower(),
        filename=named.get("filename", entity.parameters.get("name", "")),
        attached=disposition.strip().lower() == "attachment",
        encoding=entity.value(b"content-transfer-encoding").lower(),
        start=entity.body,
        end=entity.end,
    )


def decode(raw: bytes, part: Part, most: int) -> bytes | None:
    """The part without its transfer encoding; None when it would be larger than `most`. # RFC 2045 §6"""
    share = _SMALLEST_SHARE.get(part.encoding, 1.0)
    if (part.end - part.start) * share > most + 1000:
        return None
    decoded = _decoded(raw[part.start : part.end], part.encoding)
    return decoded if len(decoded) <= most else None


def head(raw: bytes, part: Part, size: int = 8192) -> bytes:
    """About the first `size` bytes of the part without its transfer encoding."""
    piece = raw[part.start : min(part.end, part.start + size)]
    if part.encoding == "base64":
        piece = re.sub(rb"[^A-Za-z0-9+/]", b"", piece)
        piece = piece[: len(piece) // 4 * 4]
    return _decoded(piece, part.encoding)


def _decoded(piece: bytes, encoding: str) -> bytes:
    match encoding:
        case "base64":
            try:
                return a2b_base64(piece)
            except Base64Error:  # cut off: what is whole is kept
                letters = re.sub(rb"[^A-Za-z0-9+/]", b"", piece)
                return a2b_base64(letters[: len(letters) // 4 * 4])
        case "quoted-printable":
            return a2b_qp(piece)
    return piece
