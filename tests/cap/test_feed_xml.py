"""Atom and RSS as an independent reader (feedparser) understands them, and as their standards want them."""

import calendar
import re
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.cap.feed import Document, FeedEntry, FeedInfo
from gateway.cap.feed_xml import atom, rss
from gateway.cap.model import Circle, NameValue
from tests.cap.test_feed import NOON, TRIANGLE, entry, text

INFO = FeedInfo(
    id="urn:example:feed",
    title="Alerts",
    self_url="https://example.org/cap/feed.atom",
    updated=NOON + timedelta(hours=1),
    author="National Crisis Centre",
    language="nl",
    hub_url="https://example.org/cap/hub",
    home_url="https://example.org/",
)
A = "{http://www.w3.org/2005/Atom}"
RICH = replace(
    entry(
        1,
        replace(
            text("nl", "Brand <b>& rook</b>"),
            categories=("Fire", "Env"),
            sender_name="Gemeente Vorst",
            web="https://example.org/brand?a=1&b=2",
            area_descs=("Vorst", "Ukkel"),
            polygons=(TRIANGLE,),
            circles=(Circle(50.8, 4.3, 2.5),),
            geocodes=(NameValue("NIS", "21007"),),
        ),
        text("fr", "Incendie"),
    ),
    sent_text="2026-11-21T12:00:00+00:00",
    onset=NOON,
    expires=NOON + timedelta(hours=2),
)


def parsed(document: Document) -> feedparser.FeedParserDict:
    found = feedparser.parse(document.body)
    assert not found.bozo, found.get("bozo_exception")
    return found


def links(found: feedparser.FeedParserDict, rel: str) -> list[str]:
    return [link.href for link in found.links if link.rel == rel]


def test_atom_is_read_back_by_another_reader() -> None:
    found = parsed(atom(INFO, [RICH]))
    assert found.version == "atom10"
    assert found.feed.id == INFO.id
    assert found.feed.title == "Alerts"
    assert links(found.feed, "self") == [INFO.self_url]
    assert links(found.feed, "hub") == [INFO.hub_url]
    (item,) = found.entries
    assert item.id == "urn:example:1"
    assert item.title == "Brand <b>& rook</b>"
    assert item.author == "Gemeente Vorst"
    assert item.summary == "Close the windows."
    assert [tag.term for tag in item.tags] == ["Fire", "Env"]
    (alternate,) = [link for link in item.links if link.rel == "alternate"]
    assert (alternate.type, alternate.href) == ("application/cap+xml", RICH.cap_url)
    assert links(item, "related") == ["https://example.org/brand?a=1&b=2"]
    assert calendar.timegm(item.published_parsed) == RICH.published.timestamp()
    assert item.cap_expires == "2026-11-21T14:00:00-00:00"
    assert item.cap_sent == "2026-11-21T12:00:00+00:00"
    assert item.cap_identifier == "A-1"
    assert item.cap_severity == "Severe"


def test_atom_has_what_rfc_4287_asks_for() -> None:
    root = etree.fromstring(atom(INFO, [RICH, entry(2)]).body)
    for parent in [root, *root.findall(A + "entry")]:
        for name in ("id", "title", "updated"):
            assert len(parent.findall(A + name)) == 1
        assert parent.find(f"{A}author/{A}name") is not None
        for name in ("updated", "published"):
            for stamp in parent.findall(A + name):
                assert stamp.text is not None
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp.text)
    ids = [element.text for element in root.iter(A + "id")]
    assert len(ids) == len(set(ids))
    assert {element.getparent() is root for element in root.iter(A + "entry")} == {True}


def test_hints_name_places_as_cap_writes_them() -> None:
    root = etree.fromstring(atom(INFO, [RICH]).body)
    cap = {"cap": "urn:oasis:names:tc:emergency:cap:1.2"}
    assert root.findtext(".//cap:polygon", namespaces=cap) == "50.8,4.3 50.9,4.3 50.9,4.4 50.8,4.3"
    assert root.findtext(".//cap:circle", namespaces=cap) == "50.8,4.3 2.5"
    assert root.findtext(".//cap:areaDesc", namespaces=cap) == "Vorst; Ukkel"
    assert root.findtext(".//cap:geocode/cap:valueName", namespaces=cap) == "NIS"
    assert root.findtext(".//cap:geocode/cap:value", namespaces=cap) == "21007"
    assert root.find(".//cap:effective", namespaces=cap) is None


