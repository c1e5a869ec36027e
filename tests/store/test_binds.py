"""Leases of binds on a real server: one holder each, taken over when they end, never back by an old holder."""

from gateway.store import binds, progress
from gateway.store.binds import BindKey, Place
from gateway.store.pool import Connection

LEASE_S = 60.0
ONE, TWO = BindKey("smsc", 1), BindKey("smsc", 2)


async def nodes(connection: Connection, *names: str) -> list[int]:
    return [await progress.node_id(connection, name) for name in names]


async def claimed(connection: Connection, node: int, *have: int, most: int = 9) -> dict[BindKey, int]:
    return await binds.claim(connection, node, "smsc", binds=2, have=have, most=most, lease_s=LEASE_S)


async def place(connection: Connection, node: int, *, leads: bool = False) -> tuple[int, int]:
    found = await binds.take_part(connection, node, ["smsc"], leads=leads, lease_s=LEASE_S)
    return found["smsc"][:2]


async def later(connection: Connection) -> None:
    """Every lease has ended."""
    for table in ("bind_lease", "bind_taker"):
        await connection.execute(f"UPDATE {table} SET lease_until = now() - interval '1 ms'")


async def test_a_bind_has_one_holder(connection: Connection) -> None:
    a, b = await nodes(connection, "a", "b")
    assert await claimed(connection, a, most=1) == {ONE: 1}
    assert await claimed(connection, b) == {TWO: 1}
    assert await claimed(connection, b, 2) == {}
    assert await binds.keep(connection, a, {ONE: 1}, lease_s=LEASE_S) == {ONE}
    assert await binds.keep(connection, b, {ONE: 1}, lease_s=LEASE_S) == set()


async def test_a_lease_that_ended_is_anothers_and_never_the_old_holders_again(connection: Connection) -> None:
    a, b = await nodes(connection, "a", "b")
    held = await claimed(connection, a)
    await later(connection)
    assert await binds.keep(connection, a, held, lease_s=LEASE_S) == {ONE, TWO}  # nobody wanted it
    await later(connection)
    assert await claimed(connection, b) == {ONE: 2, TWO: 2}
    assert await binds.keep(connection, a, held, lease_s=LEASE_S) == set()
    await binds.give_back(connection, a, held)
    assert await binds.keep(connection, b, {ONE: 2}, lease_s=LEASE_S) == {ONE}


async def test_what_is_given_back_is_free_at_once(connection: Connection) -> None:
    a, b = await nodes(connection, "a", "b")
    held = await claimed(connection, a)
    await binds.give_back(connection, a, {ONE: held[ONE]})
    assert await claimed(connection, b) == {ONE: 2}


async def test_a_node_that_was_restarted_has_its_own_at_once(connection: Connection) -> None:
    """The name is one process's: the one before is gone, and its epoch with it."""
    (a,) = await nodes(connection, "a")
    before = await claimed(connection, a)
    assert await claimed(connection, a) == {ONE: 2, TWO: 2}
    assert await binds.keep(connection, a, before, lease_s=LEASE_S) == set()


async def test_places_go_by_the_lead_then_by_age_and_the_gone_have_none(connection: Connection) -> None:
    a, b, c = await nodes(connection, "a", "b", "c")
    assert await place(connection, a) == (1, 0)
    assert await place(connection, c) == (2, 1)
    assert await place(connection, b) == (3, 1)
    assert await place(connection, c, leads=True) == (3, 0)
    assert await place(connection, a) == (3, 1)
    await binds.step_out(connection, a)
    assert await place(connection, b) == (2, 1)
    await later(connection)
    found = await binds.take_part(connection, b, ["smsc", "other"], leads=False, lease_s=LEASE_S)
    assert found == {"smsc": Place(1, 0, None), "other": Place(1, 0, None)}


async def test_who_takes_part_knows_when_that_may_change(connection: Connection) -> None:
    a, b = await nodes(connection, "a", "b")
    await place(connection, a)
    found = await binds.take_part(connection, b, ["smsc"], leads=False, lease_s=LEASE_S)
    assert found["smsc"].change_s is not None
    assert LEASE_S / 2 < found["smsc"].change_s <= LEASE_S
