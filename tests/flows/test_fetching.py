"""One document from a stranger's server."""

import gzip
import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.fetching import REDIRECTS, fetch, plain
from tests.flows.feed_server import Said

URL = "https://a.example/feed"


class Scripted:
    """A client that says what the script has for each address, and keeps what it was asked."""

    def __init__(self, script: Mapping[str, Said]) -> None:
        self.script = script
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, most_bytes: int = 4096
    ) -> Said:
        self.asked.append((url, headers))
        said = self.script.get(url, Said(404))
        return said._replace(body=said.body[:most_bytes])


async def test_a_document_comes_with_what_makes_the_next_request_cheap() -> None:
    headers = {"ETag": 'W/"1"', "last-modified": "Sat, 21 Nov 2026 12:00:00 GMT", "Retry-After": "5"}
    client = Scripted({URL: Said(200, b"body", headers)})
    got = await fetch(client, URL, accept="x/y", most_bytes=10)
    assert (got.status, got.body, got.etag, got.last_modified) == (200, b"body", 'W/"1"', headers["last-modified"])
    await fetch(client, URL, accept="x/y", most_bytes=10, etag=got.etag, last_modified=got.last_modified)
    assert client.asked[0][1] == {"Accept": "x/y", "Accept-Encoding": "gzip, deflate, identity;q=0.5"}
    assert client.asked[1][1].items() >= {("If-None-Match", 'W/"1"'), ("If-Modified-Since", headers["last-modified"])}


async def test_not_modified_is_no_problem_and_a_failure_is_one() -> None:
    script = {URL: Said(304), "https://b.example/": Said(0, detail="TimeoutError")}
    assert (await fetch(Scripted(script), URL, accept="*/*", most_bytes=9)).problem == ""
    failed = await fetch(Scripted(script), "https://b.example/", accept="*/*", most_bytes=9)
    assert (failed.status, failed.problem) == (0, "TimeoutError")
    missing = await fetch(Scripted({}), URL, accept="*/*", most_bytes=9)
    assert (missing.status, missing.problem) == (404, "HTTP 404")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_to_the_end(status: int) -> None:
    script = {
        URL: Said(status, headers={"Location": "../b"}),
        "https://a.example/b": Said(status, headers={"location": "https://c.example/d"}),
        "https://c.example/d": Said(200, b"x"),
    }
    got = await fetch(Scripted(script), URL, accept="*/*", most_bytes=9)
    assert (got.status, got.body, got.url) == (200, b"x", "https://c.example/d")


@pytest.mark.parametrize("location", ["", "http://a.example/plain", "ftp://a.example/", "https://[::1"])
async def test_a_redirect_to_nowhere_or_away_from_https_is_a_failure(location: str) -> None:
    script = {URL: Said(302, headers={"Location": location} if location else {})}
    got = await fetch(Scripted(script), URL, accept="*/*", most_bytes=9)
    assert (got.status, got.problem) == (0, "it leads to no address, or away from https")


async def test_a_circle_of_redirects_ends() -> None:
    client = Scripted({URL: Said(302, headers={"Location": URL})})
    assert (await fetch(client, URL, accept="*/*", most_bytes=9)).problem == "too many redirects"
    assert len(client.asked) == REDIRECTS + 1


async def test_a_body_over_the_limit_is_no_document() -> None:
    for size, status in ((10, 200), (11, 0)):
        got = await fetch(Scripted({URL: Said(200, b"x" * size)}), URL, accept="*/*", most_bytes=10)
        assert got.status == status


async def test_a_validator_that_can_not_be_sent_back_is_not_kept() -> None:
    for etag in ("x" * 5_000, 'é"', "a\nb"):
        got = await fetch(Scripted({URL: Said(200, b"", {"ETag": etag})}), URL, accept="*/*", most_bytes=9)
        assert got.etag == ""


@given(st.binary(max_size=500))
def test_content_codings_are_undone(data: bytes) -> None:
    for coding, packed in (
        ("", data),
        ("identity", data),
        ("GZIP", gzip.compress(data, mtime=0)),
        ("deflate", zlib.compress(data)),
    ):
        assert plain(packed, coding, 500 + 100) == data


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"\0" * 10_000_000, mtime=0), "gzip"),
        (gzip.compress(b"x" * 50, mtime=0)[:-4], "gzip"),
        (b"not packed", "gzip"),
        (b"x", "br"),
        (b"", "gzip"),
    ],
)
def test_what_is_too_much_cut_off_or_unknown_is_none(body: bytes, coding: str) -> None:
    assert plain(body, coding, 20_000) is None
