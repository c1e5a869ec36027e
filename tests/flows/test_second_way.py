"""The second way: keys that only this gateway can read, for whom they were made."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.flows.second_way import Offered, SecondWay
from gateway.policy.rights import Refusal
from gateway.policy.second_way import code_at
from gateway.store import persons, sessions
from gateway.store.embedded import Cluster
from gateway.store.persons import Grant
from gateway.store.pool import Store
from gateway.store.sessions import Lasting, Session, State
from tests.store import made

LASTING = Lasting(3600, 43200)
NOW_S = 1_800_000_000.0
STEP = int(NOW_S) // 30


@pytest_asyncio.fixture
async def store(pg: Cluster) -> AsyncIterator[Store]:
    found = await Store.open(pg.app_dsn)
    yield found
    await found.close()


def way(store: Store, secret: str = "x" * 32) -> SecondWay:
    return SecondWay(store, secret, "Alerts", LASTING, now_s=lambda: NOW_S)


async def a_session(store: Store, state: State, slug: str = "brugge") -> Session:
    email = f"an@{slug}.example"
    async with store.transaction() as connection:
        if await sessions.person_by_word(connection, email) is None:
            entity = await made.entity(connection, slug)
            await persons.join(connection, entity, name="An", email=email, language="nl", roles=(), grant=Grant())
        person = await sessions.person_by_word(connection, email)
        secret = await sessions.open_session(connection, person["id"], state, "oidc:x", LASTING)
        found = await sessions.find(connection, secret)
    assert found is not None
    return found


async def set_up(store: Store, session: Session) -> bytes:
    offered = await way(store).begin(session)
    assert isinstance(offered, Offered)
    async with store.connection() as connection:
        key: bytes = await connection.fetchval("SELECT challenge FROM ceremony")
    assert isinstance(await way(store).confirm(session, offered.ceremony, code_at(key, STEP - 1)), list)
    return key


async def test_a_key_is_sealed_with_the_secret_and_for_its_person(store: Store) -> None:
    session = await a_session(store, State.ENROLLING)
    key = await set_up(store, session)
    other = await a_session(store, State.SECOND, "gent")
    async with store.connection() as connection:
        sealed = await connection.fetchval("SELECT sealed FROM second_way")
        await connection.execute("INSERT INTO second_way VALUES ($1, $2, 0)", other.person_id, sealed)
    assert key not in sealed
    assert isinstance(await way(store).prove(other, code_at(key, STEP), "", "a"), Refusal)
    waiting = await a_session(store, State.SECOND)
    assert isinstance(await way(store, "y" * 32).prove(waiting, code_at(key, STEP), "", "a"), Refusal)
    assert isinstance(await way(store, "").prove(waiting, code_at(key, STEP), "", "a"), Refusal)
    assert isinstance(await way(store).prove(waiting, code_at(key, STEP), "", "b"), str)


async def test_a_session_that_waited_opens_once(store: Store) -> None:
    key = await set_up(store, await a_session(store, State.ENROLLING))
    waiting = await a_session(store, State.SECOND)
    assert isinstance(await way(store).prove(waiting, code_at(key, STEP), "", "a"), str)
    again = await way(store).prove(waiting, code_at(key, STEP + 1), "", "a")
    assert isinstance(again, Refusal)


async def test_without_a_secret_there_is_no_second_way(store: Store) -> None:
    session = await a_session(store, State.ENROLLING)
    for found in (await way(store, "").begin(session), await way(store).renew_codes(session)):
        assert isinstance(found, Refusal)
        assert found.reason == "no-second-way"


@pytest.mark.parametrize("ended", [True, False])
async def test_a_session_that_ended_sets_nothing_up(ended: bool, store: Store) -> None:
    session = await a_session(store, State.ENROLLING)
    offered = await way(store).begin(session)
    assert isinstance(offered, Offered)
    async with store.transaction() as connection:
        key: bytes = await connection.fetchval("SELECT challenge FROM ceremony")
        if ended:
            await sessions.end_all(connection, session.person_id)
    found = await way(store).confirm(session, offered.ceremony, code_at(key, STEP))
    assert isinstance(found, Refusal) is ended
