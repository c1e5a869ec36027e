"""Persons of an entity over HTTP: members, roles, mandates, invitations.

Knows: routes, JSON; that what an administrator gives waits for a second one, and what is taken away goes at once.
Never knows: SQL, what a mandate allows. See schemas/openapi.yaml.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, Field

from gateway.flows.suspending import Running, deal_with
from gateway.model import ChannelName, MessageClass, Purpose, Realm, Role
from gateway.store import invitations, persons, sessions
from gateway.store.persons import Grant, NewMandate
from gateway.store.pool import Connection, Store
from gateway.web import paging
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, taking
from gateway.web.conditions import shown, unmet, unmet_in_turn
from gateway.web.paging import number
from gateway.web.problem import problem

INVITED_FOR = timedelta(days=7)
EMAIL = r"^[^@\s\x00]{1,64}@[^@\s\x00]{1,189}$"
TEXT = r"^[^\x00]+$"


class NewPerson(Body):
    """Somebody who becomes a member."""

    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    email: str = Field(pattern=EMAIL, max_length=254)
    language: str = Field(default="nl", pattern="^[a-z]{2,3}$")
    roles: frozenset[Role] = frozenset()


class Change(Body):
    """What changes of a member; what is absent stays. `running`: what becomes of campaigns of who is suspended."""

    roles: frozenset[Role] | None = None
    suspended: bool | None = None
    running: Running = Running.GO_ON
    trained_on: date | None = None
    trained_until: date | None = None


class Mandate(Body):
    """What a member may send."""

    classes: frozenset[MessageClass] = Field(min_length=1)
    channels: frozenset[ChannelName] = Field(min_length=1)
    purposes: frozenset[Purpose] = frozenset(Purpose)
    partnership: str | None = Field(default=None, max_length=63)
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None


class Invitation(Body):
    """Which world it opens; `anew`: every way to sign in of before ends with it, for who lost theirs. `mail`: the link
    goes to the person's address, and nobody else sees it."""

    realm: Realm = Realm.TEST
    anew: bool = False
    mail: bool = False


class Redemption(Body):
    """The secret of an invitation."""

    invitation: str = Field(max_length=200)
    note: str = Field(default="", max_length=200)


