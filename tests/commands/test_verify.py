"""gateway verify."""

import io
import json
import sys
from pathlib import Path

import pytest

from tests.cap.samples import BASIC
from tests.cap.signed import authority, before_the_end, rsa_authority, signature_of, signed_by_hand, stranger
from tests.commands.conftest import Command, Ran

GOOD = signed_by_hand()
NOW = "2026-03-01T10:00:00+01:00"


@pytest.fixture
def verify(command: Command, tmp_path: Path) -> Command:
    """gateway verify that trusts the authority, on a text or bytes."""
    (tmp_path / "cert.pem").write_bytes(authority().pem)
    (tmp_path / "rsa.pem").write_bytes(rsa_authority().pem)

    def run(document: str | bytes, *words: str, at: str = NOW) -> Ran:
        (tmp_path / "alert.xml").write_bytes(document if isinstance(document, bytes) else document.encode())
        return command("verify", "--trust", "cert.pem", "--at", at, "alert.xml", *words)

    return run


def test_a_trusted_alert_is_said_with_its_certificate(verify: Command) -> None:
    ran = verify(GOOD)
    assert (ran.code, ran.err) == (0, "")
    head, signature, certificate = ran.out.splitlines()
    assert head == "alert.xml: trusted"
    assert signature.split() == ["line", "27", "counts", "ecdsa-sha256:", "signed", "by", "CN=Crisis", "Centre"]
    assert certificate.strip() == f"certificate {authority().fingerprint}, until 2027-01-01"


@pytest.mark.parametrize(
    ("document", "head", "reason"),
    [
        (BASIC, "not signed", None),
        (GOOD.replace(b"Brand", b"Brant"), "signed, not trusted", "altered"),
        (signed_by_hand(by=stranger()), "signed, not trusted", "unknown-signer"),
    ],
)
def test_what_is_not_trusted_is_said_with_the_reason(document: bytes, head: str, reason: str, verify: Command) -> None:
    ran = verify(document)
    lines = ran.out.splitlines()
    assert ran.code == 1
    assert lines[0] == f"alert.xml: {head}"
    assert [line.split()[2] for line in lines[1:]] == ([reason] if reason else [])


def test_json_is_one_object(verify: Command) -> None:
    ran = verify(GOOD, "--json")
    record = json.loads(ran.out)
    assert ran.code == 0
    assert list(record) == ["file", "signed", "trusted", "signatures", "findings"]
    assert record["signatures"] == [
        {
            "ok": True,
            "reason": None,
            "words": "signed by CN=Crisis Centre",
            "line": 27,
            "element": "alert/Signature",
            "id": "",
            "algorithm": "ecdsa-sha256",
            "sha1": False,
            "fingerprint": authority().fingerprint,
            "subject": "CN=Crisis Centre",
            "not_after": "2027-01-01T00:00:00+00:00",
        }
    ]
    refused = json.loads(verify(GOOD.replace(b"Brand", b"Brant"), "--json").out)
    assert refused["signatures"][0]["reason"] == "altered"
    assert [finding["id"] for finding in refused["findings"]] == ["S39"]


def test_several_files_are_trusted_together(verify: Command) -> None:
    both = before_the_end(
        BASIC, signature_of(GOOD) + signature_of(signed_by_hand(by=rsa_authority(), method="rsa-sha256"))
    )
    assert verify(both, "--json", "--trust", "rsa.pem").out.count('"ok": true') == 2
    assert verify(both, "--json").out.count('"ok": true') == 1


def test_the_time_of_receipt_decides(verify: Command) -> None:
    assert verify(GOOD, at="2027-06-01T00:00:00Z").out.split()[-1] == "UTC"
    assert verify(GOOD, at="2027-06-01T00:00:00Z").code == 1
    for wrong in ("yesterday", "2026-03-01T10:00:00"):
        ran = verify(GOOD, at=wrong)
        assert (ran.code, ran.out) == (2, "")
        assert "2026-03-01T12:00:00+01:00" in ran.err


def test_sha1_is_taken_when_it_is_asked_for(verify: Command) -> None:
    document = signed_by_hand(by=rsa_authority(), method="rsa-sha1", digest="sha1")
    assert verify(document, "--trust", "rsa.pem").code == 1
    ran = verify(document, "--trust", "rsa.pem", "--allow-sha1")
    assert ran.code == 0
    assert "SHA-1" in ran.out


@pytest.mark.parametrize("document", ["<alert", "<feed/>", ""])
def test_what_is_no_alert_can_not_be_read(document: str, verify: Command) -> None:
    ran = verify(document)
    assert ran.code == 2
    assert ran.out.startswith("alert.xml: can not be read\n  ")


def test_files_that_are_not_there_or_hold_no_certificate_are_said(command: Command, verify: Command) -> None:
    assert verify(GOOD).code == 0
    for words, said in (
        (("--trust", "cert.pem", "absent.xml"), "absent.xml: No such file"),
        (("--trust", "absent.pem", "alert.xml"), "absent.pem: No such file"),
        (("--trust", "alert.xml", "alert.xml"), "alert.xml: there is no certificate"),
        (("alert.xml",), "--trust"),
    ):
        ran = command("verify", *words)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err


def test_a_dash_reads_stdin_and_the_time_is_now(
    command: Command, verify: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verify(GOOD).code == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BASIC.encode())))
    ran = command("verify", "--trust", "cert.pem", "-")
    assert (ran.code, ran.out) == (1, "-: not signed\n")
