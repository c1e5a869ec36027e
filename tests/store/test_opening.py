"""Opening the database of a node."""

from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from gateway.errors import SchemaError
from gateway.settings import DatabaseSection
from gateway.store.embedded import Cluster
from gateway.store.opening import opened
from gateway.store.pool import with_password


async def test_a_server_with_the_schema_is_opened_as_it_is(pg: Cluster) -> None:
    async with opened(DatabaseSection(dsn=SecretStr(pg.app_dsn))) as dsn:
        assert dsn == pg.app_dsn


async def test_a_server_without_the_schema_is_refused_with_what_to_do(empty_pg: Cluster) -> None:
    with pytest.raises(SchemaError, match="gateway migrate"):
        async with opened(DatabaseSection(dsn=SecretStr(empty_pg.owner_dsn))):
            pytest.fail("it has no tables")


async def test_an_embedded_server_is_started_and_brought_forward(public_path: Path) -> None:
    async with opened(DatabaseSection(embedded=public_path / "data")) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("SELECT count(*) FROM entity") == 1
        finally:
            await connection.close()


def test_a_password_of_its_own_wins_over_the_dsn() -> None:
    dsn = "postgresql://app:old@/gateway?host=/run/pg&port=5432"
    assert with_password(dsn, "n@w") == "postgresql://app:n%40w@/gateway?host=/run/pg&port=5432"
    assert with_password(dsn, "") == dsn