class PersonPages:
    """Handlers of /v1/persons and what belongs to them; all but redeeming an invitation are for administrators."""

    def __init__(self, store: Store, access: Access, *, utcnow: Any, mails: bool = True) -> None:
        self._store = store
        self._access = access
        self._utcnow = utcnow
        self._mails = mails

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/persons", known(self.list_persons, admin, Role.OBSERVER)),
            web.post("/v1/persons", known(taking(NewPerson, self.post_person), admin)),
            web.get("/v1/persons/{person}", known(self.get_person, admin)),
            web.post("/v1/persons/{person}", known(taking(Change, self.change_person), admin)),
            web.post("/v1/persons/{person}/confirm", known(self.confirm_roles, admin)),
            web.post("/v1/persons/{person}/mandates", known(taking(Mandate, self.post_mandate), admin)),
            web.get("/v1/mandates/{mandate}", known(self.get_mandate, admin)),
            web.post("/v1/mandates/{mandate}/confirm", known(self.confirm_mandate, admin)),
            web.post("/v1/mandates/{mandate}/revoke", known(self.revoke_mandate, admin)),
            web.post("/v1/persons/{person}/invitations", known(taking(Invitation, self.post_invitation), admin)),
            web.get("/v1/invitations/{invitation}", known(self.get_invitation, admin)),
            web.post("/v1/invitations/{invitation}/confirm", known(self.confirm_invitation, admin)),
            web.post("/v1/invitations", taking(Redemption, self.redeem)),
        ]

    async def list_persons(self, request: web.Request) -> web.Response:
        """Members by name; `begins` finds those whose name begins so."""
        most, begins = paging.limit(request), paging.word(request, "begins")
        after, _, last = paging.word(request, "cursor").rpartition(".")
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            rows = await persons.page(
                connection, request[AUTHORITY].entity_id, begins=begins, after=(after, number(last, 0)), limit=most
            )
        return paging.page("persons", rows, most, _person, lambda row: f"{row['search']}.{row['id']}")

    async def post_person(self, request: web.Request, body: NewPerson) -> web.Response:
        """Somebody becomes a member; roles wait for a second administrator."""
        authority = request[AUTHORITY]
        async with self._store.acting(authority.holder) as connection:
            name, new = await persons.join(
                connection, authority.entity_id, name=body.name, email=body.email, language=body.language,
                roles=sorted(body.roles), grant=Grant(authority.holder, None),
            )  # fmt: skip
        if not new:
            return problem(409, "member-already", "There is a member with this address.", person=name)
        return web.json_response({"person": name, "links": {"person": f"/v1/persons/{name}"}}, status=201)

    async def get_person(self, request: web.Request) -> web.Response:
        """One member with all mandates."""
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            return shown(request, await self._whole(connection, request, row))

    async def change_person(self, request: web.Request, body: Change) -> web.Response:
        """Roles, training, suspension. What is taken away goes at once, what is given waits."""
        authority = request[AUTHORITY]
        async with self._store.acting(authority.holder) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            await persons.lock(connection, authority.entity_id, row["id"])
            row = await self._found(connection, request)
            if (refusal := unmet(request, await self._whole(connection, request, row))) is not None:
                return refusal
            if body.roles is not None:
                grant = Grant(authority.holder, None)
                await persons.set_roles(connection, authority.entity_id, row, sorted(body.roles), grant)
            if body.suspended is not None:
                await persons.suspend(connection, authority.entity_id, row["id"], body.suspended)
            if body.suspended:
                author = f"person:{row['id']}"
                await deal_with(connection, authority.entity_id, body.running, authority.holder, author)
            if {"trained_on", "trained_until"} & body.model_fields_set:
                on, until = body.trained_on, body.trained_until
                await persons.train(connection, authority.entity_id, row["id"], on, until)
            row = await self._found(connection, request)
            return shown(request, await self._whole(connection, request, row))

    async def confirm_roles(self, request: web.Request) -> web.Response:
        """A second administrator agrees to the roles that a member was given."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await self._found(connection, request)
            if row is not None:
                await persons.lock(connection, authority.entity_id, row["id"])
                row = await self._found(connection, request)
                if (refusal := unmet(request, await self._whole(connection, request, row))) is not None:
                    return refusal
            done = row is not None and await persons.confirm_roles(
                connection, authority.entity_id, row["id"], authority.holder
            )
        return web.json_response({"confirmed": True}) if done else _not_yours()

    async def post_mandate(self, request: web.Request, body: Mandate) -> web.Response:
        """Mandates for a member; they have force once a second administrator has confirmed them."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await self._found(connection, request)
            known = {one["slug"]: one["id"] for one in await persons.partnerships(connection, authority.entity_id)}
            if row is None or (body.partnership is not None and body.partnership not in known):
                return not_found()
            mandate = NewMandate(
                classes=sorted(body.classes), channels=sorted(body.channels), purposes=sorted(body.purposes),
                partnership=known.get(body.partnership or ""), not_before=body.not_before, not_after=body.not_after,
            )  # fmt: skip
            numbers = await persons.grant_mandate(
                connection, authority.entity_id, row["id"], mandate, Grant(authority.holder, None)
            )
        return web.json_response({"mandates": numbers, "confirmed": False}, status=201)

    async def get_mandate(self, request: web.Request) -> web.Response:
        """One mandate."""
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            found = await _mandate_seen(request, connection)
        return not_found() if found is None else shown(request, found)

    async def confirm_mandate(self, request: web.Request) -> web.Response:
        """A second administrator agrees to what they saw."""
        return await by_number(self._store, request, "mandate", persons.confirm_mandate, seen=_mandate_seen)

    async def revoke_mandate(self, request: web.Request) -> web.Response:
        """End a mandate now: what is taken away goes at once, whatever it is by now."""
        return await ended(self._store, request, "mandate", persons.revoke_mandate)

    async def post_invitation(self, request: web.Request, body: Invitation) -> web.Response:
        """A link that works once; for the live world, or to begin anew, it waits for a second administrator."""
        authority = request[AUTHORITY]
        confirmed = persons.OPERATOR if body.realm is Realm.TEST and not body.anew else None
        async with self._store.acting(authority.holder) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            if body.mail and not self._mails:
                return problem(409, "no-relay", "This gateway has no relay by which it could send a mail.")
            if body.anew and await sessions.accepted_elsewhere(connection, row["id"], authority.entity_id):
                return problem(409, "ask-the-operator", "Only the operator lets this person begin anew.")
            until, grant = self._utcnow() + INVITED_FOR, Grant(authority.holder, confirmed)
            to = connection, authority.entity_id, row["id"], body.realm, until, grant
            if body.mail:
                told: dict[str, Any] = {"number": await invitations.ask(*to, anew=body.anew), "by": "mail"}
            else:
                number_, secret = await persons.invite(*to, anew=body.anew)
                told = {"number": number_, "invitation": secret}
        return web.json_response(told | {"expires": until.isoformat(), "confirmed": bool(confirmed)}, status=201)

    async def get_invitation(self, request: web.Request) -> web.Response:
        """One invitation without its secret."""
        asked = number(request.match_info["invitation"], 0)
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            row = await persons.invitation(connection, request[AUTHORITY].entity_id, asked)
        return not_found() if row is None else shown(request, _confirmable(row))

    async def confirm_invitation(self, request: web.Request) -> web.Response:
        """A second administrator agrees."""
        return await by_number(self._store, request, "invitation", persons.confirm_invitation)

    async def redeem(self, request: web.Request, body: Redemption) -> web.Response:
        """The person's own token, shown this once."""
        async with self._store.acting("invitation") as connection:
            token = await persons.redeem(connection, body.invitation, body.note.replace("\0", ""), None)
        if token is None:
            return problem(403, "no-invitation", "This invitation does not work: used, run out, or not confirmed yet.")
        return web.json_response({"token": token}, status=201)

    async def _whole(self, connection: Connection, request: web.Request, row: Any) -> dict[str, Any]:
        mandates = await persons.mandates(connection, request[AUTHORITY].entity_id, row["id"])
        return _person(row) | {"mandates": [_mandate(one) for one in mandates]}

    async def _found(self, connection: Connection, request: web.Request) -> Any:
        return await persons.find(connection, request[AUTHORITY].entity_id, request.match_info["person"])


