"""gateway.cap.signature_form: what a signature may look like."""

import base64
import re

import pytest
from lxml import etree

from gateway.cap import signature_form
from gateway.cap.signature_form import Fault, Form, Reason
from tests.cap.samples import BASIC
from tests.cap.signed import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    INCLUSIVE,
    INCLUSIVE_1_1,
    METHODS,
    authority,
    before_the_end,
    rsa_authority,
    signature_of,
    signed_by_hand,
)

GOOD = signed_by_hand(prefix="")
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"


def read(document: bytes | str) -> Form | Fault:
    root = etree.fromstring(document.encode() if isinstance(document, str) else document)
    (signature,) = root.findall(signature_form.SIGNATURE)
    return signature_form.read(signature)


def changed(*changes: tuple[str, str]) -> str:
    text = GOOD.decode()
    for old, new in changes:
        text, times = re.subn(old, new, text, count=1, flags=re.DOTALL)
        assert times == 1, old
    return text


def hidden(name: str, version: str) -> str:
    return f"<Object><a:{name} xmlns:a='urn:oasis:names:tc:emergency:cap:{version}'/></Object></Signature>"


def reason(document: bytes | str) -> Reason | None:
    found = read(document)
    return found.reason if isinstance(found, Fault) else None


def test_a_plain_signature_says_what_it_says() -> None:
    found = read(GOOD)
    assert isinstance(found, Form)
    assert found.method.name == "ECDSA_SHA256"
    assert found.digest.name == "SHA256"
    assert len(found.digest_value) == 32
    assert found.canonical == (True, ())
    assert found.named == (authority().der,)
    assert not found.sha1


@pytest.mark.parametrize("form", [INCLUSIVE, INCLUSIVE_1_1, EXCLUSIVE])
@pytest.mark.parametrize("comments", ["", "WithComments"])
def test_every_canonicalization_of_use_is_taken(form: str, comments: str) -> None:
    name = form + (comments if form.endswith("#") or not comments else f"#{comments}")
    found = read(changed((f'(Transform Algorithm="){EXCLUSIVE}', rf"\g<1>{name}")))
    assert isinstance(found, Form)
    assert found.canonical.exclusive is (form == EXCLUSIVE)


def test_without_a_canonicalization_it_is_the_inclusive_one() -> None:
    found = read(signed_by_hand(transforms=f'<Transform Algorithm="{ENVELOPED}"/>'))
    assert isinstance(found, Form)
    assert found.canonical == (False, ())


def test_prefixes_of_the_exclusive_form_are_read() -> None:
    prefixes = f'<I:InclusiveNamespaces xmlns:I="{EXCLUSIVE}" PrefixList="a #default  b"/>'
    form = f'<Transform Algorithm="{ENVELOPED}"/><Transform Algorithm="{EXCLUSIVE}">{prefixes}</Transform>'
    found = read(changed(("<Transforms>.*</Transforms>", f"<Transforms>{form}</Transforms>")))
    assert isinstance(found, Form)
    assert found.canonical == (True, ("a", "#default", "b"))


