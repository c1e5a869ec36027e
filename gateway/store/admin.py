"""What an administrator does to the store: authorities, their credentials, groups and contacts.

Knows: the tables of who alerts and who is alerted. Never knows: files, terminals, rights (whoever reaches the database
with the application's password is an administrator).
"""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from gateway.errors import SchemaError, StoreUnavailable
from gateway.model import ChannelName, EntityKind, MessageClass, Realm
from gateway.policy.outlines import Outline
from gateway.store.importing import Imported, import_contacts
from gateway.store.pool import GONE, Connection
from gateway.store.sql import Queries

__all__ = ["Imported", "import_contacts"]  # given on: an operator's own way to put people in

_SQL = Queries.load("admin")
SECRET_BYTES = 32


class NewToken(NamedTuple):
    """A credential as it is shown once, and what is kept of it."""

    text: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRow:
    """One authority with the size of what it owns; `tokens` counts those that work now."""

    id: int
    slug: str
    name: str
    kind: str
    live: bool
    suspended: bool
    languages: Sequence[str]
    parent: str | None
    rings: int
    contacts: int
    groups: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One credential, without its secret."""

    id: int
    entity: str
    realm: str
    note: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    classes: Sequence[str]
    channels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One group; `exercises`: its members may get an Exercise on live transports."""

    id: int
    entity: str
    slug: str
    name: str
    exercises: bool
    members: int


class CampaignRow(NamedTuple):
    """One campaign: its number, its state, and its final report (None while it is not closed)."""

    id: int
    state: str
    report: Mapping[str, Any] | None
    entity_id: int


