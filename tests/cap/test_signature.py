"""gateway.cap.signature: whether an alert is what a trusted key signed."""

import base64
import pickle
import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml.exceptions import SignXMLException
from signxml.verifier import XMLVerifier

from gateway.cap.check import check
from gateway.cap.parse import Limits, parse
from gateway.cap.signature import SignatureVerdict, verify
from gateway.cap.signature_form import Reason
from gateway.cap.trust import Trust
from tests.cap.judged import EVIL, GOOD, ONLY_ENVELOPED, SIGNED, judged, reasons
from tests.cap.samples import BASIC
from tests.cap.signed import (
    AT,
    DS,
    EXCLUSIVE,
    INCLUSIVE,
    INCLUSIVE_1_1,
    SINCE,
    UNTIL,
    Signer,
    authority,
    before_the_end,
    canonical,
    expired,
    issued,
    rsa_authority,
    signature_of,
    signed_by_hand,
    stranger,
)

INNER_SIGNED = re.sub(r"^<\?xml.*?\?>\s*", "", GOOD.decode()).strip()


# what counts


@pytest.mark.parametrize(("method", "by"), [("rsa-sha256", rsa_authority()), ("rsa-sha512", rsa_authority()),
                                            ("ecdsa-sha256", authority()), ("ecdsa-sha384", authority())])  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "ds:"])
@pytest.mark.parametrize("form", [EXCLUSIVE, INCLUSIVE, INCLUSIVE_1_1])
def test_a_right_signature_counts(method: str, by: Signer, prefix: str, form: str) -> None:
    verdict = judged(signed_by_hand(by=by, method=method, prefix=prefix, form=form))
    (one,) = verdict.signatures
    assert (verdict.readable, verdict.signed, verdict.trusted, one.reason) == (True, True, True, None)
    assert (one.algorithm, one.fingerprint, one.not_after) == (method, by.fingerprint, UNTIL)
    assert one.subject.startswith("CN=Crisis Centre")
    assert verdict.findings == ()


@pytest.mark.parametrize("form", [EXCLUSIVE, INCLUSIVE])
def test_without_a_canonicalization_the_inclusive_one_is_meant(form: str) -> None:
    text = BASIC.replace("<alert ", '<alert xmlns:unused="u:unused" ')
    assert judged(signed_by_hand(text, form=form, payload_form=INCLUSIVE, transforms=ONLY_ENVELOPED)).trusted
    assert reasons(signed_by_hand(text, form=form, payload_form=EXCLUSIVE, transforms=ONLY_ENVELOPED)) == [
        Reason.ALTERED
    ]


def test_the_signed_content_is_the_alert_without_its_signature() -> None:
    verdict = judged(GOOD)
    assert verdict.signed_bytes == canonical(etree.fromstring(BASIC.encode()), EXCLUSIVE)
    assert check(verdict.signed_bytes).alert == check(BASIC.encode()).alert
    assert pickle.loads(pickle.dumps(verdict)) == verdict


def test_an_unsigned_alert_is_not_signed_and_not_trusted() -> None:
    assert judged(BASIC) == SignatureVerdict(readable=True)


NO_ALERTS = [b"", b"<a", b"<feed/>", b"\x00" * 9, SIGNED.encode(), GOOD + b" " * 1_100_000]
WITH_DOCTYPE = b'<!DOCTYPE a [<!ENTITY e "x">]>' + INNER_SIGNED.encode()


@pytest.mark.parametrize("raw", [*NO_ALERTS, WITH_DOCTYPE])
def test_what_is_no_alert_is_not_readable_and_says_why(raw: bytes) -> None:
    verdict = judged(raw)
    assert not verdict.readable
    assert not verdict.trusted
    assert verdict.refusals == parse(raw, Limits()).findings != ()


def test_comments_and_what_stands_outside_the_root_are_not_content() -> None:
    text = BASIC.replace("Brand in", "Brand <!-- a -->in").replace("<alert ", "<!-- b --><alert ")
    assert judged(signed_by_hand(text)).trusted
    assert judged(GOOD.replace(b"Brand in", b"Brand<!-- later --> in")).trusted


def test_instructions_inside_are_signed() -> None:
    text = BASIC.replace("Brand in", "Brand <?a b?>in")
    assert judged(signed_by_hand(text)).trusted
    assert reasons(GOOD.replace(b"Brand in", b"Brand <?a b?>in")) == [Reason.ALTERED]


