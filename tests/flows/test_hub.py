"""The hub from a wish to the content, against subscribers that listen on this machine and may misbehave."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from urllib.parse import parse_qs

import feedparser
import pytest
from aiohttp import web

from gateway.flows.hub import Hub, Taken, name_of
from gateway.flows.publishing import PUBLIC, FeedKind, FeedName, Publisher
from gateway.log import unit_logger
from gateway.policy.subscription import Answer, HubMode, HubRules, Wish
from gateway.store import hub as store_hub
from gateway.web.feed import FeedPages
from gateway.web.outward import Guard, Outward
from tests.support.scene import Scene, an_alert

URL = "https://alerts.example"
TOPIC = f"{URL}/cap/feed.atom"
HUB = f"{URL}/cap/hub"
RULES = HubRules()


@dataclass(slots=True)
class Subscriber:
    """A reader that others may write to: it remembers what came, and answers as it is told."""

    url: str = ""
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    got: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    status: int = 200
    echo: bool = True
    location: str = ""

    async def hook(self, request: web.Request) -> web.Response:
        headers = {"Location": self.location} if self.location else {}
        if request.method == "POST":
            self.got.append((await request.read(), dict(request.headers)))
            return web.Response(status=self.status, headers=headers)
        self.asked.append(parse_qs(request.query_string))
        said = request.query["hub.challenge"] if self.echo else "something else"
        return web.Response(text=said, status=self.status, headers=headers)


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    found = Subscriber()
    app = web.Application(client_max_size=2_000_000)
    app.router.add_route("*", "/{any:.*}", found.hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@dataclass(slots=True)
class Node:
    """One node's publisher, pages and hub."""

    publisher: Publisher
    pages: FeedPages
    hub: Hub
    rules: HubRules

    async def subscribe(
        self, callback: str, mode: HubMode = HubMode.SUBSCRIBE, *, topic: str = TOPIC, **more: object
    ) -> Taken:
        found = await self.pages.topic(topic)
        assert found is not None
        usual = {"mode": mode, "topic": topic, "callback": callback, "host": "127.0.0.1", "lease_s": 3600}
        return await self.hub.take(Wish(**(usual | more)), found.feed)  # type: ignore[arg-type]

    async def settle(self) -> None:
        """Ask whoever is to be asked, announce, and tell."""
        await self.hub.asking.drain()
        await self.hub.announce()
        await self.hub.telling.drain()


@asynccontextmanager
async def a_node(scene: Scene, guard: Guard | None = None, rules: HubRules = RULES) -> AsyncIterator[Node]:
    guard = guard or Guard(allowed=[ip_network("127.0.0.0/8")])
    publisher = Publisher(scene.store, scene.checker, url=URL, log=unit_logger("test.feed"), utcnow=scene.clock)
    pages = FeedPages(publisher, public_url=URL, title="Alerts", author="Centre")
    async with Outward(guard, agent="test", timeout_s=2) as outward:
        hub = Hub(
            scene.store, publisher, page_of=pages.content, fetch=outward.fetch, url=HUB, rules=rules, workers=20,
            utcnow=scene.clock, log=unit_logger("test.hub"),
        )  # fmt: skip
        yield Node(publisher, pages, hub, rules)


@pytest.fixture
async def node(scene: Scene) -> AsyncIterator[Node]:
    async with a_node(scene) as found:
        yield found


async def counts(scene: Scene) -> dict[str, int]:
    async with scene.connected() as connection:
        return dict(await store_hub.hub_counts(connection))


