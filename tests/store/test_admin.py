"""Administration of the store, on a real server."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cap.area import Ring
from gateway.cap.cells import morton
from gateway.errors import SchemaError, StoreUnavailable
from gateway.model import ChannelName, EntityKind, MessageClass, Realm
from gateway.policy.importing import ImportedContact, Place
from gateway.policy.outlines import Outline
from gateway.store import admin, registry
from gateway.store.embedded import Cluster
from gateway.store.importing import Imported
from gateway.store.pool import Connection

pytestmark = pytest.mark.both_servers
RING = Ring(((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 50.0)))


async def entity(connection: Connection, slug: str = "brugge", kind: EntityKind = EntityKind.TYPE1) -> int:
    number = await admin.create_entity(
        connection, slug=slug, name=slug.title(), kind=kind, live=False, languages=["nl", "fr"]
    )
    assert number is not None
    return number


def person(key: str, **more: object) -> ImportedContact:
    return ImportedContact(row=2, key=key, **more)  # type: ignore[arg-type]


async def contact(connection: Connection, key: str) -> dict[str, object]:
    row = await connection.fetchrow("SELECT * FROM contact WHERE key = $1", key)
    assert row is not None
    return dict(row)


async def test_a_slug_is_taken_once(connection: Connection) -> None:
    await entity(connection)
    assert (
        await admin.create_entity(
            connection, slug="brugge", name="B", kind=EntityKind.TYPE2, live=True, languages=["nl"]
        )
        is None
    )
    found = await admin.entity(connection, "brugge")
    assert found is not None
    assert (found.kind, found.live, found.languages, found.rings) == ("type1", False, ["nl", "fr"], 0)


async def test_a_change_leaves_alone_what_it_does_not_name(connection: Connection) -> None:
    await entity(connection)
    assert await admin.change_entity(connection, "brugge", live=True)
    assert await admin.change_entity(connection, "brugge", suspended=True)
    found = await admin.entity(connection, "brugge")
    assert found is not None
    assert (found.live, found.suspended, found.name) == (True, True, "Brugge")
    assert await admin.change_entity(connection, "brugge", suspended=False, name="Stad")
    found = await admin.entity(connection, "brugge")
    assert found is not None
    assert (found.suspended, found.name) == (False, "Stad")
    assert not await admin.change_entity(connection, "nowhere", live=True)


async def test_a_token_opens_what_it_was_made_for_and_only_its_digest_is_kept(connection: Connection) -> None:
    number = await entity(connection)
    await admin.set_territory(connection, number, [Outline("", (RING,))])
    token = admin.new_token(Realm.TEST)
    await admin.create_token(
        connection,
        entity_id=number,
        realm=Realm.TEST,
        token=token,
        classes=[MessageClass.URGENT],
        channels=[ChannelName.SMS, ChannelName.EMAIL],
    )
    authority = await registry.authority_of_token(connection, token.text)
    assert authority is not None
    assert (authority.slug, authority.realm) == ("brugge", Realm.TEST)
    assert authority.rings == (RING.points,)
    assert authority.mandates == {(MessageClass.URGENT, ChannelName.SMS), (MessageClass.URGENT, ChannelName.EMAIL)}
    stored = await connection.fetchval("SELECT t::text FROM token t")
    assert token.text not in stored
    assert hashlib.sha256(token.text.encode()).hexdigest() in stored


def test_a_token_has_256_random_bits_behind_its_prefix() -> None:
    live, other = admin.new_token(Realm.LIVE), admin.new_token(Realm.LIVE)
    assert live.text.startswith("gw_live_")
    assert admin.new_token(Realm.TEST).text.startswith("gw_test_")
    assert live != other
    assert len(live.text.removeprefix("gw_live_")) == 43


async def test_a_revoked_or_expired_token_opens_nothing(connection: Connection) -> None:
    number = await entity(connection)
    token, old = admin.new_token(Realm.LIVE), admin.new_token(Realm.LIVE)
    made = await admin.create_token(connection, entity_id=number, realm=Realm.LIVE, token=token, note="crisis room")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await admin.create_token(connection, entity_id=number, realm=Realm.LIVE, token=old, expires_at=yesterday)
    assert await registry.authority_of_token(connection, old.text) is None
    assert await registry.authority_of_token(connection, token.text) is not None
    assert await admin.revoke_token(connection, made)
    assert not await admin.revoke_token(connection, made)
    assert await registry.authority_of_token(connection, token.text) is None
    row = (await admin.tokens(connection, "brugge"))[0]
    assert (row.note, row.realm, row.channels) == ("crisis room", "live", ["email", "sms", "voice"])
    assert row.revoked_at is not None
    assert row.last_used_at is not None


async def test_the_same_file_again_changes_nothing(connection: Connection) -> None:
    number = await entity(connection)
    people = [person("1", mobile="+32470000001", name="Jan"), person("2", email="a@b.example", language="fr")]
    assert await admin.import_contacts(connection, number, people) == Imported(added=2)
    before = await connection.fetch("SELECT * FROM contact ORDER BY id")
    assert await admin.import_contacts(connection, number, people) == Imported(same=2)
    assert await connection.fetch("SELECT * FROM contact ORDER BY id") == before
    assert [row["language"] for row in before] == ["nl", "fr"]


async def test_an_empty_cell_changes_nothing_and_a_refusal_stays(connection: Connection) -> None:
    number = await entity(connection)
    full = person("1", mobile="+32470000001", email="a@b.example", name="Jan", language="fr", opt_out=4)
    await admin.import_contacts(connection, number, [full])
    await admin.import_contacts(
        connection, number, [person("1", mobile="+32470000002", opt_out=2)], default_language="de"
    )
    kept = await contact(connection, "1")
    assert (kept["mobile"], kept["email"], kept["name"]) == ("+32470000002", "a@b.example", "Jan")
    assert (kept["language"], kept["opt_out"], kept["registered"]) == ("fr", 6, False)


async def test_a_place_is_stored_with_its_morton_code_and_replaced(connection: Connection) -> None:
    number = await entity(connection)
    for lon in (4.0, 4.5):
        moved = person("1", email="a@b.example", place=Place("home", lon, 50.5))
        await admin.import_contacts(connection, number, [moved])
    row = await connection.fetchrow("SELECT slot, label, lon, lat, z FROM address")
    assert row is not None
    assert tuple(row) == (1, "home", 4.5, 50.5, morton(4.5, 50.5))


async def test_a_registered_citizen_has_consent(connection: Connection) -> None:
    platform = await admin.entity(connection, "platform")
    assert platform is not None
    citizen = [person("1", email="a@b.example")]
    await admin.import_contacts(connection, platform.id, citizen, consent_source="old register")
    first = await contact(connection, "1")
    assert (first["registered"], first["consent_source"]) == (True, "old register")
    await admin.import_contacts(connection, platform.id, citizen, consent_source="again")
    assert (await contact(connection, "1"))["consent_at"] == first["consent_at"]


async def test_a_group_takes_its_own_entity_s_contacts_only(connection: Connection) -> None:
    ours, theirs = await entity(connection), await entity(connection, "gent")
    group = await admin.create_group(connection, entity_id=ours, slug="key actors", name="Key actors")
    assert group is not None
    assert await admin.create_group(connection, entity_id=ours, slug="key actors", name="x") is None
    await admin.import_contacts(connection, theirs, [person("x", email="x@y.example")])
    done = await admin.import_contacts(
        connection, ours, [person("a", mobile="+32470000001"), person("b", email="B@c.example")], group_id=group
    )
    assert done == Imported(added=2, joined=2)
    found = await admin.find_contacts(connection, ours, ["+32470000001", "b@C.example", "a", "x@y.example"])
    assert [len(numbers) for numbers in found.values()] == [1, 1, 1, 0]
    stranger = await connection.fetchval("SELECT id FROM contact WHERE key = 'x'")
    assert await admin.add_members(connection, group, ours, [stranger, *found["a"]]) == 0
    (row,) = await admin.groups(connection, "brugge")
    assert (row.slug, row.members, row.exercises) == ("key actors", 2, False)


async def test_geocodes_are_found_as_alerts_name_them(connection: Connection) -> None:
    assert await admin.put_geocodes(connection, "NIS", [Outline("31005", (RING,)), Outline("44021", (RING, RING))]) == 2
    assert await admin.put_geocodes(connection, "NIS", [Outline("44021", (RING,))]) == 1
    found = await registry.geocode_rings(connection, [("NIS", "44021"), ("NIS", "1")])
    assert found == {("NIS", "44021"): (RING,)}


async def test_a_campaign_that_is_not_there_is_none(connection: Connection) -> None:
    assert await admin.campaign(connection, "ca_0") is None


async def test_a_database_without_schema_says_what_to_do(empty_pg: Cluster) -> None:
    with pytest.raises(SchemaError, match="gateway migrate"):
        async with admin.connected(empty_pg.owner_dsn) as connection:
            await admin.entities(connection)


@pytest.mark.parametrize("dsn", ["postgresql://u:p@127.0.0.1:1/x", "postgresql://u@/x?host=/nowhere", "no dsn"])
async def test_a_server_that_is_not_there_is_unavailable(dsn: str) -> None:
    with pytest.raises(StoreUnavailable):
        async with admin.connected(dsn):
            pass


async def test_a_wrong_password_is_unavailable_and_the_right_one_wins_over_the_dsn(pg: Cluster) -> None:
    wrong = pg.app_dsn.replace(pg.app_password, "wrong")
    with pytest.raises(StoreUnavailable, match="does not let us in"):
        async with admin.connected(wrong):
            pass
    async with admin.connected(wrong, pg.app_password) as connection:
        assert await admin.entities(connection)
