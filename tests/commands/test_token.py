"""gateway token."""

import json

import pytest

from tests.commands.conftest import Command


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    return gateway


def test_a_token_is_printed_once_and_alone_on_stdout(brugge: Command) -> None:
    made = brugge("token", "create", "--entity", "brugge", "--test", "--note", "crisis room")
    assert made.code == 0
    assert made.out.startswith("gw_test_")
    assert made.out.count("\n") == 1
    assert "token 1 of brugge (test)" in made.err
    listed = brugge("token", "list", "--json")
    assert made.out.strip() not in listed.out
    record = json.loads(listed.out)
    assert (record["id"], record["realm"], record["note"], record["expires_at"]) == (1, "test", "crisis room", None)


def test_a_live_token_of_an_entity_that_is_not_live_says_what_is_missing(brugge: Command) -> None:
    made = brugge("token", "create", "--entity", "brugge")
    assert made.out.startswith("gw_live_")
    assert "gateway entity change brugge --live" in made.err
    brugge("entity", "change", "brugge", "--live", "--without-papers")
    assert "--live" not in brugge("token", "create", "--entity", "brugge").err


def test_a_token_carries_only_the_mandates_that_were_given(brugge: Command) -> None:
    words = ("--classes", "news,urgent", "--channels", "email", "--expires", "90d")
    assert brugge("token", "create", "--entity", "brugge", *words).code == 0
    record = json.loads(brugge("token", "list", "--entity", "brugge", "--json").out)
    assert (record["classes"], record["channels"]) == (["news", "urgent"], ["email"])
    assert record["expires_at"]


def test_a_token_is_revoked_once(brugge: Command) -> None:
    brugge("token", "create", "--entity", "brugge")
    assert brugge("token", "revoke", "1").code == 0
    assert brugge("token", "revoke", "1").code == 1
    assert brugge("token", "list").out.splitlines()[1].split()[:3] == ["1", "brugge", "live"]


def test_a_token_of_nobody_is_not_made(gateway: Command) -> None:
    made = gateway("token", "create", "--entity", "nowhere")
    assert (made.code, made.out) == (1, "")
    assert gateway("token", "list", "--entity", "nowhere").code == 1


@pytest.mark.parametrize(
    "words",
    [("create",), ("create", "--entity", "x", "--classes", "loud"), ("create", "--entity", "x", "--expires", "soon"),
     ("create", "--entity", "x", "--channels", "fax"), ("revoke", "x")],
)  # fmt: skip
def test_wrong_arguments_are_refused_before_the_database_is_asked(words: tuple[str, ...], command: Command) -> None:
    assert command("token", *words).code == 2
