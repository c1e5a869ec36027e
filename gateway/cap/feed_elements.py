"""What stands in one entry of a feed: its alerts, its links, its times, its texts, cut to a safe size.

Knows: elements of Atom, RSS and EDXL-DE by their local names, CAP's hints among them, addresses relative to a base.
Never knows: which kind of feed it is, how documents are parsed, HTTP.
Standard: RFC 4287 §3, §4.2.7 (Atom links); RSS 2.0; EDXL-DE 1.0; RFC 3986 §5; OASIS CAP 1.2 for what is embedded.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from lxml import etree

from gateway.cap import dates
from gateway.cap.tree import local_name, namespace_of

TEXT_CHARACTERS = 500
URL_CHARACTERS = 2_000
PREFIXES = 50
"""Namespaces that may be in force where an alert stands; each may be copied with it."""

_DATE_CHARACTERS = 64
_CAP_LIKE = re.compile(r"(?i).*\bcap[:/]1\.[012].*|")
_WRITTEN_ALERT = re.compile(r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?=<(?:[\w.-]{1,40}:)?alert[\s>])")
_CAP_TYPE = re.compile(r"(?i)application/(?:cap|common-alerting-protocol)\+xml")
_XML_TYPE = re.compile(r"(?i)(?:application|text)/(?:[\w.+-]*\+)?xml")
_PAGE_TYPE = re.compile(r"(?i)text/(?!xml)|image/|audio/|video/|application/(?:pdf|json|xhtml)")
_NOT_THE_ALERT = frozenset({"self", "hub", "next", "previous", "prev", "first", "last", "edit", "icon", "stylesheet"})
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"


class Hints(NamedTuple):
    """What an entry says of its alert in CAP's words, before that is fetched; "" or None where it is silent."""

    identifier: str = ""
    sender: str = ""
    sent: str = ""
    expires: datetime | None = None


NO_HINTS = Hints()


def children(element: etree._Element, *names: str) -> Iterator[etree._Element]:
    """The children with these local names, whatever their namespace."""
    return (child for child in element.iterchildren(etree.Element) if local_name(child) in names)


def text_of(element: etree._Element | None, most: int = TEXT_CHARACTERS) -> str:
    """All text in an element on one line, no longer than `most`; "" for None."""
    if element is None:
        return ""
    parts, size = [], 0
    for part in element.itertext():
        parts.append(str(part)[: most * 4])
        size += len(parts[-1])
        if size > most * 4:
            break
    return " ".join("".join(parts).split())[:most]


def child_text(element: etree._Element, *names: str, most: int = TEXT_CHARACTERS) -> str:
    """The text of the first child that has one of the names and any text."""
    return next((text for child in children(element, *names) if (text := text_of(child, most))), "")


def instant(text: str) -> datetime | None:
    """The moment that Atom (RFC 3339), CAP or RSS (RFC 822) writes; None for anything else. Without offset: UTC."""
    if not text or len(text) > _DATE_CHARACTERS:
        return None
    cap = dates.read_leniently(text.upper().replace(" ", "T", 1) if text[:4].isdigit() else text)
    if cap.at is not None:
        return cap.at
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def web_address(text: str, base: str = "") -> str:
    """The absolute http(s) address that the text names, fit to be asked for; "" when it names none."""
    text = "".join(text.split())
    if not text or len(text) > URL_CHARACTERS:
        return ""
    try:
        own, parts = urlsplit(text), urlsplit(urljoin(base, text))
        host, user = parts.hostname, parts.username
    except ValueError:
        return ""
    if own.scheme and not own.netloc:
        return ""
    if parts.scheme not in {"http", "https"} or not host or user is not None or not host.isascii():
        return ""
    # RFC 3987 §3.1: what a URI can not hold is percent-encoded
    encoded = quote(parts._replace(fragment="").geturl(), safe="%/:=&?~+!$,;'@()*[]")
    return encoded if len(encoded) <= URL_CHARACTERS else ""


def base_of(element: etree._Element, base: str) -> str:
    """The base for addresses inside an element."""
    # RFC 4287 §2: xml:base is in force for everything below
    stated = element.get(_XML_BASE)
    return web_address(stated, base) or base if stated else base