def test_an_instruction_before_the_root_may_be_signed_or_not() -> None:
    sheet = '<?xml-stylesheet href="a.xsl"?><alert '
    with_sheet = signed_by_hand(BASIC.replace("<alert ", sheet))
    assert judged(with_sheet).trusted
    assert judged(GOOD.decode().replace("<alert ", sheet)).trusted
    assert reasons(with_sheet.replace(b"a.xsl", b"b.xsl")) == [Reason.ALTERED]


def test_an_id_that_is_none_and_an_object_of_no_namespace_do_no_harm() -> None:
    aggregator = '<Object xmlns=""><SignatureProperties><SignatureProperty Id="x"/></SignatureProperties></Object>'
    document = signed_by_hand(
        by=rsa_authority(), method="rsa-sha256", prefix="", form=INCLUSIVE, transforms=ONLY_ENVELOPED,
        attributes=' Id="NAADS Signature"', inside=aggregator,
    )  # fmt: skip
    verdict = judged(document)
    assert verdict.trusted
    assert verdict.signatures[0].id == "NAADS Signature"
    with pytest.raises((SignXMLException, etree.DocumentInvalid)):
        XMLVerifier().verify(document, x509_cert=rsa_authority().certificate)


# who signs


def test_a_stranger_is_unknown_whatever_he_shows() -> None:
    forged = signed_by_hand(EVIL, stranger())
    assert reasons(forged) == [Reason.UNKNOWN_SIGNER]
    assert judged(forged).findings[0].severity == "policy"
    assert reasons(GOOD, Trust()) == [Reason.UNKNOWN_SIGNER]


@pytest.mark.parametrize("key_info", ["", "<KeyName>Crisis Centre</KeyName>", "<KeyValue/>"])
def test_a_stranger_who_shows_nothing_is_wrong(key_info: str) -> None:
    assert reasons(signed_by_hand(EVIL, stranger(), key_info=key_info)) == [Reason.WRONG_SIGNATURE]
    assert judged(signed_by_hand(key_info=key_info)).trusted


def test_a_stranger_who_shows_the_certificate_of_the_authority_is_wrong() -> None:
    shown = base64.b64encode(authority().der).decode()
    own = base64.b64encode(stranger().der).decode()
    for certificates in ([shown], [shown, own], [own, shown]):
        data = "".join(f"<X509Certificate>{one}</X509Certificate>" for one in certificates)
        forged = signed_by_hand(EVIL, stranger(), key_info=f"<X509Data>{data}</X509Data>")
        assert reasons(forged) == [Reason.WRONG_SIGNATURE]


def test_a_key_value_beside_the_certificate_is_not_looked_at() -> None:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()
    modulus = base64.b64encode(numbers.n.to_bytes(256, "big")).decode()
    for value in (f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>", "<A/>", "x"):
        key_info = f"<KeyValue>{value}</KeyValue><X509Data><X509Certificate>%s</X509Certificate></X509Data>"
        shown = key_info % base64.b64encode(authority().der).decode()
        assert judged(signed_by_hand(key_info=shown)).trusted


def test_a_key_of_another_kind_than_the_method_is_wrong() -> None:
    assert reasons(GOOD.replace(b"ecdsa-sha256", b"rsa-sha256")) == [Reason.WRONG_SIGNATURE]


def test_a_certificate_counts_at_the_time_of_receipt() -> None:
    assert reasons(GOOD, at=UNTIL + timedelta(1)) == [Reason.EXPIRED]
    assert reasons(GOOD, at=SINCE - timedelta(1)) == [Reason.NOT_YET_VALID]
    old = signed_by_hand(by=expired())
    assert reasons(old, Trust.from_pem(expired().pem)) == [Reason.EXPIRED]
    assert reasons(old, Trust.from_pem(expired().pem), AT - timedelta(days=1)) == [None]


def test_a_certificate_of_a_trusted_authority_signs() -> None:
    root = issued("Root of CAP", rsa_authority().key, ca=True)
    leaf = issued("Met office", authority().key, root)
    certified = signed_by_hand(by=leaf)
    assert judged(certified, Trust(authorities=(root.der,))).fingerprints == (leaf.fingerprint,)
    other = issued("Root of CAP", stranger().key, ca=True)
    assert reasons(certified, Trust(authorities=(other.der,))) == [Reason.UNKNOWN_SIGNER]


# what was signed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Blijf binnen", "Ga naar buiten"),
        ("</info>", "</info> "),
        ("  </info>", "\t</info>"),
        ("<headline>", "<headline> "),
        ("</area>", "<altitude>0</altitude></area>"),
        ("</info>\n", "</info>\n<info/>"),
        ("<status>Actual", "<status>Exercise"),
        ("<info>", '<info a="b">'),
        ("<info>", '<info xmlns="">'),
        ("<scope>", '<x:note xmlns:x="u:x"/><scope>'),
        ("</alert>", "text</alert>"),
        ("<ds:Signature ", "text<ds:Signature "),
        ("loods", "l\u200boods"),
    ],
)
def test_anything_added_or_changed_is_found(old: str, new: str) -> None:
    assert old in GOOD.decode()
    document = GOOD.decode().replace(old, new, 1)
    assert reasons(document) == [Reason.ALTERED]
    assert judged(document).findings[0].severity == "warning"


