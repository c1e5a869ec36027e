"""Addresses of feeds lead to one document, and what is no address of ours leads nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.publishing import HEARTBEAT, PUBLIC, FeedKind, FeedName
from gateway.web.topic import KINDS, Query, offered, path_of, read_query, read_topic

US = "https://alerts.example/base"
SLUGS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True).filter(lambda slug: slug != "exercise")
FEEDS = st.one_of(
    st.just(HEARTBEAT),
    st.builds(FeedName, st.sampled_from([FeedKind.PUBLIC, FeedKind.EXERCISE]), st.one_of(st.just(""), SLUGS)),
)


@given(FEEDS, st.sampled_from(KINDS), st.sampled_from(["", "fr", "nl-be"]))
def test_every_feed_is_found_again_by_its_address(feed: FeedName, kind: object, language: str) -> None:
    suffix = kind.suffix  # type: ignore[attr-defined]
    topic = read_topic(US + path_of(feed, suffix) + (f"?lang={language}" if language else ""), US)
    assert topic is not None
    assert (topic.feed, topic.kind, topic.language) == (feed, kind, language)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://alerts.example/cap/feed.atom",
        f"{US}/cap/feed.atom?page=2",
        f"{US}/cap/feed.atom?lang=%00",
        f"{US}/cap/feed.atom#x",
        f"{US}/cap/feed.html",
        f"{US}/cap/alerts/abc.xml",
        f"{US}/cap/../cap/feed.atom",
        f"{US}/cap/heartbeat/feed.atom?{'&'.join('a=1' for _ in range(30))}",
        f"{US}/cap/a/b/feed.atom",
        f"{US}//cap/feed.atom",
        f"{US}/cap/feed.atom\n",
    ],
)
def test_what_is_no_first_page_of_a_feed_is_no_topic(url: str) -> None:
    assert read_topic(url, US) is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading_of_a_topic(text: str) -> None:
    assert read_topic(US + text, US) is None or text.startswith("/cap/")
    read_topic(f"{US}/cap/feed.atom?{text}", US)


def test_a_query_names_a_language_and_a_page() -> None:
    assert read_query({}) == Query("", 1)
    assert read_query({"lang": "FR-be", "page": "12", "other": "\x00"}) == Query("fr-be", 12)
    assert read_query({"lang": "f"}) is None
    assert read_query({"page": "0"}) is None


def test_a_language_is_cut_down_to_one_that_is_there() -> None:
    there = frozenset({"fr-be", "nl"})
    assert offered(there, "nl-BE".lower()) == "nl"
    assert offered(there, "fr") == "fr"
    assert offered(there, "de") == ""
    assert offered(there, "") == ""


def test_the_public_feed_lies_where_it_always_lay() -> None:
    assert path_of(PUBLIC, "atom") == "/cap/feed.atom"
    assert path_of(FeedName(FeedKind.EXERCISE), "rss") == "/cap/exercise/feed.rss"
    assert path_of(HEARTBEAT, "atom") == "/cap/heartbeat.atom"
