"""The record of an entity over HTTP: its own, paged, narrowed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.model import Realm
from gateway.web.access import Access
from gateway.web.audit import AuditPages
from tests.support.scene import Entity, Scene

Client = TestClient[web.Request, web.Application]


@pytest_asyncio.fixture
async def client(scene: Scene) -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(AuditPages(scene.store, Access(scene.store)).routes())
    async with TestClient(TestServer(application)) as made:
        yield made


async def asked(client: Client, entity: Entity, query: str = "") -> Any:
    head = {"Authorization": f"Bearer {entity.tokens[Realm.LIVE]}"}
    async with client.get(f"/v1/audit{query}", headers=head) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_an_entity_reads_its_own_record_page_by_page(client: Client, scene: Scene) -> None:
    ours, theirs = await scene.entity("ours"), await scene.entity("theirs")
    whole = (await asked(client, ours))["events"]
    assert [event["number"] for event in whole] == list(range(len(whole), 0, -1))
    first = await asked(client, ours, "?limit=2")
    second = await asked(client, ours, f"?limit=2&cursor={first['next']}")
    assert first["events"] + second["events"] == whole[:4]
    assert {event["on"] for event in (await asked(client, theirs, "?act=entity."))["events"]} == {f"entity:{theirs.id}"}
    assert (await asked(client, ours, f"?subject=entity:{theirs.id}"))["events"] == []


async def test_without_a_token_nothing_is_told(client: Client) -> None:
    assert (await client.get("/v1/audit")).status == 401


async def test_odd_words_find_nothing_and_break_nothing(client: Client, scene: Scene) -> None:
    entity = await scene.entity()
    for query in ("?act=%00", "?act=%27%3B--", "?cursor=-1", "?cursor=x", "?limit=0", "?limit=999999999999"):
        await asked(client, entity, query)
