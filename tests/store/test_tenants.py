"""Row-level security: in the name of an entity, the rows of others are not there, whatever a statement says."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import ChannelName, EntityKind, Realm
from gateway.policy.contacts import wanted
from gateway.policy.importing import ImportedContact
from gateway.store import admin, contacts, persons, registry, templates
from gateway.store.embedded import Cluster
from gateway.store.pool import Store, confine
from tests.store import made
from tests.support.database import Servers
from tests.support.people import put_person

READABLE = frozenset({"geocode", "person", "tariff", "terms", "wording"})
"""Tables without entity_id that a tenant may read: outlines, prices, terms, wordings; persons by their own policy."""
TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS guarded, EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'entity_id') AS of_tenant,
    has_table_privilege('gateway_app_tenant', c.oid, 'SELECT') AS readable,
    (SELECT array_agg(p.polname::text ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


async def test_every_table_with_an_entity_is_guarded_and_no_other_is_seen(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.owner_dsn)
    try:
        rows = {row["name"]: row for row in await connection.fetch(TABLES)}
    finally:
        await connection.close()
    tenants = {name for name, row in rows.items() if row["of_tenant"]} | {"entity"}
    bare = {name for name in tenants if not rows[name]["guarded"] or rows[name]["policies"] != ["everything", "own"]}
    assert bare == set(), "after its GRANTs a migration says: SELECT protect_tenant_table('...');"
    assert rows["person"]["guarded"]
    assert {name for name in rows.keys() - tenants if rows[name]["readable"]} == READABLE


async def test_without_an_entity_a_tenant_sees_nothing(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        await made.entity(connection)
        await connection.execute("SET ROLE gateway_app_tenant")
        assert await connection.fetchval("SELECT count(*) FROM entity") == 0
        await connection.execute("SET gateway.entity = ''")
        assert await connection.fetchval("SELECT count(*) FROM entity") == 0
    finally:
        await connection.close()


async def test_the_name_of_an_entity_ends_with_its_transaction(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        async with store.connection() as connection:
            number = await made.entity(connection)
        for _ in range(3):  # the same session, again and again
            async with store.tenant(number) as connection:
                assert await connection.fetchval("SELECT array_agg(id) FROM entity") == [number]
            async with store.connection() as connection:
                assert await connection.fetchval("SELECT count(*) FROM entity") == 2
                assert await connection.fetchval("SELECT current_user = session_user")
    finally:
        await store.close()


async def test_a_group_never_holds_the_contact_of_another_entity(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        ours, theirs = await made.entity(connection, "ours"), await made.entity(connection, "theirs")
        await admin.import_contacts(connection, theirs, [ImportedContact(row=1, key="k", mobile="+32470000001")])
        contact = await connection.fetchval("SELECT id FROM contact WHERE entity_id = $1", theirs)
        group = await admin.create_group(connection, entity_id=ours, slug="g", name="g")
        for entity in (ours, theirs):
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await connection.execute("INSERT INTO group_member VALUES ($1, $2, $3)", group, contact, entity)


# Any statement --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Town:
    """Three entities that own the same kinds of things, and a citizen of the platform; `entities` are their numbers."""

    runner: asyncio.Runner
    app: Any
    admin: Any
    entities: list[int]
    tables: list[str]

    def others(self, entity: int) -> dict[str, str]:
        """What lies in every table and is not this entity's, as one digest."""
        return {table: self.runner.run(self._digest(table, entity)) for table in self.tables}

    async def _digest(self, table: str, entity: int) -> str:
        column = "id" if table == "entity" else "entity_id"
        found: str = await self.admin.fetchval(
            f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t WHERE {column} <> $1",
            entity,
        )
        return found


