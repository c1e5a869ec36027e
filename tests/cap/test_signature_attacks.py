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
from tests.cap.judged import EVIL, GOOD, ONLY_ENVELOPED, judged, reasons
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
from tests.cap.wrapped import wrapped

WRAPPED = wrapped(BASIC, EVIL, GOOD)


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
