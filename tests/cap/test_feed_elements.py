"""The parts of an entry."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.cap.feed_elements import (
    NO_HINTS,
    alert_link,
    base_of,
    child_text,
    embedded,
    hints,
    instant,
    standing_alone,
    text_of,
    web_address,
)

BASE = "https://a.example/feeds/x.atom"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entry(inside: str, more: str = "") -> etree._Element:
    return etree.fromstring(f"<entry xmlns:cap='urn:oasis:names:tc:emergency:cap:1.2' {more}>{inside}</entry>")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21t12:00:00.250z",
        "2026-11-21 12:00:00",
        "Sat, 21 Nov 2026 12:00:00 GMT",
        "21 Nov 2026 13:00:00 +0100",
    ],
)
def test_every_way_to_write_a_moment_is_read(text: str) -> None:
    assert instant(text) == NOON


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00Z", "9" * 65, "0000-01-01T00:00:00+14:00", "Sat, 99"]
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert instant(text) is None


@given(st.text(max_size=70) | st.text("0123456789T:-+Z, aJn", max_size=64))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    found = instant(text)
    assert found is None or found.utcoffset() is not None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.xml", "https://a.example/feeds/1.xml"),
        ("//b.example/1", "https://b.example/1"),
        (" https://b.example/ a \n b ", "https://b.example/ab"),
        ("https://b.example/é?q=ä&x=%20#part", "https://b.example/%C3%A9?q=%C3%A4&x=%20"),
        ("ftp://b.example/1", ""),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("https://user:word@b.example/", ""),
        ("https://", ""),
        ("http://[::1", ""),
        ("https://b\u00e9.example/", ""),
        ("https://b.example/" + "a" * 2_000, ""),
        ("", ""),
    ],
)
def test_an_address_is_one_of_the_web_or_nothing(text: str, address: str) -> None:
    assert web_address(text, BASE) == address


@given(st.text(max_size=60) | st.text("htps:/[]@.#?%a\\\t", max_size=40))
def test_any_text_is_an_address_or_nothing(text: str) -> None:
    found = web_address(text, BASE)
    assert found == "" or (found.startswith(("http://", "https://")) and found.isascii() and " " not in found)
    assert found == web_address(found) or not found


@pytest.mark.parametrize(
    ("inside", "link"),
    [
        ("<link rel='self' href='/s'/><link href='/page' type='text/html'/><link href='/1' rel='related'/>", "/1"),
        ("<link href='/any'/><link href='/1' type='application/xml'/>", "/1"),
        ("<link href='/any'/><link href='/1' type='application/common-alerting-protocol+xml'/>", "/1"),
        ("<content src='/1' type='application/cap+xml'/><link href='/any'/>", "/1"),
        ("<link href='mailto:x@a.example'/><link href='/1' rel='enclosure'/>", "/1"),
        ("<link href='/page' type='text/html'/>", ""),
        ("<link rel='hub' href='/1'/>", ""),
        ("<id>https://a.example/1</id>", ""),
    ],
)
def test_the_best_link_is_taken(inside: str, link: str) -> None:
    assert alert_link(entry(inside), BASE) == (f"https://a.example{link}" if link else "")


def test_a_base_inside_the_document_counts() -> None:
    assert base_of(entry("", "xml:base='/deep/'"), BASE) == "https://a.example/deep/"
    assert base_of(entry("", "xml:base='javascript:x'"), BASE) == BASE
    assert base_of(entry(""), BASE) == BASE


def test_hints_are_those_in_the_namespace_of_cap() -> None:
    said = hints(
        entry(
            "<expires>no</expires><cap:identifier>A-1</cap:identifier><cap:sender>s</cap:sender>"
            "<cap:sent>2026-11-21T12:00:00-00:00</cap:sent><cap:expires>2026-11-21T13:00:00-00:00</cap:expires>"
        )
    )
    assert said == ("A-1", "s", "2026-11-21T12:00:00-00:00", NOON + timedelta(hours=1))
    assert hints(entry("<expires>2026-11-21T13:00:00Z</expires>")) == NO_HINTS


def test_texts_are_one_line_and_not_longer_than_wanted() -> None:
    assert child_text(entry("<title>\n a <b>b</b>\tc </title>"), "title") == "a b c"
    assert child_text(entry("<title/><title>x</title>"), "title") == "x"
    assert len(text_of(entry("y" * 10_000))) == 500
    assert text_of(None) == ""


@pytest.mark.parametrize(
    "inside",
    [
        "<nonXMLContent><mimeType>application/cap+xml</mimeType><contentData>###</contentData></nonXMLContent>",
        "<nonXMLContent><mimeType>text/plain</mimeType><contentData>eA==</contentData></nonXMLContent>",
        "<content>&lt;html&gt;</content>",
        "<content>an alert</content>",
        "<alert xmlns='http://other.example'/>",
    ],
)
def test_what_is_no_alert_is_not_taken_for_one(inside: str) -> None:
    assert list(embedded(entry(inside))) == []


def test_an_alert_under_too_many_namespaces_is_left_out() -> None:
    many = " ".join(f"xmlns:n{n}='http://{n}.example'" for n in range(60))
    (alert,) = entry("<alert/>", many)
    assert standing_alone(alert) == b""
    assert list(embedded(entry("<alert/>", many))) == []
