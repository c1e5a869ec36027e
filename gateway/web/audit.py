"""The audit record of an entity over HTTP: who did what when, newest first.

Knows: routes, JSON, cursors. Never knows: SQL, hashes, who holds a token. See schemas/openapi.yaml.
"""

from typing import Any

from aiohttp import web

from gateway.store import audit
from gateway.web import paging
from gateway.web.access import AUTHORITY, Pages

NEWEST = 2**62


class AuditPages(Pages):
    """GET /v1/audit."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/v1/audit", self._access.known(self.list_events))]

    async def list_events(self, request: web.Request) -> web.Response:
        """A page of the entity's record; `act` and `subject` narrow it."""
        entity_id, most = request[AUTHORITY].entity_id, paging.limit(request)
        before = paging.number(request.query.get("cursor", ""), NEWEST, digits=18)
        act, subject = (paging.word(request, name) or None for name in ("act", "subject"))
        async with self._store.tenant(entity_id) as connection:
            rows = await audit.page(connection, entity_id, before, most, act=act, subject=subject)
        return paging.page("events", rows, most, _event, lambda row: str(row["id"]))


def _event(row: Any) -> dict[str, Any]:
    return {
        "number": row["seq"],
        "at": row["at"].isoformat(),
        "by": row["actor"],
        "act": row["act"],
        "on": row["subject"],
        "detail": row["detail"],
        "hash": row["hash"].hex() if row["hash"] else None,
    }
