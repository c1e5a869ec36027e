"""Partnerships (PLP/BIN) of an entity, and what its persons have to take note of, over HTTP.

Knows: routes, JSON. Never knows: SQL, what an agreement is asked for. See schemas/openapi.yaml.
"""

from enum import StrEnum
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.model import Role
from gateway.store import persons
from gateway.store.pool import Connection
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, taking
from gateway.web.conditions import shown, unmet_in_turn
from gateway.web.paging import number
from gateway.web.persons import TEXT, not_found

SLUG = "^[a-z0-9][a-z0-9-]{0,62}$"


class Agreement(StrEnum):
    """Whose agreement an alert to the partnership needs."""

    NONE = "none"
    COORDINATOR = "coordinator"
    POLICE = "police"
    BOTH = "both"


class PartnerRole(StrEnum):
    """What somebody is in a partnership."""

    COORDINATOR = "coordinator"
    CO_COORDINATOR = "co-coordinator"
    POLICE = "police"


class Partnership(Body):
    """A partnership, made or changed."""

    slug: str = Field(pattern=SLUG)
    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    agreement: Agreement = Agreement.NONE


class Enrolment(Body):
    """A member gets a role in a partnership, or loses it."""

    person: str = Field(max_length=254, pattern=TEXT)
    role: PartnerRole
    member: bool = True


class GroupOf(Body):
    """A group that becomes the partnership's."""

    group: str = Field(max_length=100, pattern=TEXT)


class PartnershipPages(Pages):
    """Handlers of /v1/partnerships and /v1/notices."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/partnerships", known(self.list_partnerships)),
            web.get("/v1/partnerships/{partnership}", known(self.get_partnership)),
            web.post("/v1/partnerships", known(taking(Partnership, self.put_partnership), admin)),
            web.post("/v1/partnerships/{partnership}/people", known(taking(Enrolment, self.enrol), admin)),
            web.post("/v1/partnerships/{partnership}/groups", known(taking(GroupOf, self.give_group), admin)),
            web.get("/v1/notices", known(self.list_notices)),
            web.post("/v1/notices/{notice}/read", known(self.read_notice)),
        ]

    async def list_partnerships(self, request: web.Request) -> web.Response:
        """The entity's partnerships with their people and groups."""
        most, after = paging.limit(request), paging.word(request, "cursor")
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            rows = await persons.partnerships(connection, request[AUTHORITY].entity_id, after, most)
        return paging.page("partnerships", rows, most, _partnership, lambda row: row["slug"])

    async def get_partnership(self, request: web.Request) -> web.Response:
        """One partnership."""
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            found = await _seen(request, connection, request.match_info["partnership"])
        return not_found() if found is None else shown(request, found)

    async def put_partnership(self, request: web.Request, body: Partnership) -> web.Response:
        """Make a partnership, or change its name and agreement."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            if (refusal := await _unmet(request, connection, body.slug)) is not None:
                return refusal
            await persons.put_partnership(connection, authority.entity_id, body.slug, body.name, body.agreement.value)
        return web.json_response({"partnership": body.slug}, status=201)

    async def enrol(self, request: web.Request, body: Enrolment) -> web.Response:
        """Give a member a role in a partnership, or take it back."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            person = await persons.find(connection, authority.entity_id, body.person)
            partnership = await _row(request, connection, request.match_info["partnership"])
            if person is None or partnership is None:
                return not_found()
            if (refusal := await _unmet(request, connection, partnership["slug"])) is not None:
                return refusal
            act = persons.enrol if body.member else persons.release
            await act(connection, authority.entity_id, partnership["id"], person["id"], body.role.value)
        return web.json_response({"partnership": request.match_info["partnership"]})

    async def give_group(self, request: web.Request, body: GroupOf) -> web.Response:
        """A group of the entity becomes the partnership's."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            partnership = await _row(request, connection, request.match_info["partnership"])
            if partnership is None:
                return not_found()
            if (refusal := await _unmet(request, connection, partnership["slug"])) is not None:
                return refusal
            if not await persons.give_group(connection, authority.entity_id, body.group, partnership["id"]):
                return not_found()
        return web.json_response({"partnership": request.match_info["partnership"]})

    async def list_notices(self, request: web.Request) -> web.Response:
        """What the asking person has to take note of, newest first."""
        authority = request[AUTHORITY]
        most, before = paging.limit(request), paging.before(request)
        async with self._store.tenant(authority.entity_id) as connection:
            rows = await persons.notices(connection, authority.entity_id, authority.person_id or 0, before, most)
        return paging.page("notices", rows, most, _notice, lambda row: str(row["id"]))

    async def read_notice(self, request: web.Request) -> web.Response:
        """The asking person took note."""
        authority, name = request[AUTHORITY], number(request.match_info["notice"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            done = await persons.read_notice(connection, authority.entity_id, authority.person_id or 0, name)
        return web.json_response({"read": True}) if done else not_found()


async def _row(request: web.Request, connection: Connection, slug: str) -> Any:
    rows = await persons.partnerships(connection, request[AUTHORITY].entity_id)
    return next((row for row in rows if row["slug"] == slug), None)


async def _seen(request: web.Request, connection: Connection, slug: str) -> dict[str, Any] | None:
    row = await _row(request, connection, slug)
    return None if row is None else _partnership(row)


async def _unmet(request: web.Request, connection: Connection, slug: str) -> web.Response | None:
    return await unmet_in_turn(request, connection, f"partnership {slug}", lambda: _seen(request, connection, slug))


def _partnership(row: Any) -> dict[str, Any]:
    return {
        "partnership": row["slug"],
        "name": row["name"],
        "agreement": row["agreement"],
        "people": [{"person": person, "role": role} for person, role in row["people"]],
        "groups": row["groups"],
    }


def _notice(row: Any) -> dict[str, Any]:
    return {
        "number": row["id"],
        "word": row["word"],
        "on": row["subject"],
        "text": row["body"],
        "at": row["at"].isoformat(),
        "read": row["read_at"].isoformat() if row["read_at"] else None,
    }
