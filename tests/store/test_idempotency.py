"""Claims of requests: one at a time, and what is older than a day goes."""

import asyncio

from gateway.store import idempotency
from gateway.store.embedded import Cluster
from gateway.store.idempotency import Slot
from gateway.store.pool import Connection, Store
from tests.store import made

ASKED, OTHER = bytes(32), bytes([1] * 32)


async def slot(connection: Connection) -> Slot:
    return Slot(bytes(32), await made.entity(connection), "k")


async def test_of_many_claims_at_once_one_is_given(connection: Connection, pg: Cluster) -> None:
    own = await slot(connection)
    store = await Store.open(pg.app_dsn)

    async def claim() -> bool:
        async with store.tenant(own.entity_id) as confined:
            return await idempotency.claim(confined, own, ASKED)

    try:
        assert sum(await asyncio.gather(*(claim() for _ in range(8)))) == 1
    finally:
        await store.close()


async def test_an_answer_stays_with_its_key_until_a_day_is_over(connection: Connection) -> None:
    own = await slot(connection)
    assert await idempotency.claim(connection, own, ASKED)
    assert await idempotency.known(connection, own) == (ASKED, None, None)
    await idempotency.answer(connection, own, 201, b"sealed")
    await idempotency.release(connection, own)  # too late: it was answered
    assert not await idempotency.claim(connection, own, OTHER)
    assert await idempotency.known(connection, own) == (ASKED, 201, b"sealed")
    assert await idempotency.forget(connection) == 0
    await connection.execute("UPDATE idempotency SET at = at - interval '25 hours'")
    assert await idempotency.forget(connection) == 1
    assert await idempotency.known(connection, own) is None


async def test_a_key_that_is_released_is_free(connection: Connection) -> None:
    own = await slot(connection)
    await idempotency.claim(connection, own, ASKED)
    await idempotency.release(connection, own)
    assert await idempotency.claim(connection, own, OTHER)
