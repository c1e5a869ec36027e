"""Registration statistics of an entity: who registered in its territory, counted.

Knows: territories as cells, that a type-2 entity has no citizens. Never knows: HTTP, who the citizens are.
"""

import asyncio
from typing import Any

from gateway.cap.cover import cover_union
from gateway.model import EntityKind
from gateway.policy.registered import RegisteredRow, statistics
from gateway.store import citizens
from gateway.store.pool import Connection


async def registrations(connection: Connection, slug: str) -> dict[str, Any] | None:
    """The statistics of an entity; None without a territory in which it may reach citizens. By the platform, to which
    citizens belong: an entity counts them and never sees one."""
    found = await citizens.territory(connection, slug)
    if found is None or found[0] is EntityKind.TYPE2 or not found[1]:
        return None
    cells = await asyncio.to_thread(cover_union, found[1])
    rows = await citizens.registered_in(connection, cells)
    return statistics([RegisteredRow(*row) for row in rows])
