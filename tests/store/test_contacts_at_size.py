"""Contacts at size: a hundred thousand rows of a file, a million contacts to search."""

import os
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.flows.importing import BATCH_ROWS
from gateway.flows.reading import read_whole
from gateway.policy.contacts import wanted
from gateway.policy.importing import ImportedContact, ImportOptions
from gateway.store import admin, contacts
from gateway.store.embedded import Cluster
from gateway.store.importing import Imported, ImportInto, begin, put_batch
from gateway.store.pool import Connection, confine
from tests.store import made

ROWS = int(os.environ.get("CONTACT_ROWS", "100000"))
PEOPLE = int(os.environ.get("CONTACT_PEOPLE", "1000000"))
IMPORT_S, SEARCH_S = 30.0, 0.1
MARGIN = 4  # of a machine that others use, too
MANY = """
INSERT INTO contact (entity_id, key, name, language, mobile, email)
SELECT $1, 'k' || n, (ARRAY['An','Jan','Marie','Élise','Tom'])[1 + n % 5]
    || ' ' || (ARRAY['Peeters','Janssens','Dubois','Claes'])[1 + n % 4] || ' ' || to_hex(n::bigint * 7919), 'nl',
    '+324' || lpad(n::text, 8, '0'), 'p' || n || '@x' || n % 1000 || '.example'
FROM generate_series(1, $2::int) n
"""


@pytest_asyncio.fixture
async def connection(pg: Cluster) -> AsyncIterator[Connection]:
    async with admin.connected(pg.app_dsn) as found:
        yield found


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_hundred_thousand_rows_are_read_and_stored_in_half_a_minute(connection: Connection) -> None:
    entity = await made.entity(connection)
    lines = [f"k{n};Name {n};0470 {n:06};nl;person{n}@x.example;8000" for n in range(ROWS)]
    data = "\n".join(["key;name;gsm;taal;mail;postcode", *lines]).encode()
    began = time.monotonic()
    _, found = read_whole(data, ImportOptions(languages=("nl",)), None)
    people = [one for one in found if isinstance(one, ImportedContact)]
    done = Imported()
    async with connection.transaction():
        await confine(connection, entity, "person:1")
        into = ImportInto(entity_id=entity)
        into = ImportInto(entity_id=entity, run=await begin(connection, into, dry_run=False, by="person:1"))
        for first in range(0, len(people), BATCH_ROWS):
            done = done.plus((await put_batch(connection, into, people[first : first + BATCH_ROWS]))[0])
    assert done == Imported(added=ROWS)
    assert time.monotonic() - began < IMPORT_S * MARGIN


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_among_a_million_contacts_every_page_comes_in_a_tenth_of_a_second(
    pg: Cluster, connection: Connection
) -> None:
    entity = await made.entity(connection)
    await connection.execute(MANY, entity, PEOPLE, timeout=600)
    for table in ("contact", "contact_word"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") >= PEOPLE
    async with admin.connected(
        pg.owner_dsn
    ) as owner:  # as autovacuum does a minute later: plans are made of statistics
        await owner.execute("ANALYZE contact, contact_word", timeout=600)
    async with connection.transaction():
        await confine(connection, entity)
        for text in ("an", "pee", "janssens elise", "tom cl", "0400 00 00 17", "p77@", "@x12.example", "nobody"):
            times = []
            for _ in range(3):
                began = time.monotonic()
                await contacts.search(connection, entity, None, wanted(text, "BE"), ("", 0), 100)
                times.append(time.monotonic() - began)
            assert min(times) < SEARCH_S * MARGIN, text
        began = time.monotonic()
        assert await contacts.page(connection, entity, None, begins="zzz", limit=100) == []
        page = await contacts.page(connection, entity, None, begins="marie", limit=100)
        again = await contacts.page(
            connection, entity, None, begins="marie", after=(page[-1]["search"], page[-1]["id"]), limit=100
        )
        assert len(again) == len(page) > 0
        assert time.monotonic() - began < 2 * SEARCH_S * MARGIN
