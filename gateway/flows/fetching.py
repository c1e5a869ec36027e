"""One document from a stranger's server: redirects followed, size bounded, compression undone, never an exception.

Knows: HTTP's conditional requests, redirects and content codings. Never knows: which addresses may be asked (the client
refuses those), what a document says.
Standard: RFC 9110 §8.4 (Content-Encoding), §13 (conditional requests), §15.4 (redirects).
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin, urlsplit

REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_HEADER_CHARACTERS = 1_000


class Answer(Protocol):
    """What a client hands back. `status` 0: there was no answer, and `detail` says why in a word."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def detail(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Client(Protocol):
    """A way out that refuses addresses it should not ask and follows no redirect by itself."""

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, most_bytes: int = 4096
    ) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The end of a request. `status` is 200 only for a whole document; `problem` is a word or two for a failure."""

    status: int
    url: str
    body: bytes = b""
    etag: str = ""
    last_modified: str = ""
    retry_after: str = ""
    problem: str = ""


async def fetch(
    client: Client, url: str, *, accept: str, most_bytes: int, etag: str = "", last_modified: str = ""
) -> Fetched:
    """GET, conditional when `etag` or `last_modified` (as the server wrote them) are given."""
    asked = {"Accept": accept, "Accept-Encoding": "gzip, deflate, identity;q=0.5"}
    # RFC 9110 §13.1.2: with If-None-Match a server passes over If-Modified-Since
    asked |= {"If-None-Match": etag} if etag else {}
    asked |= {"If-Modified-Since": last_modified} if last_modified else {}
    for _ in range(REDIRECTS + 1):
        answer = await client.fetch("GET", url, headers=asked, most_bytes=most_bytes + 1)
        headers = {name.lower(): value[:_HEADER_CHARACTERS] for name, value in answer.headers.items()}
        if answer.status not in _MOVED:
            return _ended(answer, headers, url, most_bytes)
        there = _redirected(url, headers.get("location", ""))
        if not there:
            return Fetched(status=0, url=url, problem="it leads to no address, or away from https")
        url = there
    return Fetched(status=0, url=url, problem="too many redirects")


def _redirected(url: str, location: str) -> str:
    """The next address; "" when there is none or it would give up encryption."""
    try:
        there = urljoin(url, location)
        kept = urlsplit(url).scheme != "https" or urlsplit(there).scheme == "https"
    except ValueError:
        return ""
    return there if location and kept else ""


def _ended(answer: Answer, headers: Mapping[str, str], url: str, most_bytes: int) -> Fetched:
    retry_after = headers.get("retry-after", "")
    if answer.status != 200:
        problem = answer.detail or ("" if answer.status == 304 else f"HTTP {answer.status}")
        return Fetched(status=answer.status, url=url, retry_after=retry_after, problem=problem)
    body = plain(answer.body, headers.get("content-encoding", ""), most_bytes)
    if body is None:
        return Fetched(status=0, url=url, problem=f"more than {most_bytes} bytes, or badly compressed")
    return Fetched(
        status=200,
        url=url,
        body=body,
        etag=_as_sent(headers.get("etag", "")),
        last_modified=_as_sent(headers.get("last-modified", "")),
        retry_after=retry_after,
    )


def _as_sent(header: str) -> str:
    """A validator that can be sent back: a cut or odd one would never match."""
    return header if len(header) < _HEADER_CHARACTERS and header.isprintable() and header.isascii() else ""


def plain(body: bytes, coding: str, most_bytes: int) -> bytes | None:
    """The body without its content coding; None when it is larger than `most_bytes`, cut off or not decodable."""
    if len(body) > most_bytes:
        return None
    match coding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip" | "deflate":
            return _inflated(body, most_bytes)
    return None


def _inflated(body: bytes, most_bytes: int) -> bytes | None:
    machine = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        data = machine.decompress(body, most_bytes + 1)
    except zlib.error:
        return None
    return data if machine.eof and len(data) <= most_bytes else None
