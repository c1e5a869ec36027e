"""The page behind the link of an invitation: one click opens it, in the browser that its owner works with.

Knows: the link's form, which cookie is given. Never knows: whose invitation it is, SQL.
"""

from aiohttp import web

from gateway.policy.invitation import WORDS, words_in
from gateway.store import sessions
from gateway.store.pool import Store
from gateway.store.sessions import Lasting, NotOpened
from gateway.web.button import button_page, language_of, said_page
from gateway.web.cookies import Cookies

PATH = "/invitations/{invitation}"
MOST_CHARACTERS = 200


class InvitationPages:
    """GET /invitations/{invitation}: a page with one button. POST: opened. `page` is where people go on, "" for words
    only."""

    def __init__(self, store: Store, cookies: Cookies, lasting: Lasting, page: str) -> None:
        self._store = store
        self._cookies = cookies
        self._lasting = lasting
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get(PATH, self.ask), web.post(PATH, self.act)]

    async def ask(self, request: web.Request) -> web.Response:
        """The same page for every link."""
        language = language_of(request, WORDS)
        words = words_in(language)
        return button_page(language, words.title, words.button)

    async def act(self, request: web.Request) -> web.Response:
        """Opened, or why not."""
        language = language_of(request, WORDS)
        words = words_in(language)
        # our pages tell no referrer, so that their Origin is null: nobody else's page may open it for a visitor
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return said_page(language, words.title, words.failed, 403)
        secret = request.match_info["invitation"].replace("\0", "")[:MOST_CHARACTERS]
        async with self._store.acting("invitation") as connection:
            opened = await sessions.open_invitation(connection, secret, None, self._lasting)
        if isinstance(opened, NotOpened):
            known = opened is NotOpened.SIGN_IN_FIRST
            return said_page(language, words.title, words.known if known else words.failed, 409 if known else 403)
        answer = said_page(language, words.title, words.opened)
        if self._page:
            answer = web.Response(status=303, headers={"Location": self._page, "Cache-Control": "no-store"})
        assert opened.secret is not None  # nobody was signed in
        self._cookies.give(answer, "session", opened.secret)
        return answer
