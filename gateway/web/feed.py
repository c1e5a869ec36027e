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

from gateway.cap.derive import Attachment
from gateway.cap.feed import CAP_MEDIA_TYPE, FeedEntry, FeedInfo
from gateway.errors import StoreUnavailable
from gateway.flows.publishing import FeedKind, FeedName
from gateway.web.held import CORS, Held, HeldCache, answer_of, hold
from gateway.web.problem import problem
from gateway.web.topic import KINDS, SLUG, Kind, Query, Topic, offered, path_of, read_query, read_topic

STORE_TIMEOUT_S = 5.0
ALERT_MAX_AGE_S = 3600
RETRY_S = 1.0
_STAMPS = {FeedKind.PUBLIC: "", FeedKind.EXERCISE: " - EXERCISE", FeedKind.HEARTBEAT: " - HEARTBEAT"}
_OUR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_REST = "/cap/{any:.*}"
_RESOURCE = "/cap/alerts/{alert:[A-Za-z0-9_-]{1,64}}/resources/{number:[0-9]{1,3}}"
# what a browser may be told that it is; anything else is a file to save
_SHOWN_TYPES = frozenset({
    "application/pdf", "audio/aac", "audio/mpeg", "audio/ogg", "audio/wav", "image/gif", "image/jpeg", "image/png",
    "image/webp", "text/plain", "video/mp4", "video/webm",
})  # fmt: skip
_RESOURCE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


class FeedSource(Protocol):
    """What the feeds show. `version` counts up whenever an answer of `entries` may have changed; reading it is free."""

    version: int

    async def entries(self, name: FeedName) -> Sequence[FeedEntry] | None:
        """The alerts that a feed shows now; None when there is no such feed."""
        ...

    async def authority(self, slug: str) -> str | None:
        """The name of an authority, "" for all of them, None when there is none of this slug."""
        ...

    async def alert_xml(self, public_id: str) -> bytes | None:
        """A public alert in its published form, by our own id."""
        ...

    async def attachment(self, public_id: str, number: int) -> Attachment | None:
        """What stood inside a public alert and was cut from its published form."""
        ...

    async def public_ids(self, identifier: str) -> list[str]:
        """Our ids of the public alerts that carry this CAP identifier."""
        ...


class Content(NamedTuple):
    """What a subscriber of a topic gets."""

    body: bytes
    media_type: str


