"""Alerts as received and their campaigns, on real servers; and what the application's role may not do."""

import asyncio
import re

import asyncpg
import pytest

from gateway.model import CampaignState, ChannelName, Closure, Realm
from gateway.store import alerts
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection, Store
from tests.store import made

REFERENCE = {
    "schema_version",
    "provider",
    "node",
    "database_home",
    "rate_gate",
    "geocode",
    "msgref",
    "call_length",
    "receipt_orphan",
    "canary",
    "bind_taker",
    "bind_lease",
    "tariff",
    "wording",
}
"""Tables of the platform: they say nothing of any entity's people or alerts."""

PUBLIC = {"websub_feed", "websub_subscription", "websub_request"}
"""What readers of the public feeds wish."""

OTHERS = {"entity", "person", "terms", "mail_place", "suppression"}
"""Entities and persons themselves, how far a mailbox was read, and e-mail addresses that are not written to."""

CITIZENS = {"citizen_wish", "citizen_proof", "citizen_session", "citizen_rate"}
"""What citizens, who belong to the platform, ask for; no tenant reads it."""

WAYS_IN = {"passkey", "ceremony", "identity_link", "second_way", "recovery_code", "sign_in_failure"}  # of persons
PLACES = {"place_municipality", "place_municipality_name", "place_street", "place_street_name", "place_house"}
"""The address register, which is public."""

SAID = ("alert", "alert_reference", "campaign_event", "report", "msgref")
"""What was said stays said."""


