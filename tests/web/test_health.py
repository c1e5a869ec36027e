"""Is the process alive, can it do its work, what are its numbers."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.metrics import Metrics
from gateway.model import ChannelName
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from gateway.web.health import Health

Client = TestClient[web.Request, web.Application]


class FakeNode:
    """What health asks of a node, as a test wants it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.metrics = Metrics()
        self.links: dict[str, bool] = {}

    def channel_states(self) -> tuple[dict[str, bool], dict[ChannelName, int]]:
        return self.links, {ChannelName.SMS: 12, ChannelName.VOICE: 0, ChannelName.EMAIL: 3}

    def mailboxes_up(self) -> dict[str, bool]:
        return {"alerts": True}

    def call_starts_last_minute(self) -> int:
        return 598

    def agreed_rates(self) -> dict[ChannelName, float]:
        return {ChannelName.SMS: 500.0}


@pytest_asyncio.fixture
async def node(pg: Cluster) -> AsyncIterator[FakeNode]:
    store = await Store.open(pg.app_dsn, name="health")
    yield FakeNode(store)
    await store.close()


@pytest.fixture
def health(node: FakeNode) -> Health:
    return Health(node)


@pytest_asyncio.fixture
async def client(health: Health) -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(health.routes())
    application.add_routes(health.metrics_routes())
    async with TestClient(TestServer(application)) as made:
        yield made


async def ready(client: Client) -> tuple[int, list[str]]:
    answer = await client.get("/readyz")
    body = await answer.json()
    assert body["ready"] == (answer.status == 200)
    return answer.status, body["problems"]


async def test_a_node_without_dispatch_needs_no_way_out(client: Client) -> None:
    assert await ready(client) == (200, [])


async def test_one_way_out_is_enough_and_none_is_not(client: Client, node: FakeNode) -> None:
    node.links = {"smsc-1": False, "relay-1": True}
    assert await ready(client) == (200, [])
    node.links = {"smsc-1": False, "relay-1": False}
    assert await ready(client) == (503, ["no bind, relay or trunk is up"])


async def test_without_the_store_it_is_alive_and_not_ready(client: Client, node: FakeNode) -> None:
    await node.store.close()
    assert await ready(client) == (503, ["the database does not answer"])
    answer = await client.get("/healthz")
    assert (answer.status, await answer.text()) == (200, "ok\n")
    assert (await client.get("/metrics")).status == 200


async def test_a_node_that_stops_is_not_ready(client: Client, health: Health) -> None:
    health.stopping = True
    assert await ready(client) == (503, ["stopping"])


async def test_every_problem_is_named(client: Client, node: FakeNode, health: Health) -> None:
    health.stopping = True
    node.links = {"smsc-1": False}
    await node.store.close()
    status, problems = await ready(client)
    assert (status, len(problems)) == (503, 3)


async def test_the_links_are_shown(client: Client, node: FakeNode) -> None:
    node.links = {"smsc-1": True}
    assert (await (await client.get("/readyz")).json())["links"] == {"smsc-1": True}


async def test_a_scrape_has_the_numbers_of_now(client: Client, node: FakeNode) -> None:
    node.links = {"smsc-1": True, "relay-1": False}
    answer = await client.get("/metrics")
    text = await answer.text()
    assert answer.content_type == "text/plain"
    for line in (
        'gateway_bind_up{bind="smsc-1"} 1.0',
        'gateway_bind_up{bind="relay-1"} 0.0',
        'gateway_in_flight{channel="sms"} 12.0',
        'gateway_rate_limit_per_second{channel="sms"} 500.0',
        "gateway_call_starts_last_60s 598.0",
    ):
        assert line in text
