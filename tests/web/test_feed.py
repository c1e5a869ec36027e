"""The feed as its readers meet it: over HTTP, with conditions, languages, pages and an independent parser."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from gateway.flows.publishing import PUBLIC
from tests.web.feed_source import EXERCISE, Client, Source, a_reader, entry, pages_of, parsed, text


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def counted() -> list[int]:
    return []


@pytest.fixture
async def client(source: Source, counted: list[int]) -> AsyncIterator[Client]:
    async with a_reader(pages_of(source, counted.append)) as client:
        yield client


@pytest.mark.parametrize(("kind", "media_type"), [("atom", "application/atom+xml"), ("rss", "application/rss+xml")])
async def test_a_feed_reader_understands_the_feed(client: Client, kind: str, media_type: str) -> None:
    answer = await client.get(f"/cap/feed.{kind}")
    assert answer.content_type == media_type
    assert answer.headers["Cache-Control"] == "public, max-age=15"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert 'rel="hub"' in answer.headers["Link"]
    found = await parsed(answer)
    assert [item.title for item in found.entries] == ["Brand 2", "Brand 1"]
    links = {link.rel: link.href for link in found.feed.links}
    assert links["self"] == f"https://alerts.example/cap/feed.{kind}"
    assert links["hub"] == "https://alerts.example/cap/hub"


async def test_the_feed_is_json_and_geojson_as_well(client: Client) -> None:
    answer = await client.get("/cap/feed.json")
    assert answer.content_type == "application/feed+json"
    assert len(json.loads(await answer.read())["items"]) == 2
    answer = await client.get("/cap/feed.geojson")
    assert answer.content_type == "application/geo+json"
    assert json.loads(await answer.read())["type"] == "FeatureCollection"


async def test_exercises_have_a_feed_of_their_own(client: Client, source: Source) -> None:
    source.shown[EXERCISE] = [replace(entry(9), status="Exercise")]
    found = await parsed(await client.get("/cap/exercise/feed.atom"))
    assert [item.title for item in found.entries] == ["OEFENING - Brand 9"]
    assert "EXERCISE" in found.feed.title
    assert len((await parsed(await client.get("/cap/feed.atom"))).entries) == 2


@pytest.mark.parametrize(
    ("lang", "title"), [("fr", "Incendie 2"), ("FR-be", "Incendie 2"), ("fr-CA", "Incendie 2"), ("it", "Brand 2")]
)
async def test_a_language_can_be_chosen(client: Client, lang: str, title: str) -> None:
    assert (await parsed(await client.get("/cap/feed.atom", params={"lang": lang}))).entries[0].title == title


async def test_other_spellings_of_a_query_make_no_other_documents(client: Client) -> None:
    tags = {
        (await client.get(f"/cap/feed.atom{query}")).headers["ETag"]
        for query in ("", "?lang=it", "?lang=xx-yy", "?page=1", "?nocache=123", "?lang=")
    }
    assert len(tags) == 1


@pytest.mark.parametrize("query", ["lang=f", "lang=fr;drop", "lang=%00", "page=0", "page=-1", "page=x", "page=99999"])
async def test_a_query_that_makes_no_sense_is_refused(client: Client, counted: list[int], query: str) -> None:
    answer = await client.get(f"/cap/feed.atom?{query}")
    assert answer.status == 400
    assert (await answer.json(content_type=None))["reason"] == "bad-query"
    assert counted == [400]


async def test_a_reader_that_has_the_feed_gets_304_until_it_changes(
    client: Client, source: Source, counted: list[int]
) -> None:
    first = await client.get("/cap/feed.atom")
    conditions = {"If-None-Match": first.headers["ETag"]}
    again = await client.get("/cap/feed.atom", headers=conditions)
    assert again.status == 304
    assert await again.read() == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    source.shown[PUBLIC].append(entry(3))
    source.version += 1
    changed = await client.get("/cap/feed.atom", headers=conditions)
    assert len((await parsed(changed)).entries) == 3
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert counted == [200, 304, 200]


async def test_two_changes_in_one_second_can_be_told_apart_by_date(client: Client, source: Source) -> None:
    first = await client.get("/cap/feed.atom")
    assert first.headers["Last-Modified"] == "Sat, 21 Nov 2026 13:00:00 GMT"
    source.shown[PUBLIC].append(entry(3))
    source.version += 1
    dated = {"If-Modified-Since": first.headers["Last-Modified"]}
    second = await client.get("/cap/feed.atom", headers=dated)
    assert second.status == 200
    dated = {"If-Modified-Since": second.headers["Last-Modified"]}
    assert (await client.get("/cap/feed.atom", headers=dated)).status == 304


async def test_an_entry_that_leaves_changes_the_feed(client: Client, source: Source) -> None:
    first = await client.get("/cap/feed.atom")
    source.shown[PUBLIC].pop()
    source.version += 1
    assert (await client.get("/cap/feed.atom", headers={"If-None-Match": first.headers["ETag"]})).status == 200


async def test_a_new_version_with_the_same_entries_stays_the_same_document(client: Client, source: Source) -> None:
    first = await client.get("/cap/feed.atom")
    source.version += 1
    assert (await client.get("/cap/feed.atom", headers={"If-None-Match": first.headers["ETag"]})).status == 304


async def test_entries_are_read_once_a_version_however_many_ask(client: Client, source: Source) -> None:
    answers = await asyncio.gather(*(client.get("/cap/feed.atom") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert source.asked == ["entries Actual"]


async def test_the_body_travels_compressed_when_the_reader_takes_it(client: Client) -> None:
    plain = await client.get("/cap/feed.atom", headers={"Accept-Encoding": "identity"})
    zipped = await client.get("/cap/feed.atom", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert int(zipped.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert await plain.read() == await zipped.read()
    assert plain.headers["ETag"] != zipped.headers["ETag"]


async def test_head_says_what_get_would_send(client: Client) -> None:
    get = await client.get("/cap/feed.atom", headers={"Accept-Encoding": "identity"})
    head = await client.head("/cap/feed.atom", headers={"Accept-Encoding": "identity"})
    assert head.status == 200
    assert await head.read() == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert head.headers["ETag"] == get.headers["ETag"]


async def test_a_page_on_another_site_may_ask_with_conditions(client: Client) -> None:
    answer = await client.options(
        "/cap/feed.json",
        headers={
            "Origin": "https://map.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "if-none-match",
        },
    )
    assert answer.status == 204
    assert "If-None-Match" in answer.headers["Access-Control-Allow-Headers"]
    assert (await client.post("/cap/feed.json")).status == 405


async def test_a_long_feed_has_pages(client: Client, source: Source) -> None:
    long = "x" * 60_000
    source.shown[PUBLIC] = [entry(number, replace(text("en", "Fire"), summary=long)) for number in range(20)]
    url: str | None = "/cap/feed.atom"
    seen: list[str] = []
    while url:
        found = await parsed(await client.get(url))
        seen += [item.id.rpartition("/")[2] for item in found.entries]
        following = [link.href for link in found.feed.links if link.rel == "next"]
        url = following[0].removeprefix("https://alerts.example") if following else None
    assert seen == [str(number) for number in range(19, -1, -1)]
    answer = await client.get("/cap/feed.atom?page=3")
    assert answer.status == 404
    assert (await answer.json(content_type=None))["reason"] == "no-such-page"


async def test_an_alert_is_its_own_bytes_and_asked_for_once(client: Client, source: Source, counted: list[int]) -> None:
    answer = await client.get("/cap/alerts/abc.xml")
    assert answer.content_type == "application/cap+xml"
    assert await answer.read() == source.xml["abc"]
    again = await client.get("/cap/alerts/abc.xml", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    assert source.asked == ["xml abc"]
    source.version += 1
    await client.get("/cap/alerts/abc.xml")
    assert source.asked == ["xml abc", "xml abc"]
    assert counted == [200, 304, 200]


async def test_a_cap_identifier_leads_to_the_alert(client: Client, counted: list[int]) -> None:
    name = quote("urn:oid:2.49/1 é%41", safe="")
    answer = await client.get(f"/cap/alerts/{name}.xml", allow_redirects=False)
    assert answer.status == 302
    assert answer.headers["Location"] == "https://alerts.example/cap/alerts/abc.xml"
    assert counted == [302]


async def test_an_identifier_of_two_authorities_gives_the_choice(client: Client, counted: list[int]) -> None:
    answer = await client.get("/cap/alerts/A-1.xml", allow_redirects=False)
    assert answer.status == 300
    choices = (await answer.json())["choices"]
    assert choices == ["https://alerts.example/cap/alerts/abc.xml", "https://alerts.example/cap/alerts/def.xml"]
    assert all(f"<{choice}>" in answer.headers["Link"] for choice in choices)
    assert counted == [300]


@pytest.mark.parametrize("name", ["nothing", "a%2Fb", "%00", "x" * 3000, "..%2F..%2Fetc%2Fpasswd"])
async def test_an_alert_that_is_not_there_is_404(client: Client, name: str, counted: list[int]) -> None:
    assert (await client.get(f"/cap/alerts/{name}.xml")).status == 404
    assert counted == [404]


async def test_a_store_that_is_away_leaves_the_last_feed_standing(client: Client, source: Source) -> None:
    first = await client.get("/cap/feed.atom")
    source.away = True
    source.version += 1
    second = await client.get("/cap/feed.atom")
    assert second.status == 200
    assert second.headers["ETag"] == first.headers["ETag"]
    assert (await client.get("/cap/feed.rss")).status == 200
    assert source.asked == ["entries Actual", "entries Actual"]


async def test_a_store_that_was_never_there_is_503(client: Client, source: Source, counted: list[int]) -> None:
    source.away = True
    for url in ("/cap/feed.atom", "/cap/alerts/abc.xml"):
        answer = await client.get(url)
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
    assert counted == [503, 503]
    source.away = False
    assert (await client.get("/cap/feed.atom")).status == 200
