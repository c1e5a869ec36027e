"""gateway sign."""

import io
import sys
from pathlib import Path

import pytest

from tests.cap.samples import BASIC
from tests.cap.signed import authority, holds_by_hand, signature_of, stranger
from tests.commands.conftest import Command, Ran


@pytest.fixture
def sign(command: Command, tmp_path: Path) -> Command:
    """gateway sign with the authority's key, in a folder with alert.xml."""
    (tmp_path / "alert.xml").write_text(BASIC)
    (tmp_path / "key.pem").write_bytes(authority().key_pem)
    (tmp_path / "cert.pem").write_bytes(authority().pem)
    (tmp_path / "other.pem").write_bytes(stranger().pem)

    def run(*words: str, certificate: str = "cert.pem") -> Ran:
        return command("sign", "--key", "key.pem", "--certificate", certificate, *words)

    return run


def test_the_signed_alert_goes_to_stdout(sign: Command) -> None:
    ran = sign("alert.xml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.replace(signature_of(ran.out.encode()), "") == BASIC
    assert holds_by_hand(ran.out.encode(), authority().certificate)


def test_the_signed_alert_goes_to_a_file(sign: Command, tmp_path: Path) -> None:
    ran = sign("alert.xml", "-o", "signed.xml")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert holds_by_hand((tmp_path / "signed.xml").read_bytes(), authority().certificate)
    assert (tmp_path / "alert.xml").read_text() == BASIC


def test_a_dash_reads_stdin(sign: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BASIC.encode())))
    assert holds_by_hand(sign("-").out.encode(), authority().certificate)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("absent.xml",), "absent.xml: No such file"),
        (("alert.xml", "-o", "absent/signed.xml"), "absent/signed.xml: No such file"),
        (("alert.xml", "--key", "absent.pem"), "absent.pem: No such file"),
        (("alert.xml", "--key", "cert.pem"), "no private key"),
        (("alert.xml", "--certificate", "key.pem"), "no certificate"),
        (("alert.xml", "--certificate", "other.pem"), "not that of the key"),
        (("key.pem",), "not well-formed"),
    ],
)
def test_what_can_not_be_read_is_said(words: tuple[str, ...], said: str, sign: Command) -> None:
    ran = sign(*words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_what_can_not_be_signed_is_said(sign: Command, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text("<feed/>")
    ran = sign("feed.xml", "-o", "signed.xml")
    assert (ran.code, ran.out) == (1, "")
    assert "feed.xml can not be signed" in ran.err
    assert "Atom" in ran.err
    assert not (tmp_path / "signed.xml").exists()
