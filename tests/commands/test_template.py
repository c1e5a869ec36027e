"""gateway template."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command
from tests.policy.test_template import BODY


@pytest.fixture
def fire(tmp_path: Path) -> str:
    file = tmp_path / "fire.json"
    file.write_text(json.dumps(BODY | {"slug": "fire"}))
    return str(file)


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Stad Brugge", "--kind", "type1")
    return gateway


def test_a_template_is_kept_listed_and_shown(brugge: Command, fire: str) -> None:
    for version in (1, 2):
        ran = brugge("template", "put", fire, "--entity", "brugge")
        assert (ran.code, f"version {version}" in ran.err) == (0, True)
    assert "fire" in brugge("template", "list", "--entity", "brugge").out
    shown = json.loads(brugge("template", "show", "fire", "--entity", "brugge").out)
    assert (shown["slug"], shown["minutes"]) == ("fire", 60)
    assert brugge("template", "show", "none", "--entity", "brugge").code == 1
    assert brugge("template", "list", "--entity", "none").code == 1


def test_every_mistake_of_a_file_is_said(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(BODY | {"slug": "!", "minutes": 1}))
    ran = brugge("template", "put", str(file), "--entity", "brugge")
    assert ran.code == 2
    assert "slug" in ran.err
    assert "minutes" in ran.err
    assert brugge("template", "put", str(tmp_path / "none"), "--entity", "brugge").code == 2


def test_a_launch_needs_a_gateway(command: Command, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "gw_live_x")
    ask = ("template", "launch", "fire", "--set", "street=Kaai")
    assert command(*ask, "--url", f"http://127.0.0.1:{port}").code == 2
    monkeypatch.delenv("GATEWAY_TOKEN")
    assert command(*ask, "--url", f"http://127.0.0.1:{port}").code == 2
