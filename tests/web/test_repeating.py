"""A request that comes again with its key is done once and answered alike; the store can not read the answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import StoreUnavailable
from gateway.model import Realm
from gateway.web.access import Access
from gateway.web.bodies import Body, taking
from gateway.web.problem import middleware
from gateway.web.repeating import HEADER, MOST_ANSWER_BYTES, REPLAYED
from tests.support.scene import HELP, Entity, Scene

Client = TestClient[web.Request, web.Application]


class Word(Body):
    """What the page takes."""

    word: str


class Pages:
    """A page that counts how often it did something."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.status = 201
        self.wait: asyncio.Event | None = None
        self.error: Exception | None = None
        self.size = 0

    async def act(self, _: web.Request, body: Word) -> web.Response:
        self.done.append(body.word)
        if self.wait is not None:
            await self.wait.wait()
        if self.error is not None:
            raise self.error
        told = {"secret": f"number {len(self.done)}", "more": "x" * self.size}
        return web.json_response(told, status=self.status, headers={"X-Seen": "1"})


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity()


@pytest_asyncio.fixture
async def client(scene: Scene, pages: Pages) -> AsyncIterator[Client]:
    application = web.Application(middlewares=[middleware(HELP)], client_max_size=200_000)
    known = Access(scene.store).known
    application.add_routes(
        [web.post("/act", known(taking(Word, pages.act))), web.post("/b", known(taking(Word, pages.act)))]
    )
    async with TestClient(TestServer(application)) as made:
        yield made


async def ask(
    client: Client, token: str, key: str | None, word: str = "one", path: str = "/act", raw: bytes | None = None
) -> tuple[int, Any, bool]:
    """Status, JSON, and whether it was an answer of before."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | ({HEADER: key} if key else {})
    data = f'{{"word": "{word}"}}'.encode() if raw is None else raw
    async with client.post(path, data=data, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers.get(REPLAYED) == "true"


async def test_the_same_request_is_done_once_and_answered_alike(
    client: Client, commune: Entity, pages: Pages, scene: Scene
) -> None:
    first = await ask(client, commune.second, "k-1")
    assert first == (201, {"secret": "number 1", "more": ""}, False)
    assert await ask(client, commune.second, "k-1") == (*first[:2], True)
    assert pages.done == ["one"]
    (kept,) = await scene.rows("SELECT * FROM idempotency")
    assert b"secret" not in kept["sealed"] and b"number" not in kept["sealed"]


async def test_without_a_key_or_with_another_one_it_is_another_request(
    client: Client, commune: Entity, pages: Pages
) -> None:
    for key in (None, None, "a", "b"):
        assert (await ask(client, commune.second, key))[0] == 201
    assert len(pages.done) == 4


async def test_keys_are_each_token_s_own(client: Client, commune: Entity, pages: Pages) -> None:
    for token in (commune.second, commune.tokens[Realm.LIVE]):
        assert (await ask(client, token, "k"))[2] is False
    assert len(pages.done) == 2


async def test_a_key_that_comes_with_another_request_is_422(client: Client, commune: Entity, pages: Pages) -> None:
    await ask(client, commune.second, "k")
    for other in ({"word": "two"}, {"path": "/b"}, {"raw": b"{"}):
        status, body, _ = await ask(client, commune.second, "k", **other)
        assert (status, body["reason"], body["help"]) == (422, "key-reused", HELP)
    assert pages.done == ["one"]


@pytest.mark.parametrize("key", ["x" * 256, " ", "é"])
async def test_a_key_that_can_not_be_read_is_400(key: str, client: Client, commune: Entity, pages: Pages) -> None:
    assert (await ask(client, commune.second, key))[1]["reason"] == "bad-key"
    assert pages.done == []


async def test_of_two_at_once_one_is_done_and_the_other_is_told_to_wait(
    client: Client, commune: Entity, pages: Pages
) -> None:
    pages.wait = asyncio.Event()
    first = asyncio.create_task(ask(client, commune.second, "k"))
    async with asyncio.timeout(60):
        while not pages.done:
            await asyncio.sleep(0.01)
    assert (await ask(client, commune.second, "k"))[1]["reason"] == "in-progress"
    pages.wait.set()
    assert (await first)[0] == 201
    assert (await ask(client, commune.second, "k"))[2] is True
    assert pages.done == ["one"]


async def test_who_left_no_answer_is_waited_for_no_longer_than_a_request_takes(
    client: Client, commune: Entity, pages: Pages, scene: Scene
) -> None:
    await ask(client, commune.second, "k")
    await scene.rows("UPDATE idempotency SET status = NULL, at = at - interval '60 seconds' RETURNING 1")
    assert (await ask(client, commune.second, "k"))[0] == 409
    await scene.rows("UPDATE idempotency SET at = at - interval '40 seconds' RETURNING 1")
    assert (await ask(client, commune.second, "k"))[0] == 201
    assert len(pages.done) == 2


async def test_after_a_day_a_key_is_free_for_anything(
    client: Client, commune: Entity, pages: Pages, scene: Scene
) -> None:
    await ask(client, commune.second, "k")
    await scene.rows("UPDATE idempotency SET at = at - interval '24 hours 1 second' RETURNING 1")
    assert await ask(client, commune.second, "k", "two") == (201, {"secret": "number 2", "more": ""}, False)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("broken"), web.HTTPServiceUnavailable()])
async def test_what_was_not_done_is_not_remembered(
    error: Exception, client: Client, commune: Entity, pages: Pages
) -> None:
    pages.error = error
    assert (await ask(client, commune.second, "k"))[0] >= 500
    pages.error = None
    assert (await ask(client, commune.second, "k")) == (201, {"secret": "number 2", "more": ""}, False)


async def test_a_refusal_is_remembered_and_an_answer_that_says_not_now_is_not(
    client: Client, commune: Entity, pages: Pages
) -> None:
    for status, again in ((409, True), (503, False), (429, False)):
        pages.status = status
        assert (await ask(client, commune.second, f"k-{status}"))[0] == status
        assert (await ask(client, commune.second, f"k-{status}"))[2] is again


async def test_an_answer_that_is_too_large_is_not_kept(client: Client, commune: Entity, pages: Pages) -> None:
    pages.size = MOST_ANSWER_BYTES
    await ask(client, commune.second, "k")
    assert (await ask(client, commune.second, "k"))[2] is False


async def test_a_body_longer_than_any_may_be_is_413(
    client: Client, commune: Entity, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.repeating.MOST_BYTES", 1_000)
    assert (await ask(client, commune.second, "k", "x" * 1_000))[1]["reason"] == "too-large"
    assert pages.done == []
