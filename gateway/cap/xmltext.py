"""From hostile bytes to XML text that is safe to parse: encoding decided here, no DOCTYPE, no surprise left.

Knows: byte order marks, XML declarations, which encodings are read, how a parser is made strict.
Never knows: CAP.
Standard: XML 1.0 §2.8 (prolog), §4.3.3 and appendix F (encodings).

The text that was looked at is the text that is parsed: the parser gets it re-encoded and never guesses again.
"""

import codecs
import re
from typing import NamedTuple

from lxml import etree

from gateway.cap.findings import Finding, error, quoted

_MARKS = (  # the longer marks first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OPENINGS = (  # XML 1.0 appendix F: how "<?xm" or "<al" looks without a mark
    (b"<\x00\x00\x00", "utf-32"),
    (b"\x00\x00\x00<", "utf-32"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "ebcdic"),
)
_READABLE = re.compile(
    r"utf-?8|us-ascii|ascii|utf-16(?:-?[lb]e)?|iso[-_]?8859[-_]\d{1,2}|latin-?1|windows-125\d|cp125\d", re.ASCII
)
# XML 1.0 §2.8
_DECLARATION = re.compile(r"<\?xml\s[^>]{0,300}?\?>")
_DECLARED = re.compile(r"encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_SKIPPED = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_ENCODING_CLAUSE = "XML 1.0 §4.3.3"


class XmlText(NamedTuple):
    """`text` ready to parse (no mark, no declaration's encoding to obey), or None and the findings that say why not;
    `utf8` is the text in that encoding."""

    text: str | None
    refusals: tuple[Finding, ...] = ()
    utf8: bytes = b""


def decode(raw: bytes, *, max_bytes: int) -> XmlText:
    """The document's text. Refuses what is too large, in an unknown encoding, badly encoded, or carries a DOCTYPE."""
    if len(raw) > max_bytes:
        return _refused("SIZE", f"the document has {len(raw)} bytes; at most {max_bytes} are read", "")
    if not raw.strip(b" \t\r\n"):
        return _refused("XML", "the document is empty", "XML 1.0 §2.1")
    encoding, mark = _encoding(raw)
    if not _READABLE.fullmatch(encoding):
        message = f"the encoding {quoted(encoding)} is not read; send UTF-8 (or UTF-16 or ISO 8859)"
        return _refused("S41", message, _ENCODING_CLAUSE)
    try:
        text = raw[mark:].decode(encoding)
    except (UnicodeDecodeError, LookupError) as fault:
        return _undecodable(encoding, raw, fault)
    return _without_doctype(text, raw[mark:] if encoding == "utf-8" else text.encode())


def _encoding(raw: bytes) -> tuple[str, int]:
    """The encoding's name and the length of the byte order mark."""
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name, len(mark)
    for opening, name in _OPENINGS:
        if raw.startswith(opening):
            return name, 0
    declaration = _DECLARATION.match(raw[:400].decode("latin-1"))
    declared = _DECLARED.search(declaration.group()) if declaration else None
    name = declared.group(1).lower() if declared else "utf-8"
    # bytes that open as ASCII are not UTF-16, whatever they declare: a feed that re-encoded and forgot to say so
    return ("utf-8" if name.startswith("utf-16") else name), 0


def _without_doctype(text: str, utf8: bytes) -> XmlText:
    # XML 1.0 §2.8: a document type declaration can only stand before the root element
    place = 0
    while found := _SKIPPED.match(text, place):
        place = found.end()
    if text.startswith("<!", place) and not text.startswith("<!-", place):
        line = text.count("\n", 0, place) + 1
        message = "a DOCTYPE (or what looks like one) stands before the root element; CAP needs none, remove it"
        return XmlText(None, (error("S40", message, "CAP 1.2 §3.3.3", line=line, element=""),))
    if text.startswith("\ufeff"):
        return XmlText(text[1:], utf8=utf8.removeprefix(codecs.BOM_UTF8))
    return XmlText(text, utf8=utf8)


def _undecodable(encoding: str, raw: bytes, fault: Exception) -> XmlText:
    """Wrong bytes are a fault of the encoding, and by it the document is not well-formed."""
    line = raw.count(10, 0, fault.start) + 1 if isinstance(fault, UnicodeDecodeError) else None
    what = error("S41", f"the bytes are not {encoding}; send UTF-8", _ENCODING_CLAUSE, line=line, element="")
    so = error(
        "XML", "the document is not well-formed XML: its bytes can not be read as text", _ENCODING_CLAUSE, line=line
    )
    return XmlText(None, (what, so._replace(element="")))


def _refused(rule: str, message: str, clause: str) -> XmlText:
    return XmlText(None, (error(rule, message, clause, element=""),))


def strict_parser(*, recover: bool = False, comments: bool = False, instructions: bool = False) -> etree.XMLParser:
    """A parser that expands nothing, loads nothing and leaves out comments and instructions unless they are wanted.

    Without comments the text of an element is whole: nothing can hide behind a comment inside it.
    """
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=recover,
        remove_comments=not comments,
        remove_pis=not instructions,
    )
