"""Groups of an entity over HTTP: made, filled, ended.

Knows: routes, JSON. Never knows: SQL, who may keep whom (policy says it). See schemas/openapi.yaml.
"""

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from gateway.model import ChannelName
from gateway.policy.contacts import GroupFilter, may_see
from gateway.policy.importing import LONGEST_TAG, MOST_TAGS
from gateway.policy.rights import Refusal
from gateway.store import audit, contacts
from gateway.store.pool import Connection
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, taking
from gateway.web.conditions import shown, unmet_in_turn
from gateway.web.keeping import REACH, keeping, partnership_of
from gateway.web.persons import TEXT, not_found
from gateway.web.problem import problem

FILTERED = ("languages", "postcodes", "municipalities", "tags", "channels", "rings")
LEAST_POINTS, MOST_POINTS = 4, 5_000
LanguageWord = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
ShortWord = Annotated[str, Field(min_length=1, max_length=12, pattern=TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=TEXT)]
Tag = Annotated[str, Field(max_length=LONGEST_TAG, pattern=r"^[^\s,;\x00-\x1f]+$")]
Point = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]


class Filter(Body):
    """Whom a group holds without anybody's hand; what is absent asks for nothing."""

    languages: tuple[LanguageWord, ...] = Field(default=(), max_length=20)
    postcodes: tuple[ShortWord, ...] = Field(default=(), max_length=1000)
    municipalities: tuple[Name, ...] = Field(default=(), max_length=1000)
    tags: tuple[Tag, ...] = Field(default=(), max_length=MOST_TAGS)
    channels: frozenset[ChannelName] = frozenset()
    rings: tuple[tuple[Point, ...], ...] = Field(default=(), max_length=100)

    def asked(self) -> GroupFilter | None:
        """As policy has it; None when an outline is none."""
        rings = tuple(tuple(ring) for ring in self.rings)
        if any(len(ring) < LEAST_POINTS or ring[0] != ring[-1] for ring in rings) or sum(map(len, rings)) > MOST_POINTS:
            return None
        return GroupFilter(
            languages=self.languages, postcodes=tuple(code.upper() for code in self.postcodes),
            municipalities=self.municipalities, tags=tuple(tag.lower() for tag in self.tags),
            channels=tuple(sorted(self.channels)), rings=rings,
        )  # fmt: skip


class Group(Body):
    """A group, made or changed: all of it. With a filter nobody is put into it by hand."""

    slug: str = Field(min_length=1, max_length=100, pattern=r'^[^\x00-\x1f"\s][^\x00-\x1f"]*$')
    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    exercises: bool = False
    filter: Filter | None = None
    partnership: str | None = Field(default=None, max_length=63)


class Members(Body):
    """Who comes into a group and who leaves it, by key."""

    add: tuple[str, ...] = Field(default=(), max_length=1000)
    remove: tuple[str, ...] = Field(default=(), max_length=1000)


