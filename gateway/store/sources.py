"""Feeds that entities read: the sources, what came in them, what each answer brought, drafts made from their alerts.

Knows: the tables of migrations/0004. Never knows: HTTP, CAP, when a source is polled or trusted.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from gateway.model import Realm
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source as it is listed; `alerts` counts what it brought."""

    public_id: str
    entity: str
    url: str
    title: str
    trusted: bool
    paused: bool
    problem: str
    polled_at: datetime | None
    changed_at: datetime | None
    due_at: datetime
    interval_s: float
    failures: int
    hub_state: str
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source as it is polled: what its last answers said, and its subscription with a hub."""

    id: int
    public_id: str
    entity_id: int
    url: str
    trusted: bool
    etag: str
    last_modified: str
    digest: bytes | None
    interval_s: float
    failures: int
    hub: str
    topic: str
    hub_key: str | None
    hub_secret: str = field(repr=False)
    hub_state: str
    hub_asked_at: datetime | None
    hub_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSourceAlert:
    """An alert that came, with its verdict. `content` is a digest of what it says, `sha256` one of its bytes."""

    valid: bool
    content: bytes
    sha256: bytes
    raw: bytes
    sender: str | None
    identifier: str | None
    sent: str | None
    sent_at: datetime | None
    expires_at: datetime | None
    status: str | None
    msg_type: str | None
    scope: str | None
    version: str | None
    envelope: str
    headline: str
    findings: Sequence[Mapping[str, object]]


class NewEntry(NamedTuple):
    """An entry that links to its alert."""

    key: bytes
    url: str
    state: str


class DueEntry(NamedTuple):
    """An entry to fetch; `attempts` were made before."""

    key: bytes
    url: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one answer brought: how many alerts, and how many of them were not known."""

    via: str
    url: str
    http_status: int
    size_bytes: int
    alerts: int = 0
    fresh: int = 0
    problem: str = ""


class Relayed(NamedTuple):
    """An accepted alert of the entity's own."""

    sender: str
    identifier: str
    sent: str
    sent_at: datetime


async def add(
    connection: Connection, *, entity_id: int, url: str, title: str = "", trusted: bool = False, now: datetime
) -> str | None:
    """The public id of the new source, or None when the entity reads this address already."""
    public_id = f"so_{secrets.token_hex(8)}"
    made = await connection.fetchval(_SQL["source_add"], public_id, entity_id, url, title, trusted, now)
    return None if made is None else public_id


async def listed(
    connection: Connection, *, slug: str | None = None, entity_id: int | None = None, after: str = "",
    limit: int | None = None,
) -> list[SourceRow]:  # fmt: skip
    """The sources of one entity, or of all; a page of one entity's after the source of the name `after`."""
    rows = await connection.fetch(_SQL["source_list"], slug, entity_id, after, limit)
    return [SourceRow(**row) for row in rows]


async def trust(connection: Connection, public_id: str, *, trusted: bool) -> bool:
    """Whether a source's alerts may be relayed. False: there is no such source."""
    return await connection.fetchval(_SQL["source_trust"], public_id, trusted) is not None


async def pause(connection: Connection, public_id: str, *, paused: bool) -> bool:
    """Stop reading a source, or go on. False: there is no such source."""
    return await connection.fetchval(_SQL["source_pause"], public_id, paused) is not None


async def lease(connection: Connection, now: datetime, until: datetime) -> Source | None:
    """One source that is due; nobody else gets it before `until` or `polled`."""
    row = await connection.fetchrow(_SQL["source_lease"], now, until)
    return None if row is None else Source(**row)


async def by_key(connection: Connection, key: str) -> Source | None:
    """The source that calls for news under this key."""
    row = await connection.fetchrow(_SQL["source_by_key"], key)
    return None if row is None else Source(**row)


async def read(
    connection: Connection, source_id: int, *, etag: str, last_modified: str, digest: bytes, title: str
) -> None:
    """The feed was read, and everything in it is stored."""
    await connection.execute(_SQL["source_read"], source_id, etag, last_modified, digest, title)


async def polled(
    connection: Connection,
    source_id: int,
    *,
    interval_s: float,
    failures: int,
    due_at: datetime,
    now: datetime,
    problem: str,
    changed: bool,
) -> None:
    """A poll is over; the lease is given back."""
    await connection.execute(
        _SQL["source_polled"], source_id, interval_s, failures, due_at, now, problem[:500], changed
    )


async def wake(connection: Connection, source_id: int, now: datetime) -> None:
    """Let the source be polled now."""
    await connection.execute(_SQL["source_due"], source_id, now)


async def ask_hub(
    connection: Connection, source_id: int, *, hub: str, topic: str, key: str, secret: str, now: datetime
) -> tuple[str, str]:
    """A subscription is asked for; its key and secret: the given ones, or those that are in force with this hub."""
    row = await connection.fetchrow(_SQL["source_ask_hub"], source_id, hub, topic, key, secret, now)
    assert row is not None
    return row["hub_key"], row["hub_secret"]


async def hub_answered(connection: Connection, source_id: int, state: str, until: datetime | None) -> None:
    """What the hub said of the subscription."""
    await connection.execute(_SQL["source_hub_answered"], source_id, state, until)


