"""Calls that were started and have no end on record.

Knows: the tables chunk, delivery, msgref of voice. Never knows: how an end is learned.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("calls")


class OpenCall(NamedTuple):
    """A call, its trunk, and what it says."""

    trunk: str
    call_id: str
    campaign: int
    text: str


async def without_end(
    connection: Connection, trunks: Sequence[str], *, node: int | None, forgotten_after_s: float
) -> list[OpenCall]:
    """Those of one node, whenever they began; without a node, those of all nodes that began long ago."""
    rows = await connection.fetch(_SQL["calls_without_end"], list(trunks), node, timedelta(seconds=forgotten_after_s))
    return [OpenCall(*row) for row in rows]
