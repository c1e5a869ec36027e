"""The page behind the link of a mail: one click ends messages of that class, for people and for mail programs.

Knows: the link's form, the one-click POST. Never knows: whose link it is, which class, SQL.
Standard: RFC 8058 §3.2 (the POST of mail programs; a GET changes nothing, since scanners follow every link).
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.errors import StoreUnavailable
from gateway.web.button import button_page, language_of, said_page

READ_TIMEOUT_S = 5.0
MOST_TAG_CHARACTERS = 60

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
        language = language_of(request, WORDS)
        title, button, _ = WORDS[language]
        return button_page(language, title, button)

    async def act(self, request: web.Request) -> web.Response:
        """Done, also when it was done before; a foreign link is answered alike, so that trying is useless."""
        tag, language = request.match_info["tag"], language_of(request, WORDS)
        async with asyncio.timeout(READ_TIMEOUT_S):
            await request.content.readany()  # List-Unsubscribe=One-Click, and nothing that is needed
        if len(tag) <= MOST_TAG_CHARACTERS:
            try:
                await self._unsubscribe(tag)
            except StoreUnavailable:
                raise web.HTTPServiceUnavailable(headers={"Retry-After": "30"}) from None
        title, _, thanks = WORDS[language]
        return said_page(language, title, thanks)
