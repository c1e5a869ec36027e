"""gateway.cap.signing: the gateway's own signature."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.cap.check import check
from gateway.cap.model import CapAlert
from gateway.cap.signature import verify
from gateway.cap.signing import sign
from gateway.cap.trust import Trust
from gateway.cap.write import write
from tests.cap.made import alerts
from tests.cap.samples import BASIC
from tests.cap.signed import (
    AT,
    DS,
    Signer,
    authority,
    ec_key,
    holds_by_hand,
    issued,
    rsa_authority,
    rsa_key,
    signature_of,
    stranger,
)

BOTH = pytest.mark.parametrize("signer", [authority(), rsa_authority()], ids=["P-256", "RSA"])


def signed(raw: str | bytes = BASIC, by: Signer | None = None) -> bytes:
    by = by or authority()
    result = sign(raw if isinstance(raw, bytes) else raw.encode(), by.key_pem, by.pem)
    assert result.findings == ()
    assert result.document is not None
    return result.document


def refusals(text: str | bytes) -> list[str]:
    result = sign(text if isinstance(text, bytes) else text.encode(), authority().key_pem, authority().pem)
    assert result.document is None
    return [finding.message for finding in result.findings]


@BOTH
def test_what_was_signed_is_verified(signer: Signer) -> None:
    verdict = verify(signed(by=signer), trust=Trust.from_pem(signer.pem), at=AT)
    assert verdict.trusted
    assert verdict.fingerprints == (signer.fingerprint,)


@BOTH
def test_what_was_signed_holds_by_hand(signer: Signer) -> None:
    assert holds_by_hand(signed(by=signer), signer.certificate)
    assert not holds_by_hand(signed(by=signer), stranger().certificate)
    assert not holds_by_hand(signed(by=signer).replace(b"Brand", b"Brant"), signer.certificate)


@BOTH
def test_the_signature_is_what_the_standard_asks_for(signer: Signer) -> None:
    document = signed(by=signer)
    root = etree.fromstring(document)
    assert root[-1].tag == f"{{{DS}}}Signature"
    assert [
        element.get("Algorithm", "").rpartition("/")[2] for element in root[-1].iter() if element.get("Algorithm")
    ] == [
        "xml-exc-c14n#",
        "xmldsig-more#rsa-sha256" if signer is rsa_authority() else "xmldsig-more#ecdsa-sha256",
        "xmldsig#enveloped-signature",
        "xml-exc-c14n#",
        "xmlenc#sha256",
    ]
    assert check(document).valid


@pytest.mark.parametrize(
    "text",
    [
        BASIC,
        BASIC.replace("\n", "\r\n"),
        BASIC.replace("\n", ""),
        BASIC + "\n<!-- </alert> -->\n",
        BASIC.replace("</alert>", "</alert\n >"),
        BASIC.replace("</alert>", "<!-- </alert> --></alert>"),
        BASIC.replace("Brand in", "<![CDATA[</alert>]]>Brand in"),
        "\ufeff" + BASIC,
        BASIC.replace("<alert xmlns=", "<c:alert xmlns:c=").replace("</alert>", "</c:alert>")
        .replace("</", "</c:").replace("</c:c:", "</c:").replace("<", "<c:").replace("<c:/c:", "</c:")
        .replace("<c:c:", "<c:").replace("<c:?", "<?"),
    ],
    ids=["plain", "crlf", "one line", "comment after", "odd end tag", "comment before", "cdata", "mark", "prefixed"],
)  # fmt: skip
def test_every_other_byte_stays_as_it_was(text: str) -> None:
    document = signed(text)
    assert document.decode().replace(signature_of(document), "") == text
    assert verify(document, trust=Trust.from_pem(authority().pem), at=AT).trusted


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_what_is_not_utf_8_becomes_it_and_says_so(encoding: str) -> None:
    text = BASIC.replace('encoding="UTF-8"', f'encoding="{encoding.upper()}"').replace("loods", "façade")
    document = signed(text.encode(encoding))
    assert document.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    assert "façade" in document.decode()
    assert verify(document, trust=Trust.from_pem(authority().pem), at=AT).trusted


@given(alert=alerts(), blank=st.sampled_from(["", " ", "\n\t"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_alert_can_be_signed_and_reads_as_before(alert: CapAlert, blank: str) -> None:
    raw = write(alert).decode().replace("</alert>", f"{blank}</alert>").encode()
    document = signed(raw)
    verdict = verify(document, trust=Trust.from_pem(authority().pem), at=AT)
    assert holds_by_hand(document, authority().certificate)
    assert verdict.trusted
    assert verdict.signed_bytes is not None
    assert check(verdict.signed_bytes).alert == check(document).alert == check(raw).alert


def test_signatures_that_stand_there_are_kept_and_covered() -> None:
    first = signed()
    both = signed(first, rsa_authority())
    assert both.decode().replace(signature_of(both, 0), "") == first.decode()  # ours is the first that readers meet
    trusted = Trust.from_pem(authority().pem, rsa_authority().pem)
    assert verify(both, trust=trusted, at=AT).fingerprints == (rsa_authority().fingerprint, authority().fingerprint)
    broken = both.replace(signature_of(both, 1).encode(), b"")
    assert not verify(broken, trust=trusted, at=AT).trusted


def test_the_certificates_behind_the_first_are_shown() -> None:
    root = issued("Root", ec_key(30), ca=True)
    leaf = issued("Leaf", ec_key(31), root)
    document = sign(BASIC.encode(), leaf.key_pem, leaf.pem + root.pem).document
    assert document is not None
    assert document.count(b"<ds:X509Certificate>") == 2
    assert verify(document, trust=Trust(authorities=(root.der,)), at=AT).fingerprints == (leaf.fingerprint,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BASIC.replace("<alert ", '<?xml-stylesheet href="a"?><alert '), "instruction"),
        (BASIC + "<?x y?>", "instruction"),
        (BASIC.replace("<alert ", '<alert Id="a" '), "id attribute"),
        ('<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"/>', "empty"),
        (BASIC.replace("<info>", f'<info><Signature xmlns="{DS}"/>'), "deeper"),
        (BASIC.replace("</alert>", f'<Signature xmlns="{DS}" Id="placeholder"/></alert>'), "empty place"),
        (BASIC.replace("<event>", '<event xmlns:r="relative">'), "relative"),
        ("<feed/>", "Atom"),
        ("<alert", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY e "x">]>' + BASIC[BASIC.index("<alert") :], "DOCTYPE"),
        ("", "empty"),
    ],
)  # fmt: skip
def test_what_can_not_be_signed_is_said(text: str, words: str) -> None:
    assert any(words in message for message in refusals(text))


def test_a_document_that_is_too_large_is_not_signed() -> None:
    assert "bytes" in refusals(BASIC.encode() + b" " * 1_100_000)[0]


def key_as(password: bytes | None) -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return authority().key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


@pytest.mark.parametrize(
    ("key", "certificate", "words"),
    [
        (b"", authority().pem, "no private key"),
        (authority().pem, authority().pem, "no private key"),
        (key_as(b"secret"), authority().pem, "passphrase"),
        (authority().key_pem, b"", "no certificate"),
        (authority().key_pem, stranger().pem, "not that of the key"),
        (authority().key_pem, rsa_authority().pem, "not that of the key"),
        (issued("a", rsa_key(5, 1024)).key_pem, authority().pem, "too short"),
        (
            ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            authority().pem,
            "neither RSA nor",
        ),
    ],
)
def test_a_key_that_can_not_sign_is_said(key: bytes, certificate: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sign(BASIC.encode(), key, certificate)
