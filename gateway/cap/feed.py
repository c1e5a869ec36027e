"""What a public feed lists: one entry per alert, its text in the reader's language, its pages.

Knows: alerts, languages, page sizes. Never knows: HTTP, who may publish, XML or JSON (feed_xml.py, feed_json.py).
Standard: OASIS CAP 1.2; RFC 4647 §3.4 for the choice of a language; practice of the public alert hubs for the size.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.cap.model import CapAlert, CapInfo, Circle, NameValue, Polygon

CAP_MEDIA_TYPE = "application/cap+xml"
MAX_BYTES = 900_000
"""What large readers accept of one document; a longer feed has further pages."""
HEAD_BYTES = 4_000  # what a document has besides its entries, generously

# C0, C1, bidirectional embeddings, overrides and isolates, surrogates, and what XML 1.0 §2.2 can not carry
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_EXERCISE = {"nl": "OEFENING", "fr": "EXERCICE", "de": "ÜBUNG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedText:
    """What an alert says in one language: the first info of that language, with the places of all of them."""

    language: str
    title: str
    summary: str
    event: str
    urgency: str
    severity: str
    certainty: str
    sender_name: str = ""
    instruction: str = ""
    web: str = ""
    categories: tuple[str, ...] = ()
    area_descs: tuple[str, ...] = ()
    polygons: tuple[Polygon, ...] = ()
    circles: tuple[Circle, ...] = ()
    geocodes: tuple[NameValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One alert in a feed. `id` is an IRI of ours that never changes; `texts` has at least one, in order of choice.

    `sent_text` is the time as the alert writes it: readers compare it letter by letter.
    """

    id: str
    identifier: str
    sender: str
    sent: datetime
    published: datetime
    updated: datetime
    status: str
    msg_type: str
    scope: str
    cap_url: str
    texts: tuple[FeedText, ...]
    sent_text: str = ""
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None

    def text(self, language: str | None) -> FeedText:
        """The text in a language, else in a nearer kin of it (fr for fr-BE, fr-BE for fr), else the first."""
        return self.texts[best_language([text.language for text in self.texts], language)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedInfo:
    """A feed as a whole: `id` is its IRI, `hub_url` (may be empty) its WebSub hub, `language` that of its title."""

    id: str
    title: str
    self_url: str
    updated: datetime
    author: str
    language: str
    hub_url: str = ""
    home_url: str = ""


class Document(NamedTuple):
    """One page of a feed as bytes, and how many pages there are (at least 1)."""

    body: bytes
    pages: int


class Page(NamedTuple):
    """Which entries (first to before last) are on a page; `following` is the next page's number, or None."""

    first: int
    last: int
    following: int | None
    pages: int


def entry_of(alert: CapAlert, *, entry_id: str, cap_url: str, published: datetime) -> FeedEntry:
    """The entry of an accepted alert. An alert without info (a Cancel may have none) names its message type."""
    texts = [_text_of(infos) for infos in _by_language(alert.info)] or [_bare_text(alert)]
    expiries = [info.expires for info in alert.info if info.expires is not None]
    first = alert.info[0] if alert.info else None
    return FeedEntry(
        id=entry_id,
        identifier=alert.identifier,
        sender=alert.sender,
        sent=alert.sent,
        sent_text=alert.sent_text,
        published=published,
        updated=published,
        status=alert.status,
        msg_type=alert.msg_type,
        scope=alert.scope or "",
        cap_url=cap_url,
        texts=tuple(texts),
        effective=first.effective if first else None,
        onset=first.onset if first else None,
        expires=max(expiries, default=None),
    )


def _by_language(infos: Iterable[CapInfo]) -> list[list[CapInfo]]:
    groups: dict[str, list[CapInfo]] = {}
    for info in infos:
        groups.setdefault(info.language.lower(), []).append(info)
    return list(groups.values())


def _text_of(infos: Sequence[CapInfo]) -> FeedText:
    info = infos[0]
    areas = [area for one in infos for area in one.area]
    return FeedText(
        language=info.language,
        title=info.headline or info.event,
        summary=info.description or info.headline or info.event,
        event=info.event,
        urgency=info.urgency,
        severity=info.severity,
        certainty=info.certainty,
        sender_name=info.sender_name,
        instruction=info.instruction,
        web=info.web,
        categories=tuple(dict.fromkeys(category for one in infos for category in one.category)),
        area_descs=tuple(dict.fromkeys(area.area_desc for area in areas)),
        polygons=tuple(dict.fromkeys(polygon for area in areas for polygon in area.polygon)),
        circles=tuple(dict.fromkeys(circle for area in areas for circle in area.circle)),
        geocodes=tuple(dict.fromkeys(geocode for area in areas for geocode in area.geocode)),
    )


def _bare_text(alert: CapAlert) -> FeedText:
    title = f"{alert.msg_type}: {alert.note}" if alert.note else str(alert.msg_type)
    return FeedText(
        language="en", title=title, summary=title, event=alert.msg_type, urgency="", severity="", certainty=""
    )


def best_language(offered: Sequence[str], wanted: str | None) -> int:
    """Which of the offered language tags suits best; 0 when none does or none is wanted."""
    tags = [tag.lower() for tag in offered]
    asked = (wanted or "").lower()
    while asked:
        if asked in tags:
            return tags.index(asked)
        # RFC 4647 §3.4: drop subtags from the end
        asked, _, _ = asked.rpartition("-")
    primary = (wanted or "").lower().partition("-")[0]
    kin = [number for number, tag in enumerate(tags) if tag.partition("-")[0] == primary]
    return kin[0] if kin else 0


def heading(entry: FeedEntry, text: FeedText) -> str:
    """The title on one line; that of an exercise says so first, so that nobody takes it for the real thing."""
    title = one_line(text.title) or text.event
    if entry.status == "Actual":
        return title
    stamp = entry.status.upper()
    if entry.status == "Exercise":
        stamp = _EXERCISE.get(text.language.lower().partition("-")[0], stamp)
    return title if title.upper().startswith(stamp) else f"{stamp} - {title}"


def clean(text: str) -> str:
    """The text without controls that break documents or turn its direction."""
    return _UNPRINTABLE.sub("", text)


def one_line(text: str) -> str:
    """Clean text with every run of white space as one space."""
    return " ".join(clean(text).split())


def web_url(text: FeedText) -> str:
    """The alert's web page, when it is one that a browser may follow safely."""
    url = clean(text.web).strip()
    return url if url.lower().startswith(("https://", "http://")) and " " not in url else ""


def newest_first(entries: Iterable[FeedEntry]) -> list[FeedEntry]:
    """Entries by their last change, the newest first; equal ones stay in the order given."""
    return sorted(entries, key=lambda entry: entry.updated, reverse=True)


def paged(sizes_bytes: Sequence[int], page: int, max_bytes: int = MAX_BYTES) -> Page:
    """The entries of a page, filled up to `max_bytes`; one entry always fits. A page too far has none.

    Pages fill from the newest entry, and nothing is dropped: a reader takes an absent alert for a withdrawn one.
    """
    starts, filled = [0], 0
    for number, size in enumerate(sizes_bytes):
        if filled and filled + size > max_bytes:
            starts.append(number)
            filled = 0
        filled += size
    pages = len(starts)
    if not 1 <= page <= pages:
        return Page(0, 0, None, pages)
    last = starts[page] if page < pages else len(sizes_bytes)
    return Page(starts[page - 1], last, page + 1 if page < pages else None, pages)


def page_url(url: str, page: int) -> str:
    """The address of a page; the first is the feed's own."""
    if page <= 1:
        return url
    return f"{url}{'&' if '?' in url else '?'}page={page}"
