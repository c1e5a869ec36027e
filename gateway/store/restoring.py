"""Which database this is, and whether it came back from a backup.

Knows: the cluster's number, the database's number, the timeline. Never knows: what is held because of it.
"""

from datetime import datetime
from typing import NamedTuple

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("restoring")


class Seen(NamedTuple):
    """What a node noted last, beside what is there now."""

    same_place: bool
    same_timeline: bool
    silent_s: float


async def look(connection: Connection) -> Seen | None:
    """What was noted; None: nobody has looked yet. Other nodes wait until the transaction ends."""
    row = await connection.fetchrow(_SQL["look_home"])
    return None if row is None else Seen(*row.values())


async def note(connection: Connection, *, restored: bool) -> None:
    """Note what this database is now."""
    await connection.execute(_SQL["note_home"], restored)


async def restored_after(connection: Connection, at: datetime) -> bool:
    """Whether the database was restored after that time."""
    found: bool = await connection.fetchval(_SQL["restored_after"], at)
    return found


async def going(connection: Connection) -> list[tuple[int, int]]:
    """(campaign, entity) of all that send, or will when they are planned."""
    return [(row["id"], row["entity_id"]) for row in await connection.fetch(_SQL["going_campaigns"])]
