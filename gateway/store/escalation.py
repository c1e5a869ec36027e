"""Calls to those whose SMS did not arrive: which chunks are old enough, and the deliveries that take over.

Knows: the tables chunk, delivery, campaign. Every call may be repeated: a chunk is looked at once. Never knows: why a
campaign escalates (policy.timing), channels.
"""

from gateway.model import ChannelName
from gateway.store import fan_out
from gateway.store.fan_out import NewRows
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("escalation")


async def ripe_chunks(connection: Connection) -> list[tuple[int, int]]:
    """(campaign, lo) of chunks of SMS that are to be looked at, the most urgent campaign first."""
    return [(row["campaign_id"], row["lo"]) for row in await connection.fetch(_SQL["ripe_chunks"])]


async def escalate_chunk(connection: Connection, campaign: int, lo: int, *, size: int) -> int:
    """Add the calls for one chunk, in chunks of `size`; how many. To be called inside a transaction."""
    facts = await connection.fetchrow(_SQL["lock_escalating"], campaign)
    if facts is None:
        return 0
    first = facts["next_seq"]
    row = await connection.fetchrow(_SQL["escalate_chunk"], campaign, lo, first)
    if row is None or not row["rows"]:
        return 0
    await fan_out.insert_chunks(
        connection,
        campaign=campaign,
        entity_id=facts["entity_id"],
        rows=NewRows(ChannelName.VOICE, first, first + row["rows"] - 1),
        transport=row["transport"],
        exercise_group=row["exercise_group"],
        size=size,
    )
    await connection.execute(_SQL["first_escalation"], campaign, facts["entity_id"], facts["state"])
    added: int = row["rows"]
    return added
