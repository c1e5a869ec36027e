"""Webhooks over HTTP: which systems of an entity are told what, their secrets, what became of what was told.

Knows: routes, JSON, that a secret is shown once. Never knows: SQL, how messages are signed and sent.
Standard: Standard Webhooks 1.0. See schemas/openapi.yaml.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.model import Role
from gateway.policy.webhooks import (
    SECRET_BYTES,
    URL_MOST_CHARACTERS,
    EventType,
    WebhookRules,
    new_secret,
    ping,
)
from gateway.store import webhooks
from gateway.store.pool import Connection, Store
from gateway.web import paging
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, taking
from gateway.web.conditions import shown, unmet
from gateway.web.persons import not_found
from gateway.web.problem import problem

URL = r"^https?://[!-~]{1,992}$"
NOTE = r"^[^\x00]*$"


class NewWebhook(Body):
    """A system that is to be told; no events: all of them."""

    url: str = Field(max_length=URL_MOST_CHARACTERS, pattern=URL)
    events: tuple[EventType, ...] = Field(default=(), max_length=len(EventType))
    note: str = Field(default="", max_length=200, pattern=NOTE)


class WebhookChange(Body):
    """What changes of a webhook; what is absent stays."""

    url: str | None = Field(default=None, max_length=URL_MOST_CHARACTERS, pattern=URL)
    events: tuple[EventType, ...] | None = Field(default=None, max_length=len(EventType))
    note: str | None = Field(default=None, max_length=200, pattern=NOTE)
    enabled: bool | None = None


class WebhookPages:
    """Handlers of /v1/webhooks. `refusal` judges addresses; every realm sees its own, as a token opens one of them."""

    def __init__(
        self,
        store: Store,
        access: Access,
        *,
        refusal: Callable[[str], str],
        rules: WebhookRules,
        utcnow: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._access = access
        self._refusal = refusal
        self._rules = rules
        self._utcnow = utcnow

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin, observer = self._access.known, Role.ADMIN, Role.OBSERVER
        return [
            web.get("/v1/webhooks", known(self.list_webhooks, admin, observer)),
            web.post("/v1/webhooks", known(taking(NewWebhook, self.post_webhook), admin)),
            web.get("/v1/webhooks/{webhook}", known(self.get_webhook, admin, observer)),
            web.post("/v1/webhooks/{webhook}", known(taking(WebhookChange, self.change_webhook), admin)),
            web.post("/v1/webhooks/{webhook}/rotate", known(self.rotate, admin)),
            web.post("/v1/webhooks/{webhook}/ping", known(self.ping, admin)),
            web.post("/v1/webhooks/{webhook}/remove", known(self.remove, admin)),
            web.get("/v1/webhooks/{webhook}/deliveries", known(self.list_deliveries, admin, observer)),
        ]

    async def list_webhooks(self, request: web.Request) -> web.Response:
        """The entity's webhooks."""
        authority, most, after = request[AUTHORITY], paging.limit(request), paging.word(request, "cursor")
        async with self._store.tenant(authority.entity_id) as connection:
            rows = await webhooks.page(connection, authority.entity_id, after, most)
        return paging.page("webhooks", rows, most, told, lambda row: row["public_id"])

    async def post_webhook(self, request: web.Request, body: NewWebhook) -> web.Response:
        """A system that is told from now on; its secret is shown this once."""
        authority = request[AUTHORITY]
        if (refused := self._wrong(body.url)) is not None:
            return refused
        secret = new_secret(secrets.token_bytes(SECRET_BYTES))
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            name = await webhooks.add(
                connection, authority.entity_id, realm=authority.realm.value, url=body.url, events=body.events,
                note=body.note, secret=secret,
            )  # fmt: skip
        return web.json_response({"webhook": name, "secret": secret}, status=201)

    async def get_webhook(self, request: web.Request) -> web.Response:
        """One webhook."""
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            row = await self._found(connection, request)
        return not_found() if row is None else shown(request, told(row))

    async def change_webhook(self, request: web.Request, body: WebhookChange) -> web.Response:
        """Address, events, note; switch it off, or on again."""
        authority = request[AUTHORITY]
        if body.url is not None and (refused := self._wrong(body.url)) is not None:
            return refused
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            if (refused := unmet(request, told(row))) is not None:
                return refused
            await webhooks.change(
                connection, row["id"], url=body.url, events=body.events, note=body.note, enabled=body.enabled
            )
            return shown(request, told(await self._found(connection, request)))

    async def rotate(self, request: web.Request) -> web.Response:
        """A new secret, shown this once; the old one is signed with as well for a day."""
        authority = request[AUTHORITY]
        secret = new_secret(secrets.token_bytes(SECRET_BYTES))
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            until = await webhooks.rotate(connection, row["id"], secret, self._rules.old_secret_s)
        return web.json_response({"secret": secret, "old_until": until.isoformat()})

    async def ping(self, request: web.Request) -> web.Response:
        """Tell it something that says nothing."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            words = ping(row["public_id"], self._utcnow())
            name = await webhooks.enqueue(connection, row["id"], authority.entity_id, EventType.PING.value, words)
        return web.json_response({"message": name}, status=202)

    async def remove(self, request: web.Request) -> web.Response:
        """Nothing more is told."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            done = await webhooks.remove(connection, authority.entity_id, request.match_info["webhook"])
        return web.json_response({"removed": True}) if done else not_found()

    async def list_deliveries(self, request: web.Request) -> web.Response:
        """What was told, newest first."""
        most = paging.limit(request)
        before = paging.number(request.query.get("cursor", ""), webhooks.NEWEST, digits=18)
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            row = await self._found(connection, request)
            if row is None:
                return not_found()
            rows = await webhooks.deliveries(connection, row["id"], before, most)
        return paging.page("deliveries", rows, most, delivery, lambda one: str(one["id"]))

    async def _found(self, connection: Connection, request: web.Request) -> Any:
        return await webhooks.find(connection, request[AUTHORITY].entity_id, request.match_info["webhook"])

    def _wrong(self, url: str) -> web.Response | None:
        """Why this address is not told anything."""
        why = self._refusal(url)
        if not why and not self._rules.plain_http and not url.startswith("https:"):
            why = "it is not https"
        return problem(422, "bad-address", f"The address can not be used: {why}.", mistakes=[]) if why else None


def told(row: Any) -> dict[str, Any]:
    """A webhook without its secret."""
    return {
        "webhook": row["public_id"],
        "realm": row["realm"],
        "url": row["url"],
        "events": row["events"],
        "note": row["note"],
        "enabled": row["disabled_at"] is None,
        "disabled_why": row["disabled_why"],
        "failures": row["failures"],
        "delivered": _time(row["delivered_at"]),
        "waiting": row["waiting"],
    }


def delivery(row: Any) -> dict[str, Any]:
    """What became of one message."""
    return {
        "message": row["public_id"],
        "type": row["type"],
        "at": _time(row["created_at"]),
        "attempts": row["attempts"],
        "status": row["status"],
        "settled": row["settled"],
        "due": _time(row["due_at"]),
        "done": _time(row["done_at"]),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
