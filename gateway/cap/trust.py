"""Whose signatures count: the certificates of one authority, and of those who certify for it.

Knows: certificates, their dates, chains to a trusted one. Never knows: XML, signatures, authorities by name.
Standard: RFC 5280.

What a signature shows of its key is a hint for choosing among the trusted certificates, and never a reason to trust.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification

from gateway.cap.findings import quoted
from gateway.cap.signature_form import Fault, Reason

MOST_CERTIFICATES = 16
LEAST_RSA_BITS = 2048
LEAST_EC_BITS = 256
_LONGEST_CHAIN = 4


class Certificate(NamedTuple):
    """One certificate: what is shown of it, and what is compared. `fingerprint` is its SHA-256 in hex."""

    x509: x509.Certificate
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime
    public_key: bytes
    strong: bool
    certifies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Certificates (DER) whose keys may sign, and certificates of those who may certify such keys. It pickles.

    A pinned certificate stands for itself, whoever issued it. An authority stands for every certificate that leads to
    it and may sign: name only one that certifies for this sender and for nobody else.
    """

    pinned: tuple[bytes, ...] = ()
    authorities: tuple[bytes, ...] = ()

    @classmethod
    def from_pem(cls, *files: bytes) -> "Trust":
        """Every certificate in these files is pinned; those that may certify are authorities, too.

        ValueError says which text has no certificate that can be read, or that there are too many of them.
        """
        found = [certificate for content in files for certificate in _from_pem(content)]
        if len(found) > MOST_CERTIFICATES:
            raise ValueError(f"{len(found)} certificates; at most {MOST_CERTIFICATES} may be trusted at once")
        der = [(one.x509.public_bytes(Encoding.DER), one.certifies) for one in found]
        return cls(pinned=tuple(one for one, _ in der), authorities=tuple(one for one, certifies in der if certifies))


def signers(trust: Trust, named: Sequence[bytes], at: datetime) -> list[Certificate] | Fault:
    """The trusted certificates that may have made a signature which shows the certificates `named` (DER)."""
    shown = list(_readable(named))
    pinned = list(_readable(trust.pinned))
    if named:
        keys = {certificate.public_key for certificate in shown}
        found = [certificate for certificate in pinned if certificate.public_key in keys]
        chosen = found or _certified(shown, list(_readable(trust.authorities)), at)
    else:
        chosen = pinned
    if isinstance(chosen, Fault):
        return chosen
    if not chosen:
        who = f" of {quoted(shown[0].subject)} ({shown[0].fingerprint[:16]}...)" if shown else ""
        return Fault(Reason.UNKNOWN_SIGNER, f"the certificate{who} is not one that is trusted for this sender")
    return _usable(chosen, at)


def read(der: bytes) -> Certificate | None:
    """The certificate in these bytes; None when there is none that can be read."""
    try:
        return _certificate(x509.load_der_x509_certificate(der))
    except (ValueError, UnsupportedAlgorithm):
        return None


def _from_pem(content: bytes) -> list[Certificate]:
    try:
        return [_certificate(one) for one in x509.load_pem_x509_certificates(content)]
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise ValueError("there is no certificate in PEM form that can be read") from fault


def _certificate(one: x509.Certificate) -> Certificate:
    """Reads everything that can be wrong in it, so that nobody else meets the error."""
    key = one.public_key()
    return Certificate(
        x509=one,
        fingerprint=one.fingerprint(SHA256()).hex(),
        subject="".join(c for c in one.subject.rfc4514_string()[:200] if c.isprintable()),
        not_before=one.not_valid_before_utc,
        not_after=one.not_valid_after_utc,
        public_key=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        strong=_is_strong(key),
        certifies=_certifies(one),
    )


def _is_strong(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= LEAST_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= LEAST_EC_BITS


def _certifies(one: x509.Certificate) -> bool:
    # RFC 5280 §4.2.1.9
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _readable(certificates: Iterable[bytes]) -> Iterator[Certificate]:
    return (found for der in certificates if (found := read(der)) is not None)


def _usable(chosen: list[Certificate], at: datetime) -> list[Certificate] | Fault:
    strong = [certificate for certificate in chosen if certificate.strong]
    if not strong:
        return Fault(Reason.WEAK_KEY, f"the key of {quoted(chosen[0].subject)} is too short, or of a kind not taken")
    valid = [certificate for certificate in strong if certificate.not_before <= at <= certificate.not_after]
    return valid or _out_of_date(strong[0], at)


def _out_of_date(certificate: Certificate, at: datetime) -> Fault:
    # RFC 5280 §4.1.2.5
    who = f"the certificate of {quoted(certificate.subject)}"
    if at < certificate.not_before:
        return Fault(Reason.NOT_YET_VALID, f"{who} is valid from {certificate.not_before:%Y-%m-%d %H:%M} UTC only")
    return Fault(Reason.EXPIRED, f"{who} was valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC")


def _certified(shown: list[Certificate], authorities: list[Certificate], at: datetime) -> list[Certificate] | Fault:
    """Those that lead to an authority. No order is implied among the certificates that a signature shows."""
    leaves = [certificate for certificate in shown if not certificate.certifies]
    if not authorities or not leaves:
        return []
    store = verification.Store([certificate.x509 for certificate in authorities])
    between = [certificate.x509 for certificate in shown if certificate.certifies]
    leading = [leaf for leaf in leaves if _leads(leaf, between, store, at)]
    if leading:
        return leading
    for leaf in leaves:
        if _leads(leaf, between, store, leaf.not_before + (leaf.not_after - leaf.not_before) / 2):
            return _out_of_date_chain(leaf, at)
    return []


def _out_of_date_chain(leaf: Certificate, at: datetime) -> Fault:
    if leaf.not_before <= at <= leaf.not_after:
        who = quoted(leaf.subject)
        return Fault(Reason.EXPIRED, f"a certificate that stands behind the one of {who} is out of date")
    return _out_of_date(leaf, at)


def _leads(leaf: Certificate, between: list[x509.Certificate], store: verification.Store, at: datetime) -> bool:
    # RFC 5280 §6.1
    builder = verification.PolicyBuilder().store(store).time(at).max_chain_depth(_LONGEST_CHAIN)
    builder = builder.extension_policies(ca_policy=_of_authorities(), ee_policy=_of_signers())
    try:
        builder.build_client_verifier().verify(leaf.x509, between)
    except (verification.VerificationError, ValueError):
        return False
    return True


def _of_authorities() -> verification.ExtensionPolicy:
    """Certificates of governments rarely follow the rules of the web; that they may certify is what counts."""
    agnostic = verification.Criticality.AGNOSTIC
    policy = verification.ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, agnostic, _is_ca)
    return policy.may_be_present(x509.KeyUsage, agnostic, _may_certify)


def _of_signers() -> verification.ExtensionPolicy:
    agnostic = verification.Criticality.AGNOSTIC
    return verification.ExtensionPolicy.permit_all().may_be_present(x509.KeyUsage, agnostic, _may_sign)


def _is_ca(_policy: verification.Policy, _one: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not a certificate of an authority")


def _may_certify(_policy: verification.Policy, _one: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    # RFC 5280 §4.2.1.3
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("this key may not certify others")


def _may_sign(_policy: verification.Policy, _one: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise ValueError("this key may not sign")
