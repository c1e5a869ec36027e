"""Feeds as others serve them: the real ones, the broken ones, the hostile ones, and our own."""

import base64
import time
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.cap import feed_xml
from gateway.cap.check import check
from gateway.cap.feed import FeedInfo, entry_of
from gateway.cap.feed_read import FeedLimits, ReadFeed, read_feed
from tests.cap.samples import BASIC

URL = "https://feeds.example/cap/index.atom"
CAP = "urn:oasis:names:tc:emergency:cap:1.2"
BARE = BASIC[BASIC.index("<alert") :]

# file: kind, entries, how many of them are embedded alerts, how many of these a lenient check accepts
REAL = {
    "briangmaddox_noaa_atom_national.xml": ("atom", 383, 0, 0),
    "briangmaddox_noaa_cap_national.xml": ("atom", 377, 0, 0),
    "briangmaddox_noaa_warnings_atom_rss.xml": ("atom", 159, 0, 0),
    "briangmaddox_us_atom.xml": ("atom", 77, 0, 0),
    "farrel_amber.atom.xml": ("atom", 1, 1, 1),
    "farrel_weather.atom.xml": ("atom", 1, 1, 1),
    "farrel_weather_index.atom.xml": ("atom", 2, 0, 0),
    "google_bushfire_valid.edxlde.xml": ("edxl-de", 7, 7, 7),
    "google_canada_signed.atom.xml": ("atom", 1, 1, 1),
    "google_earthquake.atom.xml": ("atom", 1, 1, 1),
    "google_empty_weather_index.atom.xml": ("atom", 0, 0, 0),
    "google_no_entries.atom.xml": ("atom", 0, 0, 0),
    "google_weather.atom.xml": ("atom", 1, 1, 1),
    "kelvinn_bushfire_valid.edxlde.xml": ("edxl-de", 59, 59, 59),
    "kelvinn_mexico.atom-dcbb74.xml": ("atom", 469, 469, 464),
    "kelvinn_mexico.atom.xml": ("atom", 469, 469, 464),
    "kelvinn_oregon_nws.atom.xml": ("atom", 1, 1, 0),
    "kelvinn_rfs.xml": ("edxl-de", 1, 1, 1),
    "kelvinn_smhi.se.alerts.cap": ("alerts", 17, 17, 17),
    "kelvinn_sweden.atom.xml": ("atom", 4, 0, 0),
    "kelvinn_us_nws_weather.atom.xml": ("atom", 2, 0, 0),
    "kelvinn_weather.atom.xml": ("atom", 1, 1, 1),
}
# those that others refuse are read as far as they go
BROKEN = {
    "farrel_no_id.atom.xml": (0, 1),
    "farrel_no_link.atom.xml": (0, 1),
    "farrel_no_title.atom.xml": (0, 1),
    "google_bushfire_invalid.edxlde.xml": (7, 0),
    "google_weather_invalid.atom.xml": (1, 0),
}


@pytest.fixture(scope="session")
def feeds(shared: Path) -> Path:
    return shared / "cap" / "real" / "feeds"


def test_every_real_feed_is_in_the_table(feeds: Path) -> None:
    assert {path.name for path in feeds.iterdir()} == set(REAL)


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_real_feed_gives_every_entry(name: str, feeds: Path) -> None:
    raw = (feeds / name).read_bytes()
    kind, entries, alerts, accepted = REAL[name]
    found = read_feed(raw, url=URL)
    assert (found.kind, len(found.entries), found.problems) == (kind, entries, ())
    assert sum(bool(entry.alert) for entry in found.entries) == alerts
    assert sum(bool(entry.alert) != bool(entry.link) for entry in found.entries) == entries, "one of the two"
    assert len({entry.key for entry in found.entries}) == entries
    verdicts = [check(entry.alert, lenient=True) for entry in found.entries if entry.alert]
    assert all(verdict.readable for verdict in verdicts)
    assert sum(verdict.valid for verdict in verdicts) == accepted


# the largest one is there twice, with other line ends; the other reader takes seconds for it
ATOM = sorted(name for name, (kind, *_) in REAL.items() if kind == "atom" and name != "kelvinn_mexico.atom.xml")


