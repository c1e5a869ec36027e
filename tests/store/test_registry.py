"""Who may alert, and who is alerted how: tokens, groups, one message per channel and endpoint, on real servers."""

from gateway.cap.area import Ring
from gateway.model import MessageClass, Realm
from gateway.policy.outlines import Outline
from gateway.store import admin, registry
from gateway.store.pool import Connection
from tests.store.reach import SMS, THERE, citizen, citizens


async def test_a_citizen_known_by_key_is_changed_and_those_after_a_key_are_dropped(connection: Connection) -> None:
    await citizens(connection, citizen("a", mobile="+32470"), citizen("b", mobile="+32471"))
    await citizens(connection, citizen("a", THERE, email="a@b"))
    assert await registry.citizens_of_source(connection, "test") == 2
    row = await connection.fetchrow(
        "SELECT mobile, email, lon FROM contact JOIN address ON id = contact_id WHERE key = 'a'"
    )
    assert tuple(row or ()) == (None, "a@b", THERE[0])
    await registry.drop_citizens_after(connection, "test", "a")
    assert await registry.citizens_of_source(connection, "test") == 1
    assert await connection.fetchval("SELECT count(*) FROM address") == 1


async def test_a_token_opens_until_it_ends(connection: Connection, entity_id: int) -> None:
    token = admin.new_token(Realm.TEST)
    await admin.create_token(
        connection, entity_id=entity_id, realm=Realm.TEST, token=token, classes=[MessageClass.NEWS], channels=[SMS]
    )
    for change, works in (
        ("note = ''", True),
        ("expires_at = now() + interval '1 h'", True),
        ("expires_at = now() - interval '1 s'", False),
        ("expires_at = NULL, revoked_at = now()", False),
    ):
        await connection.execute(f"UPDATE token SET {change}")
        holder = await registry.authority_of_token(connection, token.text)
        assert (holder is not None) is works
        if holder is not None:
            mandates = frozenset({(MessageClass.NEWS, SMS)})
            assert (holder.entity_id, holder.realm, holder.mandates) == (entity_id, Realm.TEST, mandates)
    assert await registry.authority_of_token(connection, token.text + "x") is None


async def test_geocodes_on_record_have_their_outlines(connection: Connection) -> None:
    ring = Ring(((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 50.0)))
    await admin.put_geocodes(connection, "NIS", [Outline("11002", (ring, ring))])
    codes = [("NIS", "11002"), ("NIS", "9"), ("ISO", "11002")]
    assert await registry.geocode_rings(connection, codes) == {("NIS", "11002"): (ring, ring)}
    assert await registry.geocode_rings(connection, []) == {}
