"""The page behind the link of a mail to a citizen: one click proves the address.

Knows: the link's form. Never knows: whose address it is, SQL.
"""

from aiohttp import web

from gateway.flows.registering import Registering
from gateway.policy.registration import WORDS, words_in
from gateway.web.button import button_page, language_of, said_page


class ConfirmPages:
    """GET /citizens/confirm/{handle}.{code}: a page with one button. POST: proven."""

    def __init__(self, registering: Registering) -> None:
        self._registering = registering

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/citizens/confirm/{link}", self.ask), web.post("/citizens/confirm/{link}", self.act)]

    async def ask(self, request: web.Request) -> web.Response:
        """The same page for every link."""
        language = language_of(request, WORDS)
        words = words_in(language)
        return button_page(language, words.subject, words.button)

    async def act(self, request: web.Request) -> web.Response:
        """Proven, or why not."""
        handle, _, code = request.match_info["link"].replace("\0", "")[:200].rpartition(".")
        answer = await self._registering.confirm(handle, code)
        language = language_of(request, WORDS)
        words = words_in(language)
        done = answer.status == 200
        return said_page(language, words.subject, words.done if done else words.failed, answer.status)
