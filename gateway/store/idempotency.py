"""Requests that a client may send again, as they are stored: one claim for each credential and key.

Knows: the table of migrations/0063. Never knows: HTTP, what an answer says (it is sealed when it comes here).
"""

from typing import NamedTuple

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("idempotency")
KEPT_S = 86_400.0
CLAIM_S = 90.0
"""Longer than any request is worked at: after that its node is gone."""


class Known(NamedTuple):
    """What is kept under a key: the digest of the request, and its answer (`status` None: it is being done)."""

    asked: bytes
    status: int | None
    sealed: bytes | None


class Slot(NamedTuple):
    """Under which key who asked: the digest of the credential, the entity in whose name, the key."""

    credential: bytes
    entity_id: int
    name: str


async def claim(connection: Connection, slot: Slot, asked: bytes) -> bool:
    """Take a key for a request; False: it is taken."""
    found = await connection.fetchval(_SQL["repeat_claim"], *slot, asked, KEPT_S, CLAIM_S)
    return found is not None


async def known(connection: Connection, slot: Slot) -> Known | None:
    """What is kept under a key."""
    row = await connection.fetchrow(_SQL["repeat_known"], *slot)
    return None if row is None else Known(*row)


async def answer(connection: Connection, slot: Slot, status: int, sealed: bytes) -> None:
    """Keep the answer that was given."""
    await connection.execute(_SQL["repeat_answer"], *slot, status, sealed)


async def release(connection: Connection, slot: Slot) -> None:
    """Nothing was done: the key is free again."""
    await connection.execute(_SQL["repeat_release"], *slot)


async def forget(connection: Connection) -> int:
    """Drop what is older than a day; how many."""
    number: int = await connection.fetchval(_SQL["repeat_forget"], KEPT_S)
    return number
