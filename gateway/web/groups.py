"""Groups of an entity over HTTP: made, filled, ended.

Knows: routes, JSON. Never knows: SQL, who may keep whom (policy says it). See schemas/openapi.yaml.
"""

from aiohttp import web
from pydantic import Field

from gateway.policy.contacts import may_see
from gateway.policy.rights import Refusal
from gateway.store import audit, contacts
from gateway.store.pool import Store
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, taking
from gateway.web.keeping import REACH, keeping, partnership_of, word
from gateway.web.persons import PAGE, TEXT, not_found
from gateway.web.problem import problem


class Group(Body):
    """A group, made or changed."""

    slug: str = Field(min_length=1, max_length=100, pattern=r'^[^\x00-\x1f"\s][^\x00-\x1f"]*$')
    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    exercises: bool = False
    partnership: str | None = Field(default=None, max_length=63)


class Members(Body):
    """Who comes into a group and who leaves it, by key."""

    add: tuple[str, ...] = Field(default=(), max_length=1000)
    remove: tuple[str, ...] = Field(default=(), max_length=1000)


class GroupPages:
    """Handlers of /v1/groups."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.get("/v1/groups", known(self.list_groups)),
            web.post("/v1/groups", known(keeping(taking(Group, self.put_group)))),
            web.post("/v1/groups/{group}/members", known(keeping(taking(Members, self.change_members)))),
            web.post("/v1/groups/{group}/remove", known(keeping(self.remove_group))),
        ]

    async def list_groups(self, request: web.Request) -> web.Response:
        """Groups with their sizes; a coordinator's own."""
        authority = request[AUTHORITY]
        reach = may_see(authority)
        within = None if isinstance(reach, Refusal) else reach.partnerships
        async with self._store.tenant(authority.entity_id) as connection:
            rows = await contacts.groups(
                connection, authority.entity_id, within, word(request.query.get("cursor", "")), PAGE
            )
        told = [{key: value for key, value in dict(row).items() if key != "id"} for row in rows]
        return web.json_response({"groups": told, "next": rows[-1]["slug"] if len(rows) == PAGE else None})

    async def put_group(self, request: web.Request, body: Group) -> web.Response:
        """Make a group, or change its name and whether it is for exercises."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            partnership = await partnership_of(connection, authority.entity_id, reach, body.partnership)
            if isinstance(partnership, web.Response):
                return partnership
            kept = await contacts.put_group(
                connection, authority.entity_id, reach.partnerships, body.slug, body.name, exercises=body.exercises,
                partnership=partnership,
            )  # fmt: skip
        if not kept:
            return problem(409, "key-taken", "This slug is of a group that is not yours to keep.")
        return web.json_response({"group": body.slug}, status=201)

    async def change_members(self, request: web.Request, body: Members) -> web.Response:
        """Contacts come into a group and leave it."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await contacts.group(
                connection, authority.entity_id, reach.partnerships, request.match_info["group"]
            )
            if found is None:
                return not_found()
            await contacts.change_members(
                connection, authority.entity_id, reach.partnerships, found, body.add, body.remove
            )
            detail = {"asked": len(body.add) + len(body.remove)}
            await audit.write(connection, authority.entity_id, "group.members", f"contact_group:{found}", detail)
        return web.json_response({"group": request.match_info["group"]})

    async def remove_group(self, request: web.Request) -> web.Response:
        """A group ends; its contacts stay."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await contacts.group(
                connection, authority.entity_id, reach.partnerships, request.match_info["group"]
            )
            if found is None:
                return not_found()
            await contacts.remove_group(connection, authority.entity_id, found)
        return web.json_response({"group": request.match_info["group"]})
