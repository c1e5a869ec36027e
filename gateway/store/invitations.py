"""Invitations that go by mail: asked for, taken when they are due, settled.

Knows: the table invitation. Never knows: what is written to whom, what an invitation opens (persons, sessions).
"""

import secrets
from datetime import datetime
from typing import Any

from gateway.model import Realm
from gateway.store import audit
from gateway.store.persons import Grant, new_secret
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("invitations")
NEWS = "SELECT pg_notify('gateway', 'invitations')"


async def ask(
    connection: Connection, entity_id: int, person_id: int, realm: Realm, until: datetime, grant: Grant, *, anew: bool
) -> int:
    """Have an invitation mailed as soon as it is confirmed; its number. It has no secret until then."""
    number: int = await connection.fetchval(
        _SQL["invitation_ask"], entity_id, person_id, realm.value, secrets.token_bytes(32), grant.by, grant.confirmed,
        until, anew,
    )  # fmt: skip
    await connection.execute(NEWS)
    return number


async def take_due(connection: Connection, limit: int) -> list[tuple[Any, str]]:
    """What is to be sent now, taken for a while, each with a secret that is new; an earlier one works no more."""
    rows = await connection.fetch(_SQL["invitations_due"], limit)
    found = [(row, new_secret("invite")) for row in rows]
    await connection.executemany(_SQL["invitation_secret"], [(row["id"], secret.digest) for row, secret in found])
    return [(row, secret.text) for row, secret in found]


async def settle(connection: Connection, entity_id: int, number: int, sent: bool, again_s: float | None) -> None:
    """Its mail left, or is tried again so much later, or (None) never again: then the record says so."""
    await connection.execute(_SQL["invitation_settle"], number, sent, again_s)
    if sent or again_s is None:
        act = "invitation.mailed" if sent else "invitation.not-mailed"
        await audit.write(connection, entity_id, act, f"invitation:{number}", {})
