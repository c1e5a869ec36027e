"""Ways to sign in in the store: what is used up, what goes with a new beginning."""

from gateway.store import persons, sessions, ways
from gateway.store.persons import Grant
from gateway.store.pool import Connection
from tests.store import made


async def a_person(connection: Connection, slug: str = "brugge") -> tuple[int, int]:
    entity = await made.entity(connection, slug)
    email = f"an@{slug}.example"
    await persons.join(connection, entity, name="An", email=email, language="nl", roles=(), grant=Grant())
    return entity, (await persons.find(connection, entity, email))["id"]


async def test_a_provider_means_one_person_and_a_person_has_one_name_there(connection: Connection) -> None:
    _, an = await a_person(connection)
    _, jan = await a_person(connection, "gent")
    assert await ways.link(connection, an, "p", "https://p", "an")
    assert not await ways.link(connection, jan, "p", "https://p", "an")
    assert not await ways.link(connection, an, "p", "https://p", "another an")
    assert (await ways.linked(connection, "https://p", "an"))["person_id"] == an
    assert await ways.linked(connection, "https://other", "an") is None


async def test_recovery_codes_are_used_up_and_replaced(connection: Connection) -> None:
    _, an = await a_person(connection)
    await ways.put_recovery(connection, an, ["a", "b"])
    assert [await ways.use_recovery(connection, an, word) for word in ("a", "a", "c")] == [True, False, False]
    await ways.put_recovery(connection, an, ["d"])
    assert not await ways.use_recovery(connection, an, "b")
    assert await ways.second_state(connection, an) == (False, 1)


async def test_who_begins_anew_has_nothing_of_before(connection: Connection) -> None:
    entity, an = await a_person(connection)
    await ways.link(connection, an, "p", "https://p", "an")
    await ways.put_second(connection, an, b"sealed", 1)
    await ways.put_recovery(connection, an, ["a"])
    await sessions.drop_ways(connection, an, entity)
    assert await ways.links(connection, an) == []
    assert await ways.second(connection, an) is None
    assert await ways.second_state(connection, an) == (False, 0)


async def test_guesses_of_more_than_a_day_ago_count_no_more(connection: Connection) -> None:
    await ways.guessed(connection, "k")
    await ways.wrong(connection, "k", 7, 0)
    assert (await ways.guessed(connection, "k")).failures == 7
    await connection.execute("UPDATE sign_in_failure SET last_at = now() - interval '25 hours'")
    assert (await ways.guessed(connection, "k")).failures == 0
    await ways.forget(connection)
    assert await connection.fetchval("SELECT count(*) FROM sign_in_failure") == 0
