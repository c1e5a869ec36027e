"""S/MIME by the real openssl: who may sign, what was signed, and what is no signature."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mailbox import mime, smime
from gateway.mailbox.mime import Entity, Limits
from gateway.mailbox.smime import Claim, Fault, OpenSsl, Verified
from tests.mailbox.mails import ADDRESS, Identity, alert, identity, mail, smime_signed

LIMITS = Limits()
pytestmark = pytest.mark.peer("openssl")


@pytest.fixture(scope="module")
def authority() -> Identity:
    return identity("authority")


@pytest.fixture(scope="module")
def officer(authority: Identity) -> Identity:
    return identity("officer", authority, address=ADDRESS)


def claimed(raw: bytes) -> Claim | Fault | None:
    whole = mime.read_entity(raw, 0, len(raw), LIMITS)
    assert isinstance(whole, Entity)
    return smime.claim(raw, whole, LIMITS)


async def verified(raw: bytes, trusted: str, program: OpenSsl | None = None) -> Verified | Fault:
    claim = claimed(raw)
    assert isinstance(claim, Claim), claim
    return await (program or OpenSsl()).verify(claim, trusted)


@pytest.mark.parametrize("opaque", [False, True])
async def test_what_was_signed_is_handed_on_with_its_signer(
    authority: Identity, officer: Identity, tmp_path: Path, opaque: bool
) -> None:
    raw = smime_signed(mail(alert()), officer, tmp_path, opaque=opaque)
    found = await verified(raw, authority.pem)
    assert isinstance(found, Verified)
    assert found.signers == (smime.Signer(officer.fingerprint, frozenset({ADDRESS})),)
    inner = mime.read_entity(found.content, 0, len(found.content), LIMITS)
    assert isinstance(inner, Entity)
    parts = mime.leaves(found.content, inner, LIMITS)
    assert isinstance(parts, list)
    assert mime.decode(found.content, parts[1], 100_000) == alert()


async def test_a_signer_nobody_trusts_is_told_from_a_broken_signature(
    authority: Identity, officer: Identity, tmp_path: Path
) -> None:
    raw = smime_signed(mail(alert()), officer, tmp_path)
    untrusted = await verified(raw, identity("another").pem)
    assert isinstance(untrusted, Fault)
    assert "trusted" in untrusted.words
    broken = await verified(raw.replace(b"See the attached", b"See the detached"), authority.pem)
    assert isinstance(broken, Fault)
    assert "wrong" in broken.words


async def test_a_pinned_certificate_stands_for_itself(officer: Identity, tmp_path: Path) -> None:
    assert isinstance(await verified(smime_signed(mail(alert()), officer, tmp_path), officer.pem), Verified)


async def test_an_expired_certificate_does_not_count(authority: Identity, tmp_path: Path) -> None:
    late = identity("late", authority, address=ADDRESS, days=-1)
    assert isinstance(await verified(smime_signed(mail(alert()), late, tmp_path), authority.pem), Fault)


async def test_the_machines_own_certificates_are_shut_out(officer: Identity, tmp_path: Path) -> None:
    assert isinstance(await verified(smime_signed(mail(alert()), officer, tmp_path), ""), Fault)


def test_sha1_does_not_count(officer: Identity, tmp_path: Path) -> None:
    found = claimed(smime_signed(mail(alert()), officer, tmp_path, digest="sha1"))
    assert isinstance(found, Fault)
    assert "SHA-256" in found.words


async def test_a_program_that_hangs_or_is_missing(authority: Identity, officer: Identity, tmp_path: Path) -> None:
    raw = smime_signed(mail(alert()), officer, tmp_path)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    found = await verified(raw, authority.pem, OpenSsl(str(slow), timeout_s=0.2))
    assert isinstance(found, Fault)
    assert "too long" in found.words
    absent = await verified(raw, authority.pem, OpenSsl("no-such-program"))
    assert isinstance(absent, Fault)
    assert absent.later


def test_what_is_no_signature_of_smime(officer: Identity, tmp_path: Path) -> None:
    assert claimed(mail(alert())) is None
    encrypted = b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n"
    pgp = mail(alert()).replace(b"multipart/mixed", b"multipart/signed")
    garbage = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"
    for raw in (encrypted, pgp, garbage):
        assert isinstance(claimed(raw), Fault)
    large = b"Content-Type: application/pkcs7-mime\r\n\r\n" + b"0" * 200
    whole = mime.read_entity(large, 0, len(large), LIMITS)
    assert isinstance(whole, Entity)
    assert isinstance(smime.claim(large, whole, Limits(decoded_bytes=100)), Fault)


@given(st.binary(max_size=100))
def test_no_octets_make_the_reading_raise(octets: bytes) -> None:
    assert isinstance(smime.digests(octets), Fault | frozenset)
    assert isinstance(
        smime.digests(bytes.fromhex("3080 0609 2a864886f70d010702 a080 3080") + octets), Fault | frozenset
    )


def test_the_announced_digests_are_read(officer: Identity, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"hello")
    (tmp_path / "c.pem").write_text(officer.pem)
    (tmp_path / "k.pem").write_bytes(officer.key_pem)
    for digest in ("sha256", "sha384", "sha512"):
        command = ["openssl", "cms", "-sign", "-in", "text", "-signer", "c.pem", "-inkey", "k.pem", "-outform", "DER"]
        done = subprocess.run([*command, "-md", digest], cwd=tmp_path, capture_output=True, check=True)
        assert smime.digests(done.stdout) == frozenset({digest})
