"""The public feed over HTTP: documents made once per change, then handed out from memory; the alerts' own bytes.

Knows: which document a query asks for, when it has to be made again. Never knows: SQL, which alerts are public.
Standard: RFC 9110 §15.4 (300, 302), RFC 9111 §5.2 (Cache-Control), the Fetch standard's CORS.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from urllib.parse import quote

from aiohttp import web

from gateway.cap.feed import CAP_MEDIA_TYPE, Document, FeedEntry, FeedInfo
from gateway.cap.feed_json import geojson, json_feed
from gateway.cap.feed_xml import atom, rss
from gateway.errors import StoreUnavailable
from gateway.web.held import CORS, Held, HeldCache, answer_of, hold
from gateway.web.problem import problem

STORE_TIMEOUT_S = 5.0
ALERT_MAX_AGE_S = 3600
RETRY_S = 1.0
_PREFIXES = {False: "/cap", True: "/cap/exercise"}
_OUR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_PAGE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)


class FeedSource(Protocol):
    """What the feed shows. `version` counts up whenever an answer of `entries` may have changed; reading it is free."""

    version: int

    async def entries(self, exercise: bool) -> Sequence[FeedEntry]:
        """The alerts that the feed shows now."""
        ...

    async def alert_xml(self, public_id: str) -> bytes | None:
        """A public alert as it was received, by our own id."""
        ...

    async def public_ids(self, identifier: str) -> list[str]:
        """Our ids of the public alerts that carry this CAP identifier."""
        ...


class Writer(Protocol):
    """Makes one kind of document."""

    def __call__(self, info: FeedInfo, entries: Sequence[FeedEntry], *, language: str | None, page: int) -> Document:
        """One page."""
        ...


class Kind(NamedTuple):
    """A kind of document: the end of its address, its media type, who writes it."""

    suffix: str
    media_type: str
    write: Writer


KINDS = (
    Kind("atom", "application/atom+xml; charset=utf-8", atom),
    Kind("rss", "application/rss+xml; charset=utf-8", rss),
    Kind("json", "application/feed+json; charset=utf-8", json_feed),
    Kind("geojson", "application/geo+json; charset=utf-8", geojson),
)


@dataclass(slots=True)
class _Shelf:
    """One feed's entries of one version, and the documents made of them so far."""

    version: int
    entries: tuple[FeedEntry, ...]
    modified: datetime
    languages: frozenset[str]
    tried_at: float = -RETRY_S
    documents: HeldCache = field(default_factory=lambda: HeldCache(most=200, most_bytes=33_554_432))


def _now() -> datetime:
    return datetime.now(UTC)


