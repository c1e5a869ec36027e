"""Manuals: reachable without a token, and true about the routes, commands and roles that they name."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.__main__ import COMMANDS
from gateway.model import Role
from gateway.web.docs import load
from gateway.web.manuals import ManualPages

Client = TestClient[web.Request, web.Application]
FOLDER = Path(__file__).parents[2] / "docs" / "manuals"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(ManualPages().routes())
    async with TestClient(TestServer(application)) as client:
        yield client


async def test_both_manuals_are_listed_and_read(client: Client) -> None:
    async with client.get("/v1/manuals") as answer:
        found = (await answer.json())["manuals"]
    assert {one["manual"] for one in found} == {"plp-coordinator", "type2-entity"}
    for one in found:
        async with client.get(one["link"]) as answer:
            assert (answer.status, answer.content_type) == (200, "text/markdown")
            assert (await answer.text()).startswith(f"# {one['title']}")
        assert one["link"].endswith(f"language={one['language']}")
    assert len({(one["manual"], one["title"]) for one in found}) == 6, "each in three languages"
    assert {one["language"] for one in found} == {"en", "fr", "nl"}
    async with client.get("/v1/manuals/plp-coordinator?language=xx") as answer:
        assert (answer.status, (await answer.text())[:9]) == (200, "# Manual "), "in English then"
    for name in ("none", "..%2f..%2fapp", "%00"):
        async with client.get(f"/v1/manuals/{name}") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("manual", sorted(path.name for path in FOLDER.iterdir()))
def test_a_manual_names_only_what_there_is(manual: str) -> None:
    text = (FOLDER / manual).read_text(encoding="utf-8")
    routes = [re.sub(r"\{[a-z]+\}", "{}", path) for path in load()["paths"]]
    for path in re.findall(r"(?:GET|POST) (/v1/[^\s`?\"]+)", text):
        plain = re.sub(r"\{[a-z]+\}", "{}", path.replace("plp-coordinator", "{manual}"))
        assert plain in routes, path
    for command in re.findall(r"gateway ([a-z]+) ", text):
        assert command in COMMANDS, command
    for role in re.findall(r"`(admin|approver|observer|viewer|editor|exporter|break-glass)`", text):
        Role(role)


def named(text: str) -> list[str]:
    """What a manual names of the gateway: routes, commands and words, in their order."""
    return re.findall(r"`[^`]+`|^    gateway [a-z]+ [a-z]+", text, re.MULTILINE)


@pytest.mark.parametrize("manual", ["plp-coordinator", "type2-entity"])
def test_every_language_says_the_same_of_the_gateway(manual: str) -> None:
    texts = {one: (FOLDER / f"{manual}.{one}.md").read_text(encoding="utf-8") for one in ("en", "fr", "nl")}
    plain = {
        one: sorted(re.sub(r"[a-zé]+\.csv", "list.csv", word) for word in named(text)) for one, text in texts.items()
    }
    assert plain["nl"] == plain["en"]
    assert plain["fr"] == plain["en"]
    for mark in ("\n## ", "\n- [ ]", "\n| "):
        assert len({text.count(mark) for text in texts.values()}) == 1, mark
