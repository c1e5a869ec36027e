"""What the platform says to everybody, and who took note, over HTTP; registration statistics of one's own territory.

Knows: routes, JSON. Never knows: SQL, how notices are read (partnerships has that page). See schemas/openapi.yaml.
"""

from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.flows.registrations import registrations
from gateway.model import Role
from gateway.store import audit, entities
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, taking
from gateway.web.entities import platform_only
from gateway.web.persons import TEXT, not_found
from gateway.web.problem import problem


class Announcement(Body):
    """What is said; to every member of every entity, or of these."""

    body: str = Field(min_length=1, max_length=2000, pattern=TEXT)
    entities: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=1000)


class AnnouncementPages(Pages):
    """Handlers of /v1/announcements and /v1/statistics."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/announcements", known(platform_only(self.list_announcements), admin)),
            web.post("/v1/announcements", known(platform_only(taking(Announcement, self.announce)), admin)),
            web.get("/v1/announcements/{announcement}", known(platform_only(self.readers), admin)),
            web.get("/v1/statistics/registrations", known(self.registrations)),
        ]

    async def announce(self, request: web.Request, body: Announcement) -> web.Response:
        """Everybody concerned gets a notice, and it is counted who takes note."""
        authority = request[AUTHORITY]
        async with self._store.acting(authority.holder) as connection:
            concerned = None
            if body.entities is not None:
                concerned = await entities.numbers(connection, body.entities)
                if len(concerned) < len(set(body.entities)):
                    return not_found()
            name = await entities.tell(connection, concerned, body.body)
            await audit.write(
                connection, authority.entity_id, "notice.sent", f"announcement:{name}", {}, authority.holder
            )
        return web.json_response({"announcement": name}, status=201)

    async def list_announcements(self, request: web.Request) -> web.Response:
        """What was said, newest first."""
        most, before = paging.limit(request), paging.before(request)
        async with self._store.connection() as connection:
            rows = await entities.said(connection, before, most)
        return paging.page("announcements", rows, most, _announcement, lambda row: row["id"])

    async def readers(self, request: web.Request) -> web.Response:
        """How many of each entity took note."""
        name, most, after = request.match_info["announcement"], paging.limit(request), paging.word(request, "cursor")
        async with self._store.connection() as connection:
            rows = await entities.readers(connection, name, after, most)
        if not rows and not after:
            return not_found()
        return paging.page("entities", rows, most, _readers, lambda row: row["entity"], announcement=name)

    async def registrations(self, request: web.Request) -> web.Response:
        """How many citizens registered in the asker's territory."""
        async with self._store.connection() as connection:
            found = await registrations(connection, request[AUTHORITY].slug)
        if found is None:
            return problem(403, "groups-only", "Without a territory, and for type 2, there are no citizens to count.")
        return web.json_response(found)


def _announcement(row: Any) -> dict[str, Any]:
    return {"announcement": row["subject"], "body": row["body"], "at": row["at"].isoformat(), **_counts(row)}


def _readers(row: Any) -> dict[str, Any]:
    return {"entity": row["entity"], **_counts(row)}


def _counts(row: Any) -> dict[str, int]:
    return {"told": row["told"], "read": row["read"]}
