"""The page behind the link of a mail: one click ends messages of that class, for people and for mail programs.

Knows: the link's form, the one-click POST. Never knows: whose link it is, which class, SQL.
Standard: RFC 8058 §3.2 (the POST of mail programs; a GET changes nothing, since scanners follow every link).
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from html import escape

from aiohttp import web

from gateway.errors import StoreUnavailable

READ_TIMEOUT_S = 5.0
MOST_TAG_CHARACTERS = 60
_STYLE = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.5rem 1rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}

WORDS = {
    "en": ("No more of these messages", "Stop them", "Done. Urgent alerts will still reach you."),
    "nl": ("Deze berichten niet meer ontvangen", "Stoppen", "Gedaan. Dringende waarschuwingen krijgt u nog wel."),
    "fr": ("Ne plus recevoir ces messages", "Arrêter", "C'est fait. Les alertes urgentes vous parviendront toujours."),
    "de": ("Diese Nachrichten nicht mehr erhalten", "Beenden", "Erledigt. Dringende Warnungen erhalten Sie weiterhin."),
}
"""Language -> title, button, thanks."""


class UnsubscribePages:
    """GET /unsubscribe/{tag}: a page with one button. POST: done."""

    def __init__(self, unsubscribe: Callable[[str], Awaitable[bool]]) -> None:
        """`unsubscribe` is told the tag; False when it is none of ours. May raise StoreUnavailable."""
        self._unsubscribe = unsubscribe

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/unsubscribe/{tag}", self.ask), web.post("/unsubscribe/{tag}", self.act)]

    async def ask(self, request: web.Request) -> web.Response:
        """The same page for every link, whether it is one of ours or not."""
        language = _language(request)
        title, button, _ = WORDS[language]
        form = f'<form method="post"><button type="submit">{escape(button)}</button></form>'
        return _page(language, title, form)

    async def act(self, request: web.Request) -> web.Response:
        """Done, also when it was done before; a foreign link is answered alike, so that trying is useless."""
        tag, language = request.match_info["tag"], _language(request)
        async with asyncio.timeout(READ_TIMEOUT_S):
            await request.content.readany()  # List-Unsubscribe=One-Click, and nothing that is needed
        if len(tag) <= MOST_TAG_CHARACTERS:
            try:
                await self._unsubscribe(tag)
            except StoreUnavailable:
                raise web.HTTPServiceUnavailable(headers={"Retry-After": "30"}) from None
        title, _, thanks = WORDS[language]
        return _page(language, title, f'<p role="status">{escape(thanks)}</p>')


def _language(request: web.Request) -> str:
    """The first language of the browser that there are words in."""
    asked = (
        one.partition(";")[0].strip()[:2].lower() for one in request.headers.get("Accept-Language", "").split(",")[:20]
    )
    return next((one for one in asked if one in WORDS), "en")


def _page(language: str, title: str, body: str) -> web.Response:
    text = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main><h1>{escape(title)}</h1>{body}</main></html>"
    )
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)