async def put_alert(connection: Connection, source: Source, alert: NewSourceAlert, now: datetime) -> bool | None:
    """Keep an alert: whether it contradicts an earlier one of its identity; None when one that says the same is there.

    Inside a transaction: of two alerts of one source that come at once, one waits.
    """
    await connection.execute(_SQL["source_lock"], source.id)
    conflict: bool | None = await connection.fetchval(
        _SQL["source_put_alert"],
        f"sa_{secrets.token_hex(8)}",
        source.id,
        source.entity_id,
        now,
        alert.valid,
        alert.content,
        alert.sha256,
        alert.raw,
        alert.sender,
        alert.identifier,
        alert.sent,
        alert.sent_at,
        alert.expires_at,
        alert.status,
        alert.msg_type,
        alert.scope,
        alert.version,
        alert.envelope,
        alert.headline,
        list(alert.findings),
    )
    return conflict


async def alerts_since(connection: Connection, source_id: int, since: datetime) -> int:
    """How many alerts a source brought since then."""
    number: int = await connection.fetchval(_SQL["source_alerts_since"], source_id, since)
    return number


async def known(connection: Connection, source_id: int, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (identifier, sent) are those of alerts that the source brought."""
    rows = await connection.fetch(_SQL["source_known"], source_id, [p[0] for p in pairs], [p[1] for p in pairs])
    return {(row["identifier"], row["sent"]) for row in rows}


async def known_bytes(connection: Connection, source_id: int, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these sha256 are those of alerts that the source brought."""
    rows = await connection.fetch(_SQL["source_known_bytes"], source_id, list(digests))
    return {row["sha256"] for row in rows}


async def new_entries(connection: Connection, source_id: int, keys: Sequence[bytes], now: datetime) -> set[bytes]:
    """Which of these entries were never seen; the others are marked as seen."""
    return {row["key"] for row in await connection.fetch(_SQL["source_new_entries"], source_id, list(keys), now)}


async def put_entries(connection: Connection, source: Source, entries: Sequence[NewEntry], now: datetime) -> None:
    """Remember entries."""
    await connection.execute(
        _SQL["source_put_entries"],
        source.id,
        source.entity_id,
        [entry.key for entry in entries],
        [entry.url for entry in entries],
        [entry.state for entry in entries],
        now,
    )


async def due_entries(connection: Connection, source_id: int, now: datetime, limit: int) -> list[DueEntry]:
    """Entries to fetch now."""
    return [DueEntry(**row) for row in await connection.fetch(_SQL["source_entries_due"], source_id, now, limit)]


async def next_entry_at(connection: Connection, source_id: int) -> datetime | None:
    """When an entry of the source is due next; None when none waits."""
    at: datetime | None = await connection.fetchval(_SQL["source_entries_next"], source_id)
    return at


async def settle_entry(connection: Connection, source_id: int, key: bytes, state: str, due_at: datetime) -> None:
    """What became of an entry after one more attempt."""
    await connection.execute(_SQL["source_settle_entry"], source_id, key, state, due_at)


async def put_receipt(connection: Connection, source: Source, receipt: Receipt, now: datetime) -> None:
    """Note what an answer brought."""
    await connection.execute(
        _SQL["source_put_receipt"],
        source.id,
        source.entity_id,
        now,
        receipt.via,
        receipt.url[:2000],
        receipt.http_status,
        receipt.size_bytes,
        receipt.alerts,
        receipt.fresh,
        receipt.problem[:500],
    )


async def forget(connection: Connection, source_id: int, *, receipts: datetime, entries: datetime) -> None:
    """Drop receipts from before the first moment, and entries not named since the second."""
    await connection.execute(_SQL["source_forget_receipts"], source_id, receipts)
    await connection.execute(_SQL["source_forget_entries"], source_id, entries)


async def is_there(connection: Connection, entity_id: int, source: str) -> bool:
    """Whether the entity has a source of this public id."""
    return await connection.fetchval(_SQL["source_there"], entity_id, source) is not None


async def alerts(connection: Connection, entity_id: int, source: str, cursor: int, limit: int) -> list[Any]:
    """A page of what one of the entity's own sources brought, newest first, as rows."""
    return list(await connection.fetch(_SQL["source_alerts"], entity_id, source, cursor, limit))


async def alert(connection: Connection, entity_id: int, source: str, public_id: str) -> Any:
    """One alert of one of the entity's own sources with its bytes, as a row, or None."""
    return await connection.fetchrow(_SQL["source_alert"], entity_id, source, public_id)


async def relayed(
    connection: Connection, entity_id: int, realm: Realm, source: str, identities: Sequence[tuple[str, str]]
) -> list[Relayed]:
    """The entity's own accepted alerts made from alerts of a source with these (sender, identifier), oldest first."""
    rows = await connection.fetch(
        _SQL["source_relayed"],
        entity_id,
        realm.value,
        source,
        [one[0] for one in identities],
        [one[1] for one in identities],
    )
    return [Relayed(row["sender"], row["identifier"], row["sent"], row["sent_at"]) for row in rows]


async def put_draft(
    connection: Connection,
    *,
    entity_id: int,
    source_alert_id: int,
    sender: str,
    identifier: str,
    sent_at: datetime,
    token_id: int | None,
) -> None:
    """An alert of the entity's own was made from one of a source."""
    await connection.execute(
        _SQL["source_put_draft"], entity_id, source_alert_id, sender, identifier, sent_at, token_id
    )
