"""Counts that are always ready, the end of campaigns, and reports.

Knows: the tables progress, milestone, report; the queries over campaigns. Never knows: how a count is shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.model import ChannelName
from gateway.store.pool import Connection
from gateway.store.registry import CHANNEL_CODES, CHANNELS
from gateway.store.sql import Queries

_SQL = Queries.load("progress")
_REGISTRY = Queries.load("registry")
COUNTS = (
    "planned", "queued", "in_flight", "submitted", "delivered", "failed", "expired", "cancelled", "unknown",
)  # fmt: skip


async def counts(connection: Connection, campaigns: Sequence[int]) -> dict[int, dict[ChannelName, dict[str, int]]]:
    """The live counts of campaigns by channel, `awaiting` (receipts still expected) among them."""
    found: dict[int, dict[ChannelName, dict[str, int]]] = {c: {} for c in campaigns}
    for row in await count_rows(connection, campaigns):
        found[row["campaign_id"]][CHANNELS[row["channel"]]] = {k: row[k] for k in (*COUNTS, "awaiting")}
    return found


async def count_rows(connection: Connection, campaigns: Sequence[int]) -> list[Any]:
    """The live counts of campaigns as rows."""
    return list(await connection.fetch(_SQL["counts"], list(campaigns)))


async def milestones(connection: Connection, campaign: int) -> list[Any]:
    """Rows of channel code, percent, at."""
    return list(await connection.fetch(_SQL["milestones"], campaign))


async def insert_milestones(
    connection: Connection, campaign: int, entity_id: int, reached: Sequence[tuple[ChannelName, int]]
) -> None:
    """Note that shares of a channel's deliveries have left."""
    await connection.execute(
        _SQL["insert_milestones"], campaign, [CHANNEL_CODES[c] for c, _ in reached], [p for _, p in reached], entity_id
    )


async def open_campaigns(connection: Connection) -> list[Any]:
    """Every campaign that is not closed, with what its end depends on."""
    return list(await connection.fetch(_SQL["open_campaigns"]))


async def queue_depths(connection: Connection) -> list[tuple[ChannelName, str, int]]:
    """(channel, class, waiting) over open campaigns."""
    rows = await connection.fetch(_SQL["queue_depths"])
    return [(CHANNELS[r["channel"]], r["message_class"], r["queued"]) for r in rows]


async def unknown_total(connection: Connection) -> dict[ChannelName, int]:
    """Unknown deliveries by channel, of open campaigns and those closed within the hour."""
    return {CHANNELS[r["channel"]]: r["unknown"] for r in await connection.fetch(_SQL["unknown_total"])}


async def report_rows(connection: Connection, campaign: int) -> list[Any]:
    """The one scan: channel code, language, state, code, detail, deliveries, resent, retried, parts."""
    return list(await connection.fetch(_SQL["report_rows"], campaign))


async def report_times(connection: Connection, campaign: int) -> list[Any]:
    """Channel code, submit_s and deliver_s at 50, 90, 99 %."""
    return list(await connection.fetch(_SQL["report_times"], campaign))


async def texts(connection: Connection, campaign: int) -> list[Any]:
    """The texts of one campaign, as rows."""
    return list(await connection.fetch(_REGISTRY["texts_of_campaign"], campaign))


async def campaign_facts(connection: Connection, campaign: int) -> Any:
    """What a report says of the alert and its campaign."""
    return await connection.fetchrow(_SQL["campaign_facts"], campaign)


async def insert_report(connection: Connection, campaign: int, entity_id: int, body: Mapping[str, object]) -> None:
    """Keep the final report; a second one for the same campaign changes nothing."""
    await connection.execute(_SQL["insert_report"], campaign, entity_id, body)


async def report_body(connection: Connection, campaign: int) -> Any:
    """(body, created_at) of the final report, or None."""
    return await connection.fetchrow(_SQL["report_body"], campaign)


async def provider_id(connection: Connection, name: str) -> int:
    """The number of a provider."""
    number: int = await connection.fetchval(_SQL["provider_id"], name)
    return number


async def node_id(connection: Connection, name: str) -> int:
    """The number of a node."""
    number: int = await connection.fetchval(_SQL["node_id"], name)
    return number


async def holder_of(connection: Connection, lock: int, name: str) -> int | None:
    """The server's process id of the session that holds the lock of this number and the name's hash."""
    pid: int | None = await connection.fetchval(_SQL["holder_of"], lock, name)
    return pid


async def nodes_by_duty(connection: Connection, lock: int, duties: Sequence[str]) -> dict[str, int]:
    """How many nodes are present with each duty: they share a lock of this number and the duty's hash."""
    return {row["duty"]: row["nodes"] for row in await connection.fetch(_SQL["nodes_by_duty"], lock, duties)}
