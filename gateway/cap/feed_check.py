"""What is to be said of a document that somebody hands in: an alert, or a feed with the alerts in it.

Knows: what readers of alert feeds need of an Atom or RSS document. Never knows: HTTP, where the document came from.
Standard: RFC 4287 (Atom), RSS 2.0.11, OASIS CAP 1.2; practice of the public alert hubs for ids and links.

A pure function of its arguments; everything in and out pickles, so that it can run in a process of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from lxml import etree

from gateway.cap.check import Verdict, check
from gateway.cap.feed import MAX_BYTES
from gateway.cap.feed_elements import (
    alert_link,
    child_text,
    children,
    instant,
    outermost_alerts,
    related,
    standing_alone,
)
from gateway.cap.feed_xml import ATOM
from gateway.cap.findings import Finding, error, quoted, warning
from gateway.cap.parse import Limits, parse_tree
from gateway.cap.tree import line_of, local_name, namespace_of

DocumentKind = Literal["alert", "atom", "rss", "unknown"]
FEED_LIMITS = Limits(
    max_bytes=2_097_152, elements=100_000, children=20_000, infos=3_000, areas=20_000, polygons=20_000, circles=20_000,
    points=200_000, parameters=40_000, resources=1_000,
)  # fmt: skip
_MOST_FINDINGS = 200
_MOST_ALERTS = 100


class Embedded(NamedTuple):
    """An alert that stands in a feed, its line there, and what is to be said of it."""

    line: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """`findings` are about the document itself; each alert in it has a verdict of its own, with lines of its own.

    `entries` counts those of a feed. `valid`: no finding anywhere is an error.
    """

    kind: DocumentKind
    findings: tuple[Finding, ...] = ()
    entries: int = 0
    alerts: tuple[Embedded, ...] = field(default=())

    @property
    def valid(self) -> bool:
        """Whether nothing in it is refused."""
        return not any(finding.severity == "error" for finding in self.findings) and all(
            embedded.verdict.valid for embedded in self.alerts
        )


def examine(
    raw: bytes, *, lenient: bool = False, profile: str | None = None, received_at: datetime | None = None
) -> Examination:
    """Everything that can be said of these bytes. Never raises on any bytes; ValueError for an unknown profile."""
    parsed = parse_tree(raw, FEED_LIMITS)
    kind = _kind(parsed.root) if parsed.root is not None else "unknown"
    if parsed.root is None or kind in {"alert", "unknown"}:
        return _as_alert(raw, lenient, profile, received_at)
    found = _atom(parsed.root) if kind == "atom" else _rss(parsed.root)
    said = [*found, *_size(raw)]
    embedded = []
    for number, alert in enumerate(outermost_alerts(parsed.root)):
        if number == _MOST_ALERTS:
            said.append(warning("SIZE", f"only the first {_MOST_ALERTS} alerts in it were checked", "", element=kind))
            break
        verdict = check(standing_alone(alert), lenient=lenient, profile=profile, received_at=received_at)
        embedded.append(Embedded(line_of(alert) or 0, verdict))
    return Examination(
        kind=kind, findings=tuple(said[:_MOST_FINDINGS]), entries=len(_entries(parsed.root)), alerts=tuple(embedded)
    )


def _as_alert(raw: bytes, lenient: bool, profile: str | None, received_at: datetime | None) -> Examination:
    verdict = check(raw, lenient=lenient, profile=profile, received_at=received_at)
    if not verdict.readable:
        return Examination(kind="unknown", findings=verdict.findings)
    return Examination(kind="alert", alerts=(Embedded(1, verdict),))


def _kind(root: etree._Element) -> DocumentKind:
    name = local_name(root)
    if name == "feed" and namespace_of(root) == ATOM:
        return "atom"
    return "rss" if name == "rss" else "alert" if name == "alert" else "unknown"


def _entries(root: etree._Element) -> list[etree._Element]:
    if local_name(root) == "feed":
        return list(children(root, "entry"))
    return [item for channel in children(root, "channel") for item in children(channel, "item")]


def _size(raw: bytes) -> Iterator[Finding]:
    if len(raw) > MAX_BYTES:
        message = f"the document has {len(raw)} bytes; large readers stop at {MAX_BYTES}, so use pages"
        yield warning("F9", message, "RFC 5005 §3", element="")


def _atom(feed: etree._Element) -> Iterator[Finding]:
    """RFC 4287 §4.1.1 and §4.1.2, and what readers of alerts need besides."""
    for name in ("id", "title", "updated"):
        yield from _one(feed, name, "F1", "RFC 4287 §4.1.1")
    yield from _date(feed, "updated", "RFC 4287 §3.3")
    if not related(feed, "self", ""):
        yield _advise(feed, "F2", "a link with rel=self is missing; readers need it to subscribe", "RFC 4287 §4.1.1")
    entries = _entries(feed)
    authored = bool(child_text(feed, "author")) or any(True for _ in children(feed, "author"))
    for entry in entries:
        for name in ("id", "title", "updated"):
            yield from _one(entry, name, "F3", "RFC 4287 §4.1.2")
        yield from _date(entry, "updated", "RFC 4287 §3.3")
        if not authored and not any(True for _ in children(entry, "author")):
            yield _refuse(entry, "F3", "neither the entry nor the feed has an author", "RFC 4287 §4.1.2")
        yield from _leads_to_alert(entry)
    yield from _unique(entries, "id", "RFC 4287 §4.1.1")


def _rss(document: etree._Element) -> Iterator[Finding]:
    """The obligatory elements of RSS 2.0, and what readers of alerts need besides."""
    channel = next(children(document, "channel"), None)
    if channel is None:
        yield _refuse(document, "F5", "channel is missing", "RSS 2.0")
        return
    for name in ("title", "link", "description"):
        if not any(child_text(child) or (child.text or "").strip() for child in children(channel, name)):
            yield _refuse(channel, "F5", f"{name} is missing or empty; a channel has one", "RSS 2.0")
    items = _entries(document)
    for item in items:
        if not child_text(item, "title") and not child_text(item, "description"):
            yield _refuse(item, "F6", "an item needs a title or a description", "RSS 2.0")
        for name in ("guid", "pubDate"):
            if not child_text(item, name):
                yield _advise(item, "F7", f"{name} is missing; readers tell new items by it", "RSS 2.0")
        yield from _rss_date(item)
        yield from _leads_to_alert(item)
    yield from _unique(items, "guid", "RSS 2.0")


def _one(parent: etree._Element, name: str, rule: str, clause: str) -> Iterator[Finding]:
    found = list(children(parent, name))
    if len(found) != 1 or not child_text(parent, name):
        often = "is missing or empty" if len(found) < 2 else "stands there more than once"
        yield _refuse(parent, rule, f"{name} {often}; there is exactly one", clause)


def _date(parent: etree._Element, name: str, clause: str) -> Iterator[Finding]:
    text = child_text(parent, name)
    if text and (instant(text) is None or not text[:4].isdigit()):
        yield _refuse(parent, "F4", f"{name} is no RFC 3339 time: {quoted(text)}", clause)


def _rss_date(item: etree._Element) -> Iterator[Finding]:
    text = child_text(item, "pubDate")
    if text and (instant(text) is None or text[:4].isdigit()):
        yield _refuse(item, "F4", f"pubDate is no RFC 822 time: {quoted(text)}", "RSS 2.0")


def _leads_to_alert(entry: etree._Element) -> Iterator[Finding]:
    """An entry is of use when the alert is in it, or one step away under its own media type."""
    if any(True for _ in outermost_alerts(entry)):
        return
    link = alert_link(entry, "")
    if not link:
        message = "neither an alert nor a link to one; add a link with type application/cap+xml"
        yield _refuse(entry, "F8", message, "CAP 1.2 §3.2")


def _unique(entries: Iterable[etree._Element], name: str, clause: str) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    for entry in entries:
        text = child_text(entry, name)
        seen[text] += 1
        if text and seen[text] == 2:
            yield _refuse(entry, "F10", f"{name} {quoted(text)} is that of an entry before; readers drop it", clause)


def _refuse(element: etree._Element, rule: str, message: str, clause: str) -> Finding:
    return error(rule, message, clause, line=line_of(element), element=local_name(element)[:60])


def _advise(element: etree._Element, rule: str, message: str, clause: str) -> Finding:
    return warning(rule, message, clause, line=line_of(element), element=local_name(element)[:60])
