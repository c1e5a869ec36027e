"""Puts the gateway's own signature into an alert, and leaves every other byte as it was.

Knows: how an enveloped signature is made and where it stands. Never knows: where keys are kept, what is published.
Standard: CAP 1.2 §3.3.4.1; XML Signature 1.1; Exclusive Canonical XML 1.0.

The text of the document is not written again: the signature is put between two of its characters. What was signed is
then what was there, blank by blank, for every reader that follows the standard.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from xml.parsers import expat

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from gateway.cap import xmltext
from gateway.cap.canonical import whole_tree
from gateway.cap.findings import Finding, error
from gateway.cap.parse import Limits, parse
from gateway.cap.signature_form import SIGNATURE, fault_of_document
from gateway.cap.trust import LEAST_EC_BITS, LEAST_RSA_BITS

CLAUSE = "CAP 1.2 §3.3.4.1"
_DEFAULT_LIMITS = Limits()
_ENCODING = re.compile(r"""(<\?xml\s[^>]{0,200}?encoding\s*=\s*)(["'])[^"'>]{0,40}\2""")

_SIGNATURE_NAME = SIGNATURE[1:].replace("}", " ")  # as expat reports it

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class KeyPair(NamedTuple):
    """A private key and its certificate, both PEM, with the dates between which they may be used."""

    key: bytes
    certificate: bytes
    not_before: datetime
    not_after: datetime
    fingerprint: str


class Signed(NamedTuple):
    """The signed document, or None and the findings that say why it can not be signed."""

    document: bytes | None
    findings: tuple[Finding, ...] = ()


def sign(raw: bytes, key: bytes, certificate: bytes, *, limits: Limits = _DEFAULT_LIMITS) -> Signed:
    """The alert with an enveloped signature (RSA or ECDSA, SHA-256) after all else, before signatures that stand there.

    `key` and `certificate` are PEM; certificates after the first are those that certify it. ValueError says what is
    wrong with them. Signatures that stand in the alert are kept, and covered. A document that is not UTF-8 becomes it.
    """
    private, chain = _fitting(key, certificate)
    parsed = parse(raw, limits)
    text = xmltext.decode(raw, max_bytes=limits.max_bytes).text
    if parsed.root is None or text is None:
        return Signed(None, parsed.findings)
    root = whole_tree(text)
    refusals = tuple(_refusals(root))
    if refusals:
        return Signed(None, refusals)
    return Signed(_with_signature(raw, text, _signature(root, private, chain)))


def key_pair(key: bytes, certificate: bytes) -> KeyPair:
    """Both as they are used together. ValueError says what is wrong with them."""
    _, chain = _fitting(key, certificate)
    own = chain[0]
    return KeyPair(key, certificate, own.not_valid_before_utc, own.not_valid_after_utc, own.fingerprint(SHA256()).hex())


def _fitting(key: bytes, certificate: bytes) -> tuple[SigningKey, list[x509.Certificate]]:
    private, chain = read_key(key), read_certificates(certificate)
    if _public(private.public_key()) != _public(chain[0].public_key()):
        raise ValueError("the certificate is not that of the key")
    return private, chain


def read_key(pem: bytes) -> SigningKey:
    """The private key in this PEM text. ValueError says why it can not sign."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as fault:
        raise ValueError("the key is locked with a passphrase; give it without one") from fault
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise ValueError("there is no private key in PEM form that can be read") from fault
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("the key is neither RSA nor on an elliptic curve (ECDSA)")
    if key.key_size < (LEAST_RSA_BITS if isinstance(key, rsa.RSAPrivateKey) else LEAST_EC_BITS):
        raise ValueError(f"the key is too short: RSA has at least {LEAST_RSA_BITS} bits, ECDSA {LEAST_EC_BITS}")
    return key


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates in this PEM text, the signer's first. ValueError when there is none."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as fault:
        raise ValueError("there is no certificate in PEM form that can be read") from fault


def _public(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _refusals(root: etree._Element) -> Iterator[Finding]:
    """What would make a signature that some readers accept and others do not, or none at all."""
    if len(root) == 0:
        yield error("S39", "the alert is empty; there is nothing to sign", CLAUSE)
    fault = fault_of_document(root)
    if fault is not None:
        yield error("S39", fault.words, CLAUSE)
    elif any(one.get("Id") == "placeholder" for one in root.iterfind(SIGNATURE)):
        yield error("S39", "a signature in the alert is an empty place for one; remove it", CLAUSE)
    outside = [*root.itersiblings(etree.ProcessingInstruction)]
    outside += root.itersiblings(etree.ProcessingInstruction, preceding=True)
    if outside:
        # XMLDSig 1.1 §4.4.3.3: it belongs to what is signed, and many leave it out
        message = "an instruction stands outside the alert, and readers do not agree whether it is signed; remove it"
        yield error("S39", message, CLAUSE, element="")
    if any(name.rpartition("}")[2].lower() == "id" for name in map(str, root.attrib)):
        yield error("S39", "the alert has an id attribute, which CAP does not have; remove it", CLAUSE)
    try:
        etree.tostring(root, method="c14n", exclusive=True)
    except etree.C14NError:
        yield error("S39", "a namespace in the alert is relative, so it has no canonical form", CLAUSE)


def _signature(root: etree._Element, key: SigningKey, chain: list[x509.Certificate]) -> bytes:
    """The signature element, in bytes that stand for themselves anywhere in the document."""
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256 if is_rsa else SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signed = signer.sign(root, key=key, cert=chain)
    return etree.tostring(signed[-1], method="c14n", exclusive=True)


def _with_signature(raw: bytes, text: str, signature: bytes) -> bytes:
    """The bytes as they came where they are UTF-8 or a part of it; everything else becomes UTF-8 and says so."""
    body = text.encode()
    head = raw[: len(raw) - len(body)]
    if not raw.endswith(body):
        head, body = b"", _ENCODING.sub(r"\1\2UTF-8\2", text, count=1).encode()
    place = _place(body)
    return head + body[:place] + signature + body[place:]


def _place(body: bytes) -> int:
    """Where the signature goes: before the first one that is there, else before the root's end tag.

    First, because many readers verify the first signature and no other; ours covers those behind it. The document is
    well-formed and its root is not empty.
    """
    path: list[str] = []
    places: list[int] = []

    def start(name: str, _attributes: object) -> None:
        if len(path) == 1 and name == _SIGNATURE_NAME:
            places.append(reader.CurrentByteIndex)
        path.append(name)

    def end(_name: str) -> None:
        path.pop()
        if not path:
            places.append(reader.CurrentByteIndex)

    reader = expat.ParserCreate("utf-8", " ")
    reader.StartElementHandler, reader.EndElementHandler = start, end
    reader.Parse(body, True)
    return places[0]
