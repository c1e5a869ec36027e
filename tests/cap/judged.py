"""Verdicts on signatures, held against what is always true of one."""

from datetime import datetime

from gateway.cap.canonical import content_of
from gateway.cap.parse import Limits, parse
from gateway.cap.signature import SignatureVerdict, verify
from gateway.cap.signature_form import Reason
from gateway.cap.trust import Trust
from tests.cap.samples import BASIC
from tests.cap.signed import AT, ENVELOPED, authority, rsa_authority, signature_of, signed_by_hand

TRUST = Trust.from_pem(authority().pem, rsa_authority().pem)
GOOD = signed_by_hand()
SIGNED = signature_of(GOOD)
EVIL = BASIC.replace("Sluit ramen en deuren. Blijf binnen.", "Verlaat het gebouw.").replace("000001", "000666")
ONLY_ENVELOPED = f'<Transform Algorithm="{ENVELOPED}"/>'


def judged(
    document: bytes | str, trust: Trust = TRUST, at: datetime = AT, *, allow_sha1: bool = False
) -> SignatureVerdict:
    """The verdict, of which some things are always true."""
    raw = document.encode() if isinstance(document, str) else document
    verdict = verify(raw, trust=trust, at=at, allow_sha1=allow_sha1)
    assert verdict.trusted is (verdict.signed_bytes is not None)
    assert all(one.ok is (one.reason is None) is bool(one.fingerprint) for one in verdict.signatures)
    assert all(finding.id == "S39" and finding.severity != "error" for finding in verdict.findings)
    if verdict.trusted:
        root = parse(raw, Limits()).root
        assert root is not None
        assert verdict.signed_bytes == content_of(root)
    return verdict


def reasons(
    document: bytes | str, trust: Trust = TRUST, at: datetime = AT, *, allow_sha1: bool = False
) -> list[Reason | None]:
    return [one.reason for one in judged(document, trust, at, allow_sha1=allow_sha1).signatures]
