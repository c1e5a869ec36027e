"""gateway mailbox."""

import json
from pathlib import Path

import pytest

from tests.cap.signed import authority
from tests.commands.conftest import Command

ADD = ("mailbox", "add", "duty@commune.example", "--mailbox", "alerts", "--entity", "brugge")


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    return gateway


def test_a_source_is_added_once_with_a_credential_of_its_own(brugge: Command) -> None:
    ran = brugge(*ADD, "--dkim", "Commune.Example", "--reply-to", "Room@commune.example", "--test", "--classes", "news")
    assert (ran.code, ran.out.strip().isdigit()) == (0, True)
    found = json.loads(brugge("mailbox", "list", "--json").out)
    assert (found["address"], found["domain"], found["proof"], found["realm"], found["reply_address"]) == (
        "duty@commune.example", "commune.example", "dkim", "test", "room@commune.example",
    )  # fmt: skip
    token = json.loads(brugge("token", "list", "--json").out)
    assert (token["id"], token["realm"], token["classes"]) == (found["token_id"], "test", ["news"])
    again = brugge(*ADD, "--dkim", "commune.example")
    assert (again.code, "already" in again.err) == (1, True)


def test_certificates_are_read_and_pinned(brugge: Command, tmp_path: Path) -> None:
    (tmp_path / "signer.pem").write_bytes(authority().pem)
    pin = authority().fingerprint
    assert brugge(*ADD, "--xmldsig", str(tmp_path / "signer.pem"), "--pin", pin).code == 0
    found = json.loads(brugge("mailbox", "list", "--json", "--entity", "brugge").out)
    assert (found["proof"], found["pinned"], found["reply_address"]) == ("xmldsig", True, "")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--dkim", "other.example"),
        ("--dkim", "example"),
        ("--dkim", "commune.example", "--pin", "12"),
        ("--dkim", "commune.example", "--reply-to", "nobody"),
        ("--smime", "/nowhere.pem"),
        ("--smime", "/dev/null"),
        ("--dkim", "commune.example", "--smime", "/dev/null"),
    ],
)
def test_what_proves_nothing_is_refused(brugge: Command, words: tuple[str, ...]) -> None:
    assert brugge(*ADD, *words).code == 2
    assert brugge("mailbox", "list", "--json").out == ""


def test_a_source_is_revoked_once(brugge: Command) -> None:
    number = brugge(*ADD, "--dkim", "commune.example").out.strip()
    assert brugge("mailbox", "revoke", number).code == 0
    assert brugge("mailbox", "revoke", number).code == 1
    assert "duty@" not in brugge("mailbox", "list").out


def test_what_is_not_there_is_said(brugge: Command) -> None:
    words = [word.replace("brugge", "gent") for word in ADD]
    assert brugge(*words, "--dkim", "commune.example").code == 1
    assert brugge("mailbox", "list", "--entity", "gent").code == 1
    heads = "at mailbox uid entity verdict reason detail alerts"
    assert brugge("mailbox", "mails").out.split() == heads.split()
