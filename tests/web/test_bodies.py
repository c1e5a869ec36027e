"""Bodies: read whole and exactly, or refused with every mistake."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.web.bodies import MOST_BYTES, Body, taking

Client = TestClient[web.Request, web.Application]


class Thing(Body):
    """Something with a size."""

    size: int
    name: str = ""


async def handler(request: web.Request, body: Thing) -> web.Response:
    return web.json_response({"size": body.size})


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes([web.post("/", taking(Thing, handler))])
    async with TestClient(TestServer(application)) as made:
        yield made


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        ('{"size": 3}', 200, None),
        ("", 422, "wrong-body"),
        ("{", 400, "not-json"),
        ("[1]", 422, "wrong-body"),
        ('{"size": 3, "more": 1}', 422, "wrong-body"),
        (" " * (MOST_BYTES + 1), 413, "too-large"),
    ],
)
async def test_a_body_is_taken_exactly_or_not_at_all(raw: str, status: int, reason: str | None, client: Client) -> None:
    answer = await client.post("/", data=raw)
    body = await answer.json(content_type=None)
    assert (answer.status, body.get("reason")) == (status, reason)


async def test_every_mistake_is_named_with_its_place(client: Client) -> None:
    answer = await client.post("/", data='{"size": "x", "name": 1, "more": 2}')
    assert {mistake["at"] for mistake in (await answer.json(content_type=None))["mistakes"]} == {"size", "name", "more"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_no_bytes_raise_anything_but_a_mistake(raw: bytes) -> None:
    found: Any = None
    try:
        found = Thing.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    assert found
