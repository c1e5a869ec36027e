"""The sources of an entity over HTTP: which feeds it reads, what they brought, a draft made from one of their alerts.

Knows: routes, JSON, CAP's media type. Never knows: SQL, XML, who holds a token (`known` finds that out, as for the rest
of /v1). See schemas/openapi.yaml.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.cap.feed import CAP_MEDIA_TYPE
from gateway.flows.answers import Answer
from gateway.flows.relaying import Drafted, Relaying
from gateway.policy.rights import Authority, Refusal
from gateway.store import sources
from gateway.store.pool import Store
from gateway.store.sources import SourceRow
from gateway.web import paging
from gateway.web.access import AUTHORITY
from gateway.web.api import answered
from gateway.web.bodies import Handler
from gateway.web.problem import problem

Hold = Callable[[bytes, Authority], Awaitable[Answer]]
"""The intake, for an alert whose campaign waits for a second person."""

PAGE = 50


class SourcePages:
    """Handlers of /v1/sources; every one acts in the name of the token's entity, and of no other."""

    def __init__(self, store: Store, relaying: Relaying, hold: Hold, *, known: Callable[[Handler], Handler]) -> None:
        self._store = store
        self._relaying = relaying
        self._hold = hold
        self._known = known

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._known
        return [
            web.get("/v1/sources", known(self.list_sources)),
            web.get("/v1/sources/{source}/alerts", known(self.list_alerts)),
            web.get("/v1/sources/{source}/alerts/{alert}/cap", known(self.get_cap)),
            web.post("/v1/sources/{source}/alerts/{alert}/draft", known(self.post_draft)),
            web.post("/v1/sources/{source}/alerts/{alert}/campaign", known(self.post_campaign)),
        ]

    async def list_sources(self, request: web.Request) -> web.Response:
        """The feeds that the entity reads, with how reading goes."""
        entity_id, most, after = request[AUTHORITY].entity_id, paging.limit(request), paging.word(request, "cursor")
        async with self._store.connection() as connection:
            found = await sources.listed(connection, entity_id=entity_id, after=after, limit=most)
        return paging.page("sources", found, most, _source, lambda row: row.public_id)

    async def list_alerts(self, request: web.Request) -> web.Response:
        """What a source brought, newest first; `held` says why an alert can not be relayed."""
        entity_id, source = request[AUTHORITY].entity_id, request.match_info["source"]
        cursor = paging.number(request.query.get("cursor", ""), 0, digits=15)
        limit = paging.limit(request, PAGE)
        async with self._store.connection() as connection:
            if not await sources.is_there(connection, entity_id, source):
                return _not_found()
            rows = await sources.alerts(connection, entity_id, source, cursor, limit)
        more = rows[-1]["id"] if len(rows) == limit else None
        return web.json_response({"alerts": [self._alert(row, source) for row in rows], "next": more})

    def _alert(self, row: Any, source: str) -> dict[str, Any]:
        here = f"/v1/sources/{source}/alerts/{row['public_id']}"
        return {
            "alert": row["public_id"],
            "sender": row["sender"],
            "identifier": row["identifier"],
            "sent": row["sent"],
            "status": row["status"],
            "msgType": row["msg_type"],
            "scope": row["scope"],
            "headline": row["headline"],
            "received": _time(row["received_at"]),
            "expires": _time(row["expires_at"]),
            "valid": row["valid"],
            "held": [reason.value for reason in self._relaying.held(row)],
            "sha256": row["sha256"].hex(),
            "findings": row["findings"],
            "links": {"cap": f"{here}/cap", "draft": f"{here}/draft", "campaign": f"{here}/campaign"},
        }

    async def get_cap(self, request: web.Request) -> web.Response:
        """The bytes as the source sent them."""
        async with self._store.connection() as connection:
            row = await sources.alert(connection, request[AUTHORITY].entity_id, *_names(request))
        if row is None:
            return _not_found()
        # not to be shown by a browser: these are a stranger's bytes under our name
        headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": 'attachment; filename="alert.xml"'}
        return web.Response(body=row["raw"], content_type=CAP_MEDIA_TYPE, headers=headers)

    async def post_draft(self, request: web.Request) -> web.Response:
        """An alert of the entity's own, made from one that a source brought: to be read, changed and posted."""
        drafted = await self._relaying.draft(request[AUTHORITY], *_names(request))
        if isinstance(drafted, Drafted):
            return web.Response(status=201, body=drafted.document, content_type=CAP_MEDIA_TYPE)
        return _no_draft(drafted)

    async def post_campaign(self, request: web.Request) -> web.Response:
        """The same draft, posted at once: a campaign of the entity's own that waits until another person lets it go."""
        drafted = await self._relaying.draft(request[AUTHORITY], *_names(request))
        if isinstance(drafted, Drafted):
            return answered(await self._hold(drafted.document, request[AUTHORITY]))
        return _no_draft(drafted)


def _no_draft(refusal: Refusal | None) -> web.Response:
    if refusal is None:
        return _not_found()
    findings = [finding._asdict() for finding in refusal.findings]
    return problem(refusal.status, refusal.reason, refusal.message, findings=findings)


def _names(request: web.Request) -> tuple[str, str]:
    return request.match_info["source"], request.match_info["alert"]


def _source(row: SourceRow) -> dict[str, Any]:
    return {
        "source": row.public_id,
        "url": row.url,
        "title": row.title,
        "trusted": row.trusted,
        "paused": row.paused,
        "alerts": row.alerts,
        "problem": row.problem,
        "polled": _time(row.polled_at),
        "changed": _time(row.changed_at),
        "due": _time(row.due_at),
        "push": row.hub_state,
        "links": {"alerts": f"/v1/sources/{row.public_id}/alerts"},
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _not_found() -> web.Response:
    return problem(404, "not-found", "Nothing of yours has this name.")
