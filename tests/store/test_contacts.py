"""Contacts in the store: kept within a partnership or the whole entity, citizens never."""

from gateway.policy.contacts import wanted
from gateway.policy.importing import ImportedContact
from gateway.store import admin, contacts, persons
from gateway.store.pool import Connection
from tests.store import made
from tests.support.scene import citizen, put_citizens


async def put(connection: Connection, entity: int, key: str, within: list[int] | None = None, **more: object) -> object:
    partnership = within[0] if within else None
    contact = ImportedContact(row=1, key=key, name=f"Name {key}", mobile=f"+3247000000{key}")
    return await contacts.put(
        connection, entity, within, contact, language="nl", partnership=partnership, verified=bool(more)
    )


async def test_contacts_are_kept_by_key_within_one_s_own(connection: Connection) -> None:
    entity = await made.entity(connection)
    plp, bin_ = [await persons.put_partnership(connection, entity, name, name, "none") for name in ("plp", "bin")]
    assert await put(connection, entity, "1") is True
    assert await put(connection, entity, "1", verified=True) is False
    assert await put(connection, entity, "2", [plp]) is True
    assert await put(connection, entity, "2", [bin_]) is None
    assert await put(connection, entity, "1", [plp]) is None
    assert [row["key"] for row in await contacts.page(connection, entity, None, begins="NAME")] == ["1", "2"]
    assert [row["key"] for row in await contacts.page(connection, entity, [plp])] == ["2"]
    assert [row["key"] for row in await contacts.by_endpoint(connection, entity, None, "+32470000001")] == ["1"]
    assert await contacts.by_key(connection, entity, [plp], "1") is None
    assert await contacts.remove(connection, entity, [plp], ["1", "2"]) == 1


async def test_groups_are_made_filled_and_ended(connection: Connection) -> None:
    entity = await made.entity(connection)
    plp = await persons.put_partnership(connection, entity, "plp", "PLP", "none")
    for key, within in (("1", None), ("2", [plp])):
        await put(connection, entity, key, within)
    more = {"exercises": False, "partnership": plp}
    assert await contacts.put_group(connection, entity, [plp], "g", "G", **more)  # type: ignore[arg-type]
    assert await contacts.put_group(connection, entity, None, "all", "All", exercises=True, partnership=None)
    assert not await contacts.put_group(connection, entity, [plp], "all", "Mine", **more)  # type: ignore[arg-type]
    found = await contacts.group(connection, entity, [plp], "g")
    assert found is not None
    number = found.id
    await contacts.change_members(connection, entity, [plp], number, ["1", "2"], [])
    assert [(row["slug"], row["members"]) for row in await contacts.groups(connection, entity, None, "", 9)] == [
        ("all", 0), ("g", 1),
    ]  # fmt: skip
    assert [row["key"] for row in await contacts.of_group(connection, entity, None, found, 0, 9)] == ["2"]
    await contacts.change_members(connection, entity, [plp], number, [], ["2"])
    await contacts.remove_group(connection, entity, number)
    assert await contacts.group(connection, entity, None, "g") is None


async def test_citizens_are_nobody_s_contacts(connection: Connection) -> None:
    await put_citizens(connection, citizen(1))
    platform = await admin.entity(connection, "platform")
    assert platform is not None
    assert await contacts.page(connection, platform.id, None) == []
    assert await contacts.by_endpoint(connection, platform.id, None, "+32470000001") == []
    assert await contacts.remove(connection, platform.id, None, ["c-1"]) == 0


async def test_an_export_is_agreed_to_by_another_and_taken_once(connection: Connection) -> None:
    entity = await made.entity(connection)
    number = await contacts.ask_export(connection, entity, "the contract ends", "person:1")
    assert not await contacts.take_export(connection, entity, number, "person:1")
    assert not await contacts.agree_export(connection, entity, number, "person:1")
    assert await contacts.agree_export(connection, entity, number, "person:2")
    assert not await contacts.take_export(connection, entity, number, "person:2")
    assert await contacts.take_export(connection, entity, number, "person:1")
    assert not await contacts.take_export(connection, entity, number, "person:1")


async def found(connection: Connection, entity: int, text: str, within: list[int] | None = None) -> list[str]:
    """Who is found, two at a time."""
    keys: list[str] = []
    after = ("", 0)
    while rows := await contacts.search(connection, entity, within, wanted(text, "BE"), after, 2):
        keys += [row["key"] for row in rows]
        after = rows[-1]["word" if within is None else "search"], rows[-1]["id"]
    return keys


async def test_contacts_are_found_by_any_word_number_and_address_and_no_one_twice(connection: Connection) -> None:
    entity, other = await made.entity(connection), await made.entity(connection, "gent")
    plp = await persons.put_partnership(connection, entity, "plp", "PLP", "none")
    people = [
        ImportedContact(row=1, key="1", name="An Peeters-Péeters", mobile="+32470000001", email="An.P@Police.example"),
        ImportedContact(row=2, key="2", name="Jan PEETERS", landline="+3250000002", email="jan@x.example"),
        ImportedContact(row=3, key="3", name="Élise (van) Damme", mobile="+33612345678"),
    ]
    await admin.import_contacts(connection, entity, people)
    await admin.import_contacts(connection, other, [ImportedContact(row=1, key="x", name="An Peeters")])
    await connection.execute("UPDATE contact SET partnership_id = $1 WHERE key = '2'", plp)
    for text, keys in {
        "peet": ["1", "2"], "an pee": ["1"], "ELISE": ["3"], "damme v": ["3"], "peeters jan peeters": ["2"],
        "0470 00 00 01": ["1"], "+32 470": ["1"], "0033 6 12": ["3"], "050/00.00.02": ["2"], "an.p@pol": ["1"],
        "@police.example": ["1"], "nobody": [], "": [], "an nobody": [], "%": [], "12": [],
    }.items():  # fmt: skip
        assert await found(connection, entity, text) == keys, text
    assert await found(connection, entity, "pee", [plp]) == ["2"]
    assert await found(connection, entity, "an", [plp]) == []
    assert [row["key"] for row in await contacts.page(connection, entity, [plp])] == ["2"]
    await admin.import_contacts(connection, entity, [ImportedContact(row=1, key="1", name="Anna Claes")])
    assert (await found(connection, entity, "peet"), await found(connection, entity, "claes")) == (["2"], ["1"])
    await contacts.remove(connection, entity, None, ["1", "2", "3"])
    assert await connection.fetchval("SELECT count(*) FROM contact_word WHERE entity_id = $1", entity) == 0
