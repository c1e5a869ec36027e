"""Keys, certificates and signatures for tests: made and verified by hand, with no part of the code under test."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree

from tests.cap.samples import BASIC

DS = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
XMLENC = "http://www.w3.org/2001/04/xmlenc#"
ENVELOPED = DS + "enveloped-signature"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE_1_1 = "http://www.w3.org/2006/12/xml-c14n11"
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
METHODS = {
    "rsa-sha1": (DS + "rsa-sha1", hashes.SHA1()),
    "rsa-sha256": (MORE + "rsa-sha256", hashes.SHA256()),
    "rsa-sha512": (MORE + "rsa-sha512", hashes.SHA512()),
    "ecdsa-sha256": (MORE + "ecdsa-sha256", hashes.SHA256()),
    "ecdsa-sha384": (MORE + "ecdsa-sha384", hashes.SHA384()),
}
DIGESTS = {"sha1": DS + "sha1", "sha256": XMLENC + "sha256", "sha512": XMLENC + "sha512"}
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Signer(NamedTuple):
    """A private key and a certificate for it."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The number only tells keys apart: making one takes time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def issued(
    name: str,
    key: PrivateKey,
    by: Signer | None = None,
    *,
    ca: bool | None = None,
    usage: x509.KeyUsage | None = None,
    since: datetime = SINCE,
    until: datetime = UNTIL,
) -> Signer:
    """A certificate for this key, by itself when nobody else issues it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key()).serial_number(len(name) + 1)
    builder = builder.issuer_name(by.certificate.subject if by else subject)
    builder = builder.not_valid_before(since).not_valid_after(until)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return Signer(key, builder.sign(by.key if by else key, hashes.SHA256()))


def key_usage(*allowed: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    return x509.KeyUsage(**{name: name in allowed for name in f"{names} encipher_only decipher_only".split()})


@cache
def authority() -> Signer:
    """The one everybody trusts here: P-256."""
    return issued("Crisis Centre", ec_key(1))


@cache
def rsa_authority() -> Signer:
    return issued("Crisis Centre RSA", rsa_key(1))


@cache
def stranger() -> Signer:
    return issued("Crisis Centre", ec_key(2))


@cache
def expired() -> Signer:
    return issued("Crisis Centre of old", ec_key(3), until=AT - timedelta(seconds=1))


def signed_by_hand(
    text: str = BASIC,
    by: Signer | None = None,
    *,
    method: str = "ecdsa-sha256",
    digest: str = "sha256",
    form: str = EXCLUSIVE,
    transforms: str | None = None,
    payload_form: str | None = None,
    prefix: str = "ds:",
    key_info: str | None = None,
    attributes: str = "",
    inside: str = "",
) -> bytes:
    """The alert with a signature before its end tag, as another program would make it.

    `form` is the canonical form of SignedInfo and, with `payload_form` None, of the alert. `transforms` is XML.
    """
    by = by or authority()
    payload_form = payload_form or form
    if transforms is None:
        transforms = f'<Transform Algorithm="{ENVELOPED}"/><Transform Algorithm="{payload_form}"/>'
    root = etree.fromstring(text.encode(), etree.XMLParser(remove_comments=True))
    value = base64.b64encode(hashlib.new(digest, canonical(root, payload_form)).digest()).decode()
    shown = base64.b64encode(by.der).decode()
    key_info = f"<X509Data><X509Certificate>{shown}</X509Certificate></X509Data>" if key_info is None else key_info
    uri = METHODS[method][0]
    plain = (
        f'<Signature xmlns="{DS}"{attributes}><SignedInfo><CanonicalizationMethod Algorithm="{form}"/>'
        f'<SignatureMethod Algorithm="{uri}"/><Reference URI=""><Transforms>{transforms}</Transforms>'
        f'<DigestMethod Algorithm="{DIGESTS[digest]}"/><DigestValue>{value}</DigestValue></Reference></SignedInfo>'
        f"<SignatureValue>@</SignatureValue><KeyInfo>{key_info}</KeyInfo>{inside}</Signature>"
    )
    signature = plain if not prefix else prefixed(plain, prefix)
    unsigned = before_the_end(text, signature)
    tree = etree.fromstring(unsigned.encode())
    signed_info = alone(tree.findall(f"{{{DS}}}Signature")[-1][0])
    return unsigned.replace(
        "@<", base64.b64encode(_sign(by, method, canonical(signed_info, form))).decode() + "<"
    ).encode()


def prefixed(xml: str, prefix: str) -> str:
    xml = xml.replace("<", f"<{prefix}").replace(f"<{prefix}/", f"</{prefix}")
    return xml.replace(' xmlns="', f' xmlns:{prefix.rstrip(":")}="', 1)


def before_the_end(text: str | bytes, addition: str) -> str:
    """The document with this before the end tag of its root."""
    text = text if isinstance(text, str) else text.decode()
    place = text.rindex("</alert>")
    return text[:place] + addition + text[place:]


def canonical(root: etree._Element, form: str) -> bytes:
    return etree.tostring(root.getroottree(), method="c14n", exclusive=form == EXCLUSIVE, with_comments=False)


def alone(element: etree._Element) -> etree._Element:
    """The element as the root of a document, with the namespaces it is in."""
    return etree.fromstring(etree.tostring(element, with_tail=False))


def signature_of(document: bytes, number: int = 0) -> str:
    """The text of one signature of a document."""
    text = document.decode()
    opening = "<ds:Signature " if "<ds:Signature " in text else "<Signature "
    start = -1
    for _ in range(number + 1):
        start = text.index(opening, start + 1)
    closing = opening.replace("<", "</").replace(" ", ">")
    return text[start : text.index(closing, start) + len(closing)]


def holds_by_hand(document: bytes, certificate: x509.Certificate) -> bool:
    """Whether the one signature of a document is right: exclusive canonical form, SHA-256, nothing but mathematics."""
    root = etree.fromstring(document)
    (signature,) = root.findall(f"{{{DS}}}Signature")
    signed_info = signature[0]
    value = base64.b64decode(signature.findtext(f"{{{DS}}}SignatureValue", ""))
    claimed = base64.b64decode(signed_info.findtext(f"{{{DS}}}Reference/{{{DS}}}DigestValue", ""))
    info_bytes = canonical(alone(signed_info), EXCLUSIVE)
    before = signature.getprevious()
    assert before is not None
    before.tail = (before.tail or "") + (signature.tail or "")
    root.remove(signature)
    same = hashlib.sha256(canonical(root, EXCLUSIVE)).digest() == claimed
    return same and _holds(certificate, value, info_bytes)


def _holds(certificate: x509.Certificate, value: bytes, data: bytes) -> bool:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            half = len(value) // 2
            numbers = (int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
            key.verify(utils.encode_dss_signature(*numbers), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _sign(by: Signer, method: str, data: bytes) -> bytes:
    algorithm = METHODS[method][1]
    if isinstance(by.key, rsa.RSAPrivateKey):
        return by.key.sign(data, padding.PKCS1v15(), algorithm)
    r, s = utils.decode_dss_signature(by.key.sign(data, ec.ECDSA(algorithm)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
