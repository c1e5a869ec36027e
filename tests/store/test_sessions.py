"""Sessions in the store: what is kept, what goes, and that two at once do no harm."""

import asyncio

from gateway.model import Realm
from gateway.store import admin, persons, registry, sessions
from gateway.store.embedded import Cluster
from gateway.store.persons import Grant, digest_of
from gateway.store.pool import Connection, Store
from gateway.store.sessions import Lasting, NotOpened, Opened, State
from tests.store import made
from tests.support.browser import invited

LASTING = Lasting(3600, 43200)


async def a_member(connection: Connection, slug: str = "brugge") -> tuple[int, int]:
    entity = await made.entity(connection, slug)
    await persons.join(connection, entity, name="An", email="an@x.example", language="nl", roles=(), grant=Grant())
    return entity, (await persons.find(connection, entity, "an@x.example"))["id"]


async def test_a_session_and_a_token_are_found_by_one_statement_and_never_mixed(connection: Connection) -> None:
    entity, person = await a_member(connection)
    secret = await sessions.open_session(connection, person, State.OPEN, "passkey", LASTING)
    digest = digest_of(secret)
    assert await registry.authority_of_digest(connection, digest, "brugge", "test") is None  # nobody opened it yet
    await sessions.open_invitation(connection, await invited(connection, entity, "an@x.example"), person, LASTING)
    secret = await sessions.open_session(connection, person, State.OPEN, "passkey", LASTING)
    assert await registry.authority_of_token(connection, secret) is None
    for realm in ("test", "live"):
        authority = await registry.authority_of_digest(connection, digest_of(secret), "brugge", realm)
        assert authority is not None
        assert (authority.realm, authority.token_id, authority.person_id) == (realm, None, person)
    for state in (State.SECOND, State.ENROLLING):
        secret = await sessions.open_session(connection, person, state, "x", LASTING)
        assert await registry.authority_of_digest(connection, digest_of(secret), "brugge", "test") is None


async def test_an_invitation_is_opened_once_by_two_at_once(pg: Cluster, connection: Connection) -> None:
    entity, _ = await a_member(connection)
    secret = await invited(connection, entity, "an@x.example")
    store = await Store.open(pg.app_dsn)

    async def one() -> Opened | NotOpened:
        async with store.transaction() as session:
            return await sessions.open_invitation(session, secret, None, LASTING)

    found = await asyncio.gather(*(one() for _ in range(5)))
    await store.close()
    assert sorted(isinstance(one, Opened) for one in found) == [False] * 4 + [True]


async def test_two_passkeys_are_never_both_removed_at_once(pg: Cluster, connection: Connection) -> None:
    _, person = await a_member(connection)
    numbers = [
        await sessions.add_passkey(connection, person, credential_id=key, public_key=b"", sign_count=0, name="")
        for key in (b"1", b"2")
    ]
    store = await Store.open(pg.app_dsn)

    async def remove(number: int | None) -> bool:
        async with store.transaction() as session:
            return await sessions.remove_passkey(session, person, number or 0)

    assert sorted(await asyncio.gather(*map(remove, numbers))) == [False, True]
    await store.close()


async def test_ceremonies_end_once_and_those_left_over_go(connection: Connection) -> None:
    secret = await sessions.begin(connection, "sign-in", b"c", lasts_s=60, detail={"a": 1})
    assert await sessions.take(connection, "register", secret) is None
    assert await sessions.take(connection, "sign-in", secret) == (None, b"c", {"a": 1})
    assert await sessions.take(connection, "sign-in", secret) is None
    late = await sessions.begin(connection, "sign-in", b"c", lasts_s=-1)
    await sessions.begin(connection, "sign-in", b"c", lasts_s=60)
    assert await connection.fetchval("SELECT count(*) FROM ceremony") == 1
    assert await sessions.take(connection, "sign-in", late) is None


async def test_sessions_are_forgotten_three_months_after_their_end(connection: Connection) -> None:
    _, person = await a_member(connection)
    for days in (1, 100):
        await sessions.open_session(connection, person, State.OPEN, "passkey", LASTING)
        await connection.execute(
            "UPDATE person_session SET ends_at = now() - make_interval(days => $1) WHERE ends_at > now()", days
        )
    await sessions.forget(connection)
    assert await connection.fetchval("SELECT count(*) FROM person_session") == 1


async def test_a_token_is_found_by_its_index_whatever_else_opens_the_door(connection: Connection) -> None:
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute("SET enable_seqscan = off")
    await connection.execute(f"PREPARE holder (bytea, text, text) AS {registry._SQL['token_holder']}")
    plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE holder ('x', NULL, NULL)"))
    assert "token_digest_key" in plan, plan
    assert "person_session_digest_key" in plan, plan


async def test_sessions_and_tokens_last_no_longer_than_the_strictest_security(connection: Connection) -> None:
    brugge, person = await a_member(connection)
    await a_member(connection, "gent")
    await connection.execute("UPDATE membership SET accepted_at = now()")
    secret = await sessions.open_session(connection, person, State.OPEN, "passkey", LASTING)
    token = admin.new_token(Realm.LIVE)
    await admin.create_token(connection, entity_id=brugge, realm=Realm.LIVE, token=token)

    async def lets_in() -> tuple[bool, bool, bool]:
        found = await sessions.find(connection, secret)
        authority = await registry.authority_of_digest(connection, digest_of(secret), "brugge", "test")
        machine = await registry.authority_of_token(connection, token.text)
        return found is not None, authority is not None, machine is not None

    async def asks(slug: str, **security: int) -> None:
        await admin.change_entity(connection, slug, policy={"security": security})

    async def aged(what: str, hours: int) -> None:
        await connection.execute(f"UPDATE {what} SET created_at = now() - make_interval(hours => $1)", hours)

    await connection.execute("UPDATE person_session SET last_used_at = now() - interval '20 minutes'")
    await asks("gent", session_idle_minutes=30)
    await asks("platform", session_idle_minutes=15)
    assert await lets_in() == (False, False, True)
    await asks("platform", session_idle_minutes=25)
    session = await sessions.find(connection, secret)
    assert session is not None and session.idle_s == 25 * 60
    await aged("person_session", 5)
    await aged("token", 25)
    assert await lets_in() == (True, True, True)
    await asks("gent", session_hours=4)  # an entity of the same person is enough
    await asks("brugge", token_days=1)
    assert await lets_in() == (False, False, False)
    await asks("gent")
    await asks("brugge", token_days=2)
    assert await lets_in() == (True, True, True)
    await asks("platform", token_days=1)
    assert await lets_in() == (True, True, False)
