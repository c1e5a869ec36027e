"""The HTTP interface over a fresh database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.authority import Client, a_client
from tests.support.scene import Scene


@pytest_asyncio.fixture
async def client(scene: Scene) -> AsyncIterator[Client]:
    """An HTTP client of every /v1 page over the scene."""
    async with a_client(scene) as made:
        yield made
