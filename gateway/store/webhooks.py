"""Webhooks as they are stored, and what waits to be told to them: written by the change itself, leased with an epoch.

Knows: the tables of migrations/0064. Never knows: HTTP, signatures, when something is tried again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.policy.webhooks import Told
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("webhooks")
KEPT_S = 30 * 86_400.0
NEWEST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A message that this node tells now; `attempts` counts this time."""

    id: int
    epoch: int
    public_id: str
    body: str
    attempts: int
    webhook: int
    url: str
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of a leased message; `status` is the HTTP one, 0 when there was no answer."""

    leased: Leased
    status: int
    told: Told


async def add(
    connection: Connection, entity_id: int, *, realm: str, url: str, events: Sequence[str], note: str, secret: str
) -> str:
    """Our name for a new webhook."""
    name = f"wh_{secrets.token_hex(8)}"
    await connection.execute(_SQL["webhook_add"], name, entity_id, realm, url, list(events), note, secret)
    return name


async def page(connection: Connection, entity_id: int, after: str = "", limit: int | None = None) -> list[Any]:
    """An entity's webhooks after the one of this name."""
    return list(await connection.fetch(_SQL["webhook_page"], entity_id, after, limit))


async def find(connection: Connection, entity_id: int, name: str) -> Any:
    """One of them, locked, or None."""
    return await connection.fetchrow(_SQL["webhook_find"], entity_id, name)


async def change(
    connection: Connection,
    number: int,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    note: str | None = None,
    enabled: bool | None = None,
) -> None:
    """What is told where; None stays."""
    wanted = None if events is None else list(events)
    await connection.execute(_SQL["webhook_change"], number, url, wanted, note, enabled)


async def rotate(connection: Connection, number: int, secret: str, old_s: float) -> datetime:
    """A new secret; until when the old one is signed with, too."""
    until: datetime = await connection.fetchval(_SQL["webhook_rotate"], number, secret, old_s)
    return until


async def remove(connection: Connection, entity_id: int, name: str) -> bool:
    """False: there is none of this name."""
    return await connection.fetchval(_SQL["webhook_remove"], entity_id, name) is not None


async def enqueue(connection: Connection, number: int, entity_id: int, kind: str, body: str) -> str:
    """Something for one webhook alone; the message's name."""
    name: str = await connection.fetchval(_SQL["webhook_enqueue"], number, entity_id, kind, body)
    await connection.execute("SELECT pg_notify('gateway', 'webhook')")
    return name


async def deliveries(connection: Connection, number: int, before: int = NEWEST, limit: int = 100) -> list[Any]:
    """What was told to one webhook, newest first."""
    return list(await connection.fetch(_SQL["webhook_deliveries"], number, before, limit))


async def lease(connection: Connection, limit: int, lease_s: float) -> list[Leased]:
    """Messages that are due, for this node alone."""
    return [Leased(**dict(row)) for row in await connection.fetch(_SQL["webhook_lease"], limit, lease_s)]


async def record(connection: Connection, attempts: Sequence[Attempt], disable_after_s: float) -> int:
    """Write down what became of messages; how many webhooks were switched off. Needs a transaction."""
    columns = [
        [one.leased.id for one in attempts], [one.leased.epoch for one in attempts], [one.status for one in attempts],
        [one.told.due for one in attempts], [one.told.settled for one in attempts],
    ]  # fmt: skip
    await connection.execute(_SQL["webhook_record"], *columns)
    judged = [
        [one.leased.webhook for one in attempts], [one.told.reached for one in attempts],
        [one.told.gone for one in attempts],
    ]  # fmt: skip
    number: int = await connection.fetchval(_SQL["webhook_judge"], *judged, disable_after_s)
    return number


async def forget(connection: Connection) -> int:
    """Drop what was settled a month ago; how many."""
    number: int = await connection.fetchval(_SQL["webhook_forget"], KEPT_S)
    return number
