"""Templates as they are stored: every version stays, and so does what each launch showed.

Knows: the tables of migrations/0057. Never knows: what a template says, who may launch it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("templates")


async def put(connection: Connection, entity_id: int, slug: str, body: Mapping[str, Any], made_by: str) -> int | None:
    """The number of the new version; None when somebody else wrote one at this moment."""
    version: int | None = await connection.fetchval(_SQL["put_template"], entity_id, slug, body, made_by)
    return version


async def page(connection: Connection, entity_id: int, after: str, limit: int) -> list[Any]:
    """The newest version of each template, by slug."""
    return list(await connection.fetch(_SQL["templates"], entity_id, after, limit))


async def find(connection: Connection, entity_id: int, slug: str, version: int | None = None) -> Any:
    """One version of a template, the newest when none is named; or None."""
    return await connection.fetchrow(_SQL["template"], entity_id, slug, version)


async def put_launch(
    connection: Connection,
    entity_id: int,
    template: int,
    *,
    preview: Mapping[str, Any],
    document: bytes,
    waived: Sequence[str],
    reason: str,
    launched_by: str,
) -> int:
    """Keep what the launcher could see; its number."""
    number: int = await connection.fetchval(
        _SQL["put_launch"], entity_id, template, preview, document, list(waived), reason, launched_by
    )
    return number


async def note_launch(connection: Connection, launch: int, alert: str) -> None:
    """What the intake called the alert."""
    await connection.execute(_SQL["note_launch"], launch, alert)


async def launches(
    connection: Connection, entity_id: int, slug: str, before: int = 2**31 - 1, limit: int = 50
) -> list[Any]:
    """A page of what was launched of a template, newest first."""
    return list(await connection.fetch(_SQL["launches"], entity_id, slug, before, limit))
