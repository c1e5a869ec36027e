"""Which SMS of stopped campaigns their providers may still be holding.

Knows: campaigns that were stopped, message ids. Never knows: how a provider is asked to cancel.
"""

from typing import NamedTuple

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("recall")


class Recallable(NamedTuple):
    """One message at a provider: its place (seq, mask), its id there, the number that it is for."""

    seq: int
    mask: int
    message_id: str
    address: str


async def stopped_campaigns(connection: Connection) -> list[int]:
    """Campaigns that were stopped and are not closed."""
    return [row["id"] for row in await connection.fetch(_SQL["stopped_campaigns"])]


async def recallable(
    connection: Connection, campaign: int, provider: str, after: tuple[int, int], limit: int
) -> list[Recallable]:
    """Messages of a campaign at a provider of which nothing is known, behind this place."""
    rows = await connection.fetch(_SQL["recallable"], campaign, provider, *after, limit)
    return [Recallable(row["seq"], row["mask"], row["msg_id"], row["address"]) for row in rows]
