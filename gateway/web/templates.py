"""Templates of an entity over HTTP: kept in versions, previewed, launched in one call.

Knows: routes, JSON. Never knows: SQL, what is wrong with a text. See schemas/openapi.yaml.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from gateway.cap.model import Category, Certainty, ResponseType, Severity, Urgency
from gateway.flows.launching import Launching, Wish
from gateway.model import ChannelName, MessageClass, Purpose, Role
from gateway.policy.template import template_of
from gateway.store import templates
from gateway.store.pool import Connection, Store
from gateway.web import paging
from gateway.web.access import AUTHORITY
from gateway.web.api import answered
from gateway.web.bodies import Body, Handler, taking
from gateway.web.conditions import shown, unmet_in_turn
from gateway.web.partnerships import SLUG
from gateway.web.persons import TEXT, not_found
from gateway.web.problem import problem

LAUNCHES = 50
"""A launch with its preview is long: fewer on a page."""
LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?$"


class TemplateArea(Body):
    """A place, as CAP writes it."""

    description: str = Field(min_length=1, max_length=500, pattern=TEXT)
    polygons: tuple[str, ...] = Field(default=(), max_length=20)
    circles: tuple[str, ...] = Field(default=(), max_length=20)
    geocodes: tuple[tuple[str, str], ...] = Field(default=(), max_length=100)


class Said(Body):
    """What one language says; places stand in braces."""

    headline: str = Field(min_length=1, max_length=160, pattern=TEXT)
    description: str = ""
    instruction: str = ""
    sms: str = ""
    voice: str = ""


class NewTemplate(Body):
    """A template, or its next version."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=20_000, populate_by_name=True)

    slug: str = Field(pattern=SLUG)
    message_class: MessageClass = Field(alias="class")
    purpose: Purpose | None = None
    event: str = Field(min_length=1, max_length=200, pattern=TEXT)
    category: Category = Category.SAFETY
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    response: tuple[ResponseType, ...] = Field(default=(), max_length=9)
    channels: tuple[ChannelName, ...] = ()
    groups: tuple[str, ...] = Field(default=(), max_length=100)
    areas: tuple[TemplateArea, ...] = Field(default=(), max_length=20)
    minutes: int = Field(ge=5, le=7 * 24 * 60)
    texts: dict[str, Said] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _can_be_made(self) -> "NewTemplate":
        template_of(self.kept())
        return self

    def kept(self) -> dict[str, Any]:
        """What the store keeps."""
        return self.model_dump(mode="json", by_alias=True, exclude={"slug"})


class Asked(Body):
    """Words for the places ("street", or "street@nl" for one language); which warnings are waived, and why."""

    values: dict[str, str] = Field(default_factory=dict, max_length=200)
    exercise: bool = False
    declares: int | None = Field(default=None, ge=1, le=999_999_999)
    waive: tuple[str, ...] = Field(default=(), max_length=10)
    reason: str = Field(default="", max_length=1000, pattern=r"^[^\x00]*$")


class TemplatePages:
    """Handlers of /v1/templates. Editors and administrators write; whoever may send launches."""

    def __init__(self, store: Store, launching: Launching, known: Callable[..., Handler]) -> None:
        self._store = store
        self._launching = launching
        self._known = known

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._known
        return [
            web.get("/v1/templates", known(self.list_templates)),
            web.post("/v1/templates", known(taking(NewTemplate, self.put_template), Role.ADMIN, Role.EDITOR)),
            web.get("/v1/templates/{template}", known(self.get_template)),
            web.get("/v1/templates/{template}/launches", known(self.list_launches)),
            web.post("/v1/templates/{template}/preview", known(taking(Asked, self.preview))),
            web.post("/v1/templates/{template}/launch", known(taking(Asked, self.launch))),
        ]

    async def list_templates(self, request: web.Request) -> web.Response:
        """The newest version of each."""
        most, after = paging.limit(request), paging.word(request, "cursor")
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            rows = await templates.page(connection, request[AUTHORITY].entity_id, after, most)
        return paging.page("templates", rows, most, _template, lambda row: row["slug"])

    async def put_template(self, request: web.Request, body: NewTemplate) -> web.Response:
        """Keep the next version."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            thing = f"template {body.slug}"
            seen = partial(_seen, request, connection, body.slug)
            if (refusal := await unmet_in_turn(request, connection, thing, seen)) is not None:
                return refusal
            version = await templates.put(connection, authority.entity_id, body.slug, body.kept(), authority.holder)
        if version is None:
            return problem(409, "template-already", "Somebody else wrote this version at this moment. Look again.")
        return web.json_response({"template": body.slug, "version": version}, status=201)

    async def get_template(self, request: web.Request) -> web.Response:
        """The newest version, with everything it says."""
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            found = await _seen(request, connection, request.match_info["template"])
        return not_found() if found is None else shown(request, found)

    async def list_launches(self, request: web.Request) -> web.Response:
        """What was launched of it, with the previews, newest first."""
        entity_id, slug = request[AUTHORITY].entity_id, request.match_info["template"]
        most, before = paging.limit(request, LAUNCHES), paging.before(request)
        async with self._store.tenant(entity_id) as connection:
            rows = await templates.launches(connection, entity_id, slug, before, most)
        return paging.page("launches", rows, most, _launch, lambda row: row["id"])

    async def preview(self, request: web.Request, body: Asked) -> web.Response:
        """What a launch would say."""
        return answered(await self._launching.preview(request.match_info["template"], request[AUTHORITY], _wish(body)))

    async def launch(self, request: web.Request, body: Asked) -> web.Response:
        """Launch it."""
        return answered(await self._launching.launch(request.match_info["template"], request[AUTHORITY], _wish(body)))


async def _seen(request: web.Request, connection: Connection, slug: str) -> dict[str, Any] | None:
    row = await templates.find(connection, request[AUTHORITY].entity_id, slug)
    return None if row is None else _template(row) | {"body": row["body"]}


def _wish(body: Asked) -> Wish:
    return Wish(
        values=body.values, exercise=body.exercise, declares=body.declares, waive=body.waive, reason=body.reason
    )


def _template(row: Any) -> dict[str, Any]:
    return {
        "template": row["slug"],
        "version": row["version"],
        "class": row["body"]["class"],
        "languages": list(row["body"]["texts"]),
        "by": row["made_by"],
        "at": row["made_at"].isoformat(),
    }


def _launch(row: Any) -> dict[str, Any]:
    return {
        "launch": row["id"],
        "version": row["version"],
        "alert": row["alert"],
        "by": row["launched_by"],
        "at": row["at"].isoformat(),
        "waived": row["waived"],
        "reason": row["reason"],
        "preview": row["preview"],
    }