@dataclass(slots=True)
class _Shelf:
    """One feed's entries of one version, and the documents made of them so far."""

    version: int
    title: str
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
        self._shelves: dict[FeedName, _Shelf] = {}
        self._alerts_version = -1
        self._alerts = HeldCache(most=500, most_bytes=16_777_216)
        self._making = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application; GET answers HEAD as well."""
        routes = [
            web.get("/cap/alerts/{alert:.+}.xml", self.alert),
            web.get(_RESOURCE, self.resource),
        ]
        for of in FeedKind:
            for kind in KINDS:
                routes.append(web.get(path_of(FeedName(of), kind.suffix), self._handler(kind, of)))
                if of is not FeedKind.HEARTBEAT:
                    pattern = path_of(FeedName(of, f"{{authority:{SLUG}}}"), kind.suffix)
                    routes.append(web.get(pattern, self._handler(kind, of)))
        # last: what is no page is not there, for it is not that GET can not be asked of it
        return [*routes, web.options(_REST, self.preflight), web.get(_REST, self.nothing)]

    async def content(self, topic_url: str) -> Content | None:
        """What subscribers of a topic get now: its first page, as it is. None when it is no topic (any more)."""
        topic = read_topic(topic_url, self._url)
        held = None if topic is None else await self._document(topic.kind, topic.feed, Query(topic.language))
        return None if topic is None or held is None else Content(held.plain.body, topic.kind.media_type)

    async def topic(self, topic_url: str) -> Topic | None:
        """The document that a URL names, when there is such a feed."""
        topic = read_topic(topic_url, self._url)
        if topic is None or await self._source.authority(topic.feed.authority) is None:
            return None
        return topic

    def _handler(self, kind: Kind, of: FeedKind) -> Callable[[web.Request], Awaitable[web.Response]]:
        whole = FeedName(of)

        async def feed(request: web.Request) -> web.Response:
            query = request.rel_url.raw_query_string
            wanted = Query() if not query else read_query(request.query)
            if wanted is None:
                return self._refused(400, "bad-query", "lang is a language tag such as fr; page is a number from 1 on.")
            authority = request.match_info.get("authority")
            try:
                held = await self._document(kind, FeedName(of, authority) if authority else whole, wanted)
            except (StoreUnavailable, TimeoutError):
                return self._away()
            if held is None:
                return self._refused(404, "no-such-page", "There is no such feed, or it has no such page.")
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

    async def resource(self, request: web.Request) -> web.Response:
        """What stood inside an alert, as a file of strangers: never shown as a page of ours."""
        alert, number = request.match_info["alert"], int(request.match_info["number"])
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                found = await self._source.attachment(alert, number)
        except (StoreUnavailable, TimeoutError):
            return self._away()
        if found is None:
            return self._refused(404, "no-such-alert", "No public alert has such a resource.")
        self._counted(200)
        kind = found.mime_type.lower()
        headers = {
            **CORS,
            "Content-Type": kind if kind in _SHOWN_TYPES else "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{alert}-{number}"',
            "Content-Security-Policy": _RESOURCE_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": f"public, max-age={ALERT_MAX_AGE_S}",
        }
        return web.Response(body=found.content, headers=headers)

    async def nothing(self, _: web.Request) -> web.Response:
        """There is no such page."""
        raise web.HTTPNotFound

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

    async def _document(self, kind: Kind, name: FeedName, wanted: Query) -> Held | None:
        shelf = self._shelves.get(name)
        if shelf is None or shelf.version != self._source.version:
            shelf = await self._fresh(name)
            if shelf is None:
                return None
        language = offered(shelf.languages, wanted.language)
        held = shelf.documents.get((kind.suffix, language, wanted.page))
        if held is not None:
            return held
        async with self._making:
            if wanted.page > 1 and wanted.page > (await self._made(shelf, kind, name, language, 1)).pages:
                return None
            return await self._made(shelf, kind, name, language, wanted.page)

    async def _fresh(self, name: FeedName) -> _Shelf | None:
        """The shelf of the present version; the old one, while the store is away; None when there is no such feed."""
        async with self._making:
            old, version = self._shelves.get(name), self._source.version
            now_s = asyncio.get_running_loop().time()
            if old is not None and (old.version == version or now_s - old.tried_at < RETRY_S):
                return old
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    found, authority = await self._source.entries(name), await self._source.authority(name.authority)
            except (StoreUnavailable, TimeoutError):
                if old is None:
                    raise
                old.tried_at = now_s
                return old
            if found is None:
                self._shelves.pop(name, None)
                return None
            return self._shelved(name, version, tuple(found), authority or "")

    def _shelved(self, name: FeedName, version: int, entries: tuple[FeedEntry, ...], authority: str) -> _Shelf:
        """A new shelf; the old one when it holds the same entries, so that its documents stay what they are."""
        old = self._shelves.get(name)
        if old is not None and old.entries == entries:
            old.version = version
            return old
        # a second change within a second counts as one of the next: If-Modified-Since knows no fractions
        modified = self._clock().replace(microsecond=0)
        if old is not None:
            modified = max(modified, old.modified + timedelta(seconds=1))
        title = self._title + (f" - {authority}" if authority else "") + _STAMPS[name.kind]
        languages = frozenset(text.language.lower() for entry in entries for text in entry.texts)
        shelf = self._shelves[name] = _Shelf(version, title, entries, modified, languages)
        return shelf

    async def _made(self, shelf: _Shelf, kind: Kind, name: FeedName, language: str, page: int) -> Held:
        """The document from the shelf, or made now, beside the event loop. The caller holds the lock."""
        held = shelf.documents.get((kind.suffix, language, page))
        if held is None:
            info = self._info(shelf, kind, name, language)
            held = await asyncio.to_thread(self._make, info, shelf, kind, language, page)
            shelf.documents.put((kind.suffix, language, page), held)
        return held

    def _make(self, info: FeedInfo, shelf: _Shelf, kind: Kind, language: str, page: int) -> Held:
        document = kind.write(info, shelf.entries, language=language or None, page=page)
        links = f'<{info.self_url}>; rel="self"' + (f', <{info.hub_url}>; rel="hub"' if info.hub_url else "")
        headers = {"Content-Type": kind.media_type, "Cache-Control": self._cache, "Link": links}
        return hold(document.body, headers, shelf.modified)._replace(pages=document.pages)

    def _info(self, shelf: _Shelf, kind: Kind, name: FeedName, language: str) -> FeedInfo:
        url = f"{self._url}{path_of(name, kind.suffix)}{f'?lang={language}' if language else ''}"
        return FeedInfo(
            id=url,
            title=shelf.title,
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