class GroupPages(Pages):
    """Handlers of /v1/groups."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.get("/v1/groups", known(self.list_groups)),
            web.get("/v1/groups/{group}", known(self.get_group)),
            web.post("/v1/groups", known(keeping(taking(Group, self.put_group)))),
            web.get("/v1/groups/{group}/count", known(self.count_group)),
            web.post("/v1/groups/{group}/members", known(keeping(taking(Members, self.change_members)))),
            web.post("/v1/groups/{group}/remove", known(keeping(self.remove_group))),
        ]

    async def list_groups(self, request: web.Request) -> web.Response:
        """Groups with their sizes; a coordinator's own."""
        authority = request[AUTHORITY]
        reach = may_see(authority)
        within = None if isinstance(reach, Refusal) else reach.partnerships
        async with self._store.tenant(authority.entity_id) as connection:
            after, most = paging.word(request, "cursor"), paging.limit(request)
            rows = await contacts.groups(connection, authority.entity_id, within, after, most)
        return paging.page("groups", rows, most, _group, lambda row: row["slug"])

    async def get_group(self, request: web.Request) -> web.Response:
        """One group with its filter, and how many people are in it at this moment."""
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            found = await _seen(request, connection, request.match_info["group"])
        return not_found() if found is None else shown(request, found)

    async def put_group(self, request: web.Request, body: Group) -> web.Response:
        """Make a group, or change its name and whether it is for exercises."""
        authority, reach = request[AUTHORITY], request[REACH]
        asked = None if body.filter is None else body.filter.asked()
        if body.filter is not None and not asked:
            mistakes = [{"at": "filter", "message": "asks for nothing, or has an outline that is not closed"}]
            return problem(422, "wrong-body", "The filter is not one.", mistakes=mistakes)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            partnership = await partnership_of(connection, authority.entity_id, reach, body.partnership)
            if isinstance(partnership, web.Response):
                return partnership
            if (refusal := await _unmet(request, connection, body.slug)) is not None:
                return refusal
            kept = await contacts.put_group(
                connection, authority.entity_id, reach.partnerships, body.slug, body.name, exercises=body.exercises,
                partnership=partnership,
            )  # fmt: skip
            if kept is None:
                return problem(409, "key-taken", "This slug is of a group that is not yours to keep.")
            if not await contacts.put_filter(connection, authority.entity_id, kept, asked):
                return problem(409, "has-members", "People were put into this group by hand: a filter needs a new one.")
        return web.json_response({"group": body.slug}, status=201)

    async def count_group(self, request: web.Request) -> web.Response:
        """How many people are in a group now, exactly: of most of a large entity that takes seconds."""
        authority, reach = request[AUTHORITY], may_see(request[AUTHORITY])
        within = None if isinstance(reach, Refusal) else reach.partnerships
        async with self._store.tenant(authority.entity_id) as connection:
            found = await contacts.group(connection, authority.entity_id, within, request.match_info["group"])
            if found is None:
                return not_found()
            return web.json_response(await contacts.count_group(connection, authority.entity_id, found))

    async def change_members(self, request: web.Request, body: Members) -> web.Response:
        """Contacts come into a group and leave it."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await contacts.group(
                connection, authority.entity_id, reach.partnerships, request.match_info["group"]
            )
            if found is None:
                return not_found()
            if (refusal := await _unmet(request, connection, request.match_info["group"])) is not None:
                return refusal
            if found.filtered:
                return problem(409, "filtered-group", "A filter says who is in this group.")
            await contacts.change_members(
                connection, authority.entity_id, reach.partnerships, found.id, body.add, body.remove
            )
            detail = {"asked": len(body.add) + len(body.remove)}
            await audit.write(connection, authority.entity_id, "group.members", f"contact_group:{found.id}", detail)
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
            if (refusal := await _unmet(request, connection, request.match_info["group"])) is not None:
                return refusal
            await contacts.remove_group(connection, authority.entity_id, found.id)
        return web.json_response({"group": request.match_info["group"]})


async def _unmet(request: web.Request, connection: Connection, slug: str) -> web.Response | None:
    return await unmet_in_turn(request, connection, f"group {slug}", lambda: _seen(request, connection, slug))


async def _seen(request: web.Request, connection: Connection, slug: str) -> dict[str, Any] | None:
    """A group as whoever asks is shown it."""
    reach = may_see(request[AUTHORITY])
    within = None if isinstance(reach, Refusal) else reach.partnerships
    found = await contacts.show_group(connection, request[AUTHORITY].entity_id, within, slug)
    if found is None:
        return None
    row, counts = found
    asked = {name: row[name] for name in FILTERED} if row["filtered"] else None
    told = {name: row[name] for name in ("slug", "name", "exercises", "partnership", "filtered")}
    return told | {"filter": asked} | counts


def _group(row: Any) -> dict[str, Any]:
    return {key: value for key, value in dict(row).items() if key != "id"}
