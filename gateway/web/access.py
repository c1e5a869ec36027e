"""Who asks: the holder of a bearer token, or a person who signed in, found once for every request to /v1.

Knows: RFC 6750 (bearer tokens), the cookie of a session, that a request with a key is done once. Never knows: what is
asked, SQL; whether it may be done is for policy.
"""

from collections.abc import Collection, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network

from aiohttp import web

from gateway.model import Realm, Role
from gateway.policy.registration import peer_of
from gateway.policy.rights import Authority
from gateway.policy.security import may_come
from gateway.store import registry, sessions
from gateway.store.persons import digest_of
from gateway.store.pool import Store, again
from gateway.store.sessions import Session, State
from gateway.web import repeating
from gateway.web.bodies import Handler
from gateway.web.cookies import CSRF_HEADER, Cookies, carries_csrf_token
from gateway.web.problem import problem

AUTHORITY = web.RequestKey("authority", Authority)
SESSION = web.RequestKey("session", Session)
MOST_TOKEN_CHARACTERS = 200
ENTITY_HEADER, REALM_HEADER = "Gateway-Entity", "Gateway-Realm"


class Access:
    """The one door of /v1: a handler behind `known` finds its authority in request[AUTHORITY]; one behind `signed_in`
    its session in request[SESSION]. Without an address of ours nobody signs in, and tokens are all there is. `proxies`
    are ours: who they say is asking, is."""

    def __init__(self, store: Store, url: str = "", proxies: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._store = store
        self._proxies = proxies
        self._cookies = Cookies.at(url) if url else None
        self._repeats = repeating.Repeats(store)

    def known(self, handler: Handler, *roles: Role) -> Handler:
        """The handler for whoever holds a token that works or has signed in (else 401), as a person with one of the
        roles (else 403)."""

        async def authorised(request: web.Request) -> web.StreamResponse:
            authority = await self._authority(request)
            if isinstance(authority, web.Response):
                return authority
            way = request[SESSION].way if SESSION in request else ""
            forwarded = request.headers.get("X-Forwarded-For", "")
            refusal = may_come(authority, way, peer_of(request.remote or "", forwarded, self._proxies))
            if refusal is not None:
                return problem(refusal.status, refusal.reason, refusal.message)
            if any("\0" in word for word in request.match_info.values()):
                return problem(404, "not-found", "Nothing of yours has this name.")
            if roles and authority.suspended:
                return problem(403, "suspended", "You are suspended, or your entity is: nothing can be changed.")
            if roles and not authority.roles & frozenset(roles):
                words = ", ".join(roles)
                return problem(403, "no-role", f"This is for persons with the role {words}, with a token of their own.")
            request[AUTHORITY] = authority
            if request.method == "POST" and repeating.HEADER in request.headers:
                return await self._repeats.once(request, authority.entity_id, self._secret(request), handler)
            return await handler(request)

        return authorised

    def signed_in(self, handler: Handler, states: Collection[State] = (State.OPEN,), *, fresh: bool = False) -> Handler:
        """The handler for whoever has a session in one of these states (else 401 or 403), `fresh`: one that was just
        opened, for what a stolen cookie must not do."""

        async def authorised(request: web.Request) -> web.StreamResponse:
            session = await self.session(request)
            if isinstance(session, web.Response):
                return session
            if session.state not in states:
                return problem(403, "not-yet", f"This session is not open for that: it is {session.state.value}.")
            if fresh and session.state is State.OPEN and not session.fresh:
                return problem(403, "sign-in-again", "This asks for a fresh session: sign in again.")
            request[SESSION] = session
            return await handler(request)

        return authorised

    async def session(self, request: web.Request) -> Session | web.Response:
        """The session of a request's cookie, or why there is none: also when a forged request is suspected."""
        secret = self._cookies.read(request, "session") if self._cookies else ""
        if not secret:
            return _unknown()
        async with self._store.connection() as connection:
            found = await sessions.find(connection, secret)
        if found is None:
            return _unknown()
        assert self._cookies is not None
        if not carries_csrf_token(request, secret) or not self._cookies.is_own(request):
            detail = (
                f"A request with a cookie says {CSRF_HEADER}, as GET /v1/session told, and comes from our own pages."
            )
            return problem(403, "forged", detail)
        return found

    async def _authority(self, request: web.Request) -> Authority | web.Response:
        if "Authorization" not in request.headers and (secret := self._secret(request)):
            return await self._of_session(request, secret)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.startswith("gw_") or not token.isascii():
            return _unknown()
        if len(token) >= MOST_TOKEN_CHARACTERS:
            return _unknown()
        return await again(partial(self._of_token, token.strip())) or _unknown()

    async def _of_token(self, token: str) -> Authority | None:
        async with self._store.connection() as connection:
            return await registry.authority_of_token(connection, token)

    def _secret(self, request: web.Request) -> str:
        """What the asker came with: the header of a token, else the cookie of a session."""
        if "Authorization" in request.headers:
            return request.headers["Authorization"]
        return self._cookies.read(request, "session") if self._cookies else ""

    async def _of_session(self, request: web.Request, secret: str) -> Authority | web.Response:
        """As whom somebody acts: the headers say it for one request, else the session does."""
        session = await self.session(request)
        if isinstance(session, web.Response):
            return session
        entity = request.headers.get(ENTITY_HEADER, session.entity)
        realm = request.headers.get(REALM_HEADER, session.realm if entity == session.entity else Realm.TEST.value)
        if session.state is not State.OPEN or entity is None or realm is None:
            return problem(
                409, "choose-entity", "Say for whom you act: POST /v1/session, or the header Gateway-Entity. "
                "GET /v1/session lists your entities."
            )  # fmt: skip
        request[SESSION] = session
        found = None
        if entity.isascii() and realm in tuple(Realm):
            async with self._store.connection() as connection:
                found = await registry.authority_of_digest(connection, digest_of(secret), entity, realm)
        return found or problem(403, "not-yours", "You do not act for this entity in this world.")


class Pages:
    """Handlers that share the store and the door."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access


def _unknown() -> web.Response:
    return problem(
        401, "unauthorized", "Send Authorization: Bearer gw_live_... or gw_test_... with a token that is neither "
        "expired nor revoked, or sign in.", headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
