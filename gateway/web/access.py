"""Who asks: the holder of a bearer token, found once for every request to /v1.

Knows: RFC 6750 (bearer tokens). Never knows: what is asked, SQL; whether it may be done is for policy.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.model import Role
from gateway.policy.rights import Authority
from gateway.store import registry
from gateway.store.pool import Store
from gateway.web.problem import problem

AUTHORITY = web.RequestKey("authority", Authority)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MOST_TOKEN_CHARACTERS = 200


class Access:
    """The one door of /v1: a handler behind `known` finds its authority in request[AUTHORITY]."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self, handler: Handler, *roles: Role) -> Handler:
        """The handler for whoever holds a token that works (else 401), as a person with one of the roles (else 403)."""

        async def authorised(request: web.Request) -> web.StreamResponse:
            authority = await self._authority(request)
            if authority is None:
                return problem(
                    401, "unauthorized", "Send Authorization: Bearer gw_live_... or gw_test_... with a token that is "
                    "neither expired nor revoked.", headers={"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
            if any("\0" in word for word in request.match_info.values()):
                return problem(404, "not-found", "Nothing of yours has this name.")
            if roles and authority.suspended:
                return problem(403, "suspended", "You are suspended, or your entity is: nothing can be changed.")
            if roles and not authority.roles & frozenset(roles):
                words = ", ".join(roles)
                return problem(403, "no-role", f"This is for persons with the role {words}, with a token of their own.")
            request[AUTHORITY] = authority
            return await handler(request)

        return authorised

    async def _authority(self, request: web.Request) -> Authority | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.startswith("gw_") or not token.isascii():
            return None
        if len(token) >= MOST_TOKEN_CHARACTERS:
            return None
        async with self._store.connection() as connection:
            return await registry.authority_of_token(connection, token.strip())
