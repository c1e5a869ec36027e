"""A held document is answered as HTTP wants it: an ETag per encoding, 304 for those who have it, bounded memory."""

import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.web.held import HeldCache, answer_of, hold

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BODY = b"<feed>" + b"smoke " * 500 + b"</feed>"
HELD = hold(BODY, {"Content-Type": "application/atom+xml", "Cache-Control": "public, max-age=15"}, NOON)


def status(**headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer_of(make_mocked_request("GET", "/", headers=named), HELD).status


def date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def test_a_document_is_hashed_compressed_and_dated_once() -> None:
    assert HELD.plain.etag == f'"{sha256(BODY).hexdigest()}"'
    assert HELD.zipped.etag != HELD.plain.etag
    assert gzip.decompress(HELD.zipped.body) == BODY
    assert HELD.plain.headers["Last-Modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    assert HELD.plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in HELD.plain.headers
    assert HELD.zipped.headers["Content-Encoding"] == "gzip"
    assert hold(BODY, {"Content-Type": "application/atom+xml", "Cache-Control": "public, max-age=15"}, NOON) == HELD


def test_a_304_repeats_what_caches_need_and_no_more() -> None:
    assert set(HELD.plain.unchanged) == {
        "ETag",
        "Cache-Control",
        "Vary",
        "Last-Modified",
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
    }


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("gzip;q=0.05", True),
    ],
)
def test_the_body_is_compressed_for_those_who_take_it(accepted: str, zipped: bool) -> None:
    answer = answer_of(make_mocked_request("GET", "/", headers={"Accept-Encoding": accepted}), HELD)
    assert answer.body == (HELD.zipped.body if zipped else BODY)
    assert answer.headers["ETag"] == (HELD.zipped.etag if zipped else HELD.plain.etag)


def test_who_has_the_document_is_not_sent_it_again() -> None:
    assert status() == 200
    assert status(If_None_Match=HELD.plain.etag) == 304
    assert status(If_None_Match=HELD.zipped.etag) == 304
    assert status(If_None_Match=f'"old", W/{HELD.plain.etag}') == 304
    assert status(If_None_Match="*") == 304
    assert status(If_None_Match='"old"') == 200
    assert status(If_Modified_Since=date(NOON)) == 304
    assert status(If_Modified_Since=date(NOON + timedelta(hours=1))) == 304
    assert status(If_Modified_Since=date(NOON - timedelta(seconds=1))) == 200
    assert status(If_Modified_Since="Saturday, 21-Nov-26 12:00:00 GMT") == 304
    assert status(If_Modified_Since="yesterday") == 200


def test_a_tag_that_does_not_match_is_not_saved_by_a_date() -> None:
    assert status(If_None_Match='"old"', If_Modified_Since=date(NOON)) == 200


def test_a_cache_is_bounded_in_number_and_bytes() -> None:
    cache = HeldCache(most=3, most_bytes=1_000_000)
    for number in range(5):
        cache.put(number, HELD)
    assert [cache.get(number) is not None for number in range(5)] == [False, False, True, True, True]
    small = HeldCache(most=100, most_bytes=HELD.size_bytes * 2)
    for number in (1, 2, 2, 2, 3):
        small.put(number, HELD)
    assert len(small) == 2
    assert small.get(3) is HELD
    small.clear()
    assert len(small) == 0
    tiny = HeldCache(most=100, most_bytes=1)
    tiny.put(1, HELD)
    assert tiny.get(1) is HELD
