"""Terms of use over HTTP: the platform publishes them, every entity accepts or refuses each version.

Knows: routes, JSON. Never knows: SQL, what terms say. See schemas/openapi.yaml.
"""

from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.model import Role
from gateway.store import entities
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, taking
from gateway.web.entities import platform_only
from gateway.web.paging import number
from gateway.web.persons import TEXT, not_found

MOST_CHARACTERS = 50_000


class NewTerms(Body, str_max_length=MOST_CHARACTERS):
    """What every entity is asked to accept from now on."""

    text: str = Field(min_length=1, max_length=MOST_CHARACTERS, pattern=TEXT)


class Answered(Body):
    """Yes or no to terms."""

    accepted: bool


class TermsPages(Pages):
    """Handlers of /v1/terms."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/terms", known(self.list_terms)),
            web.post("/v1/terms", known(platform_only(taking(NewTerms, self.publish)), admin)),
            web.post("/v1/terms/{version}", known(taking(Answered, self.answer_terms), admin)),
        ]

    async def list_terms(self, request: web.Request) -> web.Response:
        """All terms, newest first, with the entity's answers."""
        most, before = paging.limit(request), paging.before(request)
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            rows = await entities.terms(connection, request[AUTHORITY].entity_id, before, most)
        return paging.page("terms", rows, most, _terms, lambda row: str(row["version"]))

    async def publish(self, request: web.Request, body: NewTerms) -> web.Response:
        """New terms; every administrator of every entity is told."""
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            version = await entities.publish_terms(connection, body.text)
        return web.json_response({"version": version}, status=201)

    async def answer_terms(self, request: web.Request, body: Answered) -> web.Response:
        """Accept or refuse terms. A refusal changes nothing else: the entity leaves in its own time."""
        authority, version = request[AUTHORITY], number(request.match_info["version"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            done = await entities.answer_terms(
                connection, authority.entity_id, version, body.accepted, authority.holder
            )
        return web.json_response({"version": version, "accepted": body.accepted}) if done else not_found()


def _terms(row: Any) -> dict[str, Any]:
    return {
        "version": row["version"],
        "text": row["text"],
        "published": row["published_at"].isoformat(),
        "accepted": row["accepted"],
        "by": row["answered_by"],
        "at": row["at"].isoformat() if row["at"] else None,
    }