class FeedPages:
    """GET, HEAD and OPTIONS of the feeds and of single alerts. `counted` is told the status of every answer."""

    def __init__(
        self,
        source: FeedSource,
        *,
        public_url: str,
        title: str,
        author: str,
        language: str = "en",
        max_age_s: int = 15,
        hub: bool = True,
        counted: Callable[[int], None] = lambda _: None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._source = source
        self._url = public_url.rstrip("/")
        self._title, self._author, self._language = title, author, language
        self._hub_url = f"{self._url}/cap/hub" if hub else ""
        self._cache = f"public, max-age={max_age_s}"
        self._counted = counted
        self._clock = clock
        self._shelves: dict[bool, _Shelf] = {}
        self._alerts_version = -1
        self._alerts = HeldCache(most=500, most_bytes=16_777_216)
        self._making = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application; GET answers HEAD as well."""
        routes = [web.get("/cap/alerts/{alert:.+}.xml", self.alert), web.options("/cap/{any:.*}", self.preflight)]
        for exercise, prefix in _PREFIXES.items():
            routes += [web.get(f"{prefix}/feed.{kind.suffix}", self._handler(kind, exercise)) for kind in KINDS]
        return routes

    def _handler(self, kind: Kind, exercise: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def feed(request: web.Request) -> web.Response:
            query = request.rel_url.raw_query_string
            wanted = _Query("", 1) if not query else _read_query(request)
            if wanted is None:
                return self._refused(400, "bad-query", "lang is a language tag such as fr; page is a number from 1 on.")
            try:
                held = await self._document(kind, exercise, wanted)
            except (StoreUnavailable, TimeoutError):
                return self._away()
            if held is None:
                return self._refused(404, "no-such-page", "The feed has no such page.")
            return self._answer(request, held)

        return feed

    async def alert(self, request: web.Request) -> web.Response:
        """One alert's bytes by our id; by its CAP identifier, the way there."""
        name = request.match_info["alert"]
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                held = await self._alert(name)
                if held is not None:
                    return self._answer(request, held)
                ids = await self._source.public_ids(name) if len(name) <= 1000 else []
        except (StoreUnavailable, TimeoutError):
            return self._away()
        return self._elsewhere(ids)

    async def preflight(self, _: web.Request) -> web.Response:
        """Any page may read the feed, with conditions, too."""
        allowed = {
            **CORS,
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
            "Access-Control-Allow-Headers": "If-None-Match, If-Modified-Since",
            "Access-Control-Max-Age": "86400",
        }
        return web.Response(status=204, headers=allowed)

    # --- answers

    def _answer(self, request: web.Request, held: Held) -> web.Response:
        answer = answer_of(request, held)
        self._counted(answer.status)
        return answer

    def _elsewhere(self, ids: list[str]) -> web.Response:
        urls = [f"{self._url}/cap/alerts/{quote(public_id, safe='')}.xml" for public_id in ids]
        if not urls:
            return self._refused(404, "no-such-alert", "No public alert has this id or this CAP identifier.")
        if len(urls) == 1:
            self._counted(302)
            return web.Response(status=302, headers={**CORS, "Location": urls[0], "Cache-Control": self._cache})
        self._counted(300)
        # RFC 9110 §15.4.1: several authorities used the identifier; the reader has to choose
        links = ", ".join(f'<{url}>; rel="alternate"; type="{CAP_MEDIA_TYPE}"' for url in urls)
        headers = {**CORS, "Cache-Control": self._cache, "Link": links}
        return web.json_response({"choices": urls}, status=300, headers=headers)

    def _refused(self, status: int, reason: str, detail: str) -> web.Response:
        self._counted(status)
        return problem(status, reason, detail, headers=CORS)

    def _away(self) -> web.Response:
        self._counted(503)
        headers = {**CORS, "Retry-After": "5"}
        return problem(503, "store-unavailable", "The feed can not be read now. Try again.", headers=headers)

    # --- documents

    async def _document(self, kind: Kind, exercise: bool, wanted: "_Query") -> Held | None:
        shelf = self._shelves.get(exercise)
        if shelf is None or shelf.version != self._source.version:
            shelf = await self._fresh(exercise)
        language = _offered(shelf.languages, wanted.language)
        held = shelf.documents.get((kind.suffix, language, wanted.page))
        if held is not None:
            return held
        async with self._making:
            if wanted.page > 1 and wanted.page > (await self._made(shelf, kind, exercise, language, 1)).pages:
                return None
            return await self._made(shelf, kind, exercise, language, wanted.page)

    async def _fresh(self, exercise: bool) -> _Shelf:
        """The shelf of the present version; the old one, while the store is away."""
        async with self._making:
            old, version = self._shelves.get(exercise), self._source.version
            now_s = asyncio.get_running_loop().time()
            if old is not None and (old.version == version or now_s - old.tried_at < RETRY_S):
                return old
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    entries = tuple(await self._source.entries(exercise))
            except (StoreUnavailable, TimeoutError):
                if old is None:
                    raise
                old.tried_at = now_s
                return old
            if old is not None and old.entries == entries:
                old.version = version
                return old
            # a second change within a second counts as one of the next: If-Modified-Since knows no fractions
            modified = self._clock().replace(microsecond=0)
            if old is not None:
                modified = max(modified, old.modified + timedelta(seconds=1))
            languages = frozenset(text.language.lower() for entry in entries for text in entry.texts)
            shelf = self._shelves[exercise] = _Shelf(version, entries, modified, languages)
            return shelf

    async def _made(self, shelf: _Shelf, kind: Kind, exercise: bool, language: str, page: int) -> Held:
        """The document from the shelf, or made now, beside the event loop. The caller holds the lock."""
        held = shelf.documents.get((kind.suffix, language, page))
        if held is None:
            info = self._info(shelf, kind, exercise, language)
            held = await asyncio.to_thread(self._make, info, shelf, kind, language, page)
            shelf.documents.put((kind.suffix, language, page), held)
        return held

    def _make(self, info: FeedInfo, shelf: _Shelf, kind: Kind, language: str, page: int) -> Held:
        document = kind.write(info, shelf.entries, language=language or None, page=page)
        links = f'<{info.self_url}>; rel="self"' + (f', <{info.hub_url}>; rel="hub"' if info.hub_url else "")
        headers = {"Content-Type": kind.media_type, "Cache-Control": self._cache, "Link": links}
        return hold(document.body, headers, shelf.modified)._replace(pages=document.pages)

    def _info(self, shelf: _Shelf, kind: Kind, exercise: bool, language: str) -> FeedInfo:
        url = f"{self._url}{_PREFIXES[exercise]}/feed.{kind.suffix}{f'?lang={language}' if language else ''}"
        return FeedInfo(
            id=url,
            title=f"{self._title} - EXERCISE" if exercise else self._title,
            self_url=url,
            # of the entries, so that several nodes make the same bytes
            updated=max((entry.updated for entry in shelf.entries), default=shelf.modified),
            author=self._author,
            language=language or self._language,
            hub_url=self._hub_url,
            home_url=self._url,
        )

    async def _alert(self, public_id: str) -> Held | None:
        if not _OUR_ID.fullmatch(public_id):
            return None
        if self._alerts_version != self._source.version:
            self._alerts_version = self._source.version
            self._alerts.clear()
        held = self._alerts.get(public_id)
        if held is None:
            raw = await self._source.alert_xml(public_id)
            if raw is None:
                return None
            headers = {"Content-Type": CAP_MEDIA_TYPE, "Cache-Control": f"public, max-age={ALERT_MAX_AGE_S}"}
            held = await asyncio.to_thread(hold, raw, headers, self._clock().replace(microsecond=0))
            self._alerts.put(public_id, held)
        return held


class _Query(NamedTuple):
    """What a query asks for: a language tag in lower case ("" for none) and a page."""

    language: str
    page: int


def _read_query(request: web.Request) -> _Query | None:
    """None for a query that makes no sense; parameters that are not ours are let pass."""
    language, page = request.query.get("lang", ""), request.query.get("page", "1")
    if (language and not _LANGUAGE.fullmatch(language)) or not _PAGE.fullmatch(page):
        return None
    return _Query(language.lower(), int(page))


def _offered(languages: frozenset[str], wanted: str) -> str:
    """The wanted tag cut down until some entry has it or a kin of it, so that few documents answer all wishes."""
    tag = wanted
    while tag:
        if tag in languages:
            return tag
        tag = tag.rpartition("-")[0]
    primary = wanted.partition("-")[0]
    return primary if any(language.partition("-")[0] == primary for language in languages) else ""
