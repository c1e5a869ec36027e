"""What a ds:Signature may look like before anybody computes anything: one whole-document reference, plain algorithms.

Knows: the parts of a signature, which algorithms and transforms are taken. Never knows: keys, digests, trust.
Standard: XML Signature 1.1, Canonical XML 1.0 and 1.1, Exclusive Canonical XML 1.0; CAP 1.2 §3.3.4.1.

It stands in place of the schema of XML Signature, which refuses what the largest aggregators of alerts send (an Id with
a space in it, an Object of no namespace) and lets pass what must not (any transform, any number of references).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from gateway.cap.findings import quoted
from gateway.cap.tree import local_name, namespace_of
from gateway.cap.vocabulary import NAMESPACES, SIGNATURE_NAMESPACE

DS = f"{{{SIGNATURE_NAMESPACE}}}"
SIGNATURE = f"{DS}Signature"
MOST_SIGNATURES = 4
MOST_CERTIFICATES = 8
_MOST_CHARACTERS = 16_384
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_INCLUSIVE_1_1 = "http://www.w3.org/2006/12/xml-c14n11"
_PREFIXES = f"{{{_EXCLUSIVE}}}InclusiveNamespaces"
_FETCHING = frozenset({"RetrievalMethod", "KeyInfoReference", "EncryptedKey", "AgreementMethod"})
_ID_NAMES = frozenset({"Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"})

# XMLDSig 1.1 §6.5: the forms "with comments" differ in nothing where comments are left out, and URI="" leaves them out
CANONICALIZATIONS: Mapping[str, bool] = MappingProxyType(
    {
        f"{name}{suffix}": name == _EXCLUSIVE
        for name in (_INCLUSIVE, _INCLUSIVE_1_1, _EXCLUSIVE)
        for suffix in ("", "WithComments" if name.endswith("#") else "#WithComments")
    }
)
"""The names of the canonicalizations, and whether each is the exclusive one."""

# XMLDSig 1.1 §6.4
METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
SHA1_METHODS = frozenset({SignatureMethod.RSA_SHA1, SignatureMethod.ECDSA_SHA1})
# XMLDSig 1.1 §6.2
DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
SHA1_DIGESTS = frozenset({DigestAlgorithm.SHA1})
_METHOD_OF = {method.value: method for method in METHODS | SHA1_METHODS}
_DIGEST_OF = {digest.value: digest for digest in DIGESTS | SHA1_DIGESTS}


class Reason(StrEnum):
    """Why a signature does not count. The names are kept with verdicts: they do not change."""

    NESTED = "nested"
    DUPLICATE_ID = "duplicate-id"
    TOO_MANY = "too-many"
    MALFORMED = "malformed"
    REFERENCES = "references"
    NOT_WHOLE = "not-whole"
    TRANSFORM = "transform"
    ALGORITHM = "algorithm"
    SHA1 = "sha1"
    KEY_ELSEWHERE = "key-elsewhere"
    HIDDEN_ALERT = "hidden-alert"
    UNKNOWN_SIGNER = "unknown-signer"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WEAK_KEY = "weak-key"
    WRONG_SIGNATURE = "wrong-signature"
    ALTERED = "altered"
    NOT_WHAT_IS_READ = "not-what-is-read"


class Fault(NamedTuple):
    """Why a signature does not count, as a word for programs and a sentence for people."""

    reason: Reason
    words: str


class Canonical(NamedTuple):
    """How the document was turned into bytes before its digest was taken."""

    exclusive: bool
    prefixes: tuple[str, ...]


class Form(NamedTuple):
    """What a well-formed signature says of itself. `named` are the certificates it shows, in DER: a hint, no proof."""

    method: SignatureMethod
    digest: DigestAlgorithm
    digest_value: bytes
    canonical: Canonical
    named: tuple[bytes, ...]

    @property
    def sha1(self) -> bool:
        """Whether SHA-1 is used anywhere in it."""
        return self.method in SHA1_METHODS or self.digest in SHA1_DIGESTS


def fault_of_document(root: etree._Element) -> Fault | None:
    """What makes every signature of a document worthless: where they stand, or ids that stand for two things."""
    own = root.findall(SIGNATURE)
    if len(own) != sum(1 for _ in root.iter(SIGNATURE)):
        return Fault(Reason.NESTED, "a signature stands deeper in the document; each is a child of alert")
    if len(own) > MOST_SIGNATURES:
        return Fault(Reason.TOO_MANY, f"the alert has {len(own)} signatures; at most {MOST_SIGNATURES} are verified")
    twice = _id_that_stands_twice(root)
    if twice is not None:
        return Fault(Reason.DUPLICATE_ID, f"the id {quoted(twice)} stands on two elements")
    return None


def read(signature: etree._Element) -> Form | Fault:
    """What the signature says of itself, or the first thing for which it is refused. Comments must still be there."""
    fault = next(_faults(signature), None)
    if fault is not None:
        return fault
    signed_info = signature[0]
    reference = signed_info[2]
    return Form(
        method=_METHOD_OF[signed_info[1].get("Algorithm", "")],
        digest=_DIGEST_OF[reference[1].get("Algorithm", "")],
        digest_value=_binary(reference[2]) or b"",
        canonical=_canonical(reference[0]),
        named=tuple(_named(signature)),
    )


def algorithm_of(signature: etree._Element) -> str:
    """The end of the signature method's name, such as rsa-sha256; "" when there is none. Never longer than 60."""
    method = signature.find(f"{DS}SignedInfo/{DS}SignatureMethod")
    name = method.get("Algorithm", "") if method is not None else ""
    return "".join(c for c in name.rpartition("#")[2][:60] if c.isprintable())


