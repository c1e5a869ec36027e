"""The audit record: written, read by its entity, verified link by link.

Knows: the tables of migrations/0021; the database links events when their transaction commits. Never knows: rights,
what an act means.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.policy.chain import Break, Link, Walk
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("audit")
HELPING = 5_000


class Chain(NamedTuple):
    """The end of one entity's chain; `loose` events are in no chain."""

    entity_id: int
    entity: str
    seq: int
    hash: bytes
    loose: int


async def write(
    connection: Connection,
    entity_id: int,
    act: str,
    subject: str,
    detail: Mapping[str, object] | None = None,
    actor: str | None = None,
) -> None:
    """Write down that something was done, by whom the transaction acts for unless `actor` is given. Ids, words and
    counts only."""
    await connection.execute(_SQL["audit_write"], entity_id, actor, act, subject, dict(detail or {}))


async def seen_lately(connection: Connection, entity_id: int, holder: str) -> int:
    """How many contacts somebody looked at within the hour."""
    seen: int = await connection.fetchval(_SQL["audit_seen_lately"], entity_id, holder)
    return seen


async def page(
    connection: Connection,
    entity_id: int,
    before: int,
    limit: int,
    *,
    act: str | None = None,
    subject: str | None = None,
) -> list[Any]:
    """Events of one entity, newest first; `act` is how the act begins."""
    return list(await connection.fetch(_SQL["audit_page"], entity_id, before, act, subject, limit))


async def chains(connection: Connection, entity: str | None = None) -> list[Chain]:
    """The end of every chain, or of one."""
    return [Chain(*row) for row in await connection.fetch(_SQL["audit_chains"], entity)]


async def verify(connection: Connection, chain: Chain, known: Mapping[int, bytes] | None = None) -> list[Break]:
    """Where a chain is not what it was: recomputed from its first link, compared with its end and with what was
    written down before."""
    walk, found = Walk({**(known or {}), chain.seq: chain.hash}), list[Break]()
    while rows := await connection.fetch(_SQL["audit_links"], chain.entity_id, walk.seq, chain.seq, HELPING):
        found += walk.along(Link(**row) for row in rows)
    found += walk.end()
    found += [
        Break(seq=seq, reason="the hash is not the one that was written down")
        for seq, digest in (known or {}).items()
        if seq == chain.seq and digest != chain.hash
    ]
    if chain.loose:
        found.append(Break(seq=chain.seq, reason=f"{chain.loose} event(s) are in no chain"))
    return found
