"""DKIM against dkimpy, another implementation, and against those who forge."""

import hashlib
import re
import subprocess
import time

import dkim as oracle
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.mailbox import dkim
from gateway.mailbox.dkim import Fault, Signature
from gateway.mailbox.mime import Entity, Field, Limits, read_entity
from tests.mailbox.mails import alert, ed25519_key, mail, record, rsa_key, signed

NOW = 1_795_255_200
FORMS = [(a, b) for a in (b"relaxed", b"simple") for b in (b"relaxed", b"simple")]


def entity(raw: bytes) -> Entity:
    found = read_entity(raw, 0, len(raw), Limits())
    assert isinstance(found, Entity)
    return found


def verified(raw: bytes, published: str | None = None, now_s: int | None = None) -> bytes | Fault:
    """What verify says of the first signature."""
    found = entity(raw)
    signature = dkim.signatures(found.fields)[0]
    if isinstance(signature, Fault):
        return signature
    now_s = int(time.time()) if now_s is None else now_s
    return dkim.verify(signature, found.fields, raw[found.body :], published or record(rsa_key()), now_s)


@pytest.mark.parametrize("forms", FORMS)
def test_what_dkimpy_signs_holds_in_every_canonical_form(forms: tuple[bytes, bytes]) -> None:
    key = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert verified(signed(mail(alert()), forms=forms)) == hashlib.sha256(key).digest()


@pytest.mark.parametrize("forms", FORMS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(st.sampled_from([b"", b" ", b"\t", b"a", b"a  b ", b" \t ", b".", b"--"])).map(b"\r\n".join),
    subject=st.text(alphabet=" \tabc:;=", max_size=30),
)
@example(body=b"", subject="")
@example(body=b"\r\n\r\n", subject="a")
def test_any_white_space_is_seen_as_dkimpy_sees_it(forms: tuple[bytes, bytes], body: bytes, subject: str) -> None:
    body += b"\r\n" if body else b""  # a line that is not ended does not come out of an SMTP session
    raw = b"From: a@b.example\r\nSubject: " + subject.encode() + b"\r\n\r\n" + body
    assert isinstance(verified(signed(raw, forms=forms)), bytes)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_octet_is_judged_as_dkimpy_judges_it(data: st.DataObject) -> None:
    raw = signed(mail(b"<alert/>"), forms=(b"relaxed", b"relaxed"))
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + bytes([raw[at] ^ data.draw(st.sampled_from([1, 2, 32]))]) + raw[at + 1 :]
    found = read_entity(changed, 0, len(changed), Limits())
    if not isinstance(found, Entity) or not dkim.signatures(found.fields):
        return
    published = record(rsa_key()).encode()
    try:
        theirs = oracle.verify(changed, dnsfunc=lambda *_, **__: published)
    except Exception:  # the oracle stumbles over some
        theirs = False
    ours = isinstance(verified(changed), bytes)
    assert theirs or not ours, "we accept what dkimpy refuses"


def test_ed25519_holds_and_does_not_hold_by_another_key() -> None:
    raw = mail(b"<alert/>")
    found = entity(raw)
    body_hash = hashlib.sha256(dkim.canonical_body(raw[found.body :], relaxed=True)).digest()
    value = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=b.example; s=sel; h=from:to; bh={}; b={}"
    unsigned = Field(b"dkim-signature", f"DKIM-Signature: {value.format(base64(body_hash), 'AA==')}\r\n".encode())
    read = dkim.read_signature(unsigned)
    assert isinstance(read, Signature)
    made = ed25519_key().sign(hashlib.sha256(dkim.header_data(read, found.fields)).digest())
    whole = f"DKIM-Signature: {value.format(base64(body_hash), base64(made))}\r\n".encode() + raw
    assert isinstance(verified(whole, record(ed25519_key())), bytes)
    assert isinstance(verified(whole, record(rsa_key())), Fault)


def base64(octets: bytes) -> str:
    import base64 as codec

    return codec.b64encode(octets).decode()


def words(outcome: bytes | Fault) -> str:
    assert isinstance(outcome, Fault)
    return outcome.words


