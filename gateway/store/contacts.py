"""Contacts and groups of an entity, as its people keep them.

Knows: the tables of who is alerted. Never knows: who may see whom (`within` says it: partnerships, None for all of the
entity), numbers' spelling.
"""

from collections.abc import Sequence
from typing import Any

from gateway.policy.importing import ImportedContact
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("contacts")
Within = Sequence[int] | None


async def page(
    connection: Connection,
    entity_id: int,
    within: Within,
    *,
    begins: str = "",
    after: tuple[str, int] = ("", 0),
    group: int | None = None,
    limit: int = 100,
) -> list[Any]:
    """Contacts by name; `after` is the last one of the page before."""
    return list(await connection.fetch(_SQL["contact_page"], entity_id, within, begins.lower(), *after, group, limit))


async def by_endpoint(connection: Connection, entity_id: int, within: Within, endpoint: str) -> list[Any]:
    """Contacts with this number or e-mail address."""
    return list(await connection.fetch(_SQL["contact_by_endpoint"], entity_id, within, endpoint))


async def by_key(connection: Connection, entity_id: int, within: Within, key: str) -> Any:
    """One contact, or None."""
    return await connection.fetchrow(_SQL["contact_by_key"], entity_id, within, key)


async def put(
    connection: Connection,
    entity_id: int,
    within: Within,
    contact: ImportedContact,
    *,
    language: str,
    partnership: int | None,
    verified: bool,
) -> bool | None:
    """Store a contact by its key: True when it is new, None when the key is somebody's who may not be kept."""
    row = await connection.fetchrow(
        _SQL["contact_put"], entity_id, within, contact.key, contact.name, contact.language or language,
        contact.mobile, contact.landline, contact.email, contact.opt_out, partnership, verified,
        contact.postcode, contact.municipality, list(contact.tags),
    )  # fmt: skip
    return None if row is None else bool(row["added"])


async def remove(connection: Connection, entity_id: int, within: Within, keys: Sequence[str]) -> int:
    """How many contacts left."""
    status: str = await connection.execute(_SQL["contact_remove"], entity_id, within, list(keys))
    return int(status.rpartition(" ")[2])


async def groups(connection: Connection, entity_id: int, within: Within, after: str, limit: int) -> list[Any]:
    """Groups with their sizes, by slug."""
    return list(await connection.fetch(_SQL["group_page"], entity_id, within, after, limit))


async def group(connection: Connection, entity_id: int, within: Within, slug: str) -> int | None:
    """The number of a group that may be kept."""
    number: int | None = await connection.fetchval(_SQL["group_by_slug"], entity_id, within, slug)
    return number


async def put_group(
    connection: Connection,
    entity_id: int,
    within: Within,
    slug: str,
    name: str,
    *,
    exercises: bool,
    partnership: int | None,
) -> bool:
    """Make or change a group. False: it is another partnership's."""
    return (
        await connection.fetchval(_SQL["group_put"], entity_id, within, slug, name, exercises, partnership) is not None
    )


async def remove_group(connection: Connection, entity_id: int, number: int) -> None:
    """A group ends; its contacts stay."""
    await connection.execute(_SQL["group_remove"], entity_id, number)


async def change_members(
    connection: Connection, entity_id: int, within: Within, number: int, add: Sequence[str], take: Sequence[str]
) -> None:
    """Contacts come into a group and leave it, by key."""
    await connection.execute(_SQL["group_join"], entity_id, within, number, list(add))
    await connection.execute(_SQL["group_leave"], entity_id, number, list(take))


async def ask_export(connection: Connection, entity_id: int, reason: str, by: str) -> int:
    """The number of a request to take contacts out."""
    number: int = await connection.fetchval(_SQL["export_ask"], entity_id, reason, by)
    return number


async def agree_export(connection: Connection, entity_id: int, number: int, by: str) -> bool:
    """False: nothing waits, or it is their own."""
    return await connection.fetchval(_SQL["export_agree"], entity_id, number, by) is not None


async def take_export(connection: Connection, entity_id: int, number: int, by: str) -> bool:
    """False: nothing was agreed to, it was taken, or somebody else asked."""
    return await connection.fetchval(_SQL["export_take"], entity_id, number, by) is not None
