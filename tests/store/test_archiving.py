"""An entity out of one database and into another: the same counts, groups, targets and files."""

import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model import ChannelName, MessageClass
from gateway.policy.archive import FILES, RESTORED, ArchiveReader, ArchiveWriter, BadArchive
from gateway.store import admin, archiving, costs, persons, registry, templates, webhooks
from gateway.store.embedded import Cluster
from gateway.store.persons import Grant
from gateway.store.pool import Connection, confine
from gateway.store.registry import Target
from gateway.store.sql import Queries
from tests.support.database import KINDS, Servers
from tests.support.furnished import furnish

CHANNELS = tuple(ChannelName)
PAGE = Path(__file__).parents[2] / "docs" / "entity-archive.md"
TENANT_COLUMNS = """
SELECT c.relname AS "table", array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
GROUP BY c.relname HAVING 'entity_id' = ANY (array_agg(a.attname::text)) OR c.relname = 'entity'
"""
NOT_TAKEN = {
    "entity": {"live", "suspended_at", "created_at"},  # decided anew where it comes to
    "membership": {"accepted_at", "live_at", "search", "created_at", "wanted", "wanted_by"},  # signing in begins anew
    "mandate": {"granted_by"},  # by who puts it back
    "contact": {"consent_at", "consent_source", "search", "town"},  # registered citizens are not the entity's
    "group_filter": {"outlines"},  # made of the rings
    "source": {  # the state of reading it, and a secret
        "etag", "last_modified", "digest", "interval_s", "failures", "problem", "polled_at", "changed_at", "due_at",
        "leased_until", "hub", "topic", "hub_key", "hub_secret", "hub_state", "hub_asked_at", "hub_until",
    },
    "webhook": {  # secrets, and the state of telling it
        "secret", "old_secret", "old_until", "delivered_at", "failures", "failing_since", "disabled_at", "disabled_why",
    },
}  # fmt: skip
"""Columns of what is put back that stay behind."""


@pytest.fixture
def second_pg(servers: Servers) -> Iterator[Cluster]:
    with servers.database(KINDS[0]) as cluster:
        yield cluster


async def rows(connection: Connection, entity: int, name: str) -> list[str]:
    async with connection.transaction():
        return [row async for part in archiving.parts(connection, entity, name) for row in part]


