"""The door of /v1: who is let in, and as whom."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.model import Realm
from gateway.web.access import AUTHORITY, Access
from tests.support.people import put_person
from tests.support.scene import Scene

Client = TestClient[web.Request, web.Application]


async def whoami(request: web.Request) -> web.Response:
    return web.Response(text=f"{request[AUTHORITY].slug} {request[AUTHORITY].realm}")


@pytest_asyncio.fixture
async def client(scene: Scene) -> AsyncIterator[Client]:
    application = web.Application()
    proxies = (ip_network("127.0.0.0/8"),)
    application.add_routes([web.get("/", Access(scene.store, proxies=proxies).known(whoami))])
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


@pytest.mark.parametrize(
    ("security", "forwarded", "person", "reason"),
    [
        ({"networks": ["192.0.2.0/24", "2001:db8:1::/64"]}, "192.0.2.7", False, ""),
        ({"networks": ["192.0.2.0/24", "2001:db8:1::/64"]}, "2001:db8:1::9", False, ""),
        ({"networks": ["192.0.2.0/24", "2001:db8:1::/64"]}, "198.51.100.7", False, "wrong-network"),
        ({"networks": ["192.0.2.0/24"]}, "192.0.2.7, 198.51.100.7", False, "wrong-network"),
        ({"networks": ["192.0.2.0/24"]}, "x", False, "wrong-network"),
        ({"second_way": "provider"}, "", True, "second-way"),
        ({"second_way": "passkey"}, "", False, ""),
        ({}, "", True, ""),
    ],
)
async def test_whoever_comes_otherwise_than_the_entity_s_security_has_it_is_kept_out(
    security: dict[str, Any], forwarded: str, person: bool, reason: str, client: Client, scene: Scene
) -> None:
    entity = await scene.entity(policy={"security": security})
    async with scene.connected() as connection:
        token = await put_person(connection, entity.id) if person else entity.tokens[Realm.LIVE]
    head = {"Authorization": f"Bearer {token}"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    answer = await client.get("/", headers=head)
    assert answer.status == (403 if reason else 200)
    assert not reason or (await answer.json(content_type=None))["reason"] == reason