@pytest.mark.parametrize("name", ATOM)
def test_another_reader_sees_the_same_entries(name: str, feeds: Path) -> None:
    raw = (feeds / name).read_bytes()
    ours, theirs = read_feed(raw, url=URL), feedparser.parse(raw)
    assert len(ours.entries) == len(theirs.entries)
    assert ours.title == " ".join(theirs.feed.title.split())
    for mine, other in zip(ours.entries, theirs.entries, strict=True):
        assert mine.title == " ".join(other.title.split())[:500]
        assert mine.updated is not None
        assert mine.updated.astimezone(UTC).timetuple()[:6] == other.updated_parsed[:6]
        if mine.link:
            assert mine.link == other.link


@pytest.mark.parametrize("name", sorted(REAL))
def test_the_alerts_of_a_feed_are_the_same_at_every_reading(name: str, feeds: Path) -> None:
    raw = (feeds / name).read_bytes()
    assert read_feed(raw, url=URL) == read_feed(raw, url=URL)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_feed_that_others_refuse_is_read_as_far_as_it_goes(name: str, feeds: Path) -> None:
    entries, problems = BROKEN[name]
    found = read_feed((feeds.parent / "feeds_invalid" / name).read_bytes(), url=URL)
    assert (len(found.entries), len(found.problems)) == (entries, problems)


def rss(items: str, head: str = "") -> bytes:
    space = f"xmlns:cap='{CAP}' xmlns:atom='http://www.w3.org/2005/Atom' xmlns:content='http://c.example'"
    return f"<rss version='2.0' {space}><channel><title>T</title>{head}{items}</channel></rss>".encode()


def only(found: ReadFeed) -> bytes:
    assert found.problems == ()
    (entry,) = found.entries
    return entry.alert or entry.link.encode()


@pytest.mark.parametrize(
    "item",
    [
        "<link>http://a.example/1.xml</link>",
        "<link> ../1.xml </link>",
        "<link/><guid>http://a.example/1.xml</guid>",
        "<guid isPermaLink='false'>x</guid><link>http://a.example/1.xml</link>",
        "<enclosure url='http://a.example/1.xml' type='application/cap+xml'/><link>http://a.example/page</link>",
        "<link>http://a.example/page</link><atom:link href='1.xml' type='application/cap+xml' rel='related'/>",
    ],
)
def test_the_link_of_an_rss_item_is_the_one_to_its_alert(item: str) -> None:
    found = read_feed(
        rss(f"<item>{item}</item>"), url="http://a.example/feeds/rss" if ".." in item else "http://a.example/rss"
    )
    assert found.kind == "rss"
    assert only(found) == b"http://a.example/1.xml"


def test_rss_and_another_reader_agree() -> None:
    items = "".join(
        f"<item><title>T {n}</title><link>http://a.example/{n}</link><guid>{n}</guid>"
        f"<pubDate>Sat, 21 Nov 2026 12:00:0{n} +0100</pubDate></item>"
        for n in range(5)
    )
    raw = rss(items, "<atom:link rel='self' href='/rss'/><atom:link rel='hub' href='https://hub.example/'/>")
    ours, theirs = read_feed(raw, url="http://a.example/rss"), feedparser.parse(raw)
    assert [entry.link for entry in ours.entries] == [entry.link for entry in theirs.entries]
    assert ours.entries[3].updated == datetime(2026, 11, 21, 11, 0, 3, tzinfo=UTC)
    assert (ours.self_url, ours.hubs) == ("http://a.example/rss", ("https://hub.example/",))


@pytest.mark.parametrize(
    "content",
    [
        f"<description><![CDATA[{BASIC}]]></description>",
        f"<content:encoded><![CDATA[ {BARE} ]]></content:encoded>",
        BARE,
        f"<content:encoded>{BARE}</content:encoded>",
    ],
)
def test_an_alert_inside_an_item_is_found_however_it_is_packed(content: str) -> None:
    verdict = check(only(read_feed(rss(f"<item><link>http://a.example/1</link>{content}</item>"))))
    assert verdict.valid
    assert verdict.alert == check(BASIC.encode()).alert


def test_rss_1_keeps_its_items_beside_the_channel() -> None:
    raw = (
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>"
        b"<channel><title>T</title></channel><item><link>http://a.example/1</link></item></rdf:RDF>"
    )
    assert only(read_feed(raw)) == b"http://a.example/1"