def test_a_changed_digest_makes_the_signature_wrong() -> None:
    forged = re.search(r"<ds:DigestValue>(.*?)<", signature_of(signed_by_hand(EVIL)))
    assert forged is not None
    document = before_the_end(EVIL, re.sub(r"(<ds:DigestValue>).*?<", rf"\g<1>{forged[1]}<", SIGNED))
    assert reasons(document) == [Reason.WRONG_SIGNATURE]


@pytest.mark.parametrize(
    "value", ["AAAA", "A" * 88, base64.b64encode(bytes(64)).decode(), base64.b64encode(b"\xff" * 64).decode()]
)
def test_a_made_up_signature_value_is_wrong(value: str) -> None:
    document = re.sub(r"(<ds:SignatureValue>).*?<", rf"\g<1>{value}<", GOOD.decode())
    assert reasons(document) == [Reason.WRONG_SIGNATURE]


@pytest.mark.parametrize(("method", "digest"), [("rsa-sha1", "sha1"), ("rsa-sha1", "sha256"), ("rsa-sha256", "sha1")])
def test_sha1_counts_by_exception_only_and_is_said(method: str, digest: str) -> None:
    document = signed_by_hand(by=rsa_authority(), method=method, digest=digest)
    assert reasons(document) == [Reason.SHA1]
    verdict = judged(document, allow_sha1=True)
    assert verdict.trusted
    assert verdict.signatures[0].sha1
    assert [(finding.severity, "SHA-1" in finding.message) for finding in verdict.findings] == [("policy", True)]
    assert judged(GOOD, allow_sha1=True).findings == ()


# several


def test_two_signatures_over_the_bare_alert_both_count() -> None:
    second = signed_by_hand(by=rsa_authority(), method="rsa-sha256")
    document = before_the_end(BASIC, SIGNED + signature_of(second))
    assert reasons(document) == [None, None]
    assert judged(document).fingerprints == (authority().fingerprint, rsa_authority().fingerprint)


def test_a_signature_that_covers_the_one_before_counts() -> None:
    both = signed_by_hand(GOOD.decode(), rsa_authority(), method="rsa-sha256", prefix="")
    assert reasons(both) == [None, None]
    assert judged(both).trusted
    first = SIGNED.encode()
    assert reasons(both.replace(first, first.replace(b"<ds:KeyInfo>", b"<ds:KeyInfo> "))) == [None, Reason.ALTERED]


@pytest.mark.parametrize("bad_first", [True, False])
def test_one_broken_signature_spoils_a_good_one(bad_first: bool) -> None:
    bad = signature_of(signed_by_hand(EVIL, rsa_authority(), method="rsa-sha256"))
    document = before_the_end(BASIC, bad + SIGNED if bad_first else SIGNED + bad)
    expected = [Reason.ALTERED, None]
    assert reasons(document) == (expected if bad_first else expected[::-1])
    assert not judged(document).trusted


def test_a_signature_by_a_stranger_does_not_spoil_a_good_one() -> None:
    document = before_the_end(BASIC, signature_of(signed_by_hand(by=stranger())) + SIGNED)
    assert reasons(document) == [Reason.UNKNOWN_SIGNER, None]
    assert judged(document).trusted


def test_only_signatures_that_count_do() -> None:
    document = before_the_end(BASIC, f'<Signature xmlns="{DS}"/>' + SIGNED)
    assert reasons(document) == [Reason.MALFORMED, None]
    assert not judged(document).trusted


def test_a_reader_that_sees_another_alert_than_was_signed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = parse(before_the_end(EVIL, SIGNED).encode(), Limits())
    monkeypatch.setattr("gateway.cap.signature.parse", lambda _raw, _limits: other)
    verdict = verify(GOOD, trust=Trust.from_pem(authority().pem), at=AT)
    assert [one.reason for one in verdict.signatures] == [Reason.NOT_WHAT_IS_READ]
    assert not verdict.trusted
