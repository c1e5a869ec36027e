"""Entities over HTTP: each sees and changes itself; administrators of the platform see and change the tree.

Knows: routes, JSON, the checklist. Never knows: SQL, what a suspension does. See schemas/openapi.yaml.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, field_validator

from gateway.flows.suspending import Running, suspend_entity
from gateway.model import ChannelName, EntityKind, MessageClass, Role, SecondWay
from gateway.policy import security
from gateway.policy.onboarding import checklist, missing
from gateway.policy.outlines import read_outlines
from gateway.store import admin, entities
from gateway.store.entities import PLATFORM
from gateway.store.pool import Connection, confine
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import Body, Handler, body_of, taking
from gateway.web.conditions import shown, unmet
from gateway.web.partnerships import SLUG
from gateway.web.persons import TEXT, not_found
from gateway.web.problem import problem

MOST_TERRITORY_BYTES = 2**20
HOUR = Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")


class Security(Body):
    """How sessions and tokens are kept safe; what is absent is as the platform has it."""

    session_idle_minutes: int | None = Field(default=None, ge=1, le=1_440)
    session_hours: int | None = Field(default=None, ge=1, le=168)
    token_days: int | None = Field(default=None, ge=1, le=3_650)
    second_way: SecondWay | None = None
    networks: tuple[Annotated[str, Field(max_length=50)], ...] | None = Field(None, min_length=1, max_length=100)

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(dict.fromkeys(map(str, security.networks_of(words))))


class Policy(Body):
    """What an entity chooses for itself; what is absent stays, `security` is replaced as a whole. What the platform
    chooses of security, training and approval is the least for everybody."""

    channels: dict[MessageClass, tuple[ChannelName, ...]] = Field(default_factory=dict)
    approval: tuple[MessageClass, ...] = ()
    declaration: tuple[MessageClass, ...] = ()
    approval_above: dict[MessageClass, int] = Field(default_factory=dict)
    training_required: bool = False
    partly_outside: str = Field(default="clip", pattern="^(clip|refuse)$")
    quiet_hours: tuple[Annotated[str, HOUR], Annotated[str, HOUR]] | None = None
    escalation_minutes: dict[MessageClass, float] | None = None
    listed: tuple[Annotated[str, Field(min_length=1, max_length=300, pattern=TEXT)], ...] | None = Field(
        default=None, max_length=500
    )
    security: Security | None = None


class ContactPerson(Body):
    """Whom the platform calls."""

    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    phone: str = Field(default="", max_length=40, pattern=r"^[^\x00]*$")
    email: str = Field(default="", max_length=254, pattern=r"^[^\x00]*$")


class OwnChange(Body):
    """What an entity changes of itself; what is absent stays."""

    languages: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=10)
    region: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    contact_persons: tuple[ContactPerson, ...] | None = Field(default=None, max_length=50)
    policy: Policy | None = None


class NewEntity(Body):
    """An authority below another one."""

    slug: str = Field(pattern=SLUG)
    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    kind: EntityKind
    parent: str | None = Field(default=None, pattern=SLUG)
    languages: tuple[str, ...] = ("nl", "fr", "de", "en")


class Papers(Body):
    """What the platform notes of an entity; what is absent stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200, pattern=TEXT)
    convention_signed_on: date | None = None
    order_form_on: date | None = None
    live: bool | None = None


class Suspension(Body):
    """What becomes of campaigns that run has to be said."""

    running: Running


