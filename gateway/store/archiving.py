"""Everything of one entity as rows of an archive, and such rows put back.

Knows: the tables of an entity, and why some of them do not go along. Never knows: files, who may take an entity along;
nothing secret is in an archive.
"""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from gateway.cap import trust
from gateway.cap.area import Ring
from gateway.model import ChannelName, MessageClass, Purpose, Role
from gateway.policy.archive import HISTORY, ArchiveReader, BadArchive
from gateway.policy.contacts import GroupFilter
from gateway.policy.webhooks import SECRET_BYTES, new_secret
from gateway.store import contacts, persons
from gateway.store.persons import Grant, NewMandate
from gateway.store.pool import NEVER, Connection
from gateway.store.sql import Queries

_SQL = Queries.load("archive")
PART_ROWS = 200
HOLDS: Mapping[str, tuple[str, ...]] = {
    "entity": ("entity", "entity_sender"),
    "persons": ("membership",),
    "partnerships": ("partnership", "partnership_role"),
    "mandates": ("mandate",),
    "contacts": ("contact", "address"),
    "groups": ("contact_group", "group_filter"),
    "members": ("group_member",),
    "templates": ("template",),
    "certificates": ("entity_certificate",),
    "sources": ("source",),
    "webhooks": ("webhook",),
    "alerts": ("alert", "alert_reference", "report"),
    "campaigns": ("campaign", "campaign_event", "approval", "declaration", "breach", "milestone", "progress"),
    "texts": ("text",),
    "launches": ("template_launch",),
    "terms": ("terms_answer",),
    "packs": ("pack",),
    "usage": ("usage_line", "pack_draw"),
    "tokens": ("token",),
    "mail_sources": ("mail_source",),
    "mails": ("mail",),
    "notices": ("notice",),
    "exports": ("export_request",),
    "imports": ("import_run",),
    "audit": ("audit_event", "audit_link"),
}
"""Which tables of an entity each file of an archive holds; those of history hold what came from elsewhere as well."""
_SENT = "who was sent what, citizens of the platform among them; the counts are in campaigns"
_PASSING = "work under way; what it came to is in campaigns"
_OPENS = "opens something; made anew"
_OTHERS = "what others published, there to be read again; what was made of it is in alerts"
LEFT_OUT: Mapping[str, str] = {
    "delivery": _SENT,
    "mail_notice": _SENT,
    "chunk": _PASSING,
    "retry": _PASSING,
    "mail_answer": "mails on their way; the verdicts are in mails",
    "webhook_delivery": "what waits to be told; made of campaigns",
    "invitation": _OPENS,
    "person_session": _OPENS,
    "idempotency": "answers to requests that are sent again, kept for a day and sealed with a credential",
    "contact_word": "made anew of contacts",
    "audit_head": "the end of the chain, which is the last row of audit",
    "import_change": "what an undo would put back; an import is undone where it was made",
    "erasure": "numbers of contacts that are gone; who erased when is in audit",
    "source_alert": _OTHERS,
    "source_draft": _OTHERS,
    "source_entry": _OTHERS,
    "source_receipt": _OTHERS,
}
"""Every other table of an entity, and why it is in no archive."""


class Made(NamedTuple):
    """The entity that came out of an archive."""

    id: int
    slug: str


async def parts(connection: Connection, entity_id: int, name: str) -> AsyncIterator[list[str]]:
    """The rows of one file of the archive, some at a time; runs in the caller's transaction."""
    if name in HISTORY:
        async for part in _parts(connection, "archive_kept", entity_id, name):
            yield part
    async for part in _parts(connection, f"archive_{name}", entity_id):
        yield part


async def _parts(connection: Connection, query: str, *values: object) -> AsyncIterator[list[str]]:
    part: list[str] = []
    async for row in connection.cursor(_SQL[query], *values, prefetch=PART_ROWS):
        part.append(json.dumps(row[0], ensure_ascii=False, sort_keys=True))
        if len(part) == PART_ROWS:
            yield part
            part = []
    if part:
        yield part


async def restore(
    connection: Connection, archive: ArchiveReader, grant: Grant, slug: str | None = None, *, packs: bool = False
) -> Made | None:
    """A new entity with everything of the archive, not live; None when the slug is taken. Its history is kept to be
    read; with `packs` its prepaid units count here as well.

    Runs in the caller's transaction. Raises BadArchive when a row is not what it should be. Where `grant` is not
    confirmed, roles and mandates wait for a second administrator, and no feed of others is trusted.
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
        await _members(connection, entity_id, archive, await _contacts(connection, entity_id, archive, places))
        await _templates(connection, entity_id, archive, people)
        await _settings(connection, entity_id, archive, grant)
        await _history(connection, entity_id, archive, packs=packs)
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


async def _contacts(
    connection: Connection, entity_id: int, archive: ArchiveReader, places: Mapping[str, int]
) -> dict[int, int]:
    """Its people and groups; what the archive calls each of its people -> their number here."""
    numbers: dict[int, int] = {}
    for batch in archive.batches("contacts"):
        for row in await connection.fetch(_SQL["restore_contacts"], entity_id, batch):
            numbers[row["old"]] = row["id"]
    await _groups(connection, entity_id, archive, places)
    return numbers


async def _members(connection: Connection, entity_id: int, archive: ArchiveReader, numbers: Mapping[int, int]) -> None:
    for batch in archive.batches("members"):
        named = [(row["group"], numbers[row["contact"]]) for row in batch]
        await connection.execute(
            _SQL["restore_members"], entity_id, [one for one, _ in named], [number for _, number in named]
        )


async def _templates(connection: Connection, entity_id: int, archive: ArchiveReader, people: Mapping[str, int]) -> None:
    for row in archive.rows("templates"):
        maker = people.get(row["made_by"])
        made_by = row["made_by"] if maker is None else f"person:{maker}"
        await connection.execute(_SQL["restore_template"], entity_id, row, made_by)


async def _settings(connection: Connection, entity_id: int, archive: ArchiveReader, grant: Grant) -> None:
    """Whose signatures count, what it reads and whom it tells."""
    for row in archive.rows("certificates"):
        der = base64.b64decode(row["der_base64"], validate=True)
        read = trust.read(der)
        if read is None:
            raise BadArchive("a certificate of the archive can not be read")
        await connection.execute(
            _SQL["restore_certificate"], entity_id, read.certifies, bytes.fromhex(read.fingerprint), der, read.subject,
            read.not_before, read.not_after, _moment(row["created_at"]), _moment(row["removed_at"]),
        )  # fmt: skip
    for batch in archive.batches("sources"):
        await connection.execute(_SQL["restore_sources"], entity_id, batch, grant.confirmed is not None)
    for row in archive.rows("webhooks"):
        name, secret = f"wh_{secrets.token_hex(8)}", new_secret(secrets.token_bytes(SECRET_BYTES))
        await connection.execute(_SQL["restore_webhook"], entity_id, row, name, secret)


async def _history(connection: Connection, entity_id: int, archive: ArchiveReader, *, packs: bool) -> None:
    for name in HISTORY:
        line = 1
        for batch in archive.batches(name):
            if packs and name == "packs":
                await connection.execute(_SQL["restore_packs"], entity_id, batch)
            else:
                await connection.execute(_SQL["restore_kept"], entity_id, name, line, batch)
            line += len(batch)


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


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
