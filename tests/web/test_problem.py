"""Every error leaves as one form, with who can help, and nothing of it says more than it should."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import StoreUnavailable
from gateway.web.problem import CONTENT_TYPE, as_response, middleware, problem
from tests.support.scene import HELP

Client = TestClient[web.Request, web.Application]


async def good(_: web.Request) -> web.Response:
    return web.json_response({"fine": True})


async def known(_: web.Request) -> web.Response:
    return problem(409, "wrong-state", "No.", state="closed")


async def complete(_: web.Request) -> web.Response:
    return as_response(422, {"reason": "invalid", "help": {"name": "Somebody"}, "findings": []})


async def away(_: web.Request) -> web.Response:
    raise StoreUnavailable("host=/secret/socket")


async def broken(_: web.Request) -> web.Response:
    raise ValueError("somebody@example.org")


async def found(_: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def teapot(_: web.Request) -> web.Response:
    raise web.HTTPTooManyRequests(text="429: Slowly.", headers={"Retry-After": "7", "X-Inside": "no"})


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    application = web.Application(middlewares=[middleware(HELP)])
    for handler in (good, known, complete, away, broken, found, teapot):
        application.router.add_get(f"/{handler.__name__}", handler)
    async with TestClient(TestServer(application)) as made:
        yield made


async def body(answer: ClientResponse) -> dict[str, Any]:
    assert answer.content_type == CONTENT_TYPE
    found: dict[str, Any] = json.loads(await answer.text())
    assert found["status"] == answer.status
    assert {"type", "title", "status", "detail", "reason"} <= set(found)
    return found


async def test_what_is_fine_passes(client: Client) -> None:
    answer = await client.get("/good")
    assert (answer.status, await answer.json()) == (200, {"fine": True})


async def test_a_problem_says_what_in_one_form_and_whom_to_ask(client: Client) -> None:
    said = await body(await client.get("/known"))
    assert said == {
        "type": "/docs#wrong-state", "title": "Wrong state", "status": 409, "detail": "No.", "reason": "wrong-state",
        "state": "closed", "help": HELP,
    }  # fmt: skip


async def test_a_problem_that_knows_whom_to_ask_is_left_as_it_is(client: Client) -> None:
    answer = await client.get("/complete")
    assert json.loads(await answer.text())["help"] == {"name": "Somebody"}


async def test_while_the_store_is_away_the_sender_is_told_to_come_again(client: Client) -> None:
    answer = await client.get("/away")
    said = await body(answer)
    assert (answer.status, answer.headers["Retry-After"], said["reason"]) == (503, "5", "store-unavailable")
    assert said["help"] == HELP
    assert "secret" not in await answer.text()


async def test_a_fault_of_ours_says_nothing_of_its_cause_and_is_written_down(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/broken")
    said = await body(answer)
    assert (answer.status, said["reason"], said["help"]) == (500, "internal-error", HELP)
    assert "somebody" not in json.dumps(said)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is not None


async def test_what_the_router_refuses_is_a_problem_too(client: Client) -> None:
    missing = await client.get("/nowhere")
    assert (missing.status, (await body(missing))["reason"]) == (404, "not-found")
    wrong = await client.delete("/good")
    assert (wrong.status, (await body(wrong))["reason"]) == (405, "method-not-allowed")
    assert "GET" in wrong.headers["Allow"]


async def test_only_headers_that_help_are_kept(client: Client) -> None:
    answer = await client.get("/teapot")
    said = await body(answer)
    assert (answer.status, said["detail"], answer.headers["Retry-After"]) == (429, "Slowly.", "7")
    assert "X-Inside" not in answer.headers


async def test_a_redirection_is_no_problem(client: Client) -> None:
    answer = await client.get("/found", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
