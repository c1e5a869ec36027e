"""Turns: of two who change one thing over HTTP the second waits, and then sees what the first made of it.

Knows: advisory locks. Never knows: what is changed, what anybody saw.
"""

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("changes")


async def turn(connection: Connection, entity_id: int, thing: str) -> None:
    """It is ours to change until the transaction ends; also when it is not there yet."""
    await connection.execute(_SQL["change_turn"], f"{entity_id} {thing}")
