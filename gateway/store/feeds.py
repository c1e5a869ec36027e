"""What the public feeds show, and which authorities have one.

Knows: the queries over released public alerts. Never knows: CAP, HTTP, languages.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("feeds")


class ShownVersion(NamedTuple):
    """Differs whenever the alerts of one status that the feeds show differ."""

    entries: int
    newest: int
    released: float


class ShownAlert(NamedTuple):
    """The bytes as they were received, and whether a trusted signature was found in them then."""

    raw: bytes
    trusted: bool


async def shown_alerts(connection: Connection, status: str, known: Collection[str] = ()) -> list[Any]:
    """Rows of public_id, raw (None for those that are `known`), received_at, released_at, slug of the authority; newest
    first."""
    return list(await connection.fetch(_SQL["shown_alerts"], status, list(known)))


async def shown_version(connection: Connection, status: str) -> ShownVersion:
    """A cheap look at whether something came or went."""
    row = await connection.fetchrow(_SQL["shown_version"], status)
    assert row is not None
    return ShownVersion(row["entries"], row["newest"], row["released"])


async def shown_alert(connection: Connection, public_id: str) -> ShownAlert | None:
    """One public alert, or None."""
    row = await connection.fetchrow(_SQL["shown_alert"], public_id)
    return None if row is None else ShownAlert(row["raw"], row["trusted"])


async def shown_ids(connection: Connection, identifier: str) -> list[str]:
    """Our ids of the public alerts with this CAP identifier, newest first."""
    return [row["public_id"] for row in await connection.fetch(_SQL["shown_ids"], identifier)]


async def publishing_entities(connection: Connection) -> Mapping[str, str]:
    """Names of the authorities that have a feed of their own, by slug."""
    return {row["slug"]: row["name"] for row in await connection.fetch(_SQL["publishing_entities"])}
