"""The hub over HTTP: forms of subscribers in, 202 out; everything else happens later.

Knows: the form's media type and size, which refusal is which status. Never knows: SQL, leases, who is subscribed.
Standard: W3C WebSub (23 January 2018), §5.1, §5.2.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import StoreUnavailable
from gateway.flows.hub import Taken
from gateway.flows.publishing import FeedName
from gateway.policy.subscription import HubRules, Unreadable, Wish, read_request
from gateway.web.held import CORS

BODY_MAX_BYTES = 16_384
FIELDS_MAX = 100
READ_TIMEOUT_S = 5.0
STORE_TIMEOUT_S = 10.0
RETRY_FULL_S = 3_600
RETRY_BUSY_S = 60
_FORM = "application/x-www-form-urlencoded"


class Named(Protocol):
    """A topic that exists."""

    @property
    def feed(self) -> FeedName:
        """The feed that it shows."""
        ...


class HubPages:
    """POST /cap/hub. `topic` finds what a URL names, `refusal` judges callbacks, `take` keeps a wish."""

    def __init__(
        self,
        *,
        take: Callable[[Wish, FeedName], Awaitable[Taken]],
        topic: Callable[[str], Awaitable[Named | None]],
        refusal: Callable[[str], str],
        rules: HubRules,
    ) -> None:
        self._take, self._topic, self._refusal = take, topic, refusal
        self._rules = rules

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.post("/cap/hub", self.ask)]

    async def ask(self, request: web.Request) -> web.Response:
        """A wish to subscribe or to unsubscribe. 202: it was kept, and its callback will be asked."""
        pairs = await _form(request)
        if isinstance(pairs, web.Response):
            return pairs
        wish = read_request(pairs, self._rules)
        if isinstance(wish, Unreadable):
            return _said(400, wish.detail)
        if reason := self._refusal(wish.callback):
            return _said(400, f"hub.callback can not be used: {reason}")
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                topic = await self._topic(wish.topic)
                if topic is None:
                    return _said(404, "hub.topic is no feed of this hub; take the rel=self link of the feed")
                return _answer(await self._take(wish, topic.feed))
        except (StoreUnavailable, TimeoutError):
            return _said(503, "The wish can not be kept now. Try again.", retry_after_s=RETRY_BUSY_S)


def _answer(taken: Taken) -> web.Response:
    match taken:
        case Taken.ACCEPTED:
            # WebSub §5.1.2
            return _said(202, "The callback will be asked whether it wants this.")
        case Taken.FULL:
            return _said(503, "There is no room for another subscriber of this host.", retry_after_s=RETRY_FULL_S)
        case Taken.TOO_MANY:
            return _said(429, "There are too many requests. Try again later.", retry_after_s=RETRY_BUSY_S)


async def _form(request: web.Request) -> list[tuple[str, str]] | web.Response:
    """The fields of the form, or the refusal."""
    if request.content_type != _FORM:
        return _said(415, f"Send a form: {_FORM}")
    if (request.content_length or 0) > BODY_MAX_BYTES:
        return _said(413, f"A request has at most {BODY_MAX_BYTES} bytes")
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            raw = await _read(request)
    except TimeoutError:
        return _said(408, "The request did not come in time")
    if raw is None:
        return _said(413, f"A request has at most {BODY_MAX_BYTES} bytes")
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, encoding="utf-8", errors="strict"
        )
    except ValueError:
        return _said(400, "The form can not be read")


async def _read(request: web.Request) -> bytes | None:
    """The whole body, None when it is too long."""
    parts, size = [], 0
    while part := await request.content.readany():
        size += len(part)
        if size > BODY_MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _said(status: int, words: str, *, retry_after_s: int | None = None) -> web.Response:
    # WebSub §5.1.2: a refusal says why in plain text
    headers = {**CORS, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return web.Response(status=status, text=words + "\n", headers=headers)
