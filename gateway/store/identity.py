"""By what an entity's alerts are known: its rule for signatures, its certificates, its CAP senders.

Knows: the tables of migrations/0006. Never knows: how a signature is verified, files.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.cap.trust import Certificate
from gateway.model import SignatureRule
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("identity")


class PinnedRow(NamedTuple):
    """One certificate that counts; `certifies`: so do those that it certified. `fingerprint` is its SHA-256 in hex."""

    fingerprint: str
    certifies: bool
    subject: str
    not_before: datetime
    not_after: datetime


class RuleRow(NamedTuple):
    """What signatures are for, and whether SHA-1 is excepted."""

    rule: str
    allow_sha1: bool


async def rule(connection: Connection, entity_id: int) -> RuleRow:
    """The rule that is in force."""
    row = await connection.fetchrow(_SQL["identity_rule"], entity_id)
    assert row is not None
    return RuleRow(*row)


async def set_rule(
    connection: Connection, entity_id: int, *, rule: SignatureRule | None = None, allow_sha1: bool | None = None
) -> None:
    """Change what is not None."""
    await connection.execute(_SQL["identity_set_rule"], entity_id, rule.value if rule else None, allow_sha1)


async def pinned(connection: Connection, entity_id: int) -> list[PinnedRow]:
    """The certificates that count now, in the order in which they came."""
    return [PinnedRow(*row) for row in await connection.fetch(_SQL["identity_pinned"], entity_id)]


async def pin(connection: Connection, entity_id: int, certificates: Sequence[Certificate], der: Sequence[bytes]) -> int:
    """Let these certificates count; how many did not before."""
    rows = await connection.fetch(
        _SQL["identity_pin"],
        entity_id,
        [one.certifies for one in certificates],
        [bytes.fromhex(one.fingerprint) for one in certificates],
        list(der),
        [one.subject for one in certificates],
        [one.not_before for one in certificates],
        [one.not_after for one in certificates],
    )
    return len(rows)


async def unpin(connection: Connection, entity_id: int, fingerprint: str) -> int:
    """The certificates whose fingerprint (hex) begins so count no more from now on; how many these are."""
    return len(await connection.fetch(_SQL["identity_unpin"], entity_id, fingerprint.lower()))


async def senders(connection: Connection, entity_id: int) -> list[str]:
    """The CAP senders that the entity registered, the first one first."""
    return [row["sender"] for row in await connection.fetch(_SQL["identity_senders"], entity_id)]


async def add_senders(connection: Connection, entity_id: int, names: Sequence[str]) -> None:
    """Register senders; those that are registered stay."""
    await connection.execute(_SQL["identity_add_senders"], entity_id, list(names))


async def remove_senders(connection: Connection, entity_id: int, names: Sequence[str]) -> int:
    """Take senders away; how many were registered."""
    return len(await connection.fetch(_SQL["identity_remove_senders"], entity_id, list(names)))
