"""The sources of an entity over HTTP."""

from collections.abc import AsyncIterator
from functools import partial

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.cap.check import check
from gateway.model import Realm
from gateway.store.embedded import Cluster
from gateway.web.access import Access
from gateway.web.agreeing import AgreeingPages
from gateway.web.api import Api
from gateway.web.sources import SourcePages
from tests.flows.feed_server import atom, holding
from tests.flows.source_scene import SourceScene, a_source_scene
from tests.support.scene import Entity

Client = TestClient[web.Request, web.Application]


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[SourceScene]:
    async with a_source_scene(pg) as found:
        yield found


@pytest_asyncio.fixture
async def client(scene: SourceScene) -> AsyncIterator[Client]:
    api = Api(
        scene.scene.store,
        scene.scene.intake,
        scene.scene.campaigns,
        scene.scene.forecasting,
        max_bytes=1_000_000,
        utcnow=scene.scene.clock,
    )
    app = web.Application()
    hold = partial(scene.scene.intake.accept, source="feed", hold=True)
    app.add_routes(SourcePages(scene.scene.store, scene.relaying, hold, known=api.known).routes())
    app.add_routes(api.routes())
    app.add_routes(AgreeingPages(scene.scene.campaigns.agreeing, Access(scene.scene.store)).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


def bearer(entity: Entity) -> dict[str, str]:
    return {"Authorization": f"Bearer {entity.second}"}


async def test_without_a_token_nothing_is_shown(client: Client, scene: SourceScene) -> None:
    for method, path in (
        ("GET", "/v1/sources"),
        ("GET", f"/v1/sources/{scene.source}/alerts"),
        ("POST", f"/v1/sources/{scene.source}/alerts/sa_1/draft"),
    ):
        assert (await client.request(method, path)).status == 401


async def test_an_entity_sees_its_sources_and_what_they_brought(client: Client, scene: SourceScene) -> None:
    scene.server.put("/feed", atom(*(holding(scene.document(f"U-{n}")) for n in range(3))))
    await scene.poll()
    head = bearer(scene.entity)
    listed = (await (await client.get("/v1/sources", headers=head)).json())["sources"]
    assert [(s["source"], s["trusted"], s["alerts"], s["title"]) for s in listed] == [
        (scene.source, False, 3, "Upstream")
    ]
    path = listed[0]["links"]["alerts"]
    first = await (await client.get(f"{path}?limit=2", headers=head)).json()
    rest = await (await client.get(f"{path}?limit=2&cursor={first['next']}", headers=head)).json()
    assert [alert["identifier"] for alert in first["alerts"] + rest["alerts"]] == ["U-2", "U-1", "U-0"]
    assert rest["next"] is None
    assert first["alerts"][0]["held"] == ["source-not-trusted"]
    raw = await client.get(first["alerts"][0]["links"]["cap"], headers=head)
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert check(await raw.read(), lenient=True).identifier == "U-2"


async def test_a_draft_takes_one_step_and_can_be_posted(client: Client, scene: SourceScene) -> None:
    scene.server.put("/feed", atom(holding(scene.document())))
    await scene.poll()
    head = bearer(scene.entity)
    (alert,) = (await (await client.get(f"/v1/sources/{scene.source}/alerts", headers=head)).json())["alerts"]
    early = await client.post(alert["links"]["draft"], headers=head)
    assert (early.status, (await early.json())["reason"]) == (409, "held-source-not-trusted")
    await scene.trust()
    answer = await client.post(alert["links"]["draft"], headers=head)
    assert (answer.status, answer.content_type) == (201, "application/cap+xml")
    posted = await client.post(
        "/v1/alerts", data=await answer.read(), headers=head | {"Content-Type": answer.content_type}
    )
    assert posted.status == 201


async def test_a_campaign_takes_one_step_and_waits_for_a_second_person(client: Client, scene: SourceScene) -> None:
    scene.server.put("/feed", atom(holding(scene.document())))
    await scene.poll()
    head = bearer(scene.entity)
    (alert,) = (await (await client.get(f"/v1/sources/{scene.source}/alerts", headers=head)).json())["alerts"]
    early = await client.post(alert["links"]["campaign"], headers=head)
    assert (early.status, (await early.json())["reason"]) == (409, "held-source-not-trusted")
    assert await scene.scene.rows("SELECT * FROM campaign") == []
    await scene.trust()
    answer = await client.post(alert["links"]["campaign"], headers=head)
    body = await answer.json()
    assert (answer.status, body["state"]) == (201, "held")
    assert (await client.post(f"/v1/sources/{scene.source}/alerts/sa_none/campaign", headers=head)).status == 404
    approve = f"/v1/campaigns/{body['campaign']}/approve"
    own = await client.post(approve, headers=head)
    assert (own.status, (await own.json())["reason"]) == (403, "own-alert")
    other = await client.post(approve, headers={"Authorization": f"Bearer {scene.entity.tokens[Realm.LIVE]}"})
    assert (other.status, (await other.json())["state"]) == (200, "planned")


async def test_another_entity_sees_nothing_of_it(client: Client, scene: SourceScene) -> None:
    scene.server.put("/feed", atom(holding(scene.document())))
    await scene.poll()
    await scene.trust()
    (alert,) = await scene.alerts()
    head = bearer(await scene.scene.entity("other"))
    assert await (await client.get("/v1/sources", headers=head)).json() == {"sources": [], "next": None}
    path = f"/v1/sources/{scene.source}/alerts"
    assert (await client.get(path, headers=head)).status == 404
    assert (await client.get(f"{path}/{alert['public_id']}/cap", headers=head)).status == 404
    assert (await client.post(f"{path}/{alert['public_id']}/draft", headers=head)).status == 404


async def test_odd_pages_are_taken_for_the_first(client: Client, scene: SourceScene) -> None:
    head = bearer(scene.entity)
    for query in ("cursor=x&limit=x", "limit=0", "limit=99999999999999999999", "cursor=-1"):
        answer = await client.get(f"/v1/sources/{scene.source}/alerts?{query}", headers=head)
        assert (answer.status, await answer.json()) == (200, {"alerts": [], "next": None})
