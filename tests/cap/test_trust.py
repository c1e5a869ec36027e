"""gateway.cap.trust: whose signatures count."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cap import trust
from gateway.cap.signature_form import Fault, Reason
from gateway.cap.trust import Trust
from tests.cap.signed import AT, SINCE, UNTIL, Signer, authority, ec_key, expired, issued, key_usage, rsa_key, stranger

CA = issued("Root", ec_key(10), ca=True, usage=key_usage("key_cert_sign"))
MIDDLE = issued("Middle", ec_key(11), CA, ca=True)
LEAF = issued("Leaf", ec_key(12), MIDDLE)
DIRECT = issued("Direct", ec_key(13), CA)


def outcome(trusted: Trust, *shown: Signer, at: datetime = AT) -> str | list[str]:
    """The reason, or the subjects of those who may have signed."""
    found = trust.signers(trusted, [signer.der for signer in shown], at)
    return found.reason if isinstance(found, Fault) else [certificate.subject for certificate in found]


def by_ca(signer: Signer = CA) -> Trust:
    return Trust(authorities=(signer.der,))


def test_pem_is_read_with_all_its_certificates() -> None:
    read = Trust.from_pem(authority().pem + b"\n" + CA.pem, LEAF.pem)
    assert read.pinned == (authority().der, CA.der, LEAF.der)
    assert read.authorities == (CA.der,)
    assert pickle.loads(pickle.dumps(read)) == read


@pytest.mark.parametrize("content", [b"", b"hello", authority().pem[:80], authority().pem.replace(b"MII", b"AAA", 1)])
def test_a_text_without_certificate_is_said(content: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        Trust.from_pem(authority().pem, content)


def test_too_many_certificates_are_said() -> None:
    assert len(Trust.from_pem(authority().pem * trust.MOST_CERTIFICATES).pinned) == trust.MOST_CERTIFICATES
    with pytest.raises(ValueError, match="17 certificates"):
        Trust.from_pem(authority().pem * (trust.MOST_CERTIFICATES + 1))


def test_a_pinned_certificate_signs_whether_or_not_it_is_shown() -> None:
    trusted = Trust.from_pem(authority().pem)
    assert outcome(trusted, authority()) == ["CN=Crisis Centre"]
    assert outcome(trusted) == ["CN=Crisis Centre"]


def test_nobody_is_trusted_by_being_shown() -> None:
    assert outcome(Trust(), authority()) == Reason.UNKNOWN_SIGNER
    assert outcome(Trust()) == Reason.UNKNOWN_SIGNER
    assert outcome(Trust.from_pem(authority().pem), stranger()) == Reason.UNKNOWN_SIGNER
    assert outcome(Trust.from_pem(authority().pem), CA, LEAF) == Reason.UNKNOWN_SIGNER


def test_bytes_that_are_no_certificate_are_a_bad_hint_and_no_error() -> None:
    found = trust.signers(Trust.from_pem(authority().pem), [b"", b"\x30\x80", authority().der[:-9]], AT)
    assert isinstance(found, Fault)
    assert found.reason is Reason.UNKNOWN_SIGNER


def test_a_renewed_certificate_of_a_pinned_key_is_held_against_the_pinned_one() -> None:
    renewed = issued("Crisis Centre 2", authority().key)
    assert outcome(Trust.from_pem(authority().pem), renewed) == ["CN=Crisis Centre"]


def test_dates_count_at_the_moment_of_receipt_to_the_second() -> None:
    trusted = Trust.from_pem(authority().pem)
    second = timedelta(seconds=1)
    assert outcome(trusted, authority(), at=SINCE - second) == Reason.NOT_YET_VALID
    assert outcome(trusted, authority(), at=SINCE) == ["CN=Crisis Centre"]
    assert outcome(trusted, authority(), at=UNTIL) == ["CN=Crisis Centre"]
    assert outcome(trusted, authority(), at=UNTIL + second) == Reason.EXPIRED
    assert outcome(Trust.from_pem(expired().pem)) == Reason.EXPIRED


def test_of_an_old_and_a_new_certificate_the_one_in_date_signs() -> None:
    assert outcome(Trust.from_pem(expired().pem, authority().pem)) == ["CN=Crisis Centre"]


def test_a_key_that_is_too_short_is_not_taken() -> None:
    short = issued("Short", rsa_key(5, 1024))
    small = issued("Small", ec.generate_private_key(ec.SECP224R1()))
    assert outcome(Trust.from_pem(short.pem), short) == Reason.WEAK_KEY
    assert outcome(Trust.from_pem(small.pem), small) == Reason.WEAK_KEY


def test_a_key_of_another_kind_is_not_taken() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ed")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = builder.serial_number(1).not_valid_before(SINCE).not_valid_after(UNTIL).sign(key, None)
    found = trust.signers(Trust.from_pem(made.public_bytes(Encoding.PEM)), [], AT)
    assert isinstance(found, Fault)
    assert found.reason is Reason.WEAK_KEY


@pytest.mark.parametrize("shown", [(LEAF, MIDDLE), (MIDDLE, LEAF), (LEAF, MIDDLE, CA), (CA, MIDDLE, LEAF)])
def test_a_chain_in_any_order_leads_to_the_authority(shown: tuple[Signer, ...]) -> None:
    assert outcome(by_ca(), *shown) == ["CN=Leaf"]


def test_a_certificate_of_the_authority_itself_needs_no_chain() -> None:
    assert outcome(by_ca(), DIRECT) == ["CN=Direct"]
    assert outcome(by_ca(MIDDLE), LEAF) == ["CN=Leaf"]


def test_a_chain_with_a_gap_leads_nowhere() -> None:
    assert outcome(by_ca(), LEAF) == Reason.UNKNOWN_SIGNER


def test_a_chain_to_another_root_of_the_same_name_leads_nowhere() -> None:
    false_root = issued("Root", ec_key(14), ca=True)
    forged = issued("Direct", ec_key(15), false_root)
    assert outcome(by_ca(), forged, false_root) == Reason.UNKNOWN_SIGNER


def test_a_certificate_that_may_not_certify_certifies_nobody() -> None:
    for issuer in (DIRECT, issued("Not CA", ec_key(16), CA, ca=False)):
        forged = issued("Forged", ec_key(17), issuer)
        assert "CN=Forged" not in outcome(by_ca(), forged, issuer)
        assert outcome(by_ca(), forged) == Reason.UNKNOWN_SIGNER
    weak = issued("Not for certificates", ec_key(18), CA, ca=True, usage=key_usage("digital_signature"))
    assert outcome(by_ca(), issued("Forged", ec_key(17), weak), weak) == Reason.UNKNOWN_SIGNER


def test_a_certificate_that_may_not_sign_signs_nothing() -> None:
    sealed = issued("Sealed", ec_key(19), CA, usage=key_usage("key_encipherment"))
    signing = issued("Signing", ec_key(19), CA, usage=key_usage("content_commitment"))
    assert outcome(by_ca(), sealed) == Reason.UNKNOWN_SIGNER
    assert outcome(by_ca(), signing) == ["CN=Signing"]


def test_an_authority_that_is_only_pinned_certifies_nobody() -> None:
    assert outcome(Trust(pinned=(CA.der,)), DIRECT) == Reason.UNKNOWN_SIGNER


def test_a_certified_certificate_out_of_date_is_said_to_be() -> None:
    old = issued("Old", ec_key(20), CA, until=AT - timedelta(days=1))
    coming = issued("Coming", ec_key(20), CA, since=AT + timedelta(days=1))
    assert outcome(by_ca(), old) == Reason.EXPIRED
    assert outcome(by_ca(), coming) == Reason.NOT_YET_VALID


def test_an_issuer_out_of_date_is_said_to_be() -> None:
    old = issued("Old middle", ec_key(21), CA, ca=True, until=AT - timedelta(days=1))
    leaf = issued("Young leaf", ec_key(22), old, until=AT + timedelta(days=1))
    assert outcome(by_ca(), leaf, old) == Reason.EXPIRED


def test_a_certificate_with_a_name_from_the_east_is_shown_in_one_printable_line() -> None:
    signer = issued("\u202ecrisis\ncentre", ec_key(23))
    read = trust.read(signer.der)
    assert read is not None
    assert read.subject.isprintable()
    assert read.fingerprint == signer.certificate.fingerprint(hashes.SHA256()).hex()
    assert read.not_after == UNTIL.astimezone(UTC)
