"""Attacks on signatures: wrapping, borrowed keys, transforms, spoiled bytes."""

import base64
import hmac
import random
import re

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from gateway.cap.signature_form import SIGNATURE, Reason
from gateway.cap.trust import Trust
from tests.cap.judged import EVIL, GOOD, ONLY_ENVELOPED, SIGNED, judged, reasons
from tests.cap.mutations import mutate_bytes, mutate_tree
from tests.cap.samples import BASIC
from tests.cap.signed import (
    EXCLUSIVE,
    alone,
    authority,
    before_the_end,
    canonical,
    rsa_authority,
    signature_of,
    signed_by_hand,
)

INNER = re.sub(r"^<\?xml.*?\?>\s*", "", BASIC).strip()
INNER_EVIL = EVIL[EVIL.index("<alert") :]
INNER_SIGNED = re.sub(r"^<\?xml.*?\?>\s*", "", GOOD.decode()).strip()


def in_object(content: str) -> str:
    return SIGNED.replace("</ds:Signature>", f"<ds:Object>{content}</ds:Object></ds:Signature>")


WRAPPED: dict[str, str] = {
    # the eight ways known from SAML, with an alert in the place of the response and of the assertion
    "the original inside the signature of the forged root": before_the_end(EVIL, in_object(INNER)),
    "the original beside its signature": before_the_end(EVIL, SIGNED + INNER),
    "the signed original beside forged content": before_the_end(EVIL, INNER_SIGNED),
    "the signed original inside forged content": EVIL.replace("<info>", "<info>" + INNER_SIGNED),
    "the original after forged content that kept the signature": before_the_end(EVIL, SIGNED) + INNER,
    "the original in an object of a signature moved away": before_the_end(EVIL, f"<info>{in_object(INNER)}</info>"),
    "the original in an extension before": EVIL.replace("<info>", f'<x:e xmlns:x="u:x">{INNER_SIGNED}</x:e><info>'),
    "the forged one in an object and the original around": before_the_end(BASIC, in_object(INNER_EVIL)),
    # and what they leave out
    "the signature of the original on a forged root": before_the_end(EVIL, SIGNED),
    "the original in an object of no namespace": before_the_end(
        EVIL, SIGNED.replace("</ds:Signature>", f"<o>{INNER}</o></ds:Signature>")
    ),
    "the root wrapped in another": f"<alert>{INNER_SIGNED}</alert>",
    "the signed original in a parameter": EVIL.replace("<area>", f"<parameter>{INNER_SIGNED}</parameter><area>"),
    "a reference by id to the original": before_the_end(
        EVIL, SIGNED.replace('URI=""', 'URI="#o"') + INNER.replace("<alert ", '<alert Id="o" ')
    ),
    "the same id on both": before_the_end(
        EVIL.replace("<info>", '<info Id="o">'), SIGNED.replace("<ds:Signature ", '<ds:Signature Id="o" ')
    ),
}  # fmt: skip


@pytest.mark.parametrize("document", WRAPPED.values(), ids=WRAPPED.keys())
def test_a_forged_alert_wrapped_around_a_signed_one_is_not_trusted(document: str) -> None:
    verdict = judged(document)
    assert not verdict.trusted
    assert verdict.signed or not verdict.readable
    assert all(not one.ok for one in verdict.signatures)


def test_the_public_key_is_no_secret() -> None:
    uri = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
    public = rsa_authority().key.public_key()
    for secret in (public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), rsa_authority().der):
        text = re.sub(
            r'(SignatureMethod Algorithm=")[^"]*',
            rf"\g<1>{uri}",
            signed_by_hand(EVIL, rsa_authority(), method="rsa-sha256").decode(),
        )
        signed_info = alone(etree.fromstring(text.encode())[-1][0])
        value = base64.b64encode(hmac.digest(secret, canonical(signed_info, EXCLUSIVE), "sha256")).decode()
        assert reasons(re.sub(r"(<ds:SignatureValue>).*?<", rf"\g<1>{value}<", text)) == [Reason.ALGORITHM]


@pytest.mark.parametrize(
    "name", ["http://www.w3.org/TR/1999/REC-xpath-19991116", "http://www.w3.org/2002/06/xmldsig-filter2"]
)
def test_a_transform_that_selects_is_refused_though_its_mathematics_are_right(name: str) -> None:
    xpath = f'<Transform Algorithm="{name}"><XPath>ancestor-or-self::x</XPath></Transform>'
    transforms = ONLY_ENVELOPED + xpath + f'<Transform Algorithm="{EXCLUSIVE}"/>'
    assert reasons(signed_by_hand(transforms=transforms)) == [Reason.TRANSFORM]


# hostile bytes


@pytest.mark.parametrize("place", ["<alert ", "<ds:Signature "])
def test_a_relative_namespace_has_no_canonical_form(place: str) -> None:
    document = GOOD.decode().replace(place, f'{place.rstrip()} xmlns:r="relative" ', 1)
    assert reasons(document) == [Reason.MALFORMED]


@pytest.mark.parametrize("seed", range(300))
def test_spoiled_bytes_are_never_trusted_as_something_else(seed: int) -> None:
    expected = judged(GOOD).signed_bytes
    verdict = judged(mutate_bytes(GOOD, random.Random(seed)))
    assert verdict.signed_bytes in (None, expected)


@pytest.mark.parametrize("seed", range(300))
def test_spoiled_signatures_are_never_trusted_as_something_else(seed: int) -> None:
    chance = random.Random(seed)
    both = signed_by_hand(GOOD.decode(), rsa_authority(), method="rsa-sha256")
    expected = judged(both).signed_bytes
    root = etree.fromstring(both)
    mutate_tree(chance.choice([*root.findall(SIGNATURE), root]), chance)
    assert judged(etree.tostring(root)).signed_bytes in (None, expected)


def test_many_signatures_over_a_large_altered_alert_are_refused() -> None:
    large = BASIC.replace("loods", "loods " * 60_000).replace(
        "</area>", "<geocode><valueName>a</valueName><value>b</value></geocode>" * 2_000 + "</area>"
    )
    silent = signed_by_hand(large, key_info="")
    document = before_the_end(large.replace("Gent", "Aalst"), signature_of(silent) * 4)
    assert reasons(document, Trust.from_pem(*[authority().pem] * 16)) == [Reason.ALTERED] * 4
