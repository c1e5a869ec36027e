"""Contacts and groups of an entity, as its people keep them.

Knows: the tables of who is alerted. Never knows: who may see whom (`within` says it: partnerships, None for all of the
entity), numbers' spelling.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.cap.area import Ring
from gateway.cap.cover import polygon
from gateway.policy.contacts import GroupFilter, Wanted
from gateway.policy.importing import ImportedContact
from gateway.store import filtered
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("contacts")
AT_ONCE = 1000
LISTED = 1000
"""Members counted of each group in a list."""
Within = Sequence[int] | None
MOST_WORDS = 8


class FoundGroup(NamedTuple):
    """A group that may be kept; `filtered`: nobody puts people into it by hand."""

    id: int
    filtered: bool


async def page(
    connection: Connection,
    entity_id: int,
    within: Within,
    *,
    begins: str = "",
    after: tuple[str, int] = ("", 0),
    limit: int = 100,
) -> list[Any]:
    """Contacts by name; `after` is the last one of the page before."""
    after = max(
        after, (begins.lower(), 0)
    )  # where the walk along the index begins, which is not seen from the other bound
    if within is None:
        return list(await connection.fetch(_SQL["contact_page"], entity_id, begins.lower(), *after, limit))
    return list(
        await connection.fetch(_SQL["contact_page_within"], entity_id, begins.lower(), *after, limit, list(within))
    )


async def everybody(connection: Connection, entity_id: int, begins: str = "") -> list[Any]:
    """All of them by name."""
    found: list[Any] = []
    after = ("", 0)
    while rows := await page(connection, entity_id, None, begins=begins, after=after, limit=AT_ONCE):
        found += rows
        after = rows[-1]["search"], rows[-1]["id"]
    return found


async def of_group(
    connection: Connection, entity_id: int, within: Within, group: FoundGroup, after: int, limit: int
) -> list[Any]:
    """Who is in a group now, by number."""
    if group.filtered:
        return await filtered.page(connection, entity_id, within, group.id, after, limit)
    return list(await connection.fetch(_SQL["contact_of_group"], entity_id, within, group.id, after, limit))


async def numbers_of_group(connection: Connection, entity_id: int, group: int, after: int, limit: int) -> list[int]:
    """The next members of a group after contact `after`, whatever fills it: their numbers, in order."""
    found = await filtered.numbers(connection, entity_id, group, after, limit)
    if found is None:
        found = await connection.fetchval(_SQL["group_numbers"], entity_id, group, after, limit)
    return found


async def search(
    connection: Connection, entity_id: int, within: Within, wanted: Wanted, after: tuple[str, int], limit: int
) -> list[Any]:
    """Contacts that have a word with each of the wanted beginnings.

    `after` is (`word`, id) of the last one, or (`search`, id) within partnerships.
    """
    words = list(wanted.exact) or await connection.fetchval(_SQL["contact_words"], wanted.text)
    words = sorted(set(words or ()), key=len, reverse=True)[:MOST_WORDS]
    if not words:
        return []
    if within is not None:
        return list(
            await connection.fetch(_SQL["contact_search_within"], entity_id, list(within), words, *after, limit)
        )
    rarest, *others = [row["o"] for row in await connection.fetch(_SQL["contact_rare"], entity_id, words)]
    after = max(after, (rarest, 0))
    return list(await connection.fetch(_SQL["contact_search"], entity_id, rarest, *after, limit, others))


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


async def groups(
    connection: Connection, entity_id: int, within: Within, after: str, limit: int
) -> list[dict[str, Any]]:
    """Groups with their sizes, by slug; not `exact`: of one that is filled by a filter, or at least so many."""
    rows = await connection.fetch(_SQL["group_page"], entity_id, within, after, limit, LISTED + 1)
    return [{**row, "exact": row["members"] is not None and row["members"] <= LISTED} for row in rows]


async def group(connection: Connection, entity_id: int, within: Within, slug: str) -> FoundGroup | None:
    """A group that may be kept."""
    row = await connection.fetchrow(_SQL["group_by_slug"], entity_id, within, slug)
    return None if row is None else FoundGroup(*row)


async def show_group(
    connection: Connection, entity_id: int, within: Within, slug: str
) -> tuple[Any, dict[str, Any]] | None:
    """A group with its filter, and how many people are in it now: all, and by channel. `exact`: no more than these."""
    row = await connection.fetchrow(_SQL["group_show"], entity_id, within, slug)
    if row is None:
        return None
    if row["filtered"]:
        counts, exact = await filtered.count(connection, entity_id, row["id"])
        return row, {**counts, "exact": exact}
    found: Any = await connection.fetchrow(_SQL["group_count"], entity_id, row["id"], filtered.COUNTED + 1)
    return row, {**found, "exact": found["members"] <= filtered.COUNTED}


async def count_group(connection: Connection, entity_id: int, group: FoundGroup) -> dict[str, Any]:
    """How many people are in a group now, exactly, however long that takes."""
    if group.filtered:
        counts: Any = await filtered.count_all(connection, entity_id, group.id)
    else:
        counts = await connection.fetchrow(_SQL["group_count"], entity_id, group.id, None)
    return {**counts, "exact": True}


async def put_filter(connection: Connection, entity_id: int, number: int, asked: GroupFilter | None) -> bool:
    """What fills a group; None: people do. False: people were put in by hand, and would be lost."""
    if asked is None:
        await connection.execute(_SQL["group_filter_drop"], entity_id, number)
        return True
    outlines = [polygon(Ring(ring)) for ring in asked.rings]
    put = await connection.fetchval(
        _SQL["group_filter_put"], entity_id, number, list(asked.languages), list(asked.postcodes),
        [name.lower() for name in asked.municipalities], list(asked.tags), list(asked.channels), asked.rings, outlines,
    )  # fmt: skip
    return put is not None


async def put_group(
    connection: Connection,
    entity_id: int,
    within: Within,
    slug: str,
    name: str,
    *,
    exercises: bool,
    partnership: int | None,
) -> int | None:
    """The number of a group that was made or changed. None: it is another partnership's."""
    number: int | None = await connection.fetchval(
        _SQL["group_put"], entity_id, within, slug, name, exercises, partnership
    )
    return number


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
