"""The form in which an accepted alert is published: its own bytes, without what a forwarder must not pass on.

Knows: which parts are cut, and that a signature over other bytes is worth nothing. Never knows: HTTP, keys, stores.
Standard: CAP 1.2 §3.2.3 (derefUri), §3.3.3 (no DOCTYPE), §3.3.4.1 (signatures).

Bytes that need no cut are handed on untouched, signature included. Otherwise the cuts are made in the text, and every
character outside them stays: nothing is parsed and written again. Expat reads; it expands and fetches nothing here.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from gateway.cap import xmltext
from gateway.cap.vocabulary import NAMESPACES, SIGNATURE_NAMESPACE

NewUri = Callable[[int], str]
"""Gives the address under which the content of the n-th derefUri (from 0) can be fetched from now on."""

_DECLARATION = re.compile(r"\ufeff?<\?xml\s[^>]{0,300}?\?>")
_TAG = re.compile(rb"<([^\s<>\"'/]+)[^<>\"']*(?:\"[^\"]*\"[^<>\"']*|'[^']*'[^<>\"']*)*>")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'
_BETWEEN = b" "  # between namespace and name, as expat reports them


class Attachment(NamedTuple):
    """What a derefUri held, decoded; `mime_type` is what the alert says of it."""

    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """The published bytes; `changed` says that they are not those received; `signed`, that a signature is in them."""

    body: bytes
    changed: bool
    signed: bool
    attachments: tuple[Attachment | None, ...] = ()


class _Cut(NamedTuple):
    start: int
    end: int
    instead: bytes = b""


@dataclass(slots=True)
class _Part:
    """A resource being read: where its uri and derefUri stand, and their texts."""

    mime_type: str = ""
    uri: _Cut | None = None
    uri_text: str = ""
    deref: _Cut | None = None
    deref_text: str = ""


def derive(
    raw: bytes, new_uri: NewUri | None = None, *, keep_signatures: bool = True, max_bytes: int = 104_857_600
) -> Derived | None:
    """The published form; None for bytes that are no XML without DOCTYPE. Time and memory are linear in their size.

    With `new_uri` a resource whose content was cut gets that address as its uri, unless it has a full one already.
    Without `keep_signatures` those that stand in it are cut as well: nobody knows what they are worth.
    """
    text = xmltext.decode(raw, max_bytes=max_bytes).text
    if text is None:
        return None
    declared = _DECLARATION.match(text)
    body = text[declared.end() if declared else 0 :].encode("utf-8", "replace")
    scan = _Scan(body, new_uri)
    if not scan.read():
        return None
    attachments = tuple(scan.attachments)
    if not scan.cuts and (keep_signatures or not scan.signatures):
        return Derived(body=raw, changed=False, signed=bool(scan.signatures), attachments=attachments)
    return Derived(
        body=_HEAD + _spliced(body, [*scan.cuts, *scan.signatures]),
        changed=True,
        signed=False,
        attachments=attachments,
    )


def _spliced(body: bytes, cuts: list[_Cut]) -> bytes:
    """The text without the cuts and without the white space before those that nothing replaces."""
    parts, at = [], 0
    for cut in sorted(cuts):
        if cut.start < at:
            continue  # inside what is gone already
        kept = body[at : cut.start]
        parts += [kept if cut.instead else kept.rstrip(b" \t\r\n"), cut.instead]
        at = cut.end
    parts.append(body[at:])
    return b"".join(parts)


class _Scan:
    """One pass over the document that notes what has to go."""

    def __init__(self, body: bytes, new_uri: NewUri | None) -> None:
        self.cuts: list[_Cut] = []
        self.signatures: list[_Cut] = []
        self.attachments: list[Attachment | None] = []
        self._body = body
        self._new_uri = new_uri
        self._path: list[tuple[str, str, int]] = []  # namespace, name, where the start tag stands
        self._text: list[str] | None = None
        self._part: _Part | None = None
        parser = expat.ParserCreate("utf-8", _BETWEEN.decode())
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.ProcessingInstructionHandler = self._instruction
        self._parser = parser

    def read(self) -> bool:
        """Whether the whole text could be read."""
        try:
            self._parser.Parse(self._body, True)
        except expat.ExpatError:
            return False
        return True

    def _start(self, tag: str, _attributes: object) -> None:
        namespace, _, name = tag.rpartition(_BETWEEN.decode())
        self._path.append((namespace, name, self._parser.CurrentByteIndex))
        if namespace in NAMESPACES and name == "resource":
            self._part = _Part()
        self._text = [] if self._part is not None and name in {"mimeType", "uri", "derefUri"} else None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, _tag: str) -> None:
        namespace, name, start = self._path.pop()
        text, self._text = "".join(self._text or ()).strip(), None
        if namespace == SIGNATURE_NAMESPACE and name == "Signature" and len(self._path) == 1:
            self.signatures.append(self._whole(start))
        if self._part is None or namespace not in NAMESPACES:
            return
        match name:
            case "mimeType":
                self._part.mime_type = text
            case "uri":
                self._part.uri, self._part.uri_text = self._whole(start), text
            case "derefUri":
                self._part.deref, self._part.deref_text = self._whole(start), text
            case "resource":
                self._settle(self._part)
                self._part = None

    def _instruction(self, _target: str, _data: str) -> None:
        start = self._parser.CurrentByteIndex
        self.cuts.append(_Cut(start, self._body.index(b"?>", start) + 2))

    def _whole(self, start: int) -> _Cut:
        """From the start tag at this place to the end of the element that ends now."""
        tag = _TAG.match(self._body, start)
        assert tag is not None, "expat saw a tag here"
        if tag[0].endswith(b"/>"):
            return _Cut(start, tag.end())
        return _Cut(start, self._body.index(b">", self._parser.CurrentByteIndex) + 1)

    def _settle(self, part: _Part) -> None:
        """CAP 1.2 §3.2.3: a forwarder cuts derefUri and should give a uri for its content."""
        if part.deref is None:
            return
        number = len(self.attachments)
        content = _decoded(part.deref_text)
        self.attachments.append(None if content is None else Attachment(part.mime_type, content))
        if self._new_uri is None or content is None or _ABSOLUTE.match(part.uri_text):
            self.cuts.append(part.deref)
            return
        tag = _TAG.match(self._body, part.deref.start)
        assert tag is not None, "it was found before"
        name = tag[1].removesuffix(b"derefUri") + b"uri"
        new = b"<%b>%b</%b>" % (name, escape(self._new_uri(number)).encode(), name)
        # the order is size, uri, derefUri: a new uri stands where the old one stood, or the content
        self.cuts += (
            [part.deref._replace(instead=new)] if part.uri is None else [part.deref, part.uri._replace(instead=new)]
        )


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None
