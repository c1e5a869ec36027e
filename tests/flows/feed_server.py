"""A feed server on the loopback that a test can change, and a client that reaches it: what a source is to us.

It answers conditional requests as RFC 9110 §13 has it, counts what it was asked, and is a hub when asked for one.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
from aiohttp import web


class Said(NamedTuple):
    """What a client hands back (gateway.flows.fetching.Answer)."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = {}
    detail: str = ""


class LoopbackClient:
    """A client without a guard, for a server on this machine."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, most_bytes: int = 4096
    ) -> Said:
        """One request, no redirect followed."""
        try:
            async with self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer:
                got = b""
                while len(got) < most_bytes and (part := await answer.content.read(most_bytes - len(got))):
                    got += part
                return Said(answer.status, got, dict(answer.headers))
        except aiohttp.ClientError as error:
            return Said(detail=type(error).__name__)


@dataclass
class Page:
    """One document of the server."""

    body: bytes
    etag: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class FeedServer:
    """Documents by path; what is not there is 404."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, Page] = {}
        self.asked: Counter[str] = Counter()
        self.unchanged: Counter[str] = Counter()
        self.forms: list[dict[str, str]] = []

    def put(self, path: str, body: bytes | str, *, etag: str = "", status: int = 200, **headers: str) -> None:
        """Serve this from now on."""
        raw = body.encode() if isinstance(body, str) else body
        self.pages[path] = Page(raw, etag, status, {name.replace("_", "-"): value for name, value in headers.items()})

    async def answer(self, request: web.Request) -> web.Response:
        """What aiohttp calls."""
        self.asked[request.path] += 1
        if request.method == "POST":
            self.forms.append({name: str(value) for name, value in (await request.post()).items()})
            return web.Response(status=202)
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if page.etag and request.headers.get("If-None-Match") == page.etag:
            self.unchanged[request.path] += 1
            return web.Response(status=304, headers={"ETag": page.etag})
        headers = page.headers | ({"ETag": page.etag} if page.etag else {})
        return web.Response(status=page.status, body=page.body, headers=headers)


@asynccontextmanager
async def a_feed_server() -> AsyncIterator[tuple[FeedServer, LoopbackClient]]:
    """A server on a free port of the loopback, and a client for it."""
    server, app = FeedServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield server, LoopbackClient(session)
    finally:
        await runner.cleanup()


def atom(*entries: str, head: str = "", updated: str = "2026-11-21T12:00:00Z") -> str:
    """An Atom feed around entries."""
    return (
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:cap='urn:oasis:names:tc:emergency:cap:1.2'>"
        f"<id>urn:x</id><title>Upstream</title><updated>{updated}</updated>{head}{''.join(entries)}</feed>"
    )


def linked(number: int, inside: str = "", updated: str = "2026-11-21T12:00:00Z") -> str:
    """An entry that links to /alerts/{number}.xml."""
    return (
        f"<entry><id>e{number}</id><title>T</title><updated>{updated}</updated>"
        f"<link href='/alerts/{number}.xml' type='application/cap+xml'/>{inside}</entry>"
    )


def holding(document: bytes) -> str:
    """An entry that holds an alert."""
    return f"<entry><id>h</id><content type='text/xml'>{document.decode().partition('?>')[2]}</content></entry>"
