"""The door of /v1: who is let in, and as whom."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.model import Realm
from gateway.web.access import AUTHORITY, Access
from tests.support.scene import Scene

Client = TestClient[web.Request, web.Application]


async def whoami(request: web.Request) -> web.Response:
    return web.Response(text=f"{request[AUTHORITY].slug} {request[AUTHORITY].realm}")


@pytest_asyncio.fixture
async def client(scene: Scene) -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes([web.get("/", Access(scene.store).known(whoami))])
    async with TestClient(TestServer(application)) as made:
        yield made


async def test_a_token_opens_the_door_as_its_entity_in_its_realm(client: Client, scene: Scene) -> None:
    entity = await scene.entity()
    for realm in Realm:
        answer = await client.get("/", headers={"Authorization": f"bearer {entity.tokens[realm]}"})
        assert await answer.text() == f"commune {realm}"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic gw_live_x", "Bearer gw_live_x", "Bearer gw_" + "x" * 200])
async def test_nothing_else_does(header: str, client: Client) -> None:
    answer = await client.get("/", headers={"Authorization": header})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
