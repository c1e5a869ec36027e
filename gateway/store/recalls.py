"""Which SMS of stopped campaigns their providers may still be holding.

Knows: campaigns that were stopped, message ids. Never knows: how a provider is asked to cancel or replace.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.model import Earlier
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("recall")


class Recallable(NamedTuple):
    """One message at a provider: its place (seq, mask), its id there, the number that it is for."""

    seq: int
    mask: int
    message_id: str
    address: str


class Stopped(NamedTuple):
    """A campaign that was stopped; `replacing` while an Update of it may take the place of its messages."""

    campaign: int
    replacing: bool


async def stopped_campaigns(connection: Connection) -> list[Stopped]:
    """Campaigns that were stopped and are not closed."""
    return [Stopped(row["id"], row["replacing"]) for row in await connection.fetch(_SQL["stopped_campaigns"])]


async def recallable(
    connection: Connection, campaign: int, provider: str, after: tuple[int, int], limit: int
) -> list[Recallable]:
    """Messages of a campaign at a provider of which nothing is known, behind this place."""
    rows = await connection.fetch(_SQL["recallable"], campaign, provider, *after, limit)
    return [Recallable(row["seq"], row["mask"], row["msg_id"], row["address"]) for row in rows]


async def updated_by(connection: Connection, campaign: int) -> list[int]:
    """The campaigns whose messages this one may replace: none unless it is an Update. Their ids can be found quickly
    afterwards."""
    before = [row["id"] for row in await connection.fetch(_SQL["updated_by"], campaign)]
    if before:
        await connection.execute(_SQL["summarise_message_ids"])
    return before


async def replaceable(
    connection: Connection,
    rows: Sequence[int],
    addresses: Sequence[str],
    before: Sequence[int],
    providers: Sequence[str],
) -> dict[int, Earlier]:
    """Of these rows, those for whose number one of the providers still holds a message of the campaigns `before`."""
    found = await connection.fetch(_SQL["replaceable"], list(rows), list(addresses), list(before), list(providers))
    return {row["later"]: Earlier(row["provider"], row["msg_id"], row["body"]) for row in found}
