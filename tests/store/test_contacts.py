"""Contacts in the store: kept within a partnership or the whole entity, citizens never."""

from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.policy.importing import ImportedContact
from gateway.store import admin, contacts, persons
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection
from tests.store import made
from tests.support.scene import citizen, put_citizens


@pytest_asyncio.fixture
async def connection(pg: Cluster) -> AsyncIterator[Connection]:
    async with admin.connected(pg.app_dsn) as found:
        yield found


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
    number = await contacts.group(connection, entity, [plp], "g")
    assert number is not None
    await contacts.change_members(connection, entity, [plp], number, ["1", "2"], [])
    assert [(row["slug"], row["members"]) for row in await contacts.groups(connection, entity, None, "", 9)] == [
        ("all", 0), ("g", 1),
    ]  # fmt: skip
    assert [row["key"] for row in await contacts.page(connection, entity, None, group=number)] == ["2"]
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
