"""Suspension: nothing new is sent in somebody's name, and what runs is stopped, paused or let go on, as was chosen.

Knows: the acts of lineage. Never knows: HTTP, who may suspend. Rights are read with every request, so that a suspension
holds on every node from its commit on; `stop` and `pause` hold from the next mark of a chunk on.
"""

from enum import StrEnum

from gateway.flows import lineage
from gateway.store import entities
from gateway.store.pool import Connection


class Running(StrEnum):
    """What becomes of campaigns that run."""

    STOP = "stop"
    PAUSE = "pause"
    GO_ON = "go-on"


async def deal_with(
    connection: Connection, entity_id: int, choice: Running, actor: str, author: str | None = None
) -> list[str]:
    """Do with the running campaigns of an entity, or of one author, as was chosen; those that it concerned."""
    if choice is Running.GO_ON:
        return []
    act = lineage.stop if choice is Running.STOP else lineage.pause
    found = await entities.running(connection, entity_id, author)
    done = [row["public_id"] for row in found if await act(connection, row["id"], entity_id, actor) is not None]
    if done:
        await connection.execute("SELECT pg_notify('gateway', 'suspended')")
    return done


async def suspend_entity(connection: Connection, entity_id: int, choice: Running, actor: str) -> list[str]:
    """Suspend an entity; the campaigns that were stopped or paused."""
    await entities.suspend(connection, entity_id, True)
    return await deal_with(connection, entity_id, choice, actor)
