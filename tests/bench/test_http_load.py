"""The client that reads one page again and again."""

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.http_load import answer_bytes, read_again


@given(st.binary(max_size=200), st.sampled_from([b"Content-Length", b"content-length"]), st.binary(max_size=50))
def test_an_answer_ends_where_its_length_says(body: bytes, name: bytes, more: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\n%b: %d\r\n\r\n" % (name, len(body))
    assert answer_bytes(head + body + more) == len(head + body)
    assert answer_bytes(head[:-1]) is None


def test_a_length_may_stand_last_and_a_304_has_no_body() -> None:
    assert answer_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc") == 41
    unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"
    assert answer_bytes(unchanged) == len(unchanged)


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        answer_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


async def test_a_page_is_read_until_the_time_is_over_with_the_headers_given() -> None:
    seen = []

    async def page(request: web.Request) -> web.Response:
        seen.append(request.headers.get("If-None-Match"))
        return web.Response(text="x" * 100)

    app = web.Application()
    app.add_routes([web.get("/page", page)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/page"
    took_s, elapsed_s = await read_again(url, connections=3, seconds=0.2, headers={"If-None-Match": '"a"'})
    await runner.cleanup()
    assert len(took_s) == len(seen) >= 3
    assert set(seen) == {'"a"'}
    assert elapsed_s >= 0.2
    assert all(0 < took < elapsed_s for took in took_s)


async def test_a_server_that_hangs_up_is_an_error() -> None:
    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(OSError, match=r"closed|reset"):
        await read_again(url, connections=1, seconds=5, headers={})
    server.close()
    await server.wait_closed()