def test_a_changed_body_and_a_changed_header_are_told_apart() -> None:
    raw = signed(mail(alert()))
    assert "body" in words(verified(raw + b"more\r\n"))
    assert "header" in words(verified(raw.replace(b"Subject: alert", b"Subject: other")))


def test_a_second_from_above_the_signed_one_makes_the_mail_unreadable() -> None:
    raw = b"From: forged@evil.example\r\n" + signed(mail(alert()))
    assert not isinstance(read_entity(raw, 0, len(raw), Limits()), Entity)


def test_a_signature_over_a_part_of_the_body_does_not_count() -> None:
    raw = signed(mail(alert()), length=True)
    assert oracle.verify(raw, dnsfunc=lambda *_, **__: record(rsa_key()).encode())
    assert "l=" in words(verified(raw))


def test_sha1_and_small_keys_do_not_count() -> None:
    raw = signed(mail(alert()))
    assert "rsa-sha256" in words(verified(re.sub(rb"a=rsa-sha256", b"a=rsa-sha1", raw)))
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:768"], capture_output=True, check=True
    )
    public = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=made.stdout, capture_output=True, check=True
    )
    assert isinstance(verified(raw, f"v=DKIM1; p={base64(public.stdout)}"), Fault)
    least = rsa_key(1024)
    assert isinstance(verified(signed(mail(alert()), key=least), record(least)), bytes)


@pytest.mark.parametrize(
    ("published", "why"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM2; p=AAAA", "read"),
        ("hello", "read"),
        ("v=DKIM1; p=!!!", "read"),
        ("v=DKIM1; k=ed25519; p=AAAA", "another kind"),
    ],
)
def test_a_published_key_that_is_no_use_says_why(published: str, why: str) -> None:
    assert why in words(verified(signed(mail(alert())), published))


@pytest.mark.parametrize(("flags", "why"), [("t=y; ", "tests"), ("s=web; ", "not for this"), ("h=sha1; ", "not for")])
def test_a_published_key_may_be_bound_to_other_uses(flags: str, why: str) -> None:
    assert why in words(verified(signed(mail(alert())), record(rsa_key(), flags)))


def test_expired_and_future_signatures_do_not_count() -> None:
    raw = signed(mail(alert()))
    signature = dkim.signatures(entity(raw).fields)[0]
    assert isinstance(signature, Signature)
    assert signature.signed_at is not None
    assert "future" in words(verified(raw, now_s=signature.signed_at - 1000))
    late = re.sub(rb"t=(\d+);", rb"t=\1; x=\1;", raw)
    assert "expired" in words(verified(late, now_s=signature.signed_at + 1))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((b"v=1", b"v=2"), "version"),
        ((b"h=", b"h=x-"), ""),
        ((b"s=sel", b"s=../etc"), "domain or selector"),
        ((b"i=@commune.example", b"i=@evil.example"), "i="),
        ((b"q=dns/txt", b"q=carrier/pigeon"), "published"),
        ((b"c=relaxed/relaxed", b"c=loose"), "canonical"),
        ((b"bh=", b"bx="), "lacks bh"),
        ((b"v=1;", b"v=1; v=1;"), "list of tags"),
    ],
)
def test_a_signature_that_says_odd_things_does_not_count(change: tuple[bytes, bytes], why: str) -> None:
    raw = signed(mail(alert()))
    head, _, body = raw.partition(b"\r\nFrom:")
    assert why in words(verified(head.replace(*change, 1) + b"\r\nFrom:" + body))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_octets_make_a_signature_raise(octets: bytes) -> None:
    clean = octets.replace(b"\r", b"").replace(b"\n", b"")
    field = Field(b"dkim-signature", b"DKIM-Signature: v=1; a=rsa-sha256; " + clean + b"\r\n")
    assert isinstance(dkim.read_signature(field), Fault | Signature)


@pytest.mark.parametrize("unit", [b" ", b"a  ", b" \t", b"\r\n", b" \r\n", b"a \r"])
def test_twenty_megabytes_of_white_space_take_time_in_proportion(unit: bytes) -> None:
    body = unit * (20_000_000 // len(unit))
    before = time.process_time()
    dkim.canonical_body(body, relaxed=True)
    dkim.canonical_body(body, relaxed=False)
    assert time.process_time() - before < 3  # seconds; by the obvious regular expression it is hours
