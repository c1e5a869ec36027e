"""The feeds beside the public one: of an authority, of exercises, the heartbeat; what subscribers and alerts get."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.flows.publishing import HEARTBEAT
from gateway.web.feed import FeedPages
from tests.web.feed_source import FOREST, Client, Source, a_reader, entry, pages_of, parsed


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def pages(source: Source) -> FeedPages:
    return pages_of(source)


@pytest.fixture
async def client(pages: FeedPages) -> AsyncIterator[Client]:
    async with a_reader(pages) as client:
        yield client


async def test_an_authority_has_feeds_of_its_own(client: Client, source: Source) -> None:
    answer = await client.get("/cap/forest-vorst/feed.atom?lang=fr")
    found = await parsed(answer)
    assert [item.title for item in found.entries] == ["Incendie 2"]
    assert found.feed.title == "Alerts - Forest & Vorst"
    links = {link.rel: link.href for link in found.feed.links}
    assert links["self"] == "https://alerts.example/cap/forest-vorst/feed.atom?lang=fr"
    for kind in ("rss", "json", "geojson"):
        assert (await client.get(f"/cap/forest-vorst/feed.{kind}")).status == 200
    drill = await parsed(await client.get("/cap/forest-vorst/exercise/feed.atom"))
    assert drill.feed.title == "Alerts - Forest & Vorst - EXERCISE"
    assert drill.entries == []


@pytest.mark.parametrize("slug", ["nobody", "platform", "a-"])
async def test_an_authority_that_is_not_there_has_no_feed(client: Client, source: Source, slug: str) -> None:
    assert (await client.get(f"/cap/{slug}/feed.atom")).status == 404
    assert (await client.get(f"/cap/{slug}/exercise/feed.rss")).status == 404


@pytest.mark.parametrize("path", ["Forest-Vorst", "a" * 64, "forest-vorst%2F..", "-forest"])
async def test_what_is_no_slug_is_no_feed(client: Client, path: str) -> None:
    assert (await client.get(f"/cap/{path}/feed.atom")).status == 404


async def test_an_authority_that_leaves_takes_its_feed_along(client: Client, source: Source) -> None:
    assert (await client.get("/cap/forest-vorst/feed.atom")).status == 200
    del source.names["forest-vorst"]
    source.version += 1
    assert (await client.get("/cap/forest-vorst/feed.atom")).status == 404


async def test_the_heartbeat_has_a_feed_of_its_own_and_is_in_no_other(client: Client, source: Source) -> None:
    source.shown[HEARTBEAT] = [replace(entry(7), status="System")]
    found = await parsed(await client.get("/cap/heartbeat.atom"))
    assert [item.title for item in found.entries] == ["SYSTEM - Brand 7"]
    assert found.feed.title == "Alerts - HEARTBEAT"
    for path in ("/cap/feed.atom", "/cap/exercise/feed.atom", "/cap/forest-vorst/feed.atom"):
        assert all("/7" not in item.id for item in (await parsed(await client.get(path))).entries)


async def test_a_subscriber_gets_what_a_reader_gets(client: Client, pages: FeedPages) -> None:
    read = await client.get("/cap/forest-vorst/feed.rss?lang=fr", headers={"Accept-Encoding": "identity"})
    content = await pages.content("https://alerts.example/cap/forest-vorst/feed.rss?lang=fr")
    assert content is not None
    assert content.body == await read.read()
    assert content.media_type == read.headers["Content-Type"]
    assert await pages.content("https://alerts.example/cap/nobody/feed.atom") is None
    assert await pages.content("https://elsewhere.example/cap/feed.atom") is None


async def test_a_topic_is_a_feed_that_is_there(pages: FeedPages) -> None:
    found = await pages.topic("https://alerts.example/cap/forest-vorst/feed.atom")
    assert found is not None and found.feed == FOREST
    assert await pages.topic("https://alerts.example/cap/nobody/feed.atom") is None
    assert await pages.topic("https://alerts.example/cap/validate") is None


async def test_what_stood_inside_an_alert_is_a_file_and_never_a_page_of_ours(client: Client, source: Source) -> None:
    picture = await client.get("/cap/alerts/abc/resources/0")
    assert (picture.status, picture.content_type, await picture.read()) == (200, "image/png", b"PNG")
    page = await client.get("/cap/alerts/abc/resources/1")
    assert page.content_type == "application/octet-stream"
    for answer in (picture, page):
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await client.get("/cap/alerts/abc/resources/2")).status == 404
    source.away = True
    assert (await client.get("/cap/alerts/abc/resources/0")).status == 503
