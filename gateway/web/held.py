"""Documents held ready: hashed, compressed and dated once, then answered from memory under HTTP's conditions.

Knows: ETag, Last-Modified, 304, gzip, CORS for anybody. Never knows: what the documents are.
Standard: RFC 9110 §8.8 (validators), §12.5.3 (Accept-Encoding), §13 (conditions), §15.4.5 (304).
"""

import gzip
import re
from collections import OrderedDict
from collections.abc import Hashable
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import NamedTuple

from aiohttp import web

CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Last-Modified, Link"}
_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")


class Encoded(NamedTuple):
    """A body in one encoding, with the headers of its 200 and of its 304."""

    body: bytes
    etag: str
    headers: dict[str, str]
    unchanged: dict[str, str]


class Held(NamedTuple):
    """A document ready to be sent, plain and compressed. `modified` is in whole seconds."""

    plain: Encoded
    zipped: Encoded
    modified: datetime
    last_modified: str
    pages: int = 1

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return len(self.plain.body) + len(self.zipped.body)


class HeldCache:
    """Documents by key, bounded in number and bytes; the oldest go first."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._held: OrderedDict[Hashable, Held] = OrderedDict()
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Hashable) -> Held | None:
        """The document, if it is still here."""
        return self._held.get(key)

    def put(self, key: Hashable, held: Held) -> None:
        """Keep one; it stays itself, however large."""
        before = self._held.pop(key, None)
        self._held[key] = held
        self._bytes += held.size_bytes - (before.size_bytes if before else 0)
        while len(self._held) > self._most or (self._bytes > self._most_bytes and len(self._held) > 1):
            _, gone = self._held.popitem(last=False)
            self._bytes -= gone.size_bytes

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
        self._bytes = 0


def hold(body: bytes, headers: dict[str, str], modified: datetime) -> Held:
    """The body made ready: compressed, hashed, its headers written."""
    digest = sha256(body).hexdigest()
    last_modified = format_datetime(modified.astimezone(UTC), usegmt=True)
    common = {
        **CORS,
        "Last-Modified": last_modified,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        **headers,
    }
    # RFC 9110 §8.8.3.3: each encoding has an ETag of its own
    plain = _encoded(body, f'"{digest}"', common)
    zipped = _encoded(gzip.compress(body, 6, mtime=0), f'"{digest}-gzip"', {**common, "Content-Encoding": "gzip"})
    return Held(plain, zipped, modified, last_modified)


def _encoded(body: bytes, etag: str, headers: dict[str, str]) -> Encoded:
    named = {**headers, "ETag": etag}
    # RFC 9110 §15.4.5: what a 304 repeats
    kept = ("ETag", "Cache-Control", "Vary", "Last-Modified", *CORS)
    return Encoded(body, etag, named, {name: named[name] for name in kept})


def answer_of(request: web.Request, held: Held) -> web.Response:
    """200 with the body in the encoding that the reader takes, or 304 when it has it."""
    accepted = request.headers.get("Accept-Encoding", "")
    encoded = held.zipped if "gzip" in accepted and not _NO_GZIP.search(accepted) else held.plain
    if _is_known(request, held):
        return web.Response(status=304, headers=encoded.unchanged)
    return web.Response(body=encoded.body, headers=encoded.headers)


def _is_known(request: web.Request, held: Held) -> bool:
    """Whether the reader has the document already, in either encoding."""
    if_none_match = request.headers.get("If-None-Match")
    # RFC 9110 §13.2.2: a date counts only without tags
    if if_none_match is not None:
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return "*" in tags or held.plain.etag in tags or held.zipped.etag in tags
    if_modified_since = request.headers.get("If-Modified-Since")
    if if_modified_since is None:
        return False
    if if_modified_since == held.last_modified:
        return True
    since = request.if_modified_since
    return since is not None and held.modified <= since
