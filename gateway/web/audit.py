"""The audit record of an entity over HTTP: who did what when, newest first.

Knows: routes, JSON, cursors. Never knows: SQL, hashes, who holds a token. See schemas/openapi.yaml.
"""

from typing import Any

from aiohttp import web

from gateway.store import audit
from gateway.store.pool import Store
from gateway.web.access import AUTHORITY, Access

PAGE = 100
PAGE_MOST = 1000
NEWEST = 2**62


class AuditPages:
    """GET /v1/audit."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.get("/v1/audit", self._access.known(self.list_events))]

    async def list_events(self, request: web.Request) -> web.Response:
        """A page of the entity's record; `act` and `subject` narrow it."""
        query, entity_id = request.query, request[AUTHORITY].entity_id
        before, limit = _number(query.get("cursor", ""), NEWEST), _number(query.get("limit", ""), PAGE)
        limit = min(PAGE_MOST, max(1, limit))
        async with self._store.tenant(entity_id) as connection:
            rows = await audit.page(
                connection, entity_id, before, limit, act=_word(query.get("act")), subject=_word(query.get("subject"))
            )
        more = str(rows[-1]["id"]) if len(rows) == limit else None
        return web.json_response({"events": [_event(row) for row in rows], "next": more})


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


def _word(text: str | None) -> str | None:
    return text.replace("\0", "")[:200] if text else None


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default
