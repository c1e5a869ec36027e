"""Addresses of feeds: from a URL to the feed, the kind of document, the language and the page; and back.

Knows: the scheme of the public addresses under /cap. Never knows: HTTP, which feeds have anything to show.
Standard: RFC 3986; RFC 5646 §2.1 for the form of a language tag.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl

from gateway.cap.feed import Document, FeedEntry, FeedInfo
from gateway.cap.feed_json import geojson, json_feed
from gateway.cap.feed_xml import atom, rss
from gateway.flows.publishing import FeedKind, FeedName

SLUG = "[a-z0-9][a-z0-9-]{0,62}"
_PAGE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_FIELDS_MAX = 20


class Writer(Protocol):
    """Makes one kind of document."""

    def __call__(self, info: FeedInfo, entries: Sequence[FeedEntry], *, language: str | None, page: int) -> Document:
        """One page."""
        ...


class Kind(NamedTuple):
    """A kind of document: the end of its address, its media type, who writes it."""

    suffix: str
    media_type: str
    write: Writer


KINDS = (
    Kind("atom", "application/atom+xml; charset=utf-8", atom),
    Kind("rss", "application/rss+xml; charset=utf-8", rss),
    Kind("json", "application/feed+json; charset=utf-8", json_feed),
    Kind("geojson", "application/geo+json; charset=utf-8", geojson),
)
_BY_SUFFIX = {kind.suffix: kind for kind in KINDS}
_PATH = re.compile(
    rf"/cap/(?:(?P<heartbeat>heartbeat)|(?:(?P<authority>(?!exercise/){SLUG})/)?(?P<exercise>exercise/)?feed)"
    rf"\.(?P<suffix>{'|'.join(_BY_SUFFIX)})",
    re.ASCII,
)


class Query(NamedTuple):
    """What a query asks for: a language tag in lower case ("" for none) and a page."""

    language: str = ""
    page: int = 1


class Topic(NamedTuple):
    """One document that readers may ask for or subscribe to; its first page."""

    feed: FeedName
    kind: Kind
    language: str = ""


def path_of(feed: FeedName, suffix: str) -> str:
    """Where a feed lies; "{authority}" in place of a slug gives the pattern of a route."""
    authority = f"/{feed.authority}" if feed.authority else ""
    match feed.kind:
        case FeedKind.PUBLIC:
            return f"/cap{authority}/feed.{suffix}"
        case FeedKind.EXERCISE:
            return f"/cap{authority}/exercise/feed.{suffix}"
        case FeedKind.HEARTBEAT:
            return f"/cap/heartbeat.{suffix}"


def read_query(fields: Mapping[str, str]) -> Query | None:
    """None for a query that makes no sense; parameters that are not ours are let pass."""
    language, page = fields.get("lang", ""), fields.get("page", "1")
    if (language and not _LANGUAGE.fullmatch(language)) or not _PAGE.fullmatch(page):
        return None
    return Query(language.lower(), int(page))


def read_topic(url: str, public_url: str) -> Topic | None:
    """The document that a URL of ours names; None for any other, and for a page that is not the first."""
    if not url.startswith(public_url):
        return None
    path, _, text = url.removeprefix(public_url).partition("?")
    found = _PATH.fullmatch(path)
    try:
        query = read_query(dict(parse_qsl(text, max_num_fields=_FIELDS_MAX))) if found else None
    except ValueError:
        return None
    if found is None or query is None or query.page != 1:
        return None
    return Topic(_feed(found), _BY_SUFFIX[found["suffix"]], query.language)


def _feed(found: re.Match[str]) -> FeedName:
    if found["heartbeat"]:
        return FeedName(FeedKind.HEARTBEAT)
    return FeedName(FeedKind.EXERCISE if found["exercise"] else FeedKind.PUBLIC, found["authority"] or "")


def offered(languages: frozenset[str], wanted: str) -> str:
    """The wanted tag cut down until some entry has it or a kin of it, so that few documents answer all wishes."""
    tag = wanted
    while tag:
        if tag in languages:
            return tag
        tag = tag.rpartition("-")[0]
    primary = wanted.partition("-")[0]
    return primary if any(language.partition("-")[0] == primary for language in languages) else ""
