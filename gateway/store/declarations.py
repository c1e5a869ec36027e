"""Declared use of messages as it is stored: wordings, what each campaign's sender declared, breaches.

Knows: the tables of migrations/0073. Never knows: who may search, what a suspension does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.policy.declaration import Wording
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("declarations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What narrows a search; None: whatever it is. `words` stand in a text of the campaign."""

    entity: str | None = None
    campaign: str | None = None
    by: str | None = None
    message_class: str | None = None
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str | None = None


async def newest(connection: Connection) -> Wording:
    """The wording in force."""
    row: Any = await connection.fetchrow(_SQL["wording_newest"])
    return Wording(*row)


async def publish(connection: Connection, text: str) -> int:
    """The version of a new wording."""
    version: int = await connection.fetchval(_SQL["wording_publish"], text)
    return version


async def wordings(connection: Connection, before: int, limit: int) -> list[Any]:
    """A page of wordings, newest first."""
    return list(await connection.fetch(_SQL["wording_page"], before, limit))


async def put(connection: Connection, entity_id: int, campaign: int, by: str, version: int | None) -> None:
    """What the sender of a campaign declared; None: nothing in so many words, so the wording in force."""
    await connection.execute(_SQL["declaration_put"], entity_id, campaign, by, version)


async def page(connection: Connection, search: Search, before: int, limit: int) -> list[Any]:
    """A page of declarations with their breaches, newest first."""
    return list(
        await connection.fetch(
            _SQL["declaration_page"], before, limit, search.entity, search.campaign, search.by, search.message_class,
            search.version, search.since, search.until, search.words,
        )
    )  # fmt: skip


async def case(connection: Connection, campaign: str) -> Any:
    """The campaign that people call so, with its entity and author, or None."""
    return await connection.fetchrow(_SQL["breach_case"], campaign)


async def put_breach(connection: Connection, row: Any, reason: str, suspended: str, by: str) -> bool:
    """Write down what was found in the campaign of `case`, and tell its entity's administrators. False: it was written
    down before."""
    done = await connection.fetchval(_SQL["breach_put"], row["entity_id"], row["id"], reason, suspended, by)
    if done is None:
        return False
    await connection.execute(_SQL["breach_tell"], row["entity_id"], f"campaign:{row['public_id']}", reason)
    return True


def told(row: Any) -> dict[str, Any]:
    """A row of `page` in words of the interface."""
    breach: Mapping[str, Any] | None = None
    if row["found_at"] is not None:
        breach = {
            "reason": row["reason"], "suspended": row["suspended"], "by": row["found_by"],
            "at": row["found_at"].isoformat(),
        }  # fmt: skip
    return {
        "entity": row["entity"],
        "campaign": row["campaign"],
        "alert": row["alert"],
        "mode": row["mode"],
        "class": row["message_class"],
        "purpose": row["purpose"],
        "version": row["version"],
        "in_words": row["in_words"],
        "by": row["declared_by"],
        "at": row["at"].isoformat(),
        "breach": breach,
    }
