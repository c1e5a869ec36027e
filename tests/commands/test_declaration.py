"""`gateway declaration` at a terminal."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.store.embedded import Cluster
from tests.commands.conftest import Command
from tests.support.scene import a_scene, an_alert


@pytest.fixture
def campaign(pg: Cluster) -> str:
    """One that was sent by a token."""

    async def post() -> str:
        async with a_scene(pg) as scene:
            return str((await scene.post(an_alert(), await scene.entity())).body["campaign"])

    return asyncio.run(post())


def test_declarations_are_listed_and_a_breach_suspends(gateway: Command, campaign: str, tmp_path: Path) -> None:
    (line,) = gateway("declaration", "list", "--entity", "commune", "--json").out.splitlines()
    assert (json.loads(line)["campaign"], json.loads(line)["breach"]) == (campaign, None)
    assert gateway("declaration", "list", "--words", "no such words", "--json").out == ""
    words = ("declaration", "breach", campaign, "--running", "stop", "--suspend", "entity", "--reason")
    assert gateway(*words, "short").code == 1
    ran = gateway(*words, "A sale of the local shop.")
    assert (ran.code, ran.err) == (0, f"suspended: entity; campaigns concerned: {campaign}\n")
    assert gateway(*words, "A sale of the local shop.").code == 1
    (line,) = gateway("declaration", "list", "--campaign", campaign, "--json").out.splitlines()
    assert json.loads(line)["breach"]["suspended"] == "entity"


def test_a_wording_is_published_from_a_file(gateway: Command, tmp_path: Path) -> None:
    file = tmp_path / "wording.txt"
    file.write_text("Nothing to sell.\n")
    assert gateway("declaration", "wording").out.startswith("1 This message serves")
    assert gateway("declaration", "wording", "--publish", str(file)).out == "2 Nothing to sell.\n"
    file.write_text("")
    assert gateway("declaration", "wording", "--publish", str(file)).code == 2
    assert gateway("declaration", "list", "--since", "2026-03-01").code == 2
