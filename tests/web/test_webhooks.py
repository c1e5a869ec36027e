"""Webhooks over HTTP: made, shown without their secret, changed on condition, replaced, removed; and told by a node."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.model import Role
from gateway.policy.webhooks import WebhookRules
from gateway.store.embedded import Cluster
from gateway.web.access import Access
from gateway.web.outward import Guard, networks
from gateway.web.problem import middleware
from gateway.web.webhooks import WebhookPages
from tests.support.authority import Client, ask
from tests.support.hooks import Listener, a_listener
from tests.support.line import cap
from tests.support.people import put_person
from tests.support.scene import HELP, Entity, Scene
from tests.support.town import a_town
from tests.support.waiting import until

URL = "https://hook.example/in"


@pytest_asyncio.fixture
async def client(scene: Scene) -> AsyncIterator[Client]:
    application = web.Application(middlewares=[middleware(HELP)])
    guard = Guard(allowed=networks(["10.0.0.0/8"]))
    pages = WebhookPages(
        scene.store, Access(scene.store), refusal=guard.refusal, rules=WebhookRules(), utcnow=scene.clock
    )
    application.add_routes(pages.routes())
    async with TestClient(TestServer(application)) as made:
        yield made


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity(groups={"g": 1})


@pytest_asyncio.fixture
async def boss(scene: Scene, commune: Entity) -> str:
    async with scene.connected() as connection:
        return await put_person(connection, commune.id, roles=[Role.ADMIN])


async def added(client: Client, boss: str, **more: Any) -> dict[str, Any]:
    status, body = await ask(client, boss, "POST", "/v1/webhooks", json={"url": URL} | more)
    assert status == 201, body
    return dict(body)


async def test_a_secret_is_shown_once(client: Client, boss: str) -> None:
    made = await added(client, boss, note="duty room", events=["campaign.closed"])
    path = f"/v1/webhooks/{made['webhook']}"
    shown = (await ask(client, boss, "GET", path))[1]
    assert (shown["url"], shown["events"], shown["note"], shown["realm"]) == (
        URL, ["campaign.closed"], "duty room", "live",
    )  # fmt: skip
    fresh = (await ask(client, boss, "POST", f"{path}/rotate"))[1]["secret"]
    listed = (await ask(client, boss, "GET", "/v1/webhooks"))[1]
    for secret in (made["secret"], fresh):
        assert secret.startswith("whsec_")
        assert secret not in str(shown) + str(listed)
    assert fresh != made["secret"]


async def test_a_change_is_made_to_what_was_seen(client: Client, boss: str) -> None:
    path = f"/v1/webhooks/{(await added(client, boss))['webhook']}"
    async with client.get(path, headers={"Authorization": f"Bearer {boss}"}) as answer:
        seen = {"If-Match": answer.headers["ETag"]}
    status, body = await ask(client, boss, "POST", path, json={"enabled": False}, headers=seen)
    assert (status, body["enabled"], body["disabled_why"]) == (200, False, "switched off")
    assert (await ask(client, boss, "POST", path, json={"note": "x"}, headers=seen))[0] == 412
    async with client.post(path, json={}, headers={"Authorization": f"Bearer {boss}"}) as answer:
        assert answer.status == 428
    body = (await ask(client, boss, "POST", path, json={"enabled": True, "url": URL + "2"}))[1]
    assert (body["enabled"], body["url"], body["events"]) == (True, URL + "2", [])


@pytest.mark.parametrize(
    "url",
    ["http://hook.example/", "https://127.0.0.1/", "https://user@hook.example/", "https://169.254.169.254/",
     "https://[::1]/", "https://hook.example:22/", "ftp://hook.example/", "https://hook.example/\u20ac", ""],
)  # fmt: skip
async def test_an_address_of_ours_or_in_the_clear_is_refused(url: str, client: Client, boss: str) -> None:
    assert (await ask(client, boss, "POST", "/v1/webhooks", json={"url": url}))[0] == 422


async def test_a_ping_waits_and_is_listed(client: Client, boss: str) -> None:
    path = f"/v1/webhooks/{(await added(client, boss))['webhook']}"
    status, body = await ask(client, boss, "POST", f"{path}/ping")
    (told,) = (await ask(client, boss, "GET", f"{path}/deliveries"))[1]["deliveries"]
    assert (status, told["message"], told["type"], told["settled"]) == (202, body["message"], "webhook.ping", None)
    assert (await ask(client, boss, "GET", path))[1]["waiting"] == 1
    assert (await ask(client, boss, "POST", f"{path}/remove"))[0] == 200
    for act in ("", "/rotate", "/ping", "/remove"):
        assert (await ask(client, boss, "POST", f"{path}{act}", json={}))[0] == 404
    assert (await ask(client, boss, "GET", f"{path}/deliveries"))[0] == 404


async def test_another_entity_s_webhooks_are_not_there(client: Client, boss: str, scene: Scene) -> None:
    name = (await added(client, boss))["webhook"]
    other = await scene.entity("other")
    async with scene.connected() as connection:
        theirs = await put_person(connection, other.id, roles=[Role.ADMIN])
    assert (await ask(client, theirs, "GET", "/v1/webhooks"))[1]["webhooks"] == []
    for act in ("", "/rotate", "/ping", "/remove"):
        assert (await ask(client, theirs, "POST", f"/v1/webhooks/{name}{act}", json={}))[0] == 404


async def test_a_node_tells_what_happens_to_its_campaigns(pg: Cluster) -> None:
    settings = {"plain_http": True, "allowed_networks": ["127.0.0.0/8"]}
    async with a_listener() as listener, a_town(pg, webhooks=settings) as town:
        line, head = town.line, {"Authorization": f"Bearer {town.tokens['admin']}"}
        async with line.session.post(f"{line.url}/v1/webhooks", json={"url": listener.url}, headers=head) as answer:
            body = await answer.json()
        listener.secrets.append(body["secret"])
        name = await line.post(cap("told"))
        await line.closed(name)
        await until(lambda: len(told_of(listener, name)) == 3)
    assert told_of(listener, name) == {"campaign.accepted", "campaign.released", "campaign.closed"}


def told_of(listener: Listener, campaign: str) -> set[str]:
    return {str(told["type"]) for _, told in listener.told if told["data"]["campaign"] == campaign}