class EntityPages(Pages):
    """Handlers of /v1/entity (one's own) and /v1/entities (the platform's)."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, administrator = self._access.known, Role.ADMIN
        return [
            web.get("/v1/entity", known(self.get_own)),
            web.post("/v1/entity", known(taking(OwnChange, self.change_own), administrator)),
            web.get("/v1/entities", known(self.list_entities, administrator, Role.OBSERVER)),
            web.post("/v1/entities", known(platform_only(taking(NewEntity, self.post_entity)), administrator)),
            web.get("/v1/entities/{entity}", known(platform_only(self.get_entity), administrator)),
            web.post("/v1/entities/{entity}", known(platform_only(taking(Papers, self.note_papers)), administrator)),
            web.post("/v1/entities/{entity}/territory", known(platform_only(self.put_territory), administrator)),
            web.post(
                "/v1/entities/{entity}/suspend", known(platform_only(taking(Suspension, self.suspend)), administrator)
            ),
            web.post("/v1/entities/{entity}/reinstate", known(platform_only(self.reinstate), administrator)),
        ]

    async def get_own(self, request: web.Request) -> web.Response:
        """The asker's entity with its checklist."""
        async with self._store.connection() as connection:
            return shown(request, _entity(await entities.show(connection, request[AUTHORITY].slug)))

    async def change_own(self, request: web.Request, body: OwnChange) -> web.Response:
        """Languages, region, contact persons, policy."""
        authority = request[AUTHORITY]
        people = None if body.contact_persons is None else [one.model_dump() for one in body.contact_persons]
        policy = None if body.policy is None else body.policy.model_dump(mode="json", exclude_unset=True)
        async with self._store.acting(authority.holder) as connection:
            await entities.lock(connection, authority.entity_id)
            row = await entities.show(connection, authority.slug)
            if (refusal := unmet(request, _entity(row))) is not None:
                return refusal
            if loose := entities.looser(row, policy):
                return _too_loose(loose)
            await confine(connection, authority.entity_id, authority.holder)
            await entities.change_own(
                connection, authority.entity_id, languages=body.languages, region=body.region, contact_persons=people,
                policy=policy,
            )  # fmt: skip
        return await self.get_own(request)

    async def list_entities(self, request: web.Request) -> web.Response:
        """The asker's entity and those below it; for the platform all of them."""
        authority, most, after = request[AUTHORITY], paging.limit(request), paging.word(request, "cursor")
        above = None if authority.slug == PLATFORM else authority.entity_id
        async with self._store.connection() as connection:
            rows = await entities.page(connection, above, after, most)
        return paging.page("entities", rows, most, dict, lambda row: row["slug"])

    async def post_entity(self, request: web.Request, body: NewEntity) -> web.Response:
        """A new authority, not live."""
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            if body.parent is not None and await entities.show(connection, body.parent) is None:
                return not_found()
            made = await admin.create_entity(
                connection, slug=body.slug, name=body.name, kind=body.kind, live=False, languages=body.languages,
                parent=body.parent,
            )  # fmt: skip
        if made is None:
            return problem(409, "entity-already", "There is an entity with this slug.")
        return web.json_response({"entity": body.slug}, status=201)

    async def get_entity(self, request: web.Request) -> web.Response:
        """One entity with its checklist."""
        async with self._store.connection() as connection:
            row = await entities.show(connection, request.match_info["entity"])
        return not_found() if row is None else shown(request, _entity(row))

    async def note_papers(self, request: web.Request, body: Papers) -> web.Response:
        """What was signed; and live, when nothing of the checklist is missing."""
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            row = await _to_change(connection, request)
            if isinstance(row, web.Response):
                return row
            await entities.note_papers(
                connection, row["id"], name=body.name, convention=body.convention_signed_on,
                order_form=body.order_form_on,
            )  # fmt: skip
            row = await entities.show(connection, row["slug"])
            lacks = missing(entities.papers_of(row)) if body.live else []
            if body.live is not None and not lacks:
                await entities.note_papers(connection, row["id"], live=body.live)
                row = await entities.show(connection, row["slug"])
        if lacks:
            return problem(409, "not-ready", f"Before it goes live: {', '.join(lacks)}.", missing=lacks)
        return shown(request, _entity(row))

    async def put_territory(self, request: web.Request) -> web.Response:
        """Where the entity may target people by place, from GeoJSON; it replaces what was there, or nothing changes."""
        raw = await body_of(request, MOST_TERRITORY_BYTES)
        if raw is None:
            return problem(413, "too-large", f"A territory has at most {MOST_TERRITORY_BYTES} bytes: simplify it.")
        found = await asyncio.to_thread(read_outlines, raw)
        if found.problems:
            mistakes = [{"at": "", "message": one} for one in found.problems]
            return problem(422, "wrong-body", "This is no outline that can be used.", mistakes=mistakes)
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            row = await _to_change(connection, request)
            if isinstance(row, web.Response):
                return row
            await admin.set_territory(connection, row["id"], found.outlines)
            return shown(request, _entity(await entities.show(connection, row["slug"])))

    async def suspend(self, request: web.Request, body: Suspension) -> web.Response:
        """Suspend an entity on every node; running campaigns as was chosen."""
        holder = request[AUTHORITY].holder
        async with self._store.acting(holder) as connection:
            row = await entities.show(connection, request.match_info["entity"])
            if row is None or row["slug"] == PLATFORM:
                return not_found()
            concerned = await suspend_entity(connection, row["id"], body.running, holder)
        return web.json_response({"entity": row["slug"], "suspended": True, "campaigns": concerned})

    async def reinstate(self, request: web.Request) -> web.Response:
        """Take a suspension back; what was paused is resumed by hand."""
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            row = await entities.show(connection, request.match_info["entity"])
            if row is None:
                return not_found()
            await entities.suspend(connection, row["id"], False)
        return web.json_response({"entity": row["slug"], "suspended": False})


def platform_only(handler: Handler) -> Handler:
    """The handler for administrators of the platform, and of no other entity."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if request[AUTHORITY].slug != PLATFORM or request[AUTHORITY].suspended:
            return problem(403, "no-role", "This is for administrators of the platform.")
        answer: web.StreamResponse = await handler(request)
        return answer

    return guarded


async def _to_change(connection: Connection, request: web.Request) -> Any:
    """The entity of the path, locked, when it is still what the asker saw; else the answer that says why not."""
    row = await entities.show(connection, request.match_info["entity"])
    if row is None:
        return not_found()
    await entities.lock(connection, row["id"])
    row = await entities.show(connection, row["slug"])
    refusal = unmet(request, _entity(row))
    return row if refusal is None else refusal


def _too_loose(found: Sequence[security.Looser]) -> web.Response:
    mistakes = [{"at": f"policy.{one.key}", "message": one.sentence} for one in found]
    return problem(422, "looser-than-platform", f"{found[0].sentence}.", mistakes=mistakes)


def _entity(row: Any) -> dict[str, Any]:
    return {
        "entity": row["slug"],
        "name": row["name"],
        "kind": row["kind"],
        "parent": row["parent"],
        "live": row["live"],
        "suspended": row["suspended_at"] is not None,
        "languages": row["languages"],
        "region": row["region"],
        "policy": row["policy"],
        "security": security.guarded(security.in_force(row["policy"], row["platform_policy"])),
        "territory_rings": row["rings"],
        "contact_persons": row["contact_persons"],
        "checklist": checklist(entities.papers_of(row)),
    }