@asynccontextmanager
async def connected(dsn: str, password: str = "") -> AsyncIterator[Connection]:
    """One session for one command. `password` wins over the DSN's. Raises StoreUnavailable or SchemaError."""
    try:
        connection = await asyncpg.connect(
            dsn, password=password or None, timeout=10, server_settings={"application_name": "gateway command"}
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
        raise StoreUnavailable(f"PostgreSQL does not let us in: {error}") from error
    except GONE as error:
        raise StoreUnavailable(f"PostgreSQL can not be reached: {error}") from error
    try:
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        yield connection
    except asyncpg.UndefinedTableError as error:
        raise SchemaError(f"the database has no schema yet ({error}): run `gateway migrate`") from error
    except GONE as error:
        raise StoreUnavailable(f"PostgreSQL went away: {error}") from error
    finally:
        await connection.close(timeout=10)


def new_token(realm: Realm) -> NewToken:
    """A fresh credential of 256 random bits; its prefix lets scanners of source code find it."""
    text = f"gw_{realm.value}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return NewToken(text, hashlib.sha256(text.encode()).digest())


async def create_entity(
    connection: Connection,
    *,
    slug: str,
    name: str,
    kind: EntityKind,
    live: bool,
    languages: Sequence[str],
    parent: str | None = None,
) -> int | None:
    """The number of the new authority, or None when the slug is taken."""
    number: int | None = await connection.fetchval(
        _SQL["admin_create_entity"], slug, name, kind.value, live, list(languages), parent
    )
    return number


async def change_entity(
    connection: Connection,
    slug: str,
    *,
    name: str | None = None,
    live: bool | None = None,
    suspended: bool | None = None,
    cap_answers: bool | None = None,
    languages: Sequence[str] | None = None,
    policy: Mapping[str, Any] | None = None,
) -> bool:
    """Change what is not None; of the policy, the keys that are given. False: there is no such authority."""
    given = None if languages is None else list(languages)
    values = (slug, name, live, suspended, given, policy or None, cap_answers)
    return await connection.fetchval(_SQL["admin_change_entity"], *values) is not None


async def entities(connection: Connection) -> list[EntityRow]:
    """Every authority, by slug."""
    return [EntityRow(**row) for row in await connection.fetch(_SQL["admin_entities"], None)]


async def entity(connection: Connection, slug: str) -> EntityRow | None:
    """The authority with this slug."""
    row = await connection.fetchrow(_SQL["admin_entities"], slug)
    return None if row is None else EntityRow(**row)


async def set_territory(connection: Connection, entity_id: int, outlines: Iterable[Outline]) -> None:
    """Replace where the authority may target people by place."""
    rings = [ring.points for outline in outlines for ring in outline.rings]
    await connection.execute(_SQL["admin_set_territory"], entity_id, rings)


async def create_token(
    connection: Connection,
    *,
    entity_id: int,
    realm: Realm,
    token: NewToken,
    note: str = "",
    expires_at: datetime | None = None,
    classes: Sequence[MessageClass] = tuple(MessageClass),
    channels: Sequence[ChannelName] = tuple(ChannelName),
) -> int:
    """Keep the digest of a new credential with what its holder may send; its number."""
    async with connection.transaction():
        number: int = await connection.fetchval(
            _SQL["admin_insert_token"], entity_id, realm.value, token.digest, note, expires_at
        )
        await connection.execute(_SQL["admin_insert_mandates"], entity_id, number, list(classes), list(channels))
    return number


async def tokens(connection: Connection, slug: str | None = None) -> list[TokenRow]:
    """The credentials of one authority, or of all."""
    return [TokenRow(**row) for row in await connection.fetch(_SQL["admin_tokens"], slug)]


async def revoke_token(connection: Connection, number: int) -> bool:
    """End a credential now. False: there is none of this number that works."""
    return await connection.fetchval(_SQL["admin_revoke_token"], number) is not None


async def create_group(
    connection: Connection, *, entity_id: int, slug: str, name: str, exercises: bool = False
) -> int | None:
    """The number of the new group, or None when the authority has one of this slug."""
    number: int | None = await connection.fetchval(_SQL["admin_create_group"], entity_id, slug, name, exercises)
    return number


async def groups(connection: Connection, slug: str | None = None) -> list[GroupRow]:
    """The groups of one authority, or of all."""
    return [GroupRow(**row) for row in await connection.fetch(_SQL["admin_groups"], slug)]


async def find_contacts(connection: Connection, entity_id: int, words: Sequence[str]) -> dict[str, list[int]]:
    """The authority's contacts that each word names (key, number in E.164, or e-mail address); [] for nobody."""
    found: dict[str, list[int]] = {word: [] for word in words}
    for row in await connection.fetch(_SQL["admin_find_contacts"], entity_id, list(found)):
        found[row["word"]].append(row["id"])
    return found


async def add_members(connection: Connection, group_id: int, entity_id: int, contacts: Sequence[int]) -> int:
    """How many of the contacts were not in the group before."""
    number: int = await connection.fetchval(_SQL["admin_add_members"], group_id, entity_id, list(contacts))
    return number


async def take_members(connection: Connection, group_id: int, entity_id: int, contacts: Sequence[int]) -> int:
    """How many of the contacts were in the group."""
    number: int = await connection.fetchval(_SQL["admin_take_members"], group_id, entity_id, list(contacts))
    return number


async def put_geocodes(connection: Connection, scheme: str, outlines: Iterable[Outline]) -> int:
    """Add or replace the outlines behind the values of one scheme; how many."""
    rows = [(scheme, outline.value, [ring.points for ring in outline.rings]) for outline in outlines]
    await connection.executemany(_SQL["admin_put_geocode"], rows)
    return len(rows)


async def campaign(connection: Connection, public_id: str) -> CampaignRow | None:
    """The campaign that people call so."""
    row = await connection.fetchrow(_SQL["admin_campaign"], public_id)
    return None if row is None else CampaignRow(*row)


async def open_campaigns(connection: Connection) -> list[dict[str, Any]]:
    """Campaigns that are not closed, newest first: campaign, entity, mode, class, state, created, planned, waiting."""
    return [dict(row) for row in await connection.fetch(_SQL["admin_open_campaigns"])]
