"""Suspension: nothing new is sent in somebody's name, and what runs is stopped, paused or let go on, as was chosen.

Knows: the acts of lineage. Never knows: HTTP, who may suspend. Rights are read with every request, so that a suspension
holds on every node from its commit on; `stop` and `pause` hold from the next mark of a chunk on.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from gateway.flows import lineage
from gateway.flows.answers import Answer, problem
from gateway.store import declarations, entities, persons
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


class Suspended(StrEnum):
    """Who is suspended for a breach: the whole entity, the person or token that sent it, or nobody (a warning)."""

    ENTITY = "entity"
    SENDER = "sender"
    NOBODY = "nobody"


class Breach(NamedTuple):
    """A campaign that was not what its sender declared, why, and what is done about it."""

    campaign: str
    reason: str
    suspend: Suspended
    running: Running
    found_by: str


async def find_breach(connection: Connection, found: Breach) -> Answer:
    """Write a breach down, suspend whom it says, deal with what runs. In one transaction of the caller's."""
    row = await declarations.case(connection, found.campaign)
    if row is None:
        return problem(404, "not-found", "There is no campaign of this name.")
    if found.suspend is Suspended.ENTITY and row["entity"] == entities.PLATFORM:
        return problem(409, "not-suspended", "The platform does not suspend itself.")
    kind, _, number = row["author"].partition(":")
    if found.suspend is Suspended.SENDER and kind not in _SENDERS:
        return problem(409, "not-suspended", f"The campaign is by {row['author']}: suspend the entity, or nobody.")
    whom = {Suspended.ENTITY: "entity", Suspended.SENDER: row["author"], Suspended.NOBODY: "nobody"}[found.suspend]
    if not await declarations.put_breach(connection, row, found.reason.strip(), whom, found.found_by):
        return problem(409, "breach-already", "This campaign's breach is on record already.")
    concerned: list[str] = []
    if found.suspend is Suspended.ENTITY:
        concerned = await suspend_entity(connection, row["entity_id"], found.running, found.found_by)
    elif found.suspend is Suspended.SENDER:
        await _SENDERS[kind](connection, row["entity_id"], int(number))
        concerned = await deal_with(connection, row["entity_id"], found.running, found.found_by, row["author"])
    return Answer(status=201, body={"campaign": found.campaign, "suspended": whom, "campaigns": concerned})


async def _suspend_person(connection: Connection, entity_id: int, number: int) -> None:
    await persons.suspend(connection, entity_id, number, True)


_SENDERS: Mapping[str, Callable[[Connection, int, int], Awaitable[object]]] = {
    "person": _suspend_person,
    "token": persons.end_token,
}