def _id_that_stands_twice(root: etree._Element) -> str | None:
    seen: set[str] = set()
    for element in root.iter(etree.Element):
        # one value under two names on one element is one thing
        for value in {str(value) for name, value in element.attrib.items() if name in _ID_NAMES}:
            if value in seen:
                return value
            seen.add(value)
    return None


def _faults(signature: etree._Element) -> Iterator[Fault]:
    """The first yield is the answer: each step relies on the ones before it."""
    yield from _hidden(signature)
    yield from _wrong_parts(signature, ("SignedInfo", "SignatureValue"), more=True)
    signed_info = signature[0]
    yield from _wrong_references(signed_info)
    yield from _wrong_parts(signed_info, ("CanonicalizationMethod", "SignatureMethod", "Reference"))
    yield from _wrong_algorithms(signed_info)
    reference = signed_info[2]
    yield from _wrong_parts(reference, ("Transforms", "DigestMethod", "DigestValue"))
    yield from _wrong_transforms(reference[0])
    yield from _wrong_digest(reference[1])
    yield from _wrong_values(signature[1], reference[2])
    yield from _wrong_key_info(signature)


def _hidden(signature: etree._Element) -> Iterator[Fault]:
    """Nothing of CAP's stands inside, and nothing that one parser sees and another does not."""
    for element in signature.iter():
        if callable(element.tag):
            yield Fault(Reason.MALFORMED, "a comment or instruction stands inside the signature")
        elif namespace_of(element) in NAMESPACES:
            yield Fault(
                Reason.HIDDEN_ALERT, f"the CAP element {quoted(local_name(element))} stands inside the signature"
            )


def _wrong_parts(parent: etree._Element, names: tuple[str, ...], *, more: bool = False) -> Iterator[Fault]:
    found = [str(child.tag) for child in parent]
    wanted = [DS + name for name in names]
    if found[: len(wanted)] != wanted or (not more and len(found) > len(wanted)):
        what = ", ".join(names)
        yield Fault(Reason.MALFORMED, f"{local_name(parent)} holds {what}, once each, in this order")
    if any(found.count(tag) > 1 for tag in wanted):
        yield Fault(Reason.MALFORMED, f"a part of {local_name(parent)} stands there twice")


def _wrong_references(signed_info: etree._Element) -> Iterator[Fault]:
    # XMLDSig 1.1 §4.4.3
    references = signed_info.findall(f"{DS}Reference")
    if len(references) != 1:
        yield Fault(Reason.REFERENCES, f"the signature has {len(references)} references; it has one, the whole alert")
    elif (uri := references[0].get("URI")) != "":
        covers = "does not say what it covers" if uri is None else f"covers {quoted(uri)}"
        yield Fault(Reason.NOT_WHOLE, f'the signature {covers} and not the alert; its Reference has URI=""')


