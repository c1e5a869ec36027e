"""The flows over a fresh database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.store.embedded import Cluster
from tests.support.scene import Scene, a_scene


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[Scene]:
    """Intake, campaigns, planner and closer over a store and a stopped clock."""
    async with a_scene(pg) as found:
        yield found
