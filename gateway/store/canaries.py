"""What became of canaries, the test messages that watch the way through each operator.

Knows: the table canary, receipts that belong to no delivery. Never knows: how a canary is sent.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.store import progress
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("canary")


class CanaryState(NamedTuple):
    """Seconds: since the last one left, since the last that arrived (none yet: since the first left), and how long that
    one took (None: none yet)."""

    sent_s: float
    age_s: float
    took_s: float | None


async def sent(connection: Connection, name: str, provider: str, message_id: str) -> None:
    """A provider took a canary under this id."""
    number = await progress.provider_id(connection, provider)
    await connection.execute(_SQL["canary_sent"], name, number, message_id)


async def settled(connection: Connection, names: Sequence[str]) -> Mapping[str, CanaryState]:
    """Take in the receipts that have come, forget what is old, and say how the canaries are."""
    await connection.execute(_SQL["canary_receipts"])
    await connection.execute(_SQL["canary_forget"])
    rows = await connection.fetch(_SQL["canary_state"], list(names))
    return {row["name"]: CanaryState(row["sent_s"], row["age_s"], row["took_s"]) for row in rows}