@pytest.mark.parametrize("method", ["rsa-sha1", "rsa-sha256", "rsa-sha512"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_sha1_in_either_place_is_said(method: str, digest: str) -> None:
    found = read(signed_by_hand(by=rsa_authority(), method=method, digest=digest))
    assert isinstance(found, Form)
    assert found.sha1 is ("sha1" in (method.partition("-")[2], digest))


@pytest.mark.parametrize(
    ("reason_", "pattern", "replacement"),
    [
        (Reason.REFERENCES, "<Reference .*</Reference>", ""),
        (Reason.REFERENCES, "(<Reference .*</Reference>)", r"\1\1"),
        (Reason.NOT_WHOLE, ' URI=""', ' URI="#a"'),
        (Reason.NOT_WHOLE, ' URI=""', ' URI="#xpointer(/)"'),
        (Reason.NOT_WHOLE, ' URI=""', ' URI="https://example.org/alert.xml"'),
        (Reason.NOT_WHOLE, ' URI=""', ""),
        (Reason.TRANSFORM, f'(<Transform Algorithm="){EXCLUSIVE}', rf"\g<1>{XPATH}"),
        (Reason.TRANSFORM, f'(<Transform Algorithm="){EXCLUSIVE}', rf"\g<1>{XSLT}"),
        (Reason.TRANSFORM, f'(<Transform Algorithm="){EXCLUSIVE}', rf"\g<1>{DS}base64"),
        (Reason.TRANSFORM, f'(<Transform Algorithm="){EXCLUSIVE}', rf"\g<1>{ENVELOPED}"),
        (Reason.TRANSFORM, f'(<Transform Algorithm="){ENVELOPED}', rf"\g<1>{EXCLUSIVE}"),
        (Reason.TRANSFORM, "(<Transforms>.*)(</Transforms>)", rf'\1<Transform Algorithm="{INCLUSIVE}"/>\2'),
        (Reason.TRANSFORM, "<Transforms>.*</Transforms>", "<Transforms/>"),
        (Reason.TRANSFORM, f'(<Transform Algorithm="{ENVELOPED}")/>', r"\1><XPath>x</XPath></Transform>"),
        (Reason.TRANSFORM, "<Transforms>", "<Transforms><Step/>"),
        (Reason.MALFORMED, "<Transforms>.*</Transforms>", ""),
        (Reason.ALGORITHM, "(CanonicalizationMethod Algorithm=)", r'\1"x" A='),
        (Reason.ALGORITHM, '(<SignatureMethod Algorithm="[^"]*")/>', r"\1><Length>1</Length></SignatureMethod>"),
        (Reason.ALGORITHM, "ecdsa-sha256", "hmac-sha256"),
        (Reason.ALGORITHM, "ecdsa-sha256", "rsa-sha224"),
        (Reason.ALGORITHM, "ecdsa-sha256", "rsa-md5"),
        (Reason.ALGORITHM, f'{METHODS["ecdsa-sha256"][0]}', f"{DS}dsa-sha1"),
        (Reason.ALGORITHM, f'{METHODS["ecdsa-sha256"][0]}', ""),
        (Reason.ALGORITHM, "xmlenc#sha256", "xmlenc#ripemd160"),
        (Reason.KEY_ELSEWHERE, "<KeyInfo>", '<KeyInfo><RetrievalMethod URI="https://example.org/key"/>'),
        (Reason.KEY_ELSEWHERE, "<KeyInfo>", '<KeyInfo><K:KeyInfoReference xmlns:K="u:k" URI="#k"/>'),
        (Reason.MALFORMED, "<SignatureValue>.*</SignatureValue>", ""),
        (Reason.MALFORMED, "<SignatureValue>.*</SignatureValue>", "<SignatureValue/>"),
        (Reason.MALFORMED, "<SignatureValue>", "<SignatureValue>*"),
        (Reason.MALFORMED, "<SignatureValue>.*</SignatureValue>", f"<SignatureValue>{'A' * 20_000}</SignatureValue>"),
        (Reason.MALFORMED, "(<SignatureValue>.*</SignatureValue>)", r"\1\1"),
        (Reason.MALFORMED, "<DigestValue>", "<DigestValue><a/>"),
        (Reason.MALFORMED, "<DigestValue>(.)", r"<DigestValue>\1<!-- -->"),
        (Reason.MALFORMED, "<DigestValue>(.)", r"<DigestValue>\1<?x y?>"),
        (Reason.MALFORMED, "<SignedInfo>.*</SignedInfo>", ""),
        (Reason.MALFORMED, "(<SignedInfo>.*</SignedInfo>)", r"\1\1"),
        (Reason.MALFORMED, "(<SignatureMethod [^>]*>)", r"\1\1"),
        (Reason.MALFORMED, "(<KeyInfo>.*</KeyInfo>)", r"\1\1"),
        (Reason.MALFORMED, "<X509Data>", f"<X509Data>{'<X509Certificate>AA==</X509Certificate>' * 8}"),
        (Reason.HIDDEN_ALERT, "</Signature>", hidden("alert", "1.2")),
        (Reason.HIDDEN_ALERT, "</Signature>", hidden("info", "1.1")),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(reason_: Reason, pattern: str, replacement: str) -> None:
    assert reason(changed((pattern, replacement))) is reason_


def test_what_aggregators_add_to_a_signature_is_no_fault() -> None:
    properties = '<Object xmlns=""><SignatureProperties><SignatureProperty Id="A 1"/></SignatureProperties></Object>'
    document = changed(
        ("</Signature>", f"{properties}</Signature>"), ("<Signature ", '<Signature Id="NAADS Signature" ')
    )
    assert reason(document) is None


def test_a_certificate_that_is_not_base64_is_no_hint() -> None:
    found = read(changed(("<X509Certificate>", "<X509Certificate>*")))
    assert isinstance(found, Form)
    assert found.named == ()


def test_line_breaks_in_base64_do_no_harm() -> None:
    found = read(changed(("<X509Certificate>(.{60})", "<X509Certificate>\n \\1\t\n")))
    assert isinstance(found, Form)
    assert found.named == (authority().der,)


def faulty(document: str) -> Reason | None:
    fault = signature_form.fault_of_document(etree.fromstring(document.encode()))
    return fault.reason if fault else None


def test_one_signature_below_the_root_is_right() -> None:
    assert faulty(GOOD.decode()) is None


@pytest.mark.parametrize("place", ["<info>", "<area>"])
def test_a_signature_deeper_in_the_document_is_refused(place: str) -> None:
    assert faulty(BASIC.replace(place, place + signature_of(GOOD))) is Reason.NESTED
    assert faulty(GOOD.decode().replace(place, place + signature_of(GOOD))) is Reason.NESTED


def test_a_signature_in_a_signature_is_refused() -> None:
    inner = f"<Object>{signature_of(GOOD)}</Object></Signature>"
    assert faulty(changed(("</Signature>", inner))) is Reason.NESTED


def test_more_signatures_than_anybody_needs_are_refused() -> None:
    most = signature_form.MOST_SIGNATURES
    assert faulty(before_the_end(BASIC, signature_of(GOOD) * most)) is None
    assert faulty(before_the_end(BASIC, signature_of(GOOD) * (most + 1))) is Reason.TOO_MANY


@pytest.mark.parametrize("name", ["Id", "ID", "id"])  # xml:id twice is refused by the parser
@pytest.mark.parametrize("other", ["Id", "ID", "id", "xml:id"])
def test_an_id_that_stands_on_two_elements_is_refused(name: str, other: str) -> None:
    document = GOOD.decode().replace("<info>", f'<info {name}="a">')
    assert faulty(document) is None
    assert faulty(document.replace("<area>", f'<area {other}="a">')) is Reason.DUPLICATE_ID


def test_the_short_name_of_an_algorithm_is_one_line_whatever_is_written() -> None:
    document = changed((METHODS["ecdsa-sha256"][0], "x#a&#10;b" + "c" * 100))
    (signature,) = etree.fromstring(document.encode()).findall(signature_form.SIGNATURE)
    name = signature_form.algorithm_of(signature)
    assert name.startswith("abc") and len(name) <= 60 and name.isprintable()
    assert signature_form.algorithm_of(etree.Element(signature_form.SIGNATURE)) == ""


def test_the_digest_is_the_one_that_stands_there() -> None:
    found = read(
        changed(("<DigestValue>.*</DigestValue>", f"<DigestValue>{base64.b64encode(b'abc').decode()}</DigestValue>"))
    )
    assert isinstance(found, Form)
    assert found.digest_value == b"abc"