async def _furnish(connection: Any, slug: str) -> int:
    entity = await made.entity(connection, slug, EntityKind.TYPE1)
    group = await admin.create_group(connection, entity_id=entity, slug="g", name="g")
    people = [ImportedContact(row=n, key=f"k{n}", mobile=f"+3247000{entity:02}{n:02}", name="P") for n in range(3)]
    await admin.import_contacts(connection, entity, people, group_id=group)
    campaign = await made.campaign(connection, entity)
    await made.rows(connection, campaign, entity, ChannelName.SMS, lo=1, hi=4, size=2)
    for realm in Realm:
        token = admin.new_token(realm)
        await admin.create_token(connection, entity_id=entity, realm=realm, token=token)
    return entity


@pytest.fixture
def town(servers: Servers) -> Iterator[Town]:
    with servers.database("embedded") as cluster, asyncio.Runner() as runner:
        app = runner.run(asyncpg.connect(cluster.app_dsn))
        above = runner.run(asyncpg.connect(cluster.admin_dsn))
        codec = app.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        try:
            runner.run(codec)
            entities = [runner.run(_furnish(app, slug)) for slug in ("alfa", "bravo", "charlie")]
            tables = [
                row["name"]
                for row in runner.run(above.fetch(TABLES))
                if row["readable"] and (row["of_tenant"] or row["name"] == "entity")
            ]
            yield Town(runner, app, above, entities, sorted(tables))
        finally:
            runner.run(app.close())
            runner.run(above.close())


STATEMENTS = (
    "SELECT * FROM {table}",
    "DELETE FROM {table}",
    "UPDATE {table} SET {column} = {column}",
    "UPDATE {table} SET {column} = {other}",
    "UPDATE {table} SET {column} = {own} WHERE {column} = {other}",
    "INSERT INTO {table} SELECT * FROM {table} WHERE {column} = {other}",
    "SELECT * FROM {table} WHERE {column} = {other}",
)


async def _tried(town: Town, entity: int, statements: list[str]) -> list[Any]:
    """What statements of the entity show; each is kept when the database takes it."""
    shown: list[Any] = []
    for statement in statements:
        try:
            async with town.app.transaction():
                await confine(town.app, entity)
                shown += await town.app.fetch(statement)
        except asyncpg.PostgresError:
            continue  # refused: no right, or a constraint
    return shown


def test_no_statement_of_an_entity_shows_or_changes_what_is_another_s(town: Town) -> None:
    draw = st.lists(st.tuples(st.sampled_from(town.tables), st.sampled_from(STATEMENTS)), min_size=1, max_size=6)

    @settings(max_examples=40)
    @given(actor=st.sampled_from(town.entities), other=st.sampled_from(town.entities), drawn=draw)
    def hold(actor: int, other: int, drawn: list[tuple[str, str]]) -> None:
        statements = [
            form.format(table=table, column="id" if table == "entity" else "entity_id", own=actor, other=other)
            for table, form in drawn
            if other != actor or "{other}" not in form
        ]
        before = town.others(actor)
        shown = town.runner.run(_tried(town, actor, statements))
        assert {row.get("entity_id", row.get("id")) for row in shown} <= {actor}
        assert town.others(actor) == before

    hold()
    # what the entity owns was there to be seen: the test is not about empty tables
    assert town.runner.run(_tried(town, town.entities[0], ["SELECT * FROM entity"]))


# The same path ---------------------------------------------------------------------------------------------------

Step = tuple[str, str, float, float, float]