@pytest.mark.both_servers
async def test_a_hundred_posts_of_one_identity_make_one_alert(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    async with store.connection() as connection:
        entity_id = await made.entity(connection)

    async def post(n: int) -> int:
        async with store.transaction() as connection:
            await alerts.lock_identity(connection, f"live/{entity_id}/alerts@brugge.example/one")
            known = await alerts.alert_by_identity(connection, Realm.LIVE, entity_id, "alerts@brugge.example", "one")
            if known is not None:
                return int(known["id"])
            return await alerts.insert_alert(connection, made.an_alert(entity_id, "one", public_id=f"post_{n}"))

    try:
        ids = await asyncio.gather(*(post(n) for n in range(100)))
        async with store.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM alert") == 1
    finally:
        await store.close()
    assert len(set(ids)) == 1


async def test_an_identity_is_taken_once_in_its_realm_and_entity_and_refusals_take_none(
    connection: Connection, entity_id: int
) -> None:
    await alerts.insert_alert(connection, made.an_alert(entity_id, "one"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await alerts.insert_alert(connection, made.an_alert(entity_id, "one"))
    other = await made.entity(connection, "gent")
    for free in (
        made.an_alert(other, "one"),
        made.an_alert(entity_id, "one", realm=Realm.TEST),
        made.an_alert(entity_id, "one", sender="else@brugge.example"),
        made.an_alert(entity_id, "one", accepted=False),
        made.an_alert(entity_id, "one", accepted=False),
    ):
        await alerts.insert_alert(connection, free)
    found = await alerts.alert_by_identity(connection, Realm.LIVE, entity_id, "alerts@brugge.example", "one")
    assert found["id"] == await connection.fetchval("SELECT min(id) FROM alert")
    assert await alerts.alert_by_identity(connection, Realm.LIVE, entity_id, "alerts@brugge.example", "ONE") is None


async def test_an_alert_is_read_by_its_own_entity_only(connection: Connection, entity_id: int) -> None:
    other = await made.entity(connection, "gent")
    await made.campaign(connection, entity_id, alert=made.an_alert(entity_id, public_id="al_x", raw=b"<a/>\xff"))
    row = await alerts.alert_by_public_id(connection, "al_x", entity_id, Realm.LIVE)
    assert (row["public_id"], row["state"], row["findings"]) == ("al_x", "sending", [])
    assert await alerts.alert_bytes(connection, "al_x", entity_id, Realm.LIVE) == b"<a/>\xff"
    assert await alerts.alert_by_public_id(connection, "al_x", other, Realm.LIVE) is None
    assert await alerts.alert_bytes(connection, "al_x", other, Realm.LIVE) is None
    assert await alerts.campaign_by_public_id(connection, row["campaign"], entity_id, Realm.LIVE) is not None
    assert await alerts.campaign_by_public_id(connection, row["campaign"], other, Realm.LIVE) is None
    assert await alerts.campaigns_of_entity(connection, other, 2**31 - 1, 50, Realm.LIVE) == []


async def test_references_lead_to_accepted_alerts_of_the_realm_and_back(connection: Connection, entity_id: int) -> None:
    sender, sent = "alerts@brugge.example", "2026-01-01T12:00:00+00:00"
    await made.campaign(connection, entity_id, alert=made.an_alert(entity_id, "second", msg_type="Update"))
    update = await connection.fetchval("SELECT id FROM alert")
    references = [(sender, "first", sent), (sender, "unknown", sent), (sender, "first", sent)]
    await alerts.insert_references(connection, update, entity_id, references)
    await alerts.insert_references(connection, update, entity_id, [])
    (later,) = await alerts.later_alerts(connection, entity_id, sender, "first", Realm.LIVE)
    assert (later["id"], later["msg_type"]) == (update, "Update")
    assert await alerts.later_alerts(connection, entity_id, sender, "first", Realm.TEST) == []
    assert await alerts.referenced_alerts(connection, Realm.LIVE, references) == []
    campaign = await made.campaign(connection, entity_id, alert=made.an_alert(entity_id, "first"))
    await alerts.insert_alert(connection, made.an_alert(entity_id, "first", accepted=False))
    await alerts.insert_alert(connection, made.an_alert(entity_id, "first", realm=Realm.TEST))
    found = await alerts.referenced_alerts(connection, Realm.LIVE, references[:2])
    assert [(r["identifier"], r["campaign_id"]) for r in found] == [("first", campaign)]


@pytest.mark.both_servers
async def test_of_many_who_change_a_state_one_does(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    async with store.connection() as connection:
        campaign = await made.campaign(connection, await made.entity(connection))

    async def stop() -> bool:
        async with store.transaction() as connection:
            return await alerts.set_state(
                connection, campaign, CampaignState.SENDING, CampaignState.CLOSING, closure=Closure.STOPPED
            )

    try:
        assert sum(await asyncio.gather(*(stop() for _ in range(20)))) == 1
    finally:
        await store.close()


async def test_a_state_carries_its_closure_and_its_times_once(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id, state=CampaignState.HELD)
    assert await alerts.set_state(connection, campaign, CampaignState.HELD, CampaignState.PLANNED, release=True)
    released = await connection.fetchval("SELECT released_at FROM campaign")
    await alerts.set_state(connection, campaign, CampaignState.PLANNED, CampaignState.SENDING, release=True)
    await alerts.set_state(connection, campaign, CampaignState.SENDING, CampaignState.CLOSING, closure=Closure.EXPIRED)
    await alerts.set_state(connection, campaign, CampaignState.CLOSING, CampaignState.CLOSED)
    row = await connection.fetchrow("SELECT state, closure, released_at, closed_at IS NOT NULL FROM campaign")
    assert tuple(row or ()) == ("closed", "expired", released, True)
    events = await alerts.campaign_events(connection, campaign)
    assert [(e["event"], e["state"], e["actor"]) for e in events] == [("accepted", "held", "gateway")]


async def test_campaigns_of_one_entity_come_in_pages_newest_first(connection: Connection, entity_id: int) -> None:
    other = await made.entity(connection, "gent")
    mine = [await made.campaign(connection, entity_id) for _ in range(5)]
    await made.campaign(connection, other)
    first = await alerts.campaigns_of_entity(connection, entity_id, 2**31 - 1, 3, Realm.LIVE)
    second = await alerts.campaigns_of_entity(connection, entity_id, first[-1]["id"], 3, Realm.LIVE)
    assert [r["id"] for r in (*first, *second)] == mine[::-1]


async def test_deliveries_come_in_pages_by_seq(connection: Connection, entity_id: int) -> None:
    campaign = await made.campaign(connection, entity_id)
    await made.rows(connection, campaign, entity_id, ChannelName.EMAIL, lo=1, hi=5, size=5)
    page = await alerts.deliveries_page(connection, campaign, 2, 2)
    assert [(r["seq"], r["channel"], r["language"], r["registered"]) for r in page] == [
        (3, 3, "nl", None), (4, 3, "nl", None),
    ]  # fmt: skip


async def test_partitions_are_made_once_however_many_ask(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)

    async def number() -> int:
        async with store.transaction() as connection:
            return await alerts.next_campaign_id(connection)

    try:
        numbers = await asyncio.gather(*(number() for _ in range(60)))
        async with store.connection() as connection:
            made_now = await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '^delivery_[0-9]+$'")
    finally:
        await store.close()
    assert sorted(numbers) == list(range(1, 61))
    assert {r["relname"] for r in made_now} == {"delivery_0", "delivery_50"}


# the application's role -------------------------------------------------------------------------------------------


@pytest.mark.both_servers
async def test_every_tenant_table_says_whose_it_is(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.owner_dsn)
    try:
        tables = await connection.fetch(
            "SELECT t.table_name, EXISTS (SELECT FROM information_schema.columns c WHERE c.table_schema = 'public' "
            "AND c.table_name = t.table_name AND c.column_name = 'entity_id' ) AS owned "
            "FROM information_schema.tables t WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
        )
    finally:
        await connection.close()
    ownerless = {r["table_name"] for r in tables if not r["owned"]}
    assert ownerless == REFERENCE | PUBLIC | OTHERS | CITIZENS | PLACES | WAYS_IN


@pytest.mark.both_servers
async def test_the_applications_role_owns_nothing_and_can_not_change_what_was_said(
    pg: Cluster, connection: Connection
) -> None:
    owners = await connection.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert {r["tableowner"] for r in owners} == {pg.owner_role}
    role = await connection.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, pg_has_role(current_user, $1, 'MEMBER') AS member "
        "FROM pg_roles WHERE rolname = current_user",
        pg.owner_role,
    )
    assert role is not None
    assert not any(role.values())
    forbidden = [
        *(f"UPDATE {table} SET entity_id = entity_id" for table in SAID if table != "msgref"),
        "UPDATE msgref SET seq = 1",
        *(f"DELETE FROM {table}" for table in (*SAID, "delivery", "campaign", "chunk", "text", "progress", "entity")),
        *(f"TRUNCATE {table}" for table in SAID),
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE alert ADD COLUMN mine int",
        "DROP TABLE alert",
        "ALTER ROLE CURRENT_USER SUPERUSER",
    ]
    for statement in forbidden:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_a_new_partition_gives_the_applications_role_no_more_than_its_parent(
    connection: Connection, entity_id: int
) -> None:
    await made.campaign(connection, entity_id)
    for statement in (
        "SELECT * FROM delivery_0",
        "DELETE FROM delivery_0",
        "TRUNCATE delivery_0",
        "DROP TABLE delivery_0",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_functions_of_the_owner_look_nowhere_else(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.owner_dsn)
    try:
        found = await connection.fetch(
            "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    assert found
    for function in found:
        assert any(re.fullmatch(r"search_path=.*public.*", setting) for setting in function["proconfig"] or ())
