"""Entities as they are stored: tree, papers, own settings, terms, suspension.

Knows: the tables of migrations/0001 and 0023. Never knows: who may change what, HTTP.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from gateway.policy import security
from gateway.policy.onboarding import Papers
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("entities")
PLATFORM = "platform"


async def show(connection: Connection, slug: str) -> Any:
    """One entity with what its checklist asks for, or None."""
    return await connection.fetchrow(_SQL["entity_show"], slug)


def papers_of(row: Any) -> Papers:
    """What a row of `show` says of the checklist."""
    return Papers(
        convention_signed_on=row["convention_signed_on"],
        order_form_on=row["order_form_on"],
        contact_persons=len(row["contact_persons"]),
        administrators=row["administrators"],
        terms=True if row["terms_version"] is None else row["terms_accepted"],
    )


def looser(row: Any, policy: Mapping[str, Any] | None) -> list[security.Looser]:
    """What of a change of policy is looser than the platform allows the entity of this row of `show`; nothing for the
    platform itself."""
    return [] if policy is None or row["slug"] == PLATFORM else security.looser(policy, row["platform_policy"])


async def page(connection: Connection, above: int | None, after: str, limit: int) -> list[Any]:
    """Entities below one in the tree (None: all), by slug."""
    return list(await connection.fetch(_SQL["entity_page"], above, after, limit))


async def lock(connection: Connection, entity_id: int) -> None:
    """Nobody else changes this entity until the transaction ends."""
    await connection.execute(_SQL["entity_lock"], entity_id)


async def change_own(
    connection: Connection,
    entity_id: int,
    *,
    languages: Sequence[str] | None = None,
    policy: Mapping[str, Any] | None = None,
    contact_persons: Sequence[Mapping[str, str]] | None = None,
    region: str | None = None,
) -> None:
    """What an entity changes of itself; None stays."""
    await connection.execute(
        _SQL["entity_own"], entity_id, None if languages is None else list(languages), policy,
        None if contact_persons is None else list(contact_persons), region,
    )  # fmt: skip


async def note_papers(
    connection: Connection,
    entity_id: int,
    *,
    name: str | None = None,
    convention: date | None = None,
    order_form: date | None = None,
    live: bool | None = None,
) -> None:
    """What the platform notes of an entity; None stays."""
    await connection.execute(_SQL["entity_papers"], entity_id, name, convention, order_form, live)


async def suspend(connection: Connection, entity_id: int, suspended: bool) -> None:
    """Suspend an entity, or take it back: every request, mail and act reads it, on every node."""
    await connection.execute(_SQL["entity_suspend"], entity_id, suspended)


async def running(connection: Connection, entity_id: int, author: str | None = None) -> list[Any]:
    """Campaigns that still send or may; `author` narrows to one."""
    return list(await connection.fetch(_SQL["entity_running"], entity_id, author))


async def publish_terms(connection: Connection, text: str) -> int:
    """The version of new terms; every administrator gets a notice."""
    version: int = await connection.fetchval(_SQL["terms_publish"], text)
    await connection.execute(_SQL["terms_tell"], str(version))
    return version


async def terms(connection: Connection, entity_id: int, before: int = 2**31 - 1, limit: int | None = None) -> list[Any]:
    """Terms, newest first, with the entity's answers; all of them, or a page."""
    return list(await connection.fetch(_SQL["terms_list"], entity_id, before, limit))


async def answer_terms(connection: Connection, entity_id: int, version: int, accepted: bool, by: str) -> bool:
    """False: there are no terms of this version."""
    return await connection.fetchval(_SQL["terms_answer"], entity_id, version, accepted, by) is not None


async def tell(connection: Connection, entities: Sequence[int] | None, body: str) -> str:
    """A notice of the platform for every member of every entity, or of these; by which name its readers are counted."""
    name = f"an_{secrets.token_hex(8)}"
    await connection.execute(_SQL["notice_everybody"], None if entities is None else list(entities), body, name)
    return name


async def readers(connection: Connection, name: str, after: str = "", limit: int | None = None) -> list[Any]:
    """entity, told, read: who took note of something that the platform said; all of them, or a page."""
    return list(await connection.fetch(_SQL["notice_readers"], name, after, limit))


async def said(connection: Connection, before: int, limit: int) -> list[Any]:
    """A page of what the platform said, newest first."""
    return list(await connection.fetch(_SQL["notices_sent"], before, limit))


async def numbers(connection: Connection, slugs: Sequence[str]) -> list[int]:
    """The numbers of those entities that are there."""
    return [row["id"] for row in await connection.fetch(_SQL["entity_numbers"], list(slugs))]