EDXL = (
    "<EDXLDistribution xmlns='urn:oasis:names:tc:emergency:EDXL:DE:1.0'><distributionStatus>Exercise"
    "</distributionStatus><contentObject>{}</contentObject></EDXLDistribution>"
)


def test_an_envelope_says_its_status_and_packs_alerts_in_three_ways() -> None:
    packed = base64.b64encode(BASIC.encode()).decode()
    for inside in (
        f"<xmlContent><embeddedXMLContent>{BARE}</embeddedXMLContent></xmlContent>",
        f"<nonXMLContent><mimeType>application/cap+xml</mimeType><contentData>{packed}</contentData></nonXMLContent>",
    ):
        found = read_feed(EDXL.format(inside).encode())
        assert (found.kind, found.status) == ("edxl-de", "Exercise")
        assert check(only(found)).valid
    linked = "<nonXMLContent><mimeType>application/cap+xml</mimeType><uri>http://a.example/1.xml</uri></nonXMLContent>"
    assert only(read_feed(EDXL.format(linked).encode())) == b"http://a.example/1.xml"


def test_a_list_of_alerts_and_a_single_one_are_feeds_too() -> None:
    assert check(only(read_feed(BASIC.encode()))).alert == check(BASIC.encode()).alert
    several = read_feed(f"<alerts>{BARE}{BARE.replace('2026-000001', '2')}</alerts>".encode())
    assert (several.kind, len(several.entries)) == ("alerts", 2)


def test_an_alert_in_an_alert_is_not_one_of_its_own() -> None:
    nested = BARE.replace("</alert>", BARE + "</alert>")
    assert len(read_feed(f"<alerts>{nested}</alerts>".encode()).entries) == 1


def test_what_is_cut_out_carries_its_namespaces_and_no_others() -> None:
    raw = BARE.replace("<alert", "<c:alert xmlns:x='http://unused.example'").replace("</alert", "</c:alert")
    inner = raw.replace("<", "<c:").replace("<c:/", "</c:").replace("c:c:", "c:").replace(f"xmlns='{CAP}'", "")
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom' xmlns:c='{CAP}' xmlns:much='http://m.example'><entry>{inner}</entry></feed>"
    alert = only(read_feed(feed.replace(f'xmlns="{CAP}"', "").encode()))
    assert check(alert).valid
    assert b"much" not in alert
    assert b"unused.example" in alert, "what the alert declared itself may be part of what was signed"


def test_the_pages_of_our_own_feed_are_followed_by_what_it_says() -> None:
    alert = check(BASIC.encode()).alert
    assert alert is not None
    at = datetime(2026, 11, 21, tzinfo=UTC)
    entries = [
        entry_of(alert, entry_id=f"https://g.example/{n}", cap_url=f"https://g.example/{n}.xml", published=at)
        for n in range(40)
    ]
    info = FeedInfo(
        id="https://g.example/f", title="Ours", self_url="https://g.example/f", updated=at, author="G", language="en",
        hub_url="https://g.example/hub",
    )  # fmt: skip
    for make, kind in ((feed_xml.atom, "atom"), (feed_xml.rss, "rss")):
        first = read_feed(make(info, entries, language="nl", page=1, max_bytes=20_000).body, url=info.self_url)
        assert (first.kind, first.hubs, first.problems) == (kind, ("https://g.example/hub",), ())
        assert first.next_url == "https://g.example/f?page=2"
        assert first.entries[0].link.endswith(".xml")
        assert first.entries[0].hints.identifier == alert.identifier


