"""Canaries in the store: their receipts are found among those that belong to no delivery."""

from datetime import timedelta

from gateway.model import ReceiptKind
from gateway.store import canaries, deliveries, progress
from gateway.store.deliveries import RECEIPT_STATES
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection, Store

PROVIDER = "smsc"


async def received(connection: Connection, message_id: str, kind: ReceiptKind = ReceiptKind.DELIVERED) -> None:
    """A receipt comes in as any other."""
    number = await progress.provider_id(connection, PROVIDER)
    state = RECEIPT_STATES[kind]
    await deliveries.record_receipts(connection, number, [message_id], [state], [0], [None], max_attempts=1)


async def test_a_receipt_settles_its_canary_and_leaves_nothing_behind(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn, name="canaries")
    try:
        async with store.queue.acquire(timeout=5) as connection:
            for name in ("one", "two"):
                await canaries.sent(connection, name, PROVIDER, f"id-{name}")
            await received(connection, "id-one")
            await received(connection, "id-two", ReceiptKind.FAILED)
            await received(connection, "nobodys")
            await connection.execute("UPDATE canary SET sent_at = sent_at - interval '40 s'")
            found = await canaries.settled(connection, ["one", "two", "three"])
            assert set(found) == {"one", "two"}
            assert found["one"].age_s < 5
            assert found["one"].sent_s >= 40
            assert found["one"].took_s is not None
            assert 40 <= found["one"].took_s < 60
            assert found["two"].took_s is None
            assert found["two"].age_s >= 40  # a failure is no sign of life
            assert await connection.fetchval("SELECT count(*) FROM receipt_orphan") == 1
    finally:
        await store.close()


async def test_the_last_that_arrived_is_remembered_however_long_ago_it_was(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn, name="canaries")
    try:
        async with store.queue.acquire(timeout=5) as connection:
            for number in range(3):
                await canaries.sent(connection, "one", PROVIDER, f"id-{number}")
                age = timedelta(days=30 - number)
                await connection.execute(
                    "UPDATE canary SET sent_at = now() - $1::interval WHERE msg_id = $2", age, f"id-{number}"
                )
            await received(connection, "id-1")
            await canaries.settled(connection, ["one"])
            found = await canaries.settled(connection, ["one"])
            assert found["one"].age_s < 5
            left = await connection.fetch("SELECT msg_id FROM canary ORDER BY msg_id")
            assert [row["msg_id"] for row in left] == ["id-1", "id-2"]
    finally:
        await store.close()
