"""Tokens over HTTP: credentials of an entity's machines, and all there are of the entity's, machines' and persons'.

Knows: routes, JSON; that a token for the live world works only once a second administrator has agreed.
Never knows: SQL, what a mandate allows. See schemas/openapi.yaml.
"""

from aiohttp import web
from pydantic import AwareDatetime, Field

from gateway.model import ChannelName, MessageClass, Purpose, Realm, Role
from gateway.store import persons
from gateway.store.persons import Grant, NewMandate
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, taking
from gateway.web.persons import TEXT, by_number, ended, not_found, plain


class NewToken(Body):
    """A machine that is to alert in the entity's name, and what it may send; `note` says who holds it."""

    note: str = Field(min_length=1, max_length=200, pattern=TEXT)
    realm: Realm = Realm.TEST
    classes: frozenset[MessageClass] = Field(min_length=1)
    channels: frozenset[ChannelName] = Field(min_length=1)
    purposes: frozenset[Purpose] = frozenset(Purpose)
    partnership: str | None = Field(default=None, max_length=63)
    expires: AwareDatetime | None = None


class TokenPages(Pages):
    """Handlers of /v1/tokens; all are for administrators."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/tokens", known(self.list_tokens, admin)),
            web.post("/v1/tokens", known(taking(NewToken, self.post_token), admin)),
            web.post("/v1/tokens/{token}/confirm", known(self.confirm_token, admin)),
            web.post("/v1/tokens/{token}/revoke", known(self.revoke_token, admin)),
        ]

    async def list_tokens(self, request: web.Request) -> web.Response:
        """The entity's tokens without their secrets."""
        most, after = paging.limit(request), paging.after(request)
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            rows = await persons.tokens(connection, request[AUTHORITY].entity_id, after, most)
        return paging.page("tokens", rows, most, plain, lambda row: str(row["id"]))

    async def post_token(self, request: web.Request, body: NewToken) -> web.Response:
        """A token, shown this once; one for the live world waits for a second administrator."""
        authority = request[AUTHORITY]
        confirmed = persons.OPERATOR if body.realm is Realm.TEST else None
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            known = {one["slug"]: one["id"] for one in await persons.partnerships(connection, authority.entity_id)}
            if body.partnership is not None and body.partnership not in known:
                return not_found()
            mandate = NewMandate(
                classes=sorted(body.classes), channels=sorted(body.channels), purposes=sorted(body.purposes),
                partnership=known.get(body.partnership or ""),
            )  # fmt: skip
            number, secret = await persons.make_token(
                connection, authority.entity_id, body.realm, mandate, Grant(authority.holder, confirmed),
                note=body.note, expires_at=body.expires,
            )  # fmt: skip
        told = {"number": number, "token": secret, "confirmed": confirmed is not None}
        return web.json_response(told, status=201)

    async def confirm_token(self, request: web.Request) -> web.Response:
        """A second administrator agrees to what the list shows: a token never changes."""
        return await by_number(self._store, request, "token", persons.confirm_token)

    async def revoke_token(self, request: web.Request) -> web.Response:
        """End a token now, on every node."""
        return await ended(self._store, request, "token", persons.end_token)
