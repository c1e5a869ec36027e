"""Hubs that call us."""

from collections.abc import AsyncIterator, Iterable
from typing import cast

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.flows.sources import Heard, Sources
from gateway.web.incoming import Incoming

Client = TestClient[web.Request, web.Application]
KEY = "k" * 32


class Subscriber:
    """Stands in for the poller: knows one key and keeps what it is handed."""

    def __init__(self) -> None:
        self.heard = Heard.KEPT
        self.given: list[tuple[str, bytes, str]] = []

    async def confirm(self, key: str, query: Iterable[tuple[str, str]]) -> str | None:
        return dict(query).get("hub.challenge") if key == KEY else None

    async def pushed(self, key: str, body: bytes, signature: str) -> Heard:
        self.given.append((key, body, signature))
        return self.heard


@pytest.fixture
def subscriber() -> Subscriber:
    return Subscriber()


@pytest_asyncio.fixture
async def client(subscriber: Subscriber) -> AsyncIterator[Client]:
    app = web.Application(client_max_size=10_000_000)
    app.add_routes(Incoming(cast("Sources", subscriber), max_bytes=1_000).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_question_that_is_ours_is_answered_with_its_challenge(client: Client) -> None:
    answer = await client.get(f"/cap/incoming/{KEY}?hub.mode=subscribe&hub.challenge=<b>x</b>")
    assert (answer.status, await answer.text()) == (200, "<b>x</b>")
    assert (answer.content_type, answer.headers["X-Content-Type-Options"]) == ("text/plain", "nosniff")


@pytest.mark.parametrize(
    "path",
    ["other?hub.challenge=x", f"{KEY}?hub.challenge=x&hub.challenge=y", f"{KEY}", "x" * 200 + "?hub.challenge=x"],
)
async def test_any_other_question_is_not_found(client: Client, path: str) -> None:
    assert (await client.get(f"/cap/incoming/{path}")).status == 404


@pytest.mark.parametrize(
    ("heard", "status"), [(Heard.KEPT, 202), (Heard.IGNORED, 202), (Heard.UNREADABLE, 202), (Heard.UNKNOWN, 410)]
)
async def test_a_delivery_is_answered_by_what_became_of_it(
    client: Client, subscriber: Subscriber, heard: Heard, status: int
) -> None:
    subscriber.heard = heard
    answer = await client.post(f"/cap/incoming/{KEY}", data=b"feed", headers={"X-Hub-Signature": "sha256=0"})
    assert answer.status == status
    assert subscriber.given == [(KEY, b"feed", "sha256=0")]


async def test_a_delivery_without_a_signature_is_handed_on_as_such(client: Client, subscriber: Subscriber) -> None:
    await client.post(f"/cap/incoming/{KEY}", data=b"feed")
    assert subscriber.given == [(KEY, b"feed", "")]


async def test_a_delivery_over_the_limit_is_refused_stated_or_not(client: Client, subscriber: Subscriber) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 500

    assert (await client.post(f"/cap/incoming/{KEY}", data=b"x" * 1_001)).status == 413
    assert (await client.post(f"/cap/incoming/{KEY}", data=parts())).status == 413
    assert (await client.post(f"/cap/incoming/{'x' * 65}", data=b"x")).status == 410
    assert subscriber.given == []
