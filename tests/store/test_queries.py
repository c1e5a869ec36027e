"""Every named statement is understood by both servers, and the queue's statements use indexes on an empty partition."""

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


@pytest.mark.both_servers
@pytest.mark.parametrize("name", ["record_outcomes", "record_receipts", "lease_chunks"])
async def test_a_queue_statement_scans_no_table_on_an_empty_partition(pg: Cluster, name: str) -> None:
    connection = await asyncpg.connect(pg.app_dsn, server_settings=PINNED)
    try:
        await connection.execute("SELECT ensure_delivery_partition(1)")
        statement = await connection.prepare(Queries.load("dispatch")[name])
        arguments = ["NULL"] * len(statement.get_parameters())
        await connection.execute(f"PREPARE q AS {Queries.load('dispatch')[name]}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE q ({', '.join(arguments)})")
        text = "\n".join(row[0] for row in plan)
        assert "Seq Scan on delivery" not in text, text
        assert "Seq Scan on msgref" not in text, text
        assert "Seq Scan on chunk" not in text, text
    finally:
        await connection.close()