async def test_a_subscriber_is_asked_and_then_told_what_is_new(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    entity = await scene.entity("one")
    assert await node.subscribe(f"{subscriber.url}/hook?id=7", secret="key") is Taken.ACCEPTED
    await node.settle()
    (asked,) = subscriber.asked
    assert asked["id"] == ["7"] and asked["hub.mode"] == ["subscribe"] and asked["hub.topic"] == [TOPIC]
    assert asked["hub.lease_seconds"] == ["3600"]
    assert subscriber.got == []
    await scene.post(an_alert("A-1"), entity)
    await node.settle()
    ((body, headers),) = subscriber.got
    assert [entry.cap_identifier for entry in feedparser.parse(body).entries] == ["A-1"]
    assert headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert headers["Link"] == f'<{HUB}>; rel="hub", <{TOPIC}>; rel="self"'
    assert headers["X-Hub-Signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    await node.settle()
    assert len(subscriber.got) == 1


async def test_without_a_secret_nothing_is_signed_and_only_the_topic_is_told(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    one, two = await scene.entity("one"), await scene.entity("two")
    await node.publisher.look()
    await node.subscribe(subscriber.url, topic=f"{URL}/cap/one/feed.json?lang=fr")
    await node.settle()
    await scene.post(an_alert("B-1"), two)
    await node.settle()
    assert subscriber.got == []
    await scene.post(an_alert("A-1"), one)
    await node.settle()
    ((body, headers),) = subscriber.got
    assert headers["Content-Type"].startswith("application/feed+json") and b"A-1" in body and b"B-1" not in body
    assert "X-Hub-Signature" not in headers


async def test_who_does_not_echo_the_challenge_is_not_subscribed(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    subscriber.echo = False
    await node.subscribe(subscriber.url)
    await node.settle()
    assert len(subscriber.asked) == 1
    assert (await counts(scene))["subscribers"] == 0


async def test_a_failed_confirmation_leaves_an_old_subscription_as_it_is(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    await node.subscribe(subscriber.url)
    await node.settle()
    subscriber.status = 404
    await node.subscribe(subscriber.url, HubMode.UNSUBSCRIBE)
    await node.settle()
    assert (await counts(scene))["subscribers"] == 1
    subscriber.status = 200
    await node.subscribe(subscriber.url, HubMode.UNSUBSCRIBE)
    await node.settle()
    assert (await counts(scene))["subscribers"] == 0
    assert await node.subscribe(subscriber.url, HubMode.UNSUBSCRIBE) is Taken.ACCEPTED
    await node.settle()
    assert len(subscriber.asked) == 3


async def test_a_redirect_is_a_failure_and_is_not_followed(scene: Scene, node: Node, subscriber: Subscriber) -> None:
    subscriber.status, subscriber.location = 302, f"{subscriber.url}/elsewhere"
    await node.subscribe(subscriber.url)
    await node.settle()
    assert len(subscriber.asked) == 1 and (await counts(scene))["subscribers"] == 0


async def test_410_ends_a_subscription_and_others_are_tried_again_later(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    entity = await scene.entity("one")
    await node.subscribe(f"{subscriber.url}/a")
    await node.settle()
    subscriber.status = 500
    await scene.post(an_alert("A-1"), entity)
    await node.settle()
    assert len(subscriber.got) == 1
    assert await counts(scene) == {"subscribers": 1, "waiting": 1, "failing": 1, "requests": 0}
    await scene.rows("UPDATE websub_subscription SET due_at = now() RETURNING id")
    subscriber.status = 200
    await node.settle()
    assert len(subscriber.got) == 2
    assert await counts(scene) == {"subscribers": 1, "waiting": 0, "failing": 0, "requests": 0}
    subscriber.status = 410
    await scene.post(an_alert("A-2"), entity)
    await node.settle()
    assert (await counts(scene))["subscribers"] == 0


async def test_who_never_answers_is_dropped_after_a_bounded_number_of_tries(
    scene: Scene, subscriber: Subscriber
) -> None:
    entity = await scene.entity("one")
    async with a_node(scene, rules=HubRules(failures=3)) as node:
        await node.subscribe(subscriber.url)
        await node.settle()
        subscriber.status = 503
        await scene.post(an_alert("A-1"), entity)
        for _ in range(5):
            await node.settle()
            await scene.rows("UPDATE websub_subscription SET due_at = now() WHERE due_at IS NOT NULL RETURNING id")
        assert len(subscriber.got) == 3
        assert (await counts(scene))["subscribers"] == 0


async def test_a_callback_of_ours_is_neither_asked_nor_told(scene: Scene, subscriber: Subscriber) -> None:
    entity = await scene.entity("one")
    async with a_node(scene, Guard()) as node:
        await node.subscribe(subscriber.url)
        for _ in range(4):
            await node.settle()
            await scene.rows("UPDATE websub_request SET due_at = now() WHERE due_at IS NOT NULL RETURNING id")
        await scene.rows(
            "INSERT INTO websub_subscription (topic, feed, callback, host, expires_at) "
            "VALUES ($1, 'Actual', $2, 'x', now() + interval '1 h') RETURNING id",
            TOPIC,
            subscriber.url,
        )
        await scene.post(an_alert("A-1"), entity)
        await node.settle()
    assert subscriber.asked == [] and subscriber.got == []
    assert await counts(scene) == {"subscribers": 1, "waiting": 1, "failing": 1, "requests": 0}


async def test_the_hub_has_room_for_so_many_and_of_one_host_for_fewer(scene: Scene, subscriber: Subscriber) -> None:
    rules = HubRules(subscribers=3, subscribers_per_host=2, requests_per_host=5)
    async with a_node(scene, rules=rules) as node:
        for number in range(2):
            assert await node.subscribe(f"{subscriber.url}/{number}") is Taken.ACCEPTED
        await node.settle()
        assert await node.subscribe(f"{subscriber.url}/2") is Taken.FULL
        assert await node.subscribe(f"{subscriber.url}/1") is Taken.ACCEPTED
        assert await node.subscribe(f"{subscriber.url}/3", host="b.example") is Taken.ACCEPTED
        await node.settle()
        assert await node.subscribe(f"{subscriber.url}/4", host="c.example") is Taken.FULL
        for _ in range(2):
            await node.subscribe(f"{subscriber.url}/1")
        assert await node.subscribe(f"{subscriber.url}/1") is Taken.TOO_MANY


async def test_a_change_is_announced_by_one_node_and_told_by_the_other(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    entity = await scene.entity("one")
    await node.subscribe(subscriber.url)
    await node.settle()
    async with a_node(scene) as other:
        await other.hub.announce()
        await scene.post(an_alert("A-1"), entity)
        assert await node.hub.announce() == 1
        assert await other.hub.announce() == 0
        # `other` has read the alert only for its own announcement; a third one has read nothing at all
        async with a_node(scene) as third:
            assert await third.hub.telling.drain() == 1
    ((body, _),) = subscriber.got
    assert b"A-1" in body


async def test_ten_thousand_subscribers_are_told_once_each(scene: Scene, node: Node) -> None:
    entity = await scene.entity("one")
    await node.hub.announce()
    await scene.rows(
        "INSERT INTO websub_subscription (topic, feed, callback, host, secret, expires_at) "
        "SELECT $1, 'Actual', 'https://h' || n || '.example/', 'h' || n, 'key', now() + interval '1 day' "
        "FROM generate_series(1, 10000) n RETURNING 1",
        TOPIC,
    )
    told: list[str] = []
    running = most = 0

    async def fetch(method: str, url: str, **_: object) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        told.append(url)
        running -= 1
        return Answer(status=204)

    node.hub._fetch = fetch
    await scene.post(an_alert("A-1"), entity)
    assert await node.hub.announce() == 10_000
    assert await node.hub.telling.drain() == 10_000
    assert len(told) == 10_000 == len(set(told))
    assert most <= 20
    assert (await counts(scene))["waiting"] == 0


async def test_a_running_hub_tells_a_new_alert_within_seconds_of_its_release(
    scene: Scene, node: Node, subscriber: Subscriber
) -> None:
    entity = await scene.entity("one")
    tasks = [asyncio.create_task(node.publisher.run()), asyncio.create_task(node.hub.run())]
    try:
        await node.subscribe(subscriber.url)
        async with asyncio.timeout(15):
            while not (await counts(scene))["subscribers"]:
                await asyncio.sleep(0.02)
            await scene.post(an_alert("A-1"), entity)
            while not subscriber.got:
                await asyncio.sleep(0.02)
            while (await counts(scene))["waiting"]:
                await asyncio.sleep(0.02)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(subscriber.got) == 1 and b"A-1" in subscriber.got[0][0]


def test_feeds_have_names_that_tell_them_apart() -> None:
    names = [PUBLIC, FeedName(FeedKind.PUBLIC, "one"), FeedName(FeedKind.EXERCISE, "one"), FeedName(FeedKind.EXERCISE)]
    assert len({name_of(name) for name in names}) == 4


async def test_an_authority_that_is_gone_ends_its_topics(scene: Scene, node: Node, subscriber: Subscriber) -> None:
    await scene.entity("one")
    await node.subscribe(subscriber.url, topic=f"{URL}/cap/one/feed.atom")
    await node.settle()
    await scene.rows("UPDATE websub_subscription SET due_at = now(), topic = $1 RETURNING 1", f"{URL}/cap/no/feed.atom")
    await node.settle()
    assert subscriber.got == [] and (await counts(scene))["subscribers"] == 0
