"""Webhooks in the store: what waits, what is forgotten, what an entity sees."""

from gateway.store import webhooks
from gateway.store.pool import Connection
from tests.store import made


async def put(connection: Connection, entity: int) -> str:
    return await webhooks.add(
        connection, entity, realm="live", url="https://hook.example/", events=[], note="", secret="whsec_eA=="
    )


async def test_webhooks_are_paged_and_found_by_their_entity_alone(connection: Connection) -> None:
    one, two = await made.entity(connection), await made.entity(connection, "gent")
    names = [await put(connection, one) for _ in range(3)]
    assert [row["public_id"] for row in await webhooks.page(connection, one, names[0], 1)] == names[1:2]
    assert [row["public_id"] for row in await webhooks.page(connection, one)] == names
    assert await webhooks.page(connection, two) == []
    assert await webhooks.find(connection, two, names[0]) is None
    assert not await webhooks.remove(connection, two, names[0])
    assert await webhooks.remove(connection, one, names[0])


async def test_what_was_settled_a_month_ago_is_forgotten_and_what_waits_is_not(connection: Connection) -> None:
    entity = await made.entity(connection)
    row = await webhooks.find(connection, entity, await put(connection, entity))
    for _ in range(2):
        await webhooks.enqueue(connection, row["id"], entity, "webhook.ping", "{}")
    await connection.execute(
        "UPDATE webhook_delivery SET due_at = NULL, done_at = now() - interval '31 days' "
        "WHERE id = (SELECT min(id) FROM webhook_delivery)"
    )
    assert await webhooks.forget(connection) == 1
    assert len(await webhooks.deliveries(connection, row["id"])) == 1


async def test_the_record_says_that_a_secret_was_replaced_and_not_which(connection: Connection) -> None:
    entity = await made.entity(connection)
    row = await webhooks.find(connection, entity, await put(connection, entity))
    await webhooks.rotate(connection, row["id"], "whsec_bmV3", 60)
    events = await connection.fetch(
        "SELECT act, detail::text FROM audit_event WHERE subject LIKE 'webhook:%' ORDER BY id"
    )
    assert [event["act"] for event in events] == ["webhook.insert", "webhook.update"]
    assert "whsec" not in str(list(map(dict, events)))


async def test_a_lease_of_a_clock_that_was_ahead_holds_nothing(connection: Connection) -> None:
    entity = await made.entity(connection)
    row = await webhooks.find(connection, entity, await put(connection, entity))
    await webhooks.enqueue(connection, row["id"], entity, "webhook.ping", "{}")
    leased = [len(await webhooks.lease(connection, 9, 60.0)) for _ in range(2)]
    await connection.execute("UPDATE webhook_delivery SET leased_until = now() + interval '1 hour'")
    assert [*leased, len(await webhooks.lease(connection, 9, 60.0))] == [1, 0, 1]
