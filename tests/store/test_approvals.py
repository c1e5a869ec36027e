"""Agreement in the store: once for each need, void when the seal is another, never by the author."""

import asyncpg
import pytest

from gateway.model import CampaignState, Realm, Role
from gateway.store import approvals, persons
from gateway.store.pool import Connection
from tests.store import made
from tests.support.people import put_person

SEAL, OTHER = b"s" * 32, b"o" * 32


async def held(connection: Connection, entity: int) -> dict[str, object]:
    number = await made.campaign(connection, entity, state=CampaignState.HELD)
    await approvals.put_seal(connection, number, "person:1", ["second", "police:1"], SEAL, 7)
    return dict(await approvals.case(connection, f"ca_{number}", entity, Realm.LIVE))


async def test_an_agreement_is_given_once_and_void_when_the_seal_is_another(connection: Connection) -> None:
    row = await held(connection, await made.entity(connection))
    assert (row["author"], row["needs"], row["seal"], row["sealed_messages"]) == (
        "person:1", ["second", "police:1"], SEAL, 7,
    )  # fmt: skip
    number = row["id"]
    assert isinstance(number, int)
    await approvals.give(connection, row, "person:2", ["second"], SEAL)
    await approvals.give(connection, row, "person:3", ["second", "police:1"], SEAL)
    given = await approvals.given(connection, number)
    assert [(one["need"], one["approver"]) for one in given] == [("second", "person:2"), ("police:1", "person:3")]
    await approvals.void(connection, number, SEAL)
    assert len(await approvals.given(connection, number)) == 2
    await approvals.void(connection, number, OTHER)
    assert await approvals.given(connection, number) == []
    await approvals.give(connection, row, "person:4", ["second"], OTHER)
    assert len(await approvals.given(connection, number)) == 1


async def test_the_author_agrees_for_a_partnership_and_never_as_second_person(connection: Connection) -> None:
    row = await held(connection, await made.entity(connection))
    await approvals.give(connection, row, "person:1", ["police:1"], SEAL)
    with pytest.raises(asyncpg.CheckViolationError):
        await approvals.give(connection, row, "person:1", ["second"], SEAL)


async def test_what_a_campaign_says_is_read_in_order(connection: Connection) -> None:
    number = await made.campaign(connection, await made.entity(connection))
    assert [text[0] for text in await approvals.texts(connection, number)] == list(range(6))


async def test_everybody_who_might_have_been_asked_is_told_once(connection: Connection) -> None:
    entity = await made.entity(connection)
    partnership = await persons.put_partnership(connection, entity, "plp", "PLP", "police")
    await put_person(connection, entity, roles=[Role.APPROVER, Role.ADMIN], partner=[(partnership, "police")])
    await put_person(connection, entity, partner=[(partnership, "coordinator")])
    await put_person(connection, entity, roles=[Role.VIEWER])
    await approvals.tell(connection, entity, "glass-broken", "campaign:ca_1", "why", [partnership])
    assert await connection.fetchval("SELECT count(*) FROM notice") == 2
