"""Which bytes of a mail are CAP documents: attachments by their type or their content, else what stands in the text.

Knows: what a CAP document looks like from outside. Never knows: whether it is valid, who sent it.
Standard: CAP 1.2 §1.3; RFC 7303 (XML media types).
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from typing import NamedTuple

from gateway.mailbox.mime import Limits, Part, decode, head

DECLARED = frozenset({"application/cap+xml", "application/common-alerting-protocol+xml"})
_NEVER = ("text/html", "text/calendar", "image/", "audio/", "video/", "message/")
_ASIDE = re.compile(rb"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_FIRST_TAG = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,60}:)?([A-Za-z_][\w.-]{0,60})")
_INLINE = re.compile(
    rb"^[ \t]*((?:<\?xml[^<>]{0,200}\?>\s{0,20})?<((?:[A-Za-z_][\w.-]{0,40}:)?alert)(?=[\s>/]))", re.MULTILINE
)
_DECLARATION = re.compile(rb"<\?xml[^<>]{0,200}encoding")
_CHARSET = re.compile(r"iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|utf-?16(le|be)?")


class TooMuch(NamedTuple):
    """Why the documents of a mail are not taken."""

    words: str


def documents(raw: bytes, parts: Sequence[Part], limits: Limits, most: int) -> list[bytes] | TooMuch:
    """The CAP documents of a mail, each once, at most `most`, byte for byte as they were sent.

    A mail that has them as attachments often repeats them in its text, with other line ends: the text counts only
    without attachments.
    """
    chosen = [part for part in parts if _looks_like_cap(raw, part)]
    found: list[bytes] = []
    left = limits.decoded_bytes
    for part in chosen or [part for part in parts if _is_text(part)]:
        content = decode(raw, part, left)
        if content is None:
            return TooMuch("what the mail carries is too large")
        left -= len(content)
        found += [content] if chosen else _inline(content, part.charset, most + 1)
        if len(found) > most:
            return TooMuch(f"the mail carries more than {most} alerts")
    return list(dict.fromkeys(found))


def _is_text(part: Part) -> bool:
    return part.kind == "text/plain" and not part.attached and not part.filename


def _looks_like_cap(raw: bytes, part: Part) -> bool:
    if part.kind in DECLARED:
        return True
    if part.kind.startswith(_NEVER) or _is_text(part):
        return False
    return begins_like_cap(head(raw, part))


def begins_like_cap(begin: bytes) -> bool:
    """Whether the first element of a document that begins so is an alert, in whatever namespace."""
    if begin.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        begin = begin[: len(begin) // 2 * 2].decode("utf-16", "replace").encode()
    plain = begin.removeprefix(BOM_UTF8).lstrip()
    if not plain.startswith(b"<"):
        return False
    first = _FIRST_TAG.search(_ASIDE.sub(b"", plain))
    return first is not None and first[1] == b"alert"


def _inline(text: bytes, charset: str, most: int) -> list[bytes]:
    """The documents in a text: each from the begin of a line to its closing tag. Quoted lines do not count."""
    found: list[bytes] = []
    at = 0
    while len(found) < most and (begin := _INLINE.search(text, at)):
        closing = b"</" + begin[2]
        end = text.find(closing, begin.end())
        close = text.find(b">", end, end + len(closing) + 20) if end >= 0 else -1
        if close < 0:
            break
        found.append(_in_utf8(text[begin.start(1) : close + 1], charset))
        at = close + 1
    return found


def _in_utf8(document: bytes, charset: str) -> bytes:
    """A document that leaves its encoding to the mail, in XML's usual one. # RFC 7303 §3"""
    if _CHARSET.fullmatch(charset) is None or _DECLARATION.match(document):
        return document
    try:
        return document.decode(charset, "replace").encode()
    except LookupError:
        return document
