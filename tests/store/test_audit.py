"""The audit record in the database: written by what happens, linked at commit, not to be changed."""

import asyncio

import asyncpg
import pytest

from gateway.model import CampaignState, Realm
from gateway.store import admin, alerts, audit
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection, Store
from tests.store import made


async def broken(connection: Connection) -> list[str]:
    return [wrong.reason for chain in await audit.chains(connection) for wrong in await audit.verify(connection, chain)]


async def test_what_changes_rights_and_campaigns_is_written_down(connection: Connection) -> None:
    entity = await made.entity(connection)
    token = admin.new_token(Realm.TEST)
    number = await admin.create_token(connection, entity_id=entity, realm=Realm.TEST, token=token)
    await admin.revoke_token(connection, number)
    campaign = await made.campaign(connection, entity)
    await alerts.insert_event(connection, campaign, entity, "paused", CampaignState.PAUSED, "token:7")
    rows = await audit.page(connection, entity, 2**62, 1000)
    acts = [row["act"] for row in reversed(rows)]
    assert acts[0] == "entity.insert"
    assert acts[-4:] == ["mandate.insert", "token.update", "campaign.accepted", "campaign.paused"]
    assert acts.count("mandate.insert") == 12
    revoked = next(row for row in rows if row["act"] == "token.update")
    assert (revoked["subject"], revoked["detail"]) == (f"token:{number}", {"changed": ["revoked_at"]})
    assert (rows[0]["actor"], rows[0]["subject"]) == ("token:7", f"campaign:ca_{campaign}")
    assert [row["seq"] for row in reversed(rows)] == list(range(1, len(rows) + 1))
    assert await broken(connection) == []


async def test_the_use_of_a_token_is_no_change(connection: Connection) -> None:
    entity = await made.entity(connection)
    token = admin.new_token(Realm.TEST)
    await admin.create_token(connection, entity_id=entity, realm=Realm.TEST, token=token)
    before = len(await audit.page(connection, entity, 2**62, 1000))
    await connection.execute("UPDATE token SET last_used_at = now()")
    assert len(await audit.page(connection, entity, 2**62, 1000)) == before


async def test_events_at_the_same_time_make_one_chain(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        async with store.connection() as connection:
            entity = await made.entity(connection)

        async def write(number: int) -> None:
            async with store.tenant(entity, f"token:{number}") as connection:
                for _ in range(3):
                    await audit.write(connection, entity, "test.done", f"thing:{number}", {"count": number})

        await asyncio.gather(*(write(number) for number in range(8)))
        async with store.connection() as connection:
            (chain,) = [one for one in await audit.chains(connection) if one.entity_id == entity]
            assert chain.seq == 25
            assert await audit.verify(connection, chain) == []
            assert {row["actor"] for row in await audit.page(connection, entity, 2**62, 24)} == {
                f"token:{number}" for number in range(8)
            }
    finally:
        await store.close()


async def test_what_is_rolled_back_leaves_no_link(connection: Connection) -> None:
    entity = await made.entity(connection)
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await audit.write(connection, entity, "test.done", "thing:1")
            raise ZeroDivisionError
    (chain,) = await audit.chains(connection, "brugge")
    assert (chain.seq, chain.loose) == (1, 0)


async def test_the_application_can_neither_change_nor_take_back_what_it_wrote(connection: Connection) -> None:
    await made.entity(connection)
    for table in ("audit_event", "audit_link", "audit_head"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET entity_id = entity_id"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("INSERT INTO audit_link VALUES (1, 99, 1, sha256(''))")


TAMPERING = {
    "UPDATE audit_event SET actor = 'somebody' WHERE act = 'token.insert'": "was changed",
    "DELETE FROM audit_link WHERE seq = 2": "link(s) are gone",
    "UPDATE audit_link SET hash = sha256('x') WHERE seq = (SELECT max(seq) FROM audit_link)": "written down",
}


@pytest.mark.parametrize("statement", TAMPERING)
async def test_who_changes_the_record_past_the_application_is_found_out(
    statement: str, connection: Connection, pg: Cluster
) -> None:
    entity = await made.entity(connection)
    await admin.create_token(connection, entity_id=entity, realm=Realm.TEST, token=admin.new_token(Realm.TEST))
    above = await asyncpg.connect(pg.admin_dsn)
    try:
        await above.execute(statement)
    finally:
        await above.close()
    assert any(TAMPERING[statement] in reason for reason in await broken(connection))
