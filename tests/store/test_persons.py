"""Persons in the store: one identity, what waits, what the database itself forbids, many members."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gateway.model import ChannelName, MessageClass, Realm, Role
from gateway.store import persons, registry
from gateway.store.persons import Grant, NewMandate
from gateway.store.pool import Connection
from tests.store import made
from tests.support.people import put_person
from tests.support.waiting import stretched

WAITING = Grant("person:1", None)


async def joined(connection: Connection, entity: int, email: str = "an@x.example", **more: object) -> str:
    given = {"name": "An", "email": email, "language": "nl", "roles": (), "grant": Grant()} | more
    return (await persons.join(connection, entity, **given))[0]  # type: ignore[arg-type]


async def test_one_address_is_one_identity_whatever_its_case(connection: Connection) -> None:
    brugge, gent = await made.entity(connection), await made.entity(connection, "gent")
    assert await joined(connection, brugge) == await joined(connection, gent, "AN@X.example", name="Somebody else")


async def test_what_an_entity_says_of_a_member_is_its_own(connection: Connection) -> None:
    brugge, gent = await made.entity(connection), await made.entity(connection, "gent")
    await joined(connection, brugge)
    first = await persons.find(connection, brugge, "an@x.example")
    await persons.train(connection, brugge, first["id"], date(2026, 1, 1), date(2027, 1, 1))
    await joined(connection, gent, name="Somebody else", language="fr")
    told = {e: await persons.find(connection, e, "an@x.EXAMPLE") for e in (brugge, gent)}
    assert {e: (row["name"], row["language"], row["trained_until"]) for e, row in told.items()} == {
        brugge: ("An", "nl", date(2027, 1, 1)),
        gent: ("Somebody else", "fr", None),
    }


async def test_a_machine_and_a_person_hold_a_mandate_and_never_nobody_or_both(connection: Connection) -> None:
    entity = await made.entity(connection)
    insert = "INSERT INTO mandate (entity_id, message_class, channel) VALUES ($1, 'urgent', 'sms')"
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert, entity)


async def test_nobody_confirms_what_they_gave_and_the_database_agrees(connection: Connection) -> None:
    entity = await made.entity(connection)
    await joined(connection, entity)
    person = await persons.find(connection, entity, "an@x.example")
    mandate = NewMandate(classes=[MessageClass.NEWS], channels=[ChannelName.EMAIL])
    (number,) = await persons.grant_mandate(connection, entity, person["id"], mandate, WAITING)
    assert await persons.grant_mandate(connection, entity, person["id"], mandate, WAITING) == []
    assert not await persons.confirm_mandate(connection, entity, number, "person:1")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("UPDATE mandate SET confirmed_by = 'person:1' WHERE id = $1", number)
    assert await persons.confirm_mandate(connection, entity, number, "person:2")
    assert not await persons.confirm_mandate(connection, entity, number, "person:3")


async def test_mandates_of_a_person_are_of_one_entity(connection: Connection) -> None:
    brugge, gent = await made.entity(connection), await made.entity(connection, "gent")
    everything = NewMandate(classes=tuple(MessageClass), channels=tuple(ChannelName))
    await put_person(connection, brugge, email="an@x.example", mandate=everything, roles=[Role.ADMIN])
    token = await put_person(connection, gent, email="an@x.example")
    authority = await registry.authority_of_token(connection, token)
    assert authority is not None
    assert (authority.entity_id, authority.mandates, authority.roles) == (gent, frozenset(), frozenset())


async def test_an_invitation_is_used_once_even_by_two_at_once(connection: Connection) -> None:
    entity = await made.entity(connection)
    await joined(connection, entity)
    person = await persons.find(connection, entity, "an@x.example")
    until = datetime.now(UTC) + timedelta(hours=1)
    _, secret = await persons.invite(connection, entity, person["id"], Realm.TEST, until, Grant())
    assert await persons.redeem(connection, secret, "", None)
    assert await persons.redeem(connection, secret, "", None) is None
    assert await persons.redeem(connection, "gw_invite_x", "", None) is None
    kept = await connection.fetchval("SELECT count(*) FROM invitation WHERE digest::text LIKE '%' || $1 || '%'", secret)
    assert kept == 0


async def test_a_page_of_many_members_is_read_from_an_index(connection: Connection) -> None:
    entity = await made.entity(connection)
    await connection.execute(
        "WITH p AS (INSERT INTO person (public_id, name, email) SELECT 'pe_' || n, 'Name ' || n, n || '@x.example' "
        "FROM generate_series(1, 5000) n RETURNING id, name) "
        "INSERT INTO membership (entity_id, person_id, name, search, language) "
        "SELECT $1, id, name, lower(name), 'nl' FROM p",
        entity,
    )
    await connection.execute("SELECT set_config('gateway.entity', $1, false)", str(entity))
    await connection.execute("SET ROLE gateway_app_tenant")
    page = await persons.page(connection, entity, begins="Name 123", limit=100)
    assert [row["name"] for row in page[:2]] == ["Name 123", "Name 1230"]
    query = persons._SQL["person_page"]
    values = (str(entity), "'name 123'", "''", "0", "100")
    for number, value in enumerate(values, 1):
        query = query.replace(f"${number}", value)
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}"))
    assert "membership_search" in plan or "membership_pkey" in plan, plan


@pytest.mark.long
async def test_lists_and_searches_of_a_hundred_thousand_persons_take_less_than_100_ms(connection: Connection) -> None:
    """As the tenant's role, as the API asks: the first page, one in the middle, a beginning of a name, one person."""
    entity, other = await made.entity(connection), await made.entity(connection, "other")
    await connection.execute(
        "WITH p AS (INSERT INTO person (public_id, name, email) SELECT 'pe_' || n, 'Name ' || n, n || '@x.example' "
        "FROM generate_series(1, 100000) n RETURNING id, name) INSERT INTO membership "
        "(entity_id, person_id, name, search, language) SELECT e, p.id, p.name, lower(p.name), 'nl' "
        "FROM p, unnest(ARRAY[$1::int, $2::int]) e", entity, other,
    )  # fmt: skip
    await connection.execute("ANALYZE")
    await connection.execute("SELECT set_config('gateway.entity', $1, false)", str(entity))
    await connection.execute("SET ROLE gateway_app_tenant")
    middle = await persons.page(connection, entity, begins="name 5", limit=1)
    questions: list[tuple[Callable[[], Awaitable[Any]], int]] = [
        (lambda: persons.page(connection, entity), 100),
        (lambda: persons.page(connection, entity, after=(middle[0]["search"], middle[0]["id"])), 100),
        (lambda: persons.page(connection, entity, begins="Name 9999"), 11),
        (lambda: persons.page(connection, entity, begins="nobody"), 0),
        (lambda: persons.find(connection, entity, "50000@X.example"), 12),
        (lambda: persons.find(connection, entity, "pe_77"), 12),
    ]
    for ask, size in questions:
        took: list[float] = []
        for _ in range(5):
            started = time.perf_counter()
            found = await ask()
            took.append(time.perf_counter() - started)
        assert len(found) == size
        assert min(took) < stretched(0.1), f"question {questions.index((ask, size))}"
