"""What senders declared of the use of their messages, over HTTP: wordings, a search, breaches and what follows.

Knows: routes, JSON. Never knows: SQL, what a suspension does. See schemas/openapi.yaml.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from gateway.flows.suspending import Breach, Running, Suspended, find_breach
from gateway.model import Role
from gateway.store import declarations
from gateway.store.declarations import Search
from gateway.store.entities import PLATFORM
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.api import answered
from gateway.web.bodies import Body, taking
from gateway.web.entities import platform_only
from gateway.web.persons import TEXT
from gateway.web.problem import problem

_MOMENT: TypeAdapter[datetime] = TypeAdapter(
    Annotated[AwareDatetime, Field(gt=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]
)


class NewWording(Body):
    """What is declared from now on."""

    text: str = Field(min_length=1, max_length=2000, pattern=TEXT)


class FoundBreach(Body):
    """Why the message should not have been sent, who is suspended, and what becomes of campaigns that run."""

    reason: str = Field(min_length=10, max_length=2000, pattern=TEXT)
    suspend: Suspended
    running: Running


class DeclarationPages(Pages):
    """Handlers of /v1/wordings and /v1/declarations; an entity sees its own, the platform everybody's."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/wordings", known(self.list_wordings)),
            web.post("/v1/wordings", known(platform_only(taking(NewWording, self.publish)), admin)),
            web.get("/v1/declarations", known(self.search, admin, Role.OBSERVER)),
            web.post(
                "/v1/declarations/{campaign}/breach", known(platform_only(taking(FoundBreach, self.find_breach)), admin)
            ),
        ]

    async def list_wordings(self, request: web.Request) -> web.Response:
        """Every wording, newest first; the first one is in force."""
        most, before = paging.limit(request), paging.before(request)
        async with self._store.connection() as connection:
            rows = await declarations.wordings(connection, before, most)
        return paging.page("wordings", rows, most, _wording, lambda row: row["version"])

    async def publish(self, request: web.Request, body: NewWording) -> web.Response:
        """A new wording, in force at once."""
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            version = await declarations.publish(connection, body.text)
        return web.json_response({"version": version}, status=201)

    async def search(self, request: web.Request) -> web.Response:
        """Declarations, newest first, by sender, class, wording, time and words."""
        authority, most, before = request[AUTHORITY], paging.limit(request), paging.before(request)
        try:
            since, until = _moment(request, "since"), _moment(request, "until")
        except ValidationError:
            return problem(400, "wrong-time", "since and until are moments like 2026-03-01T00:00:00Z.")
        word = {name: paging.word(request, name) or None for name in ("entity", "campaign", "by", "class", "words")}
        search = Search(
            entity=word["entity"], campaign=word["campaign"], by=word["by"], message_class=word["class"],
            version=paging.number(request.query.get("version", ""), 0) or None, since=since, until=until,
            words=word["words"],
        )  # fmt: skip
        whose = self._store.connection() if authority.slug == PLATFORM else self._store.tenant(authority.entity_id)
        async with whose as connection:
            rows = await declarations.page(connection, search, before, most)
        return paging.page("declarations", rows, most, declarations.told, lambda row: row["id"])

    async def find_breach(self, request: web.Request, body: FoundBreach) -> web.Response:
        """Write a breach down and suspend the entity or the sender, with the reason."""
        name, holder = request.match_info["campaign"], request[AUTHORITY].holder
        async with self._store.acting(holder) as connection:
            found = Breach(name, body.reason, body.suspend, body.running, holder)
            return answered(await find_breach(connection, found))


def _moment(request: web.Request, name: str) -> datetime | None:
    return _MOMENT.validate_python(request.query[name]) if name in request.query else None


def _wording(row: Any) -> dict[str, Any]:
    return {"version": row["version"], "text": row["text"], "published": row["published_at"].isoformat()}