async def by_number(
    store: Store,
    request: web.Request,
    what: str,
    confirm: Any,
    seen: Callable[[web.Request, Connection], Awaitable[Any]] | None = None,
) -> web.Response:
    """A second administrator agrees to the thing whose number is in the path, when it is still what they saw."""
    authority = request[AUTHORITY]
    async with store.tenant(authority.entity_id, authority.holder) as connection:
        if seen is not None:
            thing, show = f"{what} {request.match_info[what]}", partial(seen, request, connection)
            if (refusal := await unmet_in_turn(request, connection, thing, show)) is not None:
                return refusal
        done = await confirm(connection, authority.entity_id, number(request.match_info[what], 0), authority.holder)
    return web.json_response({"confirmed": True}) if done else _not_yours()


async def ended(store: Store, request: web.Request, what: str, end: Any) -> web.Response:
    """The thing whose number is in the path has ended."""
    authority = request[AUTHORITY]
    async with store.tenant(authority.entity_id, authority.holder) as connection:
        done = await end(connection, authority.entity_id, number(request.match_info[what], 0))
    return web.json_response({"revoked": True}) if done else not_found()


async def _mandate_seen(request: web.Request, connection: Connection) -> dict[str, Any] | None:
    row = await persons.mandate(connection, request[AUTHORITY].entity_id, number(request.match_info["mandate"], 0))
    return None if row is None else _mandate(row)


def _person(row: Any) -> dict[str, Any]:
    return {
        "person": row["public_id"],
        "name": row["name"],
        "email": row["email"],
        "language": row["language"],
        "roles": row["roles"],
        "waiting": {"roles": row["wanted"], "by": row["wanted_by"]} if row["wanted"] is not None else None,
        "suspended": row["suspended"],
        "trained_on": _time(row["trained_on"]),
        "trained_until": _time(row["trained_until"]),
    }


def _mandate(row: Any) -> dict[str, Any]:
    told = _confirmable(row)
    return told | {"class": told.pop("message_class")}


def _confirmable(row: Any) -> dict[str, Any]:
    told = plain(row)
    return told | {"confirmed": told.pop("confirmed_by") is not None}


def plain(row: Any) -> dict[str, Any]:
    """A row as JSON takes it."""
    return {key: _time(value) if isinstance(value, date) else value for key, value in dict(row).items()}


def _time(value: date | datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def not_found() -> web.Response:
    """Nothing of the asker's has this name."""
    return problem(404, "not-found", "Nothing of yours has this name.")


def _not_yours() -> web.Response:
    return problem(
        409, "nothing-to-confirm", "Nothing waits here for you: it is confirmed, gone, or your own to be confirmed by "
        "another administrator.",
    )  # fmt: skip
