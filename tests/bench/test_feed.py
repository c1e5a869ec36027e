"""How fast the feed is read, in small."""

import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.bench import feed
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted

WRK = """Running 5s test @ http://127.0.0.1:8080/cap/feed.atom
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.55ms    1.10ms  31.20ms   92.50%
    Req/Sec    12.60k     1.02k   14.10k    78.00%
  Latency Distribution
     50%    2.31ms
     75%    2.80ms
     90%    3.40ms
     99%  812.00us
  62775 requests in 5.01s, 2.06GB read
Requests/sec:  12530.99
Transfer/sec:    420.87MB
"""


async def test_the_feed_is_read_whole_and_then_not_modified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_client", lambda: "own")
    found = await feed.measure(Wanted(seconds=0.6, connections=2), Line(io.StringIO()))
    assert found["bench"] == "feed"
    assert found["messages"] > 0
    assert found["not_modified"]["messages"] > 0
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert found["settings"]["alerts"] == feed.ALERTS
    assert found["settings"]["feed_bytes"] > 1000


@pytest.mark.peer("wrk")
async def test_wrk_reads_the_feed_and_its_own_words_are_understood() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(status=304 if _.headers.get("If-None-Match") == '"x"' else 200)

    app = web.Application()
    app.add_routes([web.get(feed.PATH, page)])
    async with TestServer(app, port=0) as server:
        load = await feed._wrk(str(server.make_url(feed.PATH)), 2, 1.0, {"If-None-Match": '"x"'})
    assert load.answers > 0
    assert load.p50_ms is not None and load.p99_ms is not None
    assert 0 < load.p50_ms <= load.p99_ms


def test_the_figures_of_wrk_are_read() -> None:
    assert feed.read_wrk(WRK) == feed.Load(62775, 5.01, 2.3, 0.8)


@pytest.mark.parametrize("said", ["", "unable to connect to 127.0.0.1:1: Connection refused"])
def test_wrk_that_measured_nothing_is_an_error(said: str) -> None:
    with pytest.raises(ValueError, match="wrk said"):
        feed.read_wrk(said)
