"""Everything of one entity as rows of an archive, and such rows put back.

Knows: the tables of an entity. Never knows: files, who may take an entity along; nothing secret is in an archive.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

from gateway.cap.area import Ring
from gateway.model import ChannelName, MessageClass, Purpose, Role
from gateway.policy.archive import ArchiveReader, BadArchive
from gateway.policy.contacts import GroupFilter
from gateway.store import contacts, persons
from gateway.store.persons import Grant, NewMandate
from gateway.store.pool import NEVER, Connection
from gateway.store.sql import Queries

_SQL = Queries.load("archive")
BATCH_ROWS = 2_000


class Made(NamedTuple):
    """The entity that came out of an archive."""

    id: int
    slug: str


async def rows(connection: Connection, entity_id: int, name: str) -> list[str]:
    """The rows of one file of the archive."""
    found = await connection.fetch(_SQL[f"archive_{name}"], entity_id)
    return [json.dumps(row[0], ensure_ascii=False, sort_keys=True) for row in found]


async def restore(connection: Connection, archive: ArchiveReader, grant: Grant, slug: str | None = None) -> Made | None:
    """A new entity with everything of the archive that is not history, not live; None when the slug is taken.

    Runs in the caller's transaction. Raises BadArchive when a row is not what it should be. Where `grant` is not
    confirmed, roles and mandates wait for a second administrator.
    """
    try:
        (entity,) = archive.rows("entity")
        entity_id: int | None = await connection.fetchval(
            _SQL["restore_entity"], entity | ({"slug": slug} if slug else {})
        )
        if entity_id is None:
            return None
        await connection.execute(_SQL["restore_senders"], entity_id, entity["senders"])
        people = await _persons(connection, entity_id, archive, grant)
        places = await _partnerships(connection, entity_id, archive, people)
        await _mandates(connection, entity_id, archive, people, places, grant)
        numbers = await _contacts(connection, entity_id, archive)
        await _groups(connection, entity_id, archive, places)
        for batch in _batches(archive.rows("members")):
            named = [(row["group"], numbers[row["contact"]]) for row in batch]
            await connection.execute(
                _SQL["restore_members"], entity_id, [one for one, _ in named], [number for _, number in named]
            )
    except BadArchive:
        raise
    except (KeyError, TypeError, AttributeError, *NEVER):
        raise BadArchive("a row of the archive is not what it should be") from None
    return Made(entity_id, slug or entity["slug"])


async def _persons(connection: Connection, entity_id: int, archive: ArchiveReader, grant: Grant) -> dict[str, int]:
    people: dict[str, int] = {}
    for row in archive.rows("persons"):
        roles = [Role(role) for role in row["roles"]]
        await persons.join(
            connection,
            entity_id,
            name=row["name"],
            email=row["email"],
            language=row["language"],
            roles=roles,
            grant=grant,
        )
        person = await persons.find(connection, entity_id, row["email"])
        people[row["email"]] = person["id"]
        if person["trained_on"] is None and row["trained_on"] is not None:
            on, until = _day(row["trained_on"]), _day(row["trained_until"])
            await persons.train(connection, entity_id, person["id"], on, until)
        if row["suspended"]:
            await persons.suspend(connection, entity_id, person["id"], True)
    return people


async def _partnerships(
    connection: Connection, entity_id: int, archive: ArchiveReader, people: Mapping[str, int]
) -> dict[str, int]:
    places: dict[str, int] = {}
    for row in archive.rows("partnerships"):
        number = await persons.put_partnership(connection, entity_id, row["slug"], row["name"], row["agreement"])
        places[row["slug"]] = number
        for email, role in row["people"]:
            await persons.enrol(connection, entity_id, number, people[email], role)
    return places


async def _mandates(
    connection: Connection,
    entity_id: int,
    archive: ArchiveReader,
    people: Mapping[str, int],
    places: Mapping[str, int],
    grant: Grant,
) -> None:
    for row in archive.rows("mandates"):
        mandate = NewMandate(
            classes=[MessageClass(row["class"])], channels=[ChannelName(row["channel"])],
            purposes=[Purpose(one) for one in row["purposes"]],
            partnership=None if row["partnership"] is None else places[row["partnership"]],
            not_before=_moment(row["not_before"]), not_after=_moment(row["not_after"]),
        )  # fmt: skip
        await persons.grant_mandate(connection, entity_id, people[row["person"]], mandate, grant)


async def _contacts(connection: Connection, entity_id: int, archive: ArchiveReader) -> dict[int, int]:
    numbers: dict[int, int] = {}
    for batch in _batches(archive.rows("contacts")):
        for row in await connection.fetch(_SQL["restore_contacts"], entity_id, batch):
            numbers[row["old"]] = row["id"]
    return numbers


async def _groups(connection: Connection, entity_id: int, archive: ArchiveReader, places: Mapping[str, int]) -> None:
    for row in archive.rows("groups"):
        number = await contacts.put_group(
            connection, entity_id, None, row["slug"], row["name"], exercises=row["exercises"],
            partnership=None if row["partnership"] is None else places[row["partnership"]],
        )  # fmt: skip
        if row["filter"] is not None and number is not None:
            await contacts.put_filter(connection, entity_id, number, _filter(row["filter"]))


def _filter(said: Mapping[str, Any]) -> GroupFilter:
    rings = tuple(Ring(tuple((lon, lat) for lon, lat in ring)).points for ring in said["rings"])
    return GroupFilter(
        languages=tuple(said["languages"]), postcodes=tuple(said["postcodes"]),
        municipalities=tuple(said["municipalities"]), tags=tuple(said["tags"]),
        channels=tuple(ChannelName(name) for name in said["channels"]), rings=rings,
    )  # fmt: skip


def _batches(found: Iterable[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    source = iter(found)
    while batch := list(islice(source, BATCH_ROWS)):
        yield batch


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
