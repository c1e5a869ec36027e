"""A session as the gateway's role, and an entity, for tests of the store."""

from collections.abc import AsyncIterator

import pytest

from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection
from tests.store import made


@pytest.fixture
async def connection(pg: Cluster) -> AsyncIterator[Connection]:
    async with admin.connected(pg.app_dsn) as connection:
        yield connection


@pytest.fixture
async def entity_id(connection: Connection) -> int:
    return await made.entity(connection)
