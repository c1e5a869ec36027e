"""An entity out of one database and into another: the same counts, groups and targets."""

import io
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from gateway.model import ChannelName, MessageClass, Role
from gateway.policy.archive import FILES, ArchiveReader, ArchiveWriter, BadArchive
from gateway.policy.contacts import GroupFilter
from gateway.policy.importing import ImportedContact, Place
from gateway.store import admin, archiving, contacts, persons, registry
from gateway.store.embedded import Cluster
from gateway.store.persons import Grant
from gateway.store.pool import Connection
from gateway.store.registry import Target
from tests.store import made
from tests.support.database import KINDS, Servers
from tests.support.people import everything, put_person

CHANNELS = tuple(ChannelName)


@pytest_asyncio.fixture
async def connection(pg: Cluster) -> AsyncIterator[Connection]:
    async with admin.connected(pg.app_dsn) as found:
        yield found


@pytest.fixture
def second_pg(servers: Servers) -> Iterator[Cluster]:
    with servers.database(KINDS[0]) as cluster:
        yield cluster


async def an_entity(connection: Connection) -> int:
    """Two partnerships' worth of everything."""
    entity = await made.entity(connection)
    plp = await persons.put_partnership(connection, entity, "plp", "PLP", "both")
    people = [
        ImportedContact(
            row=n,
            key=f"k{n}",
            name=f"Name {n}",
            mobile=f"+3247000000{n}",
            language="fr" if n % 2 else "nl",
            opt_out=4,
            tags=("a", "b=1"),
            postcode="8000",
            place=Place("home", 4.2, 50.8),
        )
        for n in range(5)
    ]  # fmt: skip
    group = await admin.create_group(connection, entity_id=entity, slug="by hand", name="By hand", exercises=True)
    await admin.import_contacts(connection, entity, people[:3], group_id=group)
    await admin.import_contacts(connection, entity, people[3:])
    await connection.execute("UPDATE contact SET partnership_id = $1 WHERE key = 'k1'", plp)
    filtered = await contacts.put_group(connection, entity, None, "fr", "FR", exercises=False, partnership=None)
    assert filtered is not None
    ring = ((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 50.0))
    await contacts.put_filter(connection, entity, filtered, GroupFilter(languages=("fr",), rings=(ring,)))
    partner = [(plp, "coordinator")]
    await put_person(
        connection, entity, roles=[Role.ADMIN], mandate=everything(plp), partner=partner, email="an@x.example"
    )
    await made.campaign(connection, entity)
    return entity


async def packed(connection: Connection, entity: int) -> io.BytesIO:
    out = io.BytesIO()
    writer = ArchiveWriter(out, entity="brugge", made="now")
    for name in FILES:
        writer.add(name, await archiving.rows(connection, entity, name))
    writer.end()
    out.seek(0)
    return out


async def plain(connection: Connection, entity: int) -> dict[str, list[object]]:
    """What is put back, without numbers of the database."""
    told: dict[str, list[object]] = {}
    numbers: dict[int, str] = {}
    for name in ("persons", "partnerships", "mandates", "contacts", "groups", "members"):
        rows = [json.loads(row) for row in await archiving.rows(connection, entity, name)]
        for row in rows:
            if name == "contacts":
                numbers[row.pop("id")] = row["key"]
            if name == "members":
                row["contact"] = numbers[row["contact"]]
        told[name] = rows
    return told


async def targets(connection: Connection, entity: int) -> list[object]:
    groups = await registry.groups_by_slug(connection, entity, ["by hand", "fr"])
    return [
        await registry.count_targets(connection, entity, MessageClass.URGENT, CHANNELS, Target(groups=[group.id]))
        for group in sorted(groups, key=lambda group: group.slug)
    ]


async def test_an_entity_comes_back_in_an_empty_database_with_the_same_counts_groups_and_targets(
    connection: Connection, second_pg: Cluster
) -> None:
    entity = await an_entity(connection)
    archive = await packed(connection, entity)
    async with admin.connected(second_pg.app_dsn) as other:
        await other.execute("SELECT nextval(pg_get_serial_sequence('contact', 'id')) FROM generate_series(1, 100)")
        async with other.transaction():
            made_there = await archiving.restore(other, ArchiveReader(archive), Grant())
        assert made_there is not None
        assert made_there.slug == "brugge"
        assert await plain(other, made_there.id) == await plain(connection, entity)
        assert await targets(other, made_there.id) == await targets(connection, entity)
        row = await admin.entity(other, "brugge")
        assert row is not None
        assert (row.contacts, row.groups, row.live, row.tokens) == (5, 2, False, 0)
        async with other.transaction():
            assert await archiving.restore(other, ArchiveReader(archive), Grant()) is None, "the slug is taken"
            again = await archiving.restore(other, ArchiveReader(archive), Grant("person:1", None), "brugge-2")
        assert again is not None
        person = await persons.find(other, again.id, "an@x.example")
        assert (person["roles"], person["wanted"]) == ([], ["admin"]), "a second administrator confirms them"


async def test_history_goes_along_and_nothing_secret_does(connection: Connection) -> None:
    entity = await an_entity(connection)
    (alert,) = [json.loads(row) for row in await archiving.rows(connection, entity, "alerts")]
    assert alert["cap_base64"] == "PGFsZXJ0Lz4="
    assert alert["campaign"]
    acts = [json.loads(row) for row in await archiving.rows(connection, entity, "audit")]
    assert all(len(row["hash"]) == 64 for row in acts)
    whole = "".join(["".join(await archiving.rows(connection, entity, name)) for name in FILES])
    digests = [row["digest"].hex() for row in await connection.fetch("SELECT digest FROM token")]
    assert digests
    assert not any(digest in whole for digest in digests)


@pytest.mark.parametrize("wrong", ['{"id": 1}', '{"group": "none", "contact": 99}'])
async def test_an_archive_with_a_wrong_row_is_refused(connection: Connection, wrong: str) -> None:
    entity = await an_entity(connection)
    out = io.BytesIO()
    writer = ArchiveWriter(out, entity="brugge", made="now")
    for name in FILES:
        rows = await archiving.rows(connection, entity, name)
        writer.add(name, [*rows, wrong] if name == ("contacts" if "id" in wrong else "members") else rows)
    writer.end()
    with pytest.raises(BadArchive):
        async with connection.transaction():
            await archiving.restore(connection, ArchiveReader(out), Grant(), "gent")
    assert await admin.entity(connection, "gent") is None