def alert_link(element: etree._Element, base: str) -> str:
    """Where an entry says that its alert lies: what is typed as CAP first, then what may be XML; "" without one."""
    ranked = sorted(enumerate(_links(element)), key=lambda found: (found[1][0], found[0]))
    return next((url for _, (_, text) in ranked if (url := web_address(text, base))), "")


def _links(element: etree._Element) -> Iterator[tuple[int, str]]:
    """(rank, address) of everything in an entry that may lead to its alert; rank 0 is the best."""
    for link in children(element, "link", "enclosure", "content"):
        href = link.get("href") or link.get("url") or link.get("src") or ""
        rank = _rank(link.get("type") or "", (link.get("rel") or "alternate").lower())
        if href and rank is not None:
            yield rank, href
        elif not href and local_name(link) == "link" and (text := text_of(link, URL_CHARACTERS)):
            yield 2, text
    for guid in children(element, "guid"):
        if (guid.get("isPermaLink") or "true").lower() == "true":
            yield 4, text_of(guid, URL_CHARACTERS)


def _rank(media_type: str, rel: str) -> int | None:
    if rel in _NOT_THE_ALERT or _PAGE_TYPE.match(media_type):
        return None
    if _CAP_TYPE.match(media_type):
        return 0
    if _XML_TYPE.match(media_type):
        return 1
    return 2 if rel == "alternate" else 3


def related(element: etree._Element, rel: str, base: str) -> tuple[str, ...]:
    """The addresses of the links with this relation, each once."""
    hrefs = (link.get("href") or "" for link in children(element, "link") if (link.get("rel") or "").lower() == rel)
    return tuple(dict.fromkeys(url for href in hrefs if (url := web_address(href, base))))


def hints(element: etree._Element) -> Hints:
    """What the entry's children in CAP's namespace say of the alert."""
    said: dict[str, str] = {}
    for child in element.iterchildren(etree.Element):
        if namespace_of(child) and _CAP_LIKE.fullmatch(namespace_of(child)):
            said.setdefault(local_name(child), text_of(child))
    return Hints(
        identifier=said.get("identifier", ""),
        sender=said.get("sender", ""),
        sent=said.get("sent", ""),
        expires=instant(said.get("expires", "")),
    )


def is_alert(element: etree._Element) -> bool:
    """Whether the element is a CAP alert, or what a lenient check may take for one."""
    return local_name(element) == "alert" and bool(_CAP_LIKE.fullmatch(namespace_of(element)))


def outermost_alerts(element: etree._Element) -> Iterator[etree._Element]:
    """The alerts in an element (itself among them) that stand in no other alert."""
    for alert in element.iter("{*}alert"):
        if is_alert(alert) and not any(is_alert(around) for around in alert.iterancestors("{*}alert")):
            yield alert


def embedded(element: etree._Element) -> Iterator[bytes]:
    """Every alert inside an entry as a document of its own: as elements, as escaped text, as base64."""
    found = False
    for alert in outermost_alerts(element):
        found = True
        if document := standing_alone(alert):
            yield document
    if found:
        return
    for part in element.iter("{*}content", "{*}encoded", "{*}description", "{*}summary"):
        if len(part) == 0 and (begin := _WRITTEN_ALERT.match(part.text or "")):
            yield (part.text or "")[begin.end() :].encode()
    for part in element.iter("{*}nonXMLContent"):
        # EDXL-DE 1.0 §3.2.4: contentData is base64
        if _CAP_TYPE.match(child_text(part, "mimeType")) and (data := _unpacked(children(part, "contentData"))):
            yield data


def standing_alone(alert: etree._Element) -> bytes:
    """The alert as a document, with the namespaces that it uses and no other; b"" when they are too many."""
    if len(alert.nsmap) > PREFIXES:
        return b""
    around = alert.getparent()
    kept = set(alert.nsmap) - set(around.nsmap if around is not None else {})
    copy = deepcopy(alert)
    copy.tail = None
    etree.cleanup_namespaces(copy, keep_ns_prefixes=[prefix for prefix in kept if prefix])
    return etree.tostring(copy, encoding="UTF-8", xml_declaration=True)


def _unpacked(parts: Iterable[etree._Element]) -> bytes:
    data = "".join(part.text or "" for part in parts)
    try:
        return b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
