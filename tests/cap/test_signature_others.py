"""Signatures of other programs, and of real alerts."""

import base64
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.exceptions import SignXMLException
from signxml.verifier import XMLVerifier

from gateway.cap.parse import Limits, parse
from gateway.cap.signature_form import SIGNATURE, Form, Reason, read
from gateway.cap.trust import Trust
from tests.cap.judged import ONLY_ENVELOPED, judged, reasons
from tests.cap.samples import BASIC, real_alerts
from tests.cap.signed import (
    AT,
    DIGESTS,
    DS,
    EXCLUSIVE,
    INCLUSIVE,
    METHODS,
    Signer,
    authority,
    before_the_end,
    rsa_authority,
    signed_by_hand,
)

# other programs


TEMPLATE = (
    f'<Signature xmlns="{DS}"><SignedInfo><CanonicalizationMethod Algorithm="%s"/><SignatureMethod Algorithm="%s"/>'
    f'<Reference URI=""><Transforms>%s</Transforms><DigestMethod Algorithm="{DIGESTS["sha256"]}"/><DigestValue/>'
    "</Reference></SignedInfo><SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature>"
)


def xmlsec(tmp_path: Path, document: bytes, by: Signer, *command: str) -> tuple[int, bytes]:
    file, key, certificate, output = (tmp_path / name for name in ("in.xml", "key.pem", "cert.pem", "out.xml"))
    file.write_bytes(document)
    key.write_bytes(by.key_pem)
    certificate.write_bytes(by.pem)
    names = {"KEY": f"{key},{certificate}", "CERT": str(certificate), "OUT": str(output)}
    words = [names.get(word, word) for word in command]
    done = subprocess.run(["xmlsec1", *words, str(file)], capture_output=True, check=False, timeout=20)
    return done.returncode, output.read_bytes() if output.exists() else b""


@pytest.mark.peer("xmlsec1")
@pytest.mark.parametrize("method", ["rsa-sha256", "ecdsa-sha256"])
@pytest.mark.parametrize("form", [EXCLUSIVE, INCLUSIVE])
@pytest.mark.parametrize("transforms", [ONLY_ENVELOPED, None])
@pytest.mark.parametrize("head", ["<alert ", '<alert xmlns:a="u:a" ', '<?xml-stylesheet href="a"?><alert '])
def test_what_xmlsec_signs_is_trusted(
    method: str, form: str, transforms: str | None, head: str, tmp_path: Path
) -> None:
    by = rsa_authority() if method.startswith("rsa") else authority()
    steps = transforms or ONLY_ENVELOPED + f'<Transform Algorithm="{form}"/>'
    text = before_the_end(BASIC.replace("<alert ", head), TEMPLATE % (form, METHODS[method][0], steps))
    code, document = xmlsec(tmp_path, text.encode(), by, "--sign", "--privkey-pem", "KEY", "--output", "OUT")
    assert code == 0
    assert judged(document).trusted
    assert reasons(document.replace(b"Brand in", b"Brant in")) == [Reason.ALTERED]


@pytest.mark.peer("xmlsec1")
@pytest.mark.parametrize("spoiled", [None, (b"Brand", b"Brant"), (b"<area>", b"<area> "), (b'URI=""', b"")])
@pytest.mark.parametrize("prefix", ["", "ds:"])
def test_xmlsec_says_the_same(spoiled: tuple[bytes, bytes] | None, prefix: str, tmp_path: Path) -> None:
    document = signed_by_hand(prefix=prefix)
    document = document.replace(*spoiled) if spoiled else document
    words = ("--verify", "--pubkey-cert-pem", "CERT", "--enabled-reference-uris", "empty")
    code, _ = xmlsec(tmp_path, document, authority(), *words)
    assert judged(document).trusted is (code == 0)


# real alerts


def pinned_as_shown(root: etree._Element) -> Trust:
    """The certificates an alert shows, and made-up ones for keys it shows bare: so only the mathematics are asked."""
    shown = [form.named for signature in root.findall(SIGNATURE) if isinstance(form := read(signature), Form)]
    bare = [certificate_for(value) for value in root.iterfind(f"{SIGNATURE}/{{{DS}}}KeyInfo/{{{DS}}}KeyValue")]
    return Trust(pinned=(*(one for named in shown for one in named), *bare))


def certificate_for(value: etree._Element) -> bytes:
    def number(name: str) -> int:
        return int.from_bytes(base64.b64decode(value.findtext(f".//{{{DS}}}{name}", "")), "big")

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shown bare")])
    public = rsa.RSAPublicNumbers(number("Exponent"), number("Modulus")).public_key()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public).serial_number(1)
    builder = builder.not_valid_before(datetime(2000, 1, 1)).not_valid_after(datetime(2030, 1, 1))
    return builder.sign(authority().key, hashes.SHA256()).public_bytes(Encoding.DER)


def shown_dates(trust: Trust) -> datetime:
    """A moment at which most of the certificates were valid."""
    return max((x509.load_der_x509_certificate(one).not_valid_before_utc for one in trust.pinned), default=AT)


def in_real_alerts(judge: Callable[[bytes, etree._Element], None]) -> None:
    files = [path.read_bytes() for path in real_alerts()]
    signed = [(raw, parse(raw, Limits()).root) for raw in files if b"SignatureValue" in raw]
    if not signed:
        pytest.skip("the corpus of real alerts is not here")
    for raw, root in signed:
        if root is not None:
            judge(raw, root)


def test_real_signatures_are_judged_by_mathematics_alone() -> None:
    found: Counter[str] = Counter()

    def judge(raw: bytes, root: etree._Element) -> None:
        trust = pinned_as_shown(root)
        at = shown_dates(trust) + timedelta(days=30)
        found.update(str(one.reason) for one in judged(raw, trust, at, allow_sha1=True).signatures)
        assert not judged(raw, Trust(), at, allow_sha1=True).trusted

    in_real_alerts(judge)
    # what does not hold was written again, line by line, after it was signed
    assert found["None"] >= 14
    assert set(found) <= {"None", Reason.ALTERED, Reason.WRONG_SIGNATURE, Reason.WEAK_KEY}, found


def test_real_signatures_are_refused_by_the_library_as_it_comes() -> None:
    found: Counter[bool] = Counter()

    def judge(raw: bytes, root: etree._Element) -> None:
        for certificate in pinned_as_shown(root).pinned:
            try:
                XMLVerifier().verify(raw, x509_cert=x509.load_der_x509_certificate(certificate))
            except (SignXMLException, etree.LxmlError):
                found[False] += 1
            else:
                found[True] += 1

    in_real_alerts(judge)
    assert found[True] == 0
    assert found[False] >= 14
