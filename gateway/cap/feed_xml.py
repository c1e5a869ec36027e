"""A feed as Atom and as RSS, with CAP hints in every entry so that readers can skip what they know.

Knows: feed entries, lxml. Never knows: HTTP, the CAP documents themselves.
Standard: RFC 4287 (Atom), RFC 5005 §3 (pages), RSS 2.0.11, W3C WebSub §4 (rel=hub, rel=self), CAP 1.2 names.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import cast

from lxml import etree

from gateway.cap import dates
from gateway.cap.feed import (
    CAP_MEDIA_TYPE,
    HEAD_BYTES,
    MAX_BYTES,
    Document,
    FeedEntry,
    FeedInfo,
    FeedText,
    Page,
    clean,
    heading,
    newest_first,
    one_line,
    page_url,
    paged,
    web_url,
)

ATOM = "http://www.w3.org/2005/Atom"
CAP = "urn:oasis:names:tc:emergency:cap:1.2"
DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
# lxml-stubs do not know that None names the default namespace
_ATOM_NAMES = cast("dict[str, str]", {None: ATOM, "cap": CAP})
_RSS_NAMES = {"atom": ATOM, "cap": CAP, "dc": DUBLIN_CORE}
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def atom(
    info: FeedInfo,
    entries: Iterable[FeedEntry],
    *,
    language: str | None = None,
    page: int = 1,
    max_bytes: int = MAX_BYTES,
) -> Document:
    """The feed as Atom 1.0, newest entry first, each in the language asked for where it has it."""
    items = [_atom_entry(info, entry, entry.text(language)) for entry in newest_first(entries)]
    part = paged([len(etree.tostring(item)) for item in items], page, max_bytes - HEAD_BYTES)
    feed = etree.Element(f"{{{ATOM}}}feed", nsmap=_ATOM_NAMES)
    feed.set(_XML_LANG, clean(language or info.language))
    _atom(feed, "id", info.id)
    _atom(feed, "title", one_line(info.title))
    _atom(feed, "updated", _rfc3339(info.updated))
    _links(feed, info, page, part)
    _name(_atom(feed, "author"), info.author)
    feed.extend(items[part.first : part.last])
    return Document(_bytes(feed), part.pages)


def _atom_entry(info: FeedInfo, entry: FeedEntry, text: FeedText) -> etree._Element:
    item = etree.Element(f"{{{ATOM}}}entry", nsmap=_ATOM_NAMES)
    item.set(_XML_LANG, clean(text.language))
    _atom(item, "id", entry.id)
    _atom(item, "title", heading(entry, text))
    _atom(item, "updated", _rfc3339(entry.updated))
    _atom(item, "published", _rfc3339(entry.published))
    _name(_atom(item, "author"), text.sender_name or entry.sender or info.author)
    _atom(item, "link", rel="alternate", type=CAP_MEDIA_TYPE, href=entry.cap_url)
    if url := web_url(text):
        _atom(item, "link", rel="related", href=url)
    for category in text.categories:
        _atom(item, "category", term=category)
    _atom(item, "summary", clean(text.summary))
    _hints(item, entry, text)
    return item


def _links(parent: etree._Element, info: FeedInfo, page: int, part: Page) -> None:
    _atom(parent, "link", rel="self", href=page_url(info.self_url, page))
    if info.hub_url:
        _atom(parent, "link", rel="hub", href=info.hub_url)
    if part.pages > 1:
        # RFC 5005 §3
        _atom(parent, "link", rel="first", href=info.self_url)
        _atom(parent, "link", rel="last", href=page_url(info.self_url, part.pages))
    if part.following:
        _atom(parent, "link", rel="next", href=page_url(info.self_url, part.following))
    if 1 < page <= part.pages:
        _atom(parent, "link", rel="previous", href=page_url(info.self_url, page - 1))


def rss(
    info: FeedInfo,
    entries: Iterable[FeedEntry],
    *,
    language: str | None = None,
    page: int = 1,
    max_bytes: int = MAX_BYTES,
) -> Document:
    """The feed as RSS 2.0, newest item first, each in the language asked for where it has it."""
    ordered = newest_first(entries)
    items = [_rss_item(entry, entry.text(language)) for entry in ordered]
    part = paged([len(etree.tostring(item)) for item in items], page, max_bytes - HEAD_BYTES)
    document = etree.Element("rss", nsmap=_RSS_NAMES, version="2.0")
    channel = etree.SubElement(document, "channel")
    _add(channel, "title", one_line(info.title))
    _add(channel, "link", info.home_url or info.self_url)
    _add(channel, "description", one_line(f"{info.title} ({info.author})"))
    _add(channel, "language", language or info.language)
    if ordered:
        _add(channel, "pubDate", _rfc822(max(entry.published for entry in ordered)))
    _add(channel, "lastBuildDate", _rfc822(info.updated))
    _links(channel, info, page, part)
    channel.extend(items[part.first : part.last])
    return Document(_bytes(document), part.pages)


def _rss_item(entry: FeedEntry, text: FeedText) -> etree._Element:
    item = etree.Element("item", nsmap=_RSS_NAMES)
    _add(item, "title", heading(entry, text))
    _add(item, "link", entry.cap_url)
    _add(item, "description", clean(text.summary))
    _add(item, f"{{{DUBLIN_CORE}}}creator", one_line(text.sender_name or entry.sender))
    for category in text.categories:
        _add(item, "category", category)
    # not the CAP identifier: two authorities may use the same one, and readers drop an item whose guid they know
    _add(item, "guid", entry.id).set("isPermaLink", "false")
    _add(item, "pubDate", _rfc822(entry.published))
    _atom(item, "link", rel="alternate", type=CAP_MEDIA_TYPE, href=entry.cap_url)
    _hints(item, entry, text)
    return item


def _hints(item: etree._Element, entry: FeedEntry, text: FeedText) -> None:
    """The alert's own facts under CAP's names; absent ones are left out."""
    times = {"effective": entry.effective, "onset": entry.onset, "expires": entry.expires}
    hints: list[tuple[str, str]] = [
        ("identifier", entry.identifier),
        ("sender", entry.sender),
        ("sent", entry.sent_text or dates.write(entry.sent)),
        *((name, dates.write(at)) for name, at in times.items() if at is not None),
        ("status", entry.status),
        ("msgType", entry.msg_type),
        ("scope", entry.scope),
        *(("category", category) for category in text.categories),
        ("event", text.event),
        ("urgency", text.urgency),
        ("severity", text.severity),
        ("certainty", text.certainty),
        ("areaDesc", "; ".join(text.area_descs)),
        # CAP 1.2 §3.2.4
        *(("polygon", " ".join(f"{lat:.10g},{lon:.10g}" for lat, lon in ring)) for ring in text.polygons),
        *(("circle", f"{lat:.10g},{lon:.10g} {radius_km:.10g}") for lat, lon, radius_km in text.circles),
    ]
    for name, value in hints:
        if value:
            _add(item, f"{{{CAP}}}{name}", one_line(value))
    for geocode in text.geocodes:
        pair = etree.SubElement(item, f"{{{CAP}}}geocode")
        _add(pair, f"{{{CAP}}}valueName", one_line(geocode.value_name))
        _add(pair, f"{{{CAP}}}value", one_line(geocode.value))


def _atom(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{ATOM}}}{name}", {key: clean(value) for key, value in attributes.items()})
    element.text = None if text is None else clean(text)
    return element


def _name(author: etree._Element, name: str) -> None:
    _atom(author, "name", one_line(name))


def _add(parent: etree._Element, name: str, text: str) -> etree._Element:
    element = etree.SubElement(parent, name)
    element.text = clean(text)
    return element


def _bytes(root: etree._Element) -> bytes:
    etree.cleanup_namespaces(root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rfc822(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)
