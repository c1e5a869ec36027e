"""gateway source."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.commands.conftest import Command

URL = "https://a.example/feed.atom"


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    return gateway


def shown(gateway: Command) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(gateway("source", "list", "--json").out)
    return found


def test_a_source_is_added_once_and_stays_in_quarantine(brugge: Command) -> None:
    ran = brugge("source", "add", URL, "--entity", "brugge", "--title", "Weather")
    assert (ran.code, ran.out.startswith("so_"), "gateway source trust" in ran.err) == (0, True, True)
    again = brugge("source", "add", URL, "--entity", "brugge")
    assert (again.code, "already" in again.err) == (1, True)
    found = shown(brugge)
    assert (found["url"], found["title"], found["trusted"], found["paused"]) == (URL, "Weather", False, False)


def test_trust_and_pause_can_be_taken_back(brugge: Command) -> None:
    name = brugge("source", "add", URL, "--entity", "brugge", "--trusted").out.strip()
    for action, fact, before in (("trust", "trusted", True), ("pause", "paused", False)):
        assert shown(brugge)[fact] is before
        assert brugge("source", action, name).code == 0
        assert shown(brugge)[fact] is True
        assert brugge("source", action, name, "--off").code == 0
        assert shown(brugge)[fact] is False


def test_the_table_names_every_source(brugge: Command) -> None:
    name = brugge("source", "add", URL, "--entity", "brugge").out.strip()
    for words in (("source", "list"), ("source", "list", "--entity", "brugge")):
        out = brugge(*words).out
        assert name in out and URL in out


def test_what_is_not_there_is_said(brugge: Command) -> None:
    assert brugge("source", "add", URL, "--entity", "gent").code == 1
    assert brugge("source", "list", "--entity", "gent").code == 1
    assert brugge("source", "trust", "so_none").code == 1
    assert brugge("source", "pause", "so_none").code == 1


@pytest.mark.parametrize("url", ["feed", "ftp://a.example/", "https://user:word@a.example/", "http://"])
def test_an_address_that_is_none_of_the_web_is_refused(brugge: Command, url: str) -> None:
    assert brugge("source", "add", url, "--entity", "brugge").code == 2
