"""From a feed as somebody serves it to the alerts in it: embedded ones as documents, the others as links.

Knows: Atom, RSS 1.0 and 2.0, EDXL-DE 1.0 and 2.0, lists of alerts, single alerts; limits. Never knows: HTTP, what was
read before, whether an alert is valid (check.py).
Standard: RFC 4287 (Atom), RFC 5005 §3 (pages), RSS 2.0, OASIS EDXL-DE 1.0, W3C WebSub §4 (hub), OASIS CAP 1.2.

Lenient where nothing can be lost by it: a document that is not well-formed still gives its links, and a sentence that
says so; what it embeds is not used, because half an alert can say the opposite of the whole. Never raises on any bytes.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lxml import etree

from gateway.cap import xmltext
from gateway.cap.feed_elements import (
    NO_HINTS,
    Hints,
    alert_link,
    base_of,
    child_text,
    children,
    embedded,
    hints,
    instant,
    outermost_alerts,
    related,
    text_of,
    web_address,
)
from gateway.cap.tree import local_name

FeedKind = Literal["atom", "rss", "edxl-de", "alerts"]

_LONG_NAMESPACE = re.compile(r"xmlns(?::[\w.-]+)?\s{0,9}=\s{0,9}(?:\"[^\"]{500}|'[^']{500})")
_MOST_PROBLEMS = 20
_KINDS: dict[str, FeedKind] = {
    "feed": "atom",
    "entry": "atom",
    "rss": "rss",
    "RDF": "rss",
    "EDXLDistribution": "edxl-de",
}
_ENTRY_NAMES = {"atom": "entry", "rss": "item", "edxl-de": "contentObject", "alerts": "alert"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """What one document may cost. `marks`: tags and attributes; `entries`: what is read of it, the first ones."""

    max_bytes: int = 10_485_760
    marks: int = 500_000
    entries: int = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEntry:
    """One alert that a feed names: `alert` holds it, or `link` leads to it. `key` changes when the entry does."""

    key: bytes
    title: str = ""
    updated: datetime | None = None
    link: str = ""
    alert: bytes = b""
    hints: Hints = NO_HINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFeed:
    """What was read. `kind` is None when the document is no feed; `problems` says in sentences what could not be used.

    `status` is what an envelope (EDXL-DE) says of all that is in it, such as Exercise; "" elsewhere.
    """

    kind: FeedKind | None
    title: str = ""
    self_url: str = ""
    next_url: str = ""
    hubs: tuple[str, ...] = ()
    status: str = ""
    entries: tuple[ReadEntry, ...] = ()
    problems: tuple[str, ...] = ()


_DEFAULT_LIMITS = FeedLimits()


def read_feed(raw: bytes, *, url: str = "", limits: FeedLimits = _DEFAULT_LIMITS) -> ReadFeed:
    """Everything that a feed has to say. `url` is where it came from: what it names may be relative to it."""
    decoded = xmltext.decode(raw, max_bytes=limits.max_bytes)
    if decoded.text is None:
        return _nothing(*(finding.message for finding in decoded.refusals))
    text = decoded.text
    if text.count("<") + text.count("=") > limits.marks:
        return _nothing(f"the document has more than {limits.marks} tags and attributes")
    if _LONG_NAMESPACE.search(text):
        return _nothing("a namespace in the document has a name of 500 characters or more")
    root, fault = _tree(text.encode())
    if root is None:
        return _nothing(f"the document is not well-formed XML: {fault}")
    if root.getroottree().docinfo.internalDTD is not None:
        return _nothing("a DOCTYPE is not accepted")
    return _Reading(root, url, limits, fault).feed()


def _nothing(*problems: str) -> ReadFeed:
    return ReadFeed(kind=None, problems=problems)


def _tree(data: bytes) -> tuple[etree._Element | None, str]:
    """The tree, and what is wrong with the document when it had to be mended."""
    try:
        return etree.fromstring(data, xmltext.strict_parser()), ""
    except etree.XMLSyntaxError as error:
        fault = " ".join(str(error.msg or "not well-formed").split())[:160]
    try:
        return etree.fromstring(data, xmltext.strict_parser(recover=True)), fault
    except etree.XMLSyntaxError:
        return None, fault


class _Reading:
    """One document on its way to a ReadFeed."""

    def __init__(self, root: etree._Element, url: str, limits: FeedLimits, fault: str) -> None:
        self._root = root
        self._limits = limits
        self._whole = not fault
        self._problems: list[str] = []
        self._left_bytes = 2 * limits.max_bytes  # what is embedded may not grow by being cut out
        self._base = base_of(root, url)
        if fault:
            self._say(f"the document is not well-formed XML ({fault}): only its links were read")

    def feed(self) -> ReadFeed:
        """The feed with all its entries."""
        kind = self._kind()
        if kind is None:
            return _nothing(f"the root element {local_name(self._root)[:60]!r} is that of no feed and no alert")
        head = next(children(self._root, "channel"), self._root)
        entries = tuple(self._entries(kind))
        return ReadFeed(
            kind=kind,
            title=child_text(head, "title", "senderID"),
            self_url=next(iter(related(head, "self", self._base)), ""),
            # RFC 5005 §3
            next_url=next(iter(related(head, "next", self._base)), ""),
            # WebSub §4
            hubs=related(head, "hub", self._base),
            status=child_text(head, "distributionStatus") if kind == "edxl-de" else "",
            entries=entries,
            problems=tuple(self._problems),
        )

    def _kind(self) -> FeedKind | None:
        known = _KINDS.get(local_name(self._root))
        if known is not None:
            return known
        return "alerts" if any(True for _ in outermost_alerts(self._root)) else None

    def _entries(self, kind: FeedKind) -> Iterator[ReadEntry]:
        for number, element in enumerate(self._elements(kind), 1):
            if number > self._limits.entries:
                self._say(f"the feed has more than {self._limits.entries} entries: only the first ones were read")
                return
            found = list(self._alerts(element, number)) or self._linked(element)
            if not found:
                self._say(f"entry {number} has neither an alert nor a link to one")
            yield from found

    def _elements(self, kind: FeedKind) -> Iterator[etree._Element]:
        name = _ENTRY_NAMES[kind]
        if kind == "alerts":
            yield from outermost_alerts(self._root)
        elif local_name(self._root) == name:
            yield self._root
        else:
            yield from children(self._root, name)
            for part in children(self._root, "channel", "content"):
                yield from children(part, name)

    def _alerts(self, element: etree._Element, number: int) -> Iterator[ReadEntry]:
        if not self._whole:
            return
        for alert in embedded(element):
            self._left_bytes -= len(alert)
            if self._left_bytes < 0:
                self._say(f"what the feed embeds is too much: entry {number} and those after it were left out")
                return
            yield ReadEntry(
                key=_key(alert),
                title=child_text(element, "title", "contentDescription"),
                updated=_updated(element),
                alert=alert,
                hints=hints(element),
            )

    def _linked(self, element: etree._Element) -> list[ReadEntry]:
        link = alert_link(element, base_of(element, self._base)) or self._uri(element)
        if not link:
            return []
        words = (child_text(element, name) for name in ("id", "guid", "identifier", "updated", "pubDate", "sent"))
        return [
            ReadEntry(
                key=_key(link.encode(), *(word.encode() for word in words)),
                title=child_text(element, "title", "contentDescription"),
                updated=_updated(element),
                link=link,
                hints=hints(element),
            )
        ]

    def _uri(self, element: etree._Element) -> str:
        # EDXL-DE 1.0 §3.2.4: content that lies elsewhere
        uris = (uri for part in element.iter("{*}nonXMLContent") for uri in children(part, "uri"))
        return next((url for uri in uris if (url := web_address(text_of(uri, 2_000), self._base))), "")

    def _say(self, problem: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(problem)


def _updated(element: etree._Element) -> datetime | None:
    return instant(child_text(element, "updated", "published", "pubDate", "date", "sent", "modified"))


def _key(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
