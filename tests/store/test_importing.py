"""Imports in the store: what they change is noted and taken back, and what others changed since stays."""

from datetime import timedelta
from typing import Any

from gateway.policy.importing import ImportedContact, Place
from gateway.store import admin, contacts, importing, persons
from gateway.store.importing import Imported, ImportInto
from gateway.store.pool import Connection
from tests.store import made

HOME, AWAY = Place("home", 4.0, 50.5), Place("away", 4.5, 50.6)
SHOWN = """SELECT c.key, c.name, c.language, c.mobile, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.import_id, a.label, a.lon,
    ARRAY(SELECT group_id FROM group_member m WHERE m.contact_id = c.id ORDER BY 1) AS groups
    FROM contact c LEFT JOIN address a ON a.contact_id = c.id ORDER BY c.key"""


def person(key: str, **more: Any) -> ImportedContact:
    fields: dict[str, Any] = {"row": 1, "key": key, "name": f"Name {key}"} | more
    return ImportedContact(**fields)


async def an_import(
    connection: Connection, entity_id: int, people: list[ImportedContact], **more: Any
) -> tuple[int, Imported]:
    into = ImportInto(entity_id=entity_id, **more)
    run = await importing.begin(connection, into, dry_run=False, by="person:1")
    into = ImportInto(entity_id=entity_id, run=run, **more)
    done, problems = await importing.put_batch(connection, into, people)
    await importing.end(connection, entity_id, run, done, kind="csv", rows=len(people), problems=problems)
    return run, done


async def shown(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(SHOWN)]


async def test_an_import_is_undone_to_the_last_cell(connection: Connection) -> None:
    entity = await made.entity(connection)
    group = await admin.create_group(connection, entity_id=entity, slug="g", name="G")
    assert group is not None
    await admin.import_contacts(
        connection,
        entity,
        [person("1", mobile="+32470000001", place=HOME, tags=("a",)), person("2", email="b@x.example")],
    )
    before = await shown(connection)
    people = [
        person("1", name="Other", mobile="+32470000009", place=AWAY, tags=("b", "c=d"), postcode="8000", opt_out=4),
        person("2", place=AWAY, municipality="Brugge"),
        person("3", mobile="+32470000003", language="fr"),
    ]
    run, done = await an_import(connection, entity, people, group_id=group)
    assert done == Imported(added=1, changed=2, joined=3)
    changed = (await shown(connection))[0]
    assert (changed["name"], changed["label"], changed["tags"], changed["groups"]) == (
        "Other",
        "away",
        ["b", "c=d"],
        [group],
    )
    assert await importing.undo(connection, entity, None, run, "person:1") == 0
    assert await shown(connection) == before
    assert await importing.undo(connection, entity, None, run, "person:1") is None
    row = await importing.show(connection, entity, None, run)
    assert (row["state"], row["undone_by"], row["added"]) == ("undone", "person:1", 1)


async def test_the_same_again_changes_nothing_and_joins_the_group(connection: Connection) -> None:
    entity = await made.entity(connection)
    group = await admin.create_group(connection, entity_id=entity, slug="g", name="G")
    people = [person("1", mobile="+32470000001", place=HOME, tags=("a",))]
    await an_import(connection, entity, people)
    run, done = await an_import(connection, entity, people, group_id=group)
    assert done == Imported(same=1, joined=1)
    await importing.undo(connection, entity, None, run, "person:1")
    assert [row["groups"] for row in await shown(connection)] == [[]]


async def test_what_was_changed_since_stays_and_the_older_import_can_be_undone_after_the_newer(
    connection: Connection,
) -> None:
    entity = await made.entity(connection)
    first, _ = await an_import(
        connection, entity, [person("1", mobile="+32470000001"), person("2", mobile="+32470000002")]
    )
    second, _ = await an_import(connection, entity, [person("1", name="New")])
    by_hand = person("2", name="By hand", mobile="+32470000002")
    assert not await contacts.put(connection, entity, None, by_hand, language="nl", partnership=None, verified=True)
    assert await importing.undo(connection, entity, None, second, "x") == 0
    assert await importing.undo(connection, entity, None, first, "x") == 1
    assert [row["name"] for row in await shown(connection)] == ["By hand"]


async def test_a_coordinator_s_file_changes_their_own_people_only(connection: Connection) -> None:
    entity = await made.entity(connection)
    plp, other = [await persons.put_partnership(connection, entity, slug, slug, "none") for slug in ("plp", "other")]
    _, done = await an_import(connection, entity, [person("1", mobile="+32470000001")], within=[plp], partnership=plp)
    assert done == Imported(added=1)
    theirs = [person("1", name="Stolen", row=2), person("9", mobile="+32470000001", row=3)]
    run, done = await an_import(connection, entity, theirs, within=[other], partnership=other)
    assert done == Imported(added=1, refused=1)
    row = await importing.show(connection, entity, [other], run)
    assert row["problems"] == [[2, "key", importing.FOREIGN]]
    assert await importing.show(connection, entity, [plp], run) is None
    assert await importing.undo(connection, entity, [plp], run, "x") is None
    assert [row["name"] for row in await shown(connection)] == ["Name 1", "Name 9"]


async def test_rows_are_matched_by_number_or_address_and_several_are_refused(connection: Connection) -> None:
    entity = await made.entity(connection)
    await admin.import_contacts(
        connection,
        entity,
        [person("a", mobile="+32470000001"), person("b", email="b@x.example"), person("c", email="b@x.example")],
    )
    people = [
        person("mobile:1", row=2, mobile="+32470000001", name="Same"),
        person("mobile:2", row=3, mobile="+32470000002", email="b@x.example"),
    ]
    _, done = await an_import(connection, entity, people, match="mobile")
    assert done == Imported(added=1, changed=1, duplicates=1)
    _, done = await an_import(connection, entity, [person("e", row=7, email="b@x.example")], match="email")
    assert done == Imported(refused=1)
    assert [row["name"] for row in await shown(connection)] == ["Same", "Name b", "Name c", "Name mobile:2"]


async def test_what_is_kept_for_undoing_goes_in_time(connection: Connection) -> None:
    entity = await made.entity(connection)
    run, _ = await an_import(connection, entity, [person("1", mobile="+32470000001")])
    assert await importing.forget(connection) == 0
    await connection.execute("UPDATE import_run SET ended_at = ended_at - $1::interval", timedelta(days=31))
    assert await importing.undo(connection, entity, None, run, "x") is None
    assert await importing.forget(connection) == 1


async def test_imports_are_listed_newest_first(connection: Connection) -> None:
    entity = await made.entity(connection)
    numbers = [(await an_import(connection, entity, []))[0] for _ in range(3)]
    rows = await importing.page(connection, entity, None, numbers[2], 10)
    assert [row["id"] for row in rows] == [numbers[1], numbers[0]]
    await importing.progress(connection, entity, numbers[0], "xlsx", 10, 5)
    row = await importing.show(connection, entity, None, numbers[0])
    assert (row["kind"], row["rows_read"], row["rows_done"], row["lost"]) == ("xlsx", 10, 5, False)
