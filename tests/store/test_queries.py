"""Every named statement is understood by both servers, and the queue's statements use indexes on an empty partition."""

import re

import asyncpg
import pytest

from gateway.store.embedded import Cluster
from gateway.store.pool import PINNED
from gateway.store.sql import Queries


@pytest.mark.both_servers
async def test_every_statement_can_be_prepared_by_the_application_role(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        for name, statement in Queries.load().items():
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")
    finally:
        await connection.close()


async def test_a_column_that_a_later_version_adds_changes_the_result_of_no_statement(pg: Cluster) -> None:
    """Nodes of this version go on while the next one's migrations run: a prepared statement whose result has changed
    would fail."""
    connection = await asyncpg.connect(pg.owner_dsn)

    async def results() -> dict[str, list[str]]:
        prepared = {name: await connection.prepare(text) for name, text in Queries.load().items()}
        return {name: [column.name for column in one.get_attributes()] for name, one in prepared.items()}

    try:
        before = await results()
        tables = await connection.fetch(
            "SELECT oid::regclass AS name FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
        await connection.execute("; ".join(f"ALTER TABLE {table['name']} ADD later int" for table in tables))
        assert await results() == before
    finally:
        await connection.close()


# which columns must be in the index condition wherever the table is read: a campaign has a million deliveries, and
# a provider has had all of them
SELECTIVE = {"delivery": "seq", "msgref": "msg_id"}
READS_ALL_CHUNKS = {"lanes_open", "lease_chunks", "expired_leases", "withdraw_chunks", "sweep_chunk", "sweep_lost"}
NODE = re.compile(r"(?:Scan|Only Scan)(?: using \S+)? on (delivery|msgref|chunk|progress)\w*(?: \w+)?\s")


@pytest.mark.both_servers
async def test_the_queues_statements_read_by_index_on_an_empty_partition(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.app_dsn, server_settings=PINNED)
    try:
        await connection.execute("SELECT ensure_delivery_partition(1)")
        for name, sql in Queries.load("dispatch").items():
            statement = await connection.prepare(sql)
            arguments = ", ".join(["NULL"] * len(statement.get_parameters()))
            await connection.execute(f"PREPARE {name} AS {sql}")
            plan = await connection.fetch(f"EXPLAIN EXECUTE {name} {f'({arguments})' if arguments else ''}")
            check(name, [row[0] for row in plan])
    finally:
        await connection.close()


def check(name: str, lines: list[str]) -> None:
    for number, line in enumerate(lines):
        if (found := NODE.search(line)) is None:
            continue
        table, condition = found[1], next(at for at in lines[number:] if "Index Cond" in at or at is lines[-1])
        wanted = SELECTIVE.get(table, "lo " if table == "chunk" else "campaign_id")
        few = any(
            "chunk_held" in at or "chunk_ready" in at for at in lines[number : number + 4]
        )  # hold the open ones only
        if not (table == "chunk" and (few or name in READS_ALL_CHUNKS)):
            assert wanted in condition, "\n".join((f"{name} reads {table} by {condition.strip()}", *lines))