def test_rss_is_read_back_by_another_reader() -> None:
    found = parsed(rss(INFO, [RICH]))
    assert found.version == "rss20"
    assert found.feed.title == "Alerts"
    assert found.feed.link == "https://example.org/"
    assert found.feed.language == "nl"
    assert links(found.feed, "self") == [INFO.self_url]
    assert links(found.feed, "hub") == [INFO.hub_url]
    (item,) = found.entries
    assert item.id == "urn:example:1"
    assert item.guidislink is False
    assert item.link == RICH.cap_url
    assert item.author == "Gemeente Vorst"
    assert item.cap_expires == "2026-11-21T14:00:00-00:00"
    assert [tag.term for tag in item.tags] == ["Fire", "Env"]


def test_rss_has_what_rss_asks_for() -> None:
    root = etree.fromstring(rss(INFO, [RICH, entry(2)]).body)
    assert root.get("version") == "2.0"
    (channel,) = root
    for name in ("title", "link", "description", "lastBuildDate", "pubDate"):
        assert channel.findtext(name)
    for stamp in root.iter("pubDate", "lastBuildDate"):
        assert stamp.text is not None
        assert parsedate_to_datetime(stamp.text).tzinfo is not None
    guids = [element.text for element in root.iter("guid")]
    assert len(set(guids)) == len(guids) == 2


@pytest.mark.parametrize("writer", [atom, rss])
def test_a_feed_speaks_the_language_asked_for(writer: object) -> None:
    write = atom if writer is atom else rss
    assert parsed(write(INFO, [RICH], language="fr")).entries[0].title == "Incendie"
    assert parsed(write(INFO, [RICH], language="nl")).entries[0].title.startswith("Brand")
    assert parsed(write(INFO, [RICH], language="it")).entries[0].title.startswith("Brand")


@pytest.mark.parametrize("writer", [atom, rss])
def test_an_empty_feed_is_a_feed(writer: object) -> None:
    found = parsed((atom if writer is atom else rss)(INFO, []))
    assert found.entries == []
    assert found.feed.title == "Alerts"


@pytest.mark.parametrize("writer", [atom, rss])
def test_a_long_feed_has_pages_that_lead_to_each_other(writer: object) -> None:
    write = atom if writer is atom else rss
    entries = [entry(number) for number in range(40)]
    seen: list[str] = []
    page: int | None = 1
    while page:
        document = write(INFO, entries, page=page, max_bytes=12_000)
        assert len(document.body) <= 12_000
        assert document.pages > 1
        found = parsed(document)
        seen += [item.id for item in found.entries]
        following = links(found.feed, "next")
        assert links(found.feed, "last") == [f"{INFO.self_url}?page={document.pages}"]
        assert bool(links(found.feed, "previous")) == (page > 1)
        page = page + 1 if following else None
    assert seen == [f"urn:example:{number}" for number in range(39, -1, -1)]


anything = st.text(max_size=40)


@settings(max_examples=60, deadline=None)
@given(anything, anything, anything, anything)
def test_no_text_breaks_a_document(title: str, summary: str, name: str, place: str) -> None:
    hostile: FeedEntry = replace(
        RICH,
        identifier=name,
        sender=place,
        texts=(
            replace(
                RICH.texts[0],
                title=title,
                summary=summary,
                sender_name=name,
                area_descs=(place,),
                categories=(title,),
                geocodes=(NameValue(name, place),),
                web="https://" + summary,
                language=name,
            ),
        ),
    )
    for document in (atom(INFO, [hostile], language=title), rss(INFO, [hostile], language=title)):
        etree.fromstring(document.body)
