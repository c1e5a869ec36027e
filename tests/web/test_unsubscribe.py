"""The page behind the link of a mail."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import StoreUnavailable
from gateway.web.unsubscribe import WORDS, UnsubscribePages

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
async def client(asked: list[str]) -> AsyncIterator[Client]:
    async def unsubscribe(tag: str) -> bool:
        if tag == "away":
            raise StoreUnavailable("away")
        asked.append(tag)
        return tag == "1.2.abc"

    app = web.Application()
    app.add_routes(UnsubscribePages(unsubscribe).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_looking_at_the_page_changes_nothing(client: Client, asked: list[str]) -> None:
    for tag in ("1.2.abc", "nonsense"):
        answer = await client.get(f"/unsubscribe/{tag}")
        assert answer.status == 200
        assert '<form method="post">' in await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert asked == []


async def test_one_click_of_a_mail_program_ends_it(client: Client, asked: list[str]) -> None:
    answer = await client.post("/unsubscribe/1.2.abc", data={"List-Unsubscribe": "One-Click"})  # RFC 8058 §3.2
    assert answer.status == 200
    assert asked == ["1.2.abc"]


async def test_a_foreign_link_is_answered_as_ours_is(client: Client, asked: list[str]) -> None:
    ours = await (await client.post("/unsubscribe/1.2.abc")).text()
    assert await (await client.post("/unsubscribe/9.9.zzz")).text() == ours
    assert await (await client.post("/unsubscribe/" + "9" * 200)).text() == ours
    assert asked == ["1.2.abc", "9.9.zzz"]


@pytest.mark.parametrize(
    ("asked_for", "language"), [("fr-BE, nl;q=0.5", "fr"), ("xx, de", "de"), ("", "en"), ("zz", "en")]
)
async def test_the_page_speaks_the_readers_language(client: Client, asked_for: str, language: str) -> None:
    text = await (await client.get("/unsubscribe/x", headers={"Accept-Language": asked_for})).text()
    assert f'<html lang="{language}">' in text
    assert WORDS[language][1] in text


async def test_it_is_to_be_tried_again_when_it_can_not_be_kept(client: Client) -> None:
    answer = await client.post("/unsubscribe/away")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
