"""One person's data: shown whole, gone for good, counts kept."""

from gateway.model import ChannelName
from gateway.policy.importing import ImportedContact, Place
from gateway.store import admin, erasing
from gateway.store.erasing import as_told
from gateway.store.importing import ImportInto, begin, put_batch
from gateway.store.pool import Connection
from tests.store import made


async def a_person(connection: Connection) -> tuple[int, int]:
    """(entity, campaign): An, whom a campaign that is open wrote to."""
    entity = await made.entity(connection)
    group = await admin.create_group(connection, entity_id=entity, slug="g", name="G")
    an = ImportedContact(row=1, key="an", name="An", mobile="+32470000001", tags=("a",), place=Place("home", 4.3, 50.8))
    run = await begin(connection, ImportInto(entity_id=entity), dry_run=False, by="x")
    await put_batch(connection, ImportInto(entity_id=entity, run=run, group_id=group), [an])
    campaign = await made.campaign(connection, entity, channels=[ChannelName.SMS])
    await made.rows(connection, campaign, entity, ChannelName.SMS, lo=1, hi=3, size=3)
    await connection.execute("UPDATE delivery SET contact_id = contact_id + 1000")
    await connection.execute(
        "UPDATE delivery SET contact_id = (SELECT id FROM contact WHERE key = 'an'), address = '+32470000001', "
        "detail = 'x' WHERE campaign_id = $1 AND seq = 2",
        campaign,
    )
    return entity, campaign


async def test_everything_of_one_person_is_shown(connection: Connection) -> None:
    entity, _ = await a_person(connection)
    found = await erasing.held(connection, entity, None, "an")
    assert found is not None
    told = as_told(found)
    assert (told["contact"]["mobile"], told["contact"]["tags"], told["groups"]) == ("+32470000001", ["a"], ["g"])
    assert told["places"] == [{"slot": 1, "label": "home", "lon": 4.3, "lat": 50.8}]
    (message,) = told["messages"]
    assert (message["channel"], message["state"], message["address"]) == ("sms", "queued", "+32470000001")
    assert await erasing.held(connection, entity, [99], "an") is None
    assert await erasing.note_taken(connection, entity, found, "their own request", "person:1")


async def test_a_person_goes_and_the_counts_stay(connection: Connection) -> None:
    entity, campaign = await a_person(connection)
    assert await erasing.erase(connection, entity, [99], "an", "x") is None
    assert await erasing.erase(connection, entity, None, "an", "person:1") is not None
    assert await erasing.erase(connection, entity, None, "an", "person:1") is None
    for table in ("contact", "address", "group_member", "import_change", "contact_word"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE entity_id = $1", entity) == 0, table
    assert await erasing.forget(connection) == 0, "the campaign still needs the number"
    await connection.execute("UPDATE campaign SET state = 'closed', closed_at = now() WHERE id = $1", campaign)
    assert await erasing.forget(connection) == 1
    rows = await connection.fetch("SELECT address, contact_id, detail FROM delivery WHERE campaign_id = $1", campaign)
    assert len(rows) == 3
    assert ("erased:2", 0, None) in [tuple(row) for row in rows]
    assert "+32470000001" not in str(rows)
    assert not await connection.fetchval("SELECT done_at IS NOT NULL FROM erasure"), "a planner may have found them"
    await connection.execute("UPDATE erasure SET asked_at = now() - interval '11 minutes'")
    assert await erasing.forget(connection) == 0
    assert await connection.fetchval("SELECT done_at IS NOT NULL FROM erasure")
