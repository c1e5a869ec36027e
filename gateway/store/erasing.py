"""One person's data: all of it shown, or all of it gone while the counts stay.

Knows: the tables that name a contact. Never knows: rights; `within` says whose contacts are meant.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gateway.model import DeliveryState
from gateway.policy.contacts import classes_of
from gateway.store import contacts
from gateway.store.contacts import Within
from gateway.store.pool import Connection
from gateway.store.registry import CHANNELS
from gateway.store.sql import Queries

_SQL = Queries.load("contacts")
CODES = (("mobile", 1), ("mobile", 2), ("landline", 2), ("email", 3))


SHOWN = (
    "key", "name", "language", "mobile", "landline", "email", "postcode", "municipality", "tags", "partnership",
    "verified_at",
)  # fmt: skip


class Held(NamedTuple):
    """Everything about one contact: its row, its places, its groups, what was sent to its present endpoints."""

    contact: Any
    places: list[Any]
    groups: list[str]
    deliveries: list[Any]


async def held(connection: Connection, entity_id: int, within: Within, key: str) -> Held | None:
    """Everything about the own contact with this key."""
    row = await contacts.by_key(connection, entity_id, within, key)
    if row is None:
        return None
    reached = [(code, row[column]) for column, code in CODES if row[column]]
    sent = await connection.fetch(
        _SQL["person_deliveries"], entity_id, [code for code, _ in reached], [address for _, address in reached]
    )
    return Held(
        row,
        list(await connection.fetch(_SQL["person_places"], entity_id, row["id"])),
        [group["slug"] for group in await connection.fetch(_SQL["person_groups"], entity_id, row["id"])],
        [dict(one) | {"channel": CHANNELS[one["channel"]].value} for one in sent],
    )


async def note_taken(connection: Connection, entity_id: int, found: Held, reason: str, by: str) -> int:
    """Write down why one person's data was taken out; the number of the request."""
    number: int = await connection.fetchval(_SQL["export_one"], entity_id, reason, by, found.contact["id"])
    return number


async def erase(connection: Connection, entity_id: int, within: Within, key: str, by: str) -> int | None:
    """The contact goes now, with its places, its memberships and what imports kept of it; what was sent to it loses its
    address with the next `forget`. The number of the erasure, None when there is no such contact."""
    number: int | None = await connection.fetchval(_SQL["erasure_ask"], entity_id, within, key, by)
    return number


async def forget(connection: Connection) -> int:
    """Take those who left out of what was sent in campaigns that are closed; how many deliveries."""
    rows = await connection.fetch(_SQL["erasure_open"])
    if not rows:
        return 0
    numbers = [row["contact_id"] for row in rows]
    status: str = await connection.execute(_SQL["erasure_deliveries"], numbers)
    await connection.execute(_SQL["erasure_done"], numbers)
    return int(status.rpartition(" ")[2])


def as_told(found: Held) -> dict[str, Any]:
    """Everything of one person, as they may read and take it along."""
    row = found.contact
    return {
        "contact": {name: _plain(row[name]) for name in SHOWN} | {"opt_out": classes_of(row["opt_out"])},
        "places": [dict(place) for place in found.places],
        "groups": found.groups,
        "messages": [_message(one) for one in found.deliveries],
    }


def _message(one: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: _plain(value) for name, value in one.items()}
    return told | {"state": DeliveryState(one["state"]).name.lower()}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
