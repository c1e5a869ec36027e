"""Terms over HTTP: the platform publishes, everybody reads, administrators answer."""

import pytest_asyncio

from gateway.model import Role
from gateway.store import admin
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene


@pytest_asyncio.fixture
async def tokens(scene: Scene) -> dict[str, str]:
    """Administrators of the platform and of a commune, and an observer of the commune."""
    commune = await scene.entity()
    async with scene.connected() as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        return {
            "platform": await put_person(connection, platform.id, roles=[Role.ADMIN]),
            "admin": await put_person(connection, commune.id, roles=[Role.ADMIN]),
            "observer": await put_person(connection, commune.id, roles=[Role.OBSERVER]),
        }


async def test_terms_are_published_told_read_and_answered(client: Client, tokens: dict[str, str]) -> None:
    assert (await ask(client, tokens["admin"], "POST", "/v1/terms", json={"text": "Ours."}))[1]["reason"] == "no-role"
    long = "Be kind. " * 1000
    status, made = await ask(client, tokens["platform"], "POST", "/v1/terms", json={"text": long})
    assert status == 201
    (notice,) = (await ask(client, tokens["admin"], "GET", "/v1/notices"))[1]["notices"]
    assert (notice["word"], notice["on"]) == ("terms", f"terms:{made['version']}")
    assert (await ask(client, tokens["observer"], "GET", "/v1/notices"))[1]["notices"] == []
    path = f"/v1/terms/{made['version']}"
    assert (await ask(client, tokens["observer"], "POST", path, json={"accepted": True}))[0] == 403
    for accepted in (False, True):
        assert (await ask(client, tokens["admin"], "POST", path, json={"accepted": accepted}))[0] == 200
        (shown,) = (await ask(client, tokens["observer"], "GET", "/v1/terms"))[1]["terms"]
        assert (shown["text"], shown["accepted"]) == (long, accepted)
        own = (await ask(client, tokens["admin"], "GET", "/v1/entity"))[1]
        assert own["checklist"]["terms"] is accepted
    assert (await ask(client, tokens["admin"], "POST", "/v1/terms/99", json={"accepted": True}))[0] == 404


async def test_terms_without_words_or_of_a_whole_book_are_refused(client: Client, tokens: dict[str, str]) -> None:
    for text in ("", "x" * 50_001):
        assert (await ask(client, tokens["platform"], "POST", "/v1/terms", json={"text": text}))[0] == 422
