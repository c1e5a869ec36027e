"""gateway person."""

import io
import json

import pytest

from tests.commands.conftest import Command

AN = "an@brugge.example"


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    gateway("person", "create", AN, "--entity", "brugge", "--name", "An Peeters", "--roles", "admin,approver")
    return gateway


def shown(gateway: Command) -> dict[str, object]:
    found: dict[str, object] = json.loads(gateway("person", "show", AN, "--entity", "brugge", "--json").out)
    return found


def test_a_person_is_created_changed_found_and_shown(brugge: Command) -> None:
    assert shown(brugge)["roles"] == ["admin", "approver"]
    assert brugge("person", "create", AN, "--entity", "brugge", "--name", "An").code == 1
    changed = ("--roles", "viewer", "--suspended", "--trained", "2026-01-02", "--trained-until", "2027-01-02")
    assert brugge("person", "change", AN, "--entity", "brugge", *changed).code == 0
    now = shown(brugge)
    assert (now["roles"], now["suspended"], now["trained_until"]) == (["viewer"], True, "2027-01-02")
    assert brugge("person", "list", "--entity", "brugge", "--begins", "AN P").out.count(AN) == 1
    assert brugge("person", "list", "--entity", "brugge", "--begins", "x", "--json").out == ""
    assert AN in brugge("person", "show", AN, "--entity", "brugge").out


def test_mandates_are_given_and_ended(brugge: Command) -> None:
    give = ("person", "mandate", AN, "--entity", "brugge", "--classes", "urgent,news", "--channels", "sms")
    assert brugge(*give, "--expires", "30d").err.startswith("2 new mandates")
    assert brugge(*give, "--partnership", "plp").code == 1
    brugge("partnership", "put", "plp", "--entity", "brugge", "--name", "PLP", "--agreement", "both")
    assert brugge(*give, "--partnership", "plp").code == 0
    mandates = shown(brugge)["mandates"]
    assert isinstance(mandates, list)
    assert [m["partnership"] for m in mandates] == [None, None, "plp", "plp"]
    number = str(mandates[0]["id"])
    assert brugge("person", "revoke", number, "--entity", "brugge").code == 0
    assert brugge("person", "revoke", number, "--entity", "brugge").code == 1


def test_an_invitation_becomes_the_person_s_own_token_once(brugge: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = brugge("person", "invite", AN, "--entity", "brugge", "--live").out
    for code in (0, 1):
        monkeypatch.setattr("sys.stdin", io.StringIO(secret))
        ran = brugge("person", "redeem")
        assert (ran.code, ran.out.startswith("gw_live_")) == (code, code == 0)


def test_an_invitation_goes_by_mail_and_is_not_printed(brugge: Command) -> None:
    ran = brugge("person", "invite", AN, "--entity", "brugge", "--live", "--mail")
    assert (ran.code, ran.out) == (0, "")
    assert "mail leaves" in ran.err


def test_who_is_not_there_is_said(brugge: Command) -> None:
    assert "gateway person list" in brugge("person", "show", "x@y", "--entity", "brugge").err
    assert brugge("person", "show", AN, "--entity", "nowhere").code == 1
    assert brugge("person", "change", AN, "--entity", "brugge", "--roles", "king").code == 2