def _wrong_algorithms(signed_info: etree._Element) -> Iterator[Fault]:
    canonicalization, method = signed_info[0], signed_info[1]
    if canonicalization.get("Algorithm", "") not in CANONICALIZATIONS or not _is_plain(canonicalization):
        yield Fault(
            Reason.ALGORITHM, f"the canonicalization {_name(canonicalization)} is not taken; use the exclusive one"
        )
    # a length (HMACOutputLength) or parameters would change what the algorithm's name promises
    if method.get("Algorithm", "") not in _METHOD_OF or len(method):
        yield Fault(Reason.ALGORITHM, f"the method {_name(method)} is not taken; use RSA or ECDSA with SHA-256")


def _wrong_transforms(transforms: etree._Element) -> Iterator[Fault]:
    # XMLDSig 1.1 §6.6.4
    names = [step.get("Algorithm", "") for step in transforms]
    strange = next((step for step in transforms if not _is_transform(step)), None)
    if strange is not None:
        yield Fault(Reason.TRANSFORM, f"the transform {_name(strange)} is not taken: it could hide what is signed")
    elif names[:1] != [_ENVELOPED] or len(names) > 2 or _ENVELOPED in names[1:]:
        yield Fault(Reason.TRANSFORM, "the transforms are enveloped-signature and then at most one canonicalization")


def _is_transform(step: etree._Element) -> bool:
    name = step.get("Algorithm", "")
    return step.tag == f"{DS}Transform" and _is_plain(step) and (name == _ENVELOPED or name in CANONICALIZATIONS)


def _is_plain(step: etree._Element) -> bool:
    """Nothing inside; the exclusive canonicalization may list prefixes."""
    if len(step) == 0:
        return True
    exclusive = CANONICALIZATIONS.get(step.get("Algorithm", ""), False)
    return exclusive and len(step) == 1 and step[0].tag == _PREFIXES and len(step[0].get("PrefixList", "")) < 1_000


def _wrong_digest(method: etree._Element) -> Iterator[Fault]:
    # XMLDSig 1.1 §4.4.3.5
    if method.get("Algorithm", "") not in _DIGEST_OF or len(method):
        yield Fault(Reason.ALGORITHM, f"the digest {_name(method)} is not taken; use SHA-256")


def _wrong_values(*elements: etree._Element) -> Iterator[Fault]:
    for element in elements:
        if not _binary(element):
            yield Fault(Reason.MALFORMED, f"{local_name(element)} is not base64")


def _wrong_key_info(signature: etree._Element) -> Iterator[Fault]:
    # XMLDSig 1.1 §4.5.3: a key that is fetched is never needed: the keys that count are known before
    infos = signature.findall(f"{DS}KeyInfo")
    if len(infos) > 1:
        yield Fault(Reason.MALFORMED, "the signature has more than one KeyInfo")
    fetched = [child for info in infos for child in info.iter() if local_name(child) in _FETCHING]
    if fetched:
        yield Fault(Reason.KEY_ELSEWHERE, f"{local_name(fetched[0])} points to a key elsewhere; nothing is looked up")
    if sum(1 for _ in signature.iter(f"{DS}X509Certificate")) > MOST_CERTIFICATES:
        yield Fault(Reason.MALFORMED, f"the signature shows more than {MOST_CERTIFICATES} certificates")


def _canonical(transforms: etree._Element) -> Canonical:
    # XMLDSig 1.1 §4.4.3.2: without a canonicalization among the transforms it is the inclusive one
    if len(transforms) < 2:
        return Canonical(exclusive=False, prefixes=())
    step = transforms[1]
    prefixes = step[0].get("PrefixList", "").split() if len(step) else []
    return Canonical(exclusive=CANONICALIZATIONS[step.get("Algorithm", "")], prefixes=tuple(prefixes))


def _named(signature: etree._Element) -> Iterator[bytes]:
    for element in signature.iterfind(f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate"):
        content = _binary(element)
        if content:
            yield content


def _binary(element: etree._Element) -> bytes | None:
    """The bytes behind base64 text; None when there is anything else."""
    text = re.sub(r"[ \t\r\n]+", "", element.text or "")
    if len(element) or not text or len(text) > _MOST_CHARACTERS:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _name(element: etree._Element) -> str:
    return quoted(element.get("Algorithm", "") or local_name(element), 80)
