"""gateway entity signatures and senders."""

import json
from pathlib import Path

import pytest

from gateway.commands.entity import RESERVED
from tests.cap.signed import issued, rsa_key
from tests.commands.conftest import Command
from tests.support.keys import signer


@pytest.fixture
def brugge(gateway: Command, tmp_path: Path) -> Command:
    assert gateway("entity", "create", "brugge", "--name", "Stad Brugge", "--kind", "type1").code == 0
    (tmp_path / "old.pem").write_bytes(signer("Old").pem)
    (tmp_path / "new.pem").write_bytes(signer("New", rsa_key(12)).pem + signer("CA", rsa_key(13), ca=True).pem)
    (tmp_path / "weak.pem").write_bytes(issued("Weak", rsa_key(0, 1024)).pem)
    return gateway


def test_certificates_are_pinned_and_keys_change(brugge: Command) -> None:
    first = brugge("entity", "signatures", "brugge", "--pin", "old.pem", "--rule", "require", "--sha1")
    assert first.code == 0
    assert first.out.startswith("brugge: require; SHA-1 is taken by exception\n")
    assert signer("Old").fingerprint in first.out and "CN=Old" in first.out and "2049-01-01" in first.out
    assert brugge("entity", "signatures", "brugge", "--pin", "new.pem", "--no-sha1").code == 0
    gone = brugge("entity", "signatures", "brugge", "--unpin", signer("Old").fingerprint[:12], "--json")
    record = json.loads(gone.out)
    assert (record["rule"], record["allow_sha1"]) == ("require", False)
    assert [(one["subject"], one["certifies"]) for one in record["certificates"]] == [
        ("CN=New", False),
        ("CN=CA", True),
    ]


def test_nobody_locks_an_authority_out(brugge: Command) -> None:
    assert brugge("entity", "signatures", "brugge", "--rule", "require").code == 1
    assert brugge("entity", "signatures", "brugge", "--rule", "require", "--pin", "old.pem").code == 0
    last = brugge("entity", "signatures", "brugge", "--unpin", signer("Old").fingerprint)
    assert (last.code, "pin one first" in last.err) == (1, True)
    assert brugge("entity", "signatures", "brugge").out.count(signer("Old").fingerprint) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--pin", "nowhere.pem"), 2, "nowhere.pem"),
        (("--pin", "weak.pem"), 2, "too short"),
        (("--pin", "."), 2, ""),
        (("--unpin", "abcdef"), 1, "begins with abcdef"),
        (("--unpin", "xyz"), 2, "hex"),
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(
    brugge: Command, words: tuple[str, ...], code: int, says: str
) -> None:
    found = brugge("entity", "signatures", "brugge", "--rule", "ignore", *words)
    assert found.code == code
    assert says in found.err
    assert brugge("entity", "signatures", "brugge").out == "brugge: verify\n"


def test_senders_are_added_shown_and_removed(brugge: Command) -> None:
    assert "any sender" in brugge("entity", "senders", "brugge").err
    assert brugge("entity", "senders", "brugge", "--add", "b@x.example", "--add", "a@x.example").code == 0
    assert brugge("entity", "senders", "brugge").out.splitlines() == ["b@x.example", "a@x.example"]
    assert brugge("entity", "senders", "brugge", "--remove", "b@x.example").out == "a@x.example\n"
    assert brugge("entity", "senders", "brugge", "--remove", "b@x.example").code == 1
    assert brugge("entity", "senders", "brugge", "--add", "two words").code == 2


@pytest.mark.parametrize("action", ["signatures", "senders"])
def test_an_unknown_entity_is_said(gateway: Command, action: str) -> None:
    found = gateway("entity", action, "nowhere")
    assert (found.code, "there is no entity nowhere" in found.err) == (1, True)


@pytest.mark.parametrize("slug", sorted(RESERVED))
def test_a_word_of_an_address_is_no_slug(command: Command, slug: str) -> None:
    found = command("entity", "create", slug, "--name", "x", "--kind", "type1")
    assert (found.code, "choose another" in found.err) == (2, True)
