"""Everything of /v1 that a person does with their own identity: signing in, sessions, ways to sign in.

Knows: which pages there are; they share one door and one kind of cookie. Never knows: what any of them does.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from aiohttp import web

from gateway.flows.passkeys import Passkeys, RelyingParty
from gateway.flows.second_way import SecondWay
from gateway.log import unit_logger
from gateway.policy.registration import source_of
from gateway.store.pool import Store
from gateway.web.access import Access
from gateway.web.cookies import Cookies
from gateway.web.invitations import InvitationPages
from gateway.web.oidc import Fetch, Provider
from gateway.web.outward import Guard, Outward, networks
from gateway.web.providers import ProviderPages
from gateway.web.sessions import SessionPages
from gateway.web.sign_in import SignInPages
from gateway.web.sign_in_settings import SignInSettings

ANYWHERE = ("0.0.0.0/0", "::/0")  # providers are the operator's choice, and often in the house


@asynccontextmanager
async def identity_routes(
    store: Store, access: Access, url: str, settings: SignInSettings,
    proxies: Sequence[IPv4Network | IPv6Network] = (),
) -> AsyncIterator[list[web.RouteDef]]:  # fmt: skip
    """The routes to add to the application; `url` is how browsers reach it, and where providers send them back."""
    async with Outward(Guard(allowed=networks(ANYWHERE)), agent="cap-alert-gateway") as outward:
        yield routes(store, access, url, settings, proxies, outward.fetch)


def routes(
    store: Store, access: Access, url: str, settings: SignInSettings, proxies: Sequence[IPv4Network | IPv6Network],
    fetch: Fetch,
) -> list[web.RouteDef]:  # fmt: skip
    """The same over any way to ask providers."""
    cookies, lasting, log = Cookies.at(url), settings.lasting(), unit_logger("gateway.sign-in")
    party = RelyingParty(settings.rp_id or urlsplit(url).hostname or "localhost", settings.rp_name, cookies.origin)
    providers = {
        one.name: Provider(one, f"{url}/v1/sign-in/oidc/{one.name}/end", fetch, now_s=time.time)
        for one in settings.providers
    }
    second = SecondWay(store, settings.secret.get_secret_value(), settings.rp_name, lasting, now_s=time.time)

    def source(request: web.Request) -> str:
        return source_of(request.remote or "", request.headers.get("X-Forwarded-For", ""), proxies)

    pages = ProviderPages(
        store, access, cookies, providers=providers, second=second, lasting=lasting, page=settings.page, source=source,
        log=log,
    )  # fmt: skip
    return [
        *SessionPages(store, access, cookies).routes(),
        *SignInPages(store, access, cookies, Passkeys(store, party, lasting, log=log), lasting).routes(),
        *InvitationPages(store, cookies, lasting, settings.page).routes(),
        *pages.routes(),
    ]
