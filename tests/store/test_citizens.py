"""Citizens in the store: rates, and what goes with whom."""

from gateway.model import ChannelName
from gateway.store import citizens
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.citizens import a_desk


async def test_a_rate_pays_its_debt_in_time(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        async with store.connection() as connection:
            found = [await citizens.may_ask(connection, b"n", every_s=60, at_once=3) for _ in range(5)]
            assert found == [True, True, True, False, False]
            assert await citizens.may_ask(connection, b"other", every_s=60, at_once=1)
            await connection.execute("UPDATE citizen_rate SET next_at = next_at - interval '61 s' WHERE name = 'n'")
            found = [await citizens.may_ask(connection, b"n", every_s=60, at_once=3) for _ in range(2)]
            assert found == [True, False]
    finally:
        await store.close()


async def test_erasure_takes_everything_and_finds_nobody_after(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        await desk.registered()
        async with desk.store.transaction() as connection:
            number = await citizens.find(connection, ChannelName.SMS, "+32470123456")
            assert number is not None
            assert await citizens.erase(connection, number)
            assert await citizens.erase(connection, number) is None
            assert await citizens.find(connection, ChannelName.SMS, "+32470123456") is None


async def test_nobody_but_citizens_is_found_or_erased(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        async with desk.store.transaction() as connection:
            number = await connection.fetchval(
                "INSERT INTO contact (entity_id, key, mobile) SELECT id, 'k', '+32470000001' FROM entity RETURNING id"
            )
            assert await citizens.find(connection, ChannelName.SMS, "+32470000001") is None
            assert not await citizens.erase(connection, number)
        assert len(await desk.rows("SELECT * FROM contact")) == 1
