"""Everything of /v1 that a person does with their own identity: signing in, sessions, ways to sign in.

Knows: which pages there are; they share one door and one kind of cookie. Never knows: what any of them does.
"""

from urllib.parse import urlsplit

from aiohttp import web

from gateway.flows.passkeys import Passkeys, RelyingParty
from gateway.log import unit_logger
from gateway.store.pool import Store
from gateway.web.access import Access
from gateway.web.cookies import Cookies
from gateway.web.sessions import SessionPages
from gateway.web.sign_in import SignInPages
from gateway.web.sign_in_settings import SignInSettings


def identity_routes(store: Store, access: Access, url: str, settings: SignInSettings) -> list[web.RouteDef]:
    """The routes to add to the application; `url` is how browsers reach it."""
    cookies, lasting = Cookies.at(url), settings.lasting()
    party = RelyingParty(settings.rp_id or urlsplit(url).hostname or "localhost", settings.rp_name, cookies.origin)
    passkeys = Passkeys(store, party, lasting, log=unit_logger("gateway.sign-in"))
    return [
        *SessionPages(store, access, cookies).routes(),
        *SignInPages(store, access, cookies, passkeys, lasting).routes(),
    ]