class Explained:
    """A connection that notes which way the server went for each statement: every step of the plan with its index and
    the rows it met."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.steps: list[Step] = []

    async def fetch(self, query: str, *values: object) -> Any:
        found = await self._connection.fetchval(
            "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY OFF, FORMAT JSON) " + query, *values
        )
        (whole,) = json.loads(found) if isinstance(found, str) else found
        self._walk(whole["Plan"])
        return await self._connection.fetch(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Any:
        rows = await self.fetch(query, *values)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *values: object) -> Any:
        row = await self.fetchrow(query, *values)
        return None if row is None else row[0]

    def _walk(self, node: Any) -> None:
        removed = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
        self.steps.append(
            (node["Node Type"], node.get("Index Name", ""), node["Actual Rows"], node["Actual Loops"], removed)
        )
        for below in node.get("Plans", ()):
            self._walk(below)


LOOKS: dict[str, tuple[str, str, Callable[[Any, int, str], Awaitable[Any]]]] = {
    "a number": ("+32470000201", "+32470009999", lambda c, e, what: contacts.by_endpoint(c, e, None, what)),
    "an address": ("k1@bravo.example", "k1@nobody.example", lambda c, e, what: contacts.by_endpoint(c, e, None, what)),
    "words of a name": (
        "Bravissima", "Nobodyatall", lambda c, e, what: contacts.search(c, e, None, wanted(what, "BE"), ("", 0), 100)),
    "the digits of a number": (
        "0470 00 02 01", "0470 00 99 99",
        lambda c, e, what: contacts.search(c, e, None, wanted(what, "BE"), ("", 0), 100)),
    "a beginning": ("bravi", "nobod", lambda c, e, what: contacts.page(c, e, None, begins=what)),
    "a group": ("their group", "no group at all", lambda c, e, what: registry.groups_by_slug(c, e, [what])),
    "a template": ("theirs", "nobody", templates.find),
    "a member": ("bravissima", "nobodyatall", lambda c, e, what: persons.page(c, e, begins=what)),
}  # fmt: skip
"""What A asks for: something that B has, something that nobody has, and how."""


async def test_asking_for_what_another_has_takes_the_same_path_as_asking_for_what_nobody_has(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        ours, theirs = await made.entity(connection, "ours"), await made.entity(connection, "theirs")
        for entity, digit, name in ((ours, 1, "Alfa"), (theirs, 2, "Bravissima")):
            people = [
                ImportedContact(
                    row=n, key=f"k{n}", name=f"{name} {n}", mobile=f"+32470000{digit}{n:02}",
                    email=f"k{n}@{'alfa' if entity == ours else 'bravo'}.example",
                )
                for n in range(60)
            ]  # fmt: skip
            await admin.import_contacts(connection, entity, people)
        await admin.create_group(connection, entity_id=theirs, slug="their group", name="g")
        await templates.put(connection, theirs, "theirs", {}, "command")
        await put_person(connection, theirs, email="bravissima@x.example")
        await connection.execute("UPDATE membership SET search = 'bravissima', name = 'Bravissima'")
        paths: dict[str, list[list[Step]]] = {}
        for what, (of_b, of_nobody, look) in LOOKS.items():
            for words in (of_b, of_nobody):
                async with connection.transaction():
                    await confine(connection, ours)
                    told = Explained(connection)
                    assert not await look(told, ours, words), what
                    paths.setdefault(what, []).append(told.steps)
            async with connection.transaction():
                await confine(connection, theirs)
                assert await look(connection, theirs, of_b), "it is there to be found"
    assert {what: path for what, (path, other) in paths.items() if path != other} == {}
    assert all(path for path, _ in paths.values())


async def test_of_a_person_who_is_another_s_member_two_rows_more_are_met_and_no_more(pg: Cluster) -> None:
    """One human is one identity for all entities: it and its membership elsewhere are met, not shown."""
    async with admin.connected(pg.app_dsn) as connection:
        ours, theirs = await made.entity(connection, "ours"), await made.entity(connection, "theirs")
        await put_person(connection, theirs, email="bravissima@x.example")
        met = []
        for words in ("bravissima@x.example", "nobody@x.example"):
            async with connection.transaction():
                await confine(connection, ours)
                told = Explained(connection)
                assert await persons.find(told, ours, words) is None  # type: ignore[arg-type]
                met.append(sum(rows * loops + removed for _, _, rows, loops, removed in told.steps))
    assert 0 <= met[0] - met[1] <= 2