def test_a_feed_that_is_not_well_formed_gives_its_links_and_none_of_its_alerts() -> None:
    items = f"<item><link>http://a.example/1</link></item><item>{BARE}<link>http://a.example/2</link></item>"
    found = read_feed(rss(items + "<item><title>&nbsp;A & B</item>"))
    assert [entry.link for entry in found.entries][:2] == ["http://a.example/1", "http://a.example/2"]
    assert not any(entry.alert for entry in found.entries)
    assert "only its links were read" in found.problems[0]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"hello", "not well-formed"),
        (b"<html><body/></html>", "no feed"),
        (b"<!DOCTYPE rss [<!ENTITY a 'b'>]><rss><channel/></rss>", "DOCTYPE"),
        (b"<!DOCTYPE rss SYSTEM 'http://a.example/x.dtd'><rss/>", "DOCTYPE"),
        (b"<feed>" + b"<a/>" * 600_000 + b"</feed>", "tags and attributes"),
        (b"<feed " + b"a='' " * 490_000 + b"/>", ""),
        (b"<feed xmlns='" + b"x" * 600 + b"'/>", "namespace"),
        (b"<feed>" + b" " * 10_485_760 + b"</feed>", "bytes"),
        ("<feed/>".encode("utf-32"), "encoding"),
    ],
)
def test_what_is_no_feed_is_refused_with_a_reason(raw: bytes, said: str) -> None:
    begin = time.process_time()
    found = read_feed(raw, url=URL)
    assert time.process_time() - begin < 2.0
    assert found.entries == ()
    assert said == "" or (found.kind is None and said in found.problems[0])


@pytest.mark.parametrize(
    "raw",
    [
        b"<feed>" + b"<entry>" * 200_000,
        b"<feed>" + b"<" * 490_000,
        b"<feed>" + b"&x;" * 500_000 + b"</feed>",
        b"<feed><entry><title>" + b"a" * 9_000_000 + b"</title></entry></feed>",
        b"<feed><entry><link href='" + b"a" * 5_000_000 + b"'/></entry></feed>",
        b"<rss><channel>" + b"<item><link>http://a.example/</link></item>" * 60_000 + b"</channel></rss>",
        b"<alerts>" + b"<alert>" * 100_000,
        b"<alerts>" + b"<alert>" * 200 + b"x" * 5_000_000 + b"</alert>" * 200 + b"</alerts>",
        b"<feed>" + b"<entry><content><alert/></content></entry>" * 100_000 + b"</feed>",
        b"<a" + b"b" * 5_000_000 + b":alert/>",
    ],
    ids=range(10),  # the documents are no names
)
def test_a_hostile_feed_costs_little(raw: bytes) -> None:
    begin = time.process_time()
    found = read_feed(raw, url=URL)
    assert time.process_time() - begin < 2.0
    assert len(found.entries) <= FeedLimits().entries
    assert sum(len(entry.alert) for entry in found.entries) <= 3 * FeedLimits().max_bytes
    assert len(found.problems) <= 20


def test_namespaces_are_not_multiplied() -> None:
    spaces = " ".join(f"xmlns:n{n}='{'u' * 400}{n}'" for n in range(100))
    used = "".join(f"<n{n}:a/>" for n in range(100))
    raw = f"<feed {spaces}>" + f"<entry><alert>{used}</alert></entry>" * 2_000 + "</feed>"
    found = read_feed(raw.encode())
    assert sum(len(entry.alert) for entry in found.entries) <= 2 * FeedLimits().max_bytes


def test_entries_beyond_the_limit_are_left_out_and_it_is_said() -> None:
    raw = rss("".join(f"<item><link>http://a.example/{n}</link></item>" for n in range(12)))
    found = read_feed(raw, limits=FeedLimits(entries=10))
    assert len(found.entries) == 10
    assert "more than 10 entries" in found.problems[0]


NAMES = st.sampled_from(
    ["feed", "entry", "rss", "channel", "item", "alert", "content", "link", "guid", "contentObject", "updated"]
)


@given(st.recursive(st.text("<>&;a0:", max_size=8), lambda inner: st.tuples(NAMES, st.lists(inner, max_size=4))))
def test_any_tree_of_the_right_words_is_read(tree: object) -> None:
    def text(node: object) -> str:
        if isinstance(node, tuple):
            return f"<{node[0]}>{''.join(map(text, node[1]))}</{node[0]}>"
        return str(node)

    found = read_feed(text(tree).encode(), url=URL)
    for entry in found.entries:
        assert bool(entry.alert) != bool(entry.link)
        if entry.alert:
            etree.fromstring(entry.alert)


@given(st.binary(max_size=400), st.integers(0, 3_000), st.integers(0, 40))
def test_any_damage_to_a_feed_is_survived(damage: bytes, place: int, gone: int) -> None:
    raw = rss(f"<item><title>T</title>{BARE}</item><item><link>http://a.example/1</link></item>")
    assert isinstance(read_feed(raw[:place] + damage + raw[place + gone :], url=URL), ReadFeed)