async def packed(connection: Connection, entity: int, **more: list[str]) -> io.BytesIO:
    """An archive; `more` are rows to add to its files."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, entity="brugge", made="now")
    for name in FILES:
        writer.add(name, await rows(connection, entity, name) + more.get(name, []))
    writer.end()
    out.seek(0)
    return out


def files(archive: io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(f"{name}.jsonl") for name in FILES}


async def targets(connection: Connection, entity: int) -> list[object]:
    groups = await registry.groups_by_slug(connection, entity, ["by hand", "fr"])
    return [
        await registry.count_targets(connection, entity, MessageClass.URGENT, CHANNELS, Target(groups=[group.id]))
        for group in sorted(groups, key=lambda group: group.slug)
    ]


async def test_every_table_of_an_entity_is_in_its_archive_or_it_is_said_why_not(connection: Connection) -> None:
    columns = {row["table"]: set(row["columns"]) for row in await connection.fetch(TENANT_COLUMNS)}
    queries = Queries.load("archive")
    held = {table: name for name, tables in archiving.HOLDS.items() for table in tables}
    assert columns.keys() - held.keys() - {"kept_history"} == archiving.LEFT_OUT.keys(), (
        "a table of an entity goes into its archive (store/archiving.py HOLDS, queries/archive.sql, "
        "docs/entity-archive.md), or LEFT_OUT says why it does not"
    )
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in archiving.LEFT_OUT if f"`{name}`" not in page] == []
    assert [name for name in FILES if f"`{name}.jsonl`" not in page] == []
    for table, name in held.items():
        words = set(re.findall(r"\w+", queries[f"archive_{name}"]))
        assert table in words, f"{name}.jsonl does not read {table}"
        if name in RESTORED:
            links = {column for column in columns[table] if column == "id" or column.endswith("_id")}
            assert columns[table] - links - words == NOT_TAKEN.get(table, set()), table


async def test_every_file_of_an_archive_has_rows_where_the_entity_has_them(connection: Connection) -> None:
    entity = await furnish(connection)
    assert [name for name in FILES if not await rows(connection, entity, name)] == ["people"], "it did nothing yet"
    async with connection.transaction():
        an = await persons.find(connection, entity, "an@brugge.example")
        await confine(connection, entity, f"person:{an['id']}")
        await admin.create_group(connection, entity_id=entity, slug="new", name="New")
        told = [json.loads(row) for row in await rows(connection, entity, "people")]
    assert told == [{"actor": f"person:{an['id']}", "email": "an@brugge.example", "name": "Person an@brugge.example"}]


async def test_an_entity_comes_back_in_an_empty_database_and_leaves_it_as_the_same_files(
    connection: Connection, second_pg: Cluster
) -> None:
    entity = await furnish(connection)
    archive = await packed(connection, entity)
    async with admin.connected(second_pg.app_dsn) as other:
        await other.execute("SELECT nextval(pg_get_serial_sequence('contact', 'id')) FROM generate_series(1, 100)")
        async with other.transaction():
            made_there = await archiving.restore(other, ArchiveReader(archive), Grant())
        assert made_there is not None
        assert made_there.slug == "brugge"
        before, after = files(archive), files(await packed(other, made_there.id))
        assert after["audit"].startswith(before.pop("audit")), "and what was done here since"
        assert {name: after[name] for name in before} == before
        assert await targets(other, made_there.id) == await targets(connection, entity)
        row = await admin.entity(other, "brugge")
        assert row is not None
        assert (row.contacts, row.groups, row.live, row.tokens) == (5, 2, False, 0)
        (hook,) = await webhooks.page(other, made_there.id)
        assert hook["disabled_at"] is not None
        storm = await templates.find(other, made_there.id, "storm")
        assert storm["made_by"] == f"person:{(await persons.find(other, made_there.id, 'an@brugge.example'))['id']}"
        assert await costs.packs(other, made_there.id) == [], "what is owed elsewhere is not owed here"


async def test_what_waits_or_is_owed_is_the_platform_s_to_give(connection: Connection) -> None:
    entity = await furnish(connection)
    archive = await packed(connection, entity)
    async with connection.transaction():
        assert await archiving.restore(connection, ArchiveReader(archive), Grant()) is None, "the slug is taken"
        again = await archiving.restore(connection, ArchiveReader(archive), Grant("person:1", None), "brugge-2")
        booked = await archiving.restore(connection, ArchiveReader(archive), Grant(), "brugge-3", packs=True)
    assert again is not None
    assert booked is not None
    person = await persons.find(connection, again.id, "an@brugge.example")
    assert (person["roles"], person["wanted"]) == ([], ["admin"]), "a second administrator confirms them"
    (source,) = [json.loads(row) for row in await rows(connection, again.id, "sources")]
    assert source["trusted_at"] is None
    (pack,) = await costs.packs(connection, booked.id)
    assert (pack["units"], pack["used"]) == (100, 3)
    assert len(await rows(connection, booked.id, "packs")) == 1, "booked, and not kept as history beside"


async def test_history_goes_along_and_nothing_secret_does(connection: Connection) -> None:
    entity = await furnish(connection)
    (alert,) = [json.loads(row) for row in await rows(connection, entity, "alerts")]
    assert base64.b64decode(alert["cap_base64"]) == b"<alert/>"
    assert alert["campaign"]
    acts = [json.loads(row) for row in await rows(connection, entity, "audit")]
    assert all(len(row["hash"]) == 64 for row in acts)
    whole = "".join(["".join(await rows(connection, entity, name)) for name in FILES])
    digests = [row["digest"].hex() for row in await connection.fetch("SELECT digest FROM token")]
    assert digests
    assert not any(secret in whole for secret in [*digests, "whsec_"])


WRONG = {
    "contacts": '{"id": 1}',
    "members": '{"group": "none", "contact": 99}',
    "templates": '{"slug": "A b", "version": 1, "body": {}, "made_at": null, "made_by": "x"}',
    "certificates": '{"der_base64": "AAAA", "created_at": null, "removed_at": null}',
    "webhooks": '{"realm": "both", "url": "", "events": [], "note": "", "created_at": null}',
    "packs": '{"units": "many"}',
    "alerts": '{"alert": "\\u0000"}',
}


async def test_an_archive_with_a_wrong_row_is_refused_whole(connection: Connection) -> None:
    entity = await furnish(connection)
    for name, wrong in WRONG.items():
        archive = await packed(connection, entity, **{name: [wrong]})
        with pytest.raises(BadArchive):
            async with connection.transaction():
                await archiving.restore(connection, ArchiveReader(archive), Grant(), "gent", packs=True)
        assert await admin.entity(connection, "gent") is None, name
