"""Whether an alert is what a trusted key signed: every signature it carries, and what may be used of it.

Knows: how a signature is verified, what the signer may have had before him.
Never knows: who the sender is, what follows.
Standard: CAP 1.2 §3.3.4.1; XML Signature 1.1.

signxml does the computing; what it may be given is settled before (signature_form.py), and so is whose keys count
(trust.py). Where it would refuse real alerts it is led around: its schema check, its default canonicalization, and the
canonical form of SignedInfo. A pure function of its arguments, and everything in and out pickles, as in check.py.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import CanonicalizationMethod
from signxml.exceptions import InvalidDigest, SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from gateway.cap import canonical, xmltext
from gateway.cap import signature_form as form
from gateway.cap import trust as trusted
from gateway.cap.findings import Finding, Weight
from gateway.cap.parse import Limits, parse
from gateway.cap.signature_form import SIGNATURE, Fault, Form, Reason
from gateway.cap.tree import line_of
from gateway.cap.trust import Certificate, Trust

CLAUSE = "CAP 1.2 §3.3.4.1"
_DEFAULT_LIMITS = Limits()
_FOREIGN = frozenset({Reason.UNKNOWN_SIGNER})
"""A signature by somebody we do not know takes nothing away from one by somebody we do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of an alert. `reason` is None exactly when it counts; `words` say it to people.

    `algorithm` is the method's short name as written, such as rsa-sha256. `fingerprint` (SHA-256, lower-case hex),
    `subject` and `not_after` are those of the trusted certificate that made it, and empty when it does not count.
    `sha1` says that it rests on SHA-1 and counts by exception only.
    """

    reason: Reason | None
    words: str
    line: int | None
    element: str
    id: str
    algorithm: str
    sha1: bool = False
    fingerprint: str = ""
    subject: str = ""
    not_after: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether it counts."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureVerdict:
    """What the signatures of a document are worth.

    `readable`: it is a CAP alert within the limits; otherwise `refusals` say why not. `signed`: a signature stands in
    it. `trusted`: at least one signature counts, and none is broken; one by an unknown signer does no harm.
    `signed_bytes` is the alert that was signed, without its signatures, in exclusive canonical form; it is there
    exactly when `trusted`, and holds the same elements, attributes and texts as are read of the whole document.
    """

    readable: bool
    signed: bool = False
    trusted: bool = False
    signatures: tuple[Signature, ...] = ()
    signed_bytes: bytes | None = None
    refusals: tuple[Finding, ...] = ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The certificates whose signatures count."""
        return tuple(signature.fingerprint for signature in self.signatures if signature.ok)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is to be said beside the findings of a check. Never an error: CAP forbids to refuse for a signature."""
        return tuple(_finding(signature) for signature in self.signatures if signature.reason or signature.sha1)


class _Verifier(XMLVerifier):
    """signxml's, with the inclusive canonical form of an element that inherits its default namespace.

    libxml2 writes xmlns="" inside such an element when it is not the root of its document; so it is made one.
    """

    def _c14n(
        self, nodes: etree._Element, algorithm: CanonicalizationMethod, inclusive_ns_prefixes: list[str] | None = None
    ) -> bytes:
        root = etree.fromstring(etree.tostring(nodes, with_tail=False), self.parser)
        data: bytes = super()._c14n(root, algorithm, inclusive_ns_prefixes)
        return data


class _Case(NamedTuple):
    """What all signatures of one document are verified against. `tree` has its signatures, `content` none."""

    tree: etree._Element
    content: bytes
    trust: Trust
    at: datetime
    allow_sha1: bool


def verify(
    raw: bytes, *, trust: Trust, at: datetime, allow_sha1: bool = False, limits: Limits = _DEFAULT_LIMITS
) -> SignatureVerdict:
    """What the signatures of these bytes are worth at the (aware) moment of receipt. Never raises on any bytes."""
    parsed = parse(raw, limits)
    text = xmltext.decode(raw, max_bytes=limits.max_bytes).text
    if parsed.root is None or text is None:
        return SignatureVerdict(readable=False, refusals=parsed.findings)
    if next(parsed.root.iter(SIGNATURE), None) is None:
        return SignatureVerdict(readable=True)
    tree = canonical.whole_tree(text)
    content = _content_if_canonical(parsed.root, tree)
    fault = form.fault_of_document(tree) if content else Fault(Reason.MALFORMED, "a namespace in the alert is relative")
    case = _Case(tree, content, trust, at, allow_sha1)
    if fault is not None:
        found = [_described(element, fault) for element in tree.iter(SIGNATURE)][: form.MOST_SIGNATURES]
    else:
        found = [_verified(case, element) for element in tree.findall(SIGNATURE)]
    return _verdict(found, content)


def _content_if_canonical(root: etree._Element, tree: etree._Element) -> bytes:
    """What is read of the alert; b"" when it, or a signature in it, has no canonical form."""
    try:
        etree.tostring(tree, method="c14n")
        return canonical.content_of(root)
    except etree.C14NError:
        return b""


def _verdict(found: list[Signature], content: bytes) -> SignatureVerdict:
    broken = any(signature.reason not in _FOREIGN for signature in found if not signature.ok)
    accepted = not broken and any(signature.ok for signature in found)
    return SignatureVerdict(
        readable=True,
        signed=True,
        trusted=accepted,
        signatures=tuple(found),
        signed_bytes=content if accepted else None,
    )


def _described(element: etree._Element, fault: Fault | None) -> Signature:
    return Signature(
        reason=fault.reason if fault else None,
        words=fault.words if fault else "the signature counts",
        line=line_of(element),
        element="alert/Signature",
        id="".join(c for c in element.get("Id", "")[:60] if c.isprintable()),
        algorithm=form.algorithm_of(element),
    )


def _verified(case: _Case, element: etree._Element) -> Signature:
    """The verdict on one signature of the tree."""
    read = form.read(element)
    if isinstance(read, Fault):
        return _described(element, read)
    if read.sha1 and not case.allow_sha1:
        return _described(element, Fault(Reason.SHA1, "the signature rests on SHA-1, which can be forged; use SHA-256"))
    candidates = trusted.signers(case.trust, read.named, case.at)
    if isinstance(candidates, Fault):
        return _described(element, candidates)
    outcome = _try_all(case, element, read, candidates)
    if isinstance(outcome, Fault):
        return _described(element, outcome)
    return _counting(_described(element, None), outcome, sha1=read.sha1)


def _counting(signature: Signature, signer: Certificate, *, sha1: bool) -> Signature:
    return Signature(
        reason=None,
        words=f"signed by {signer.subject}" + (", with SHA-1, which is accepted by exception" if sha1 else ""),
        line=signature.line,
        element=signature.element,
        id=signature.id,
        algorithm=signature.algorithm,
        sha1=sha1,
        fingerprint=signer.fingerprint,
        subject=signer.subject,
        not_after=signer.not_after,
    )


def _try_all(case: _Case, element: etree._Element, read: Form, candidates: list[Certificate]) -> Certificate | Fault:
    """The candidate that made the signature over what is read, or why none did."""
    alone = canonical.with_one_signature(case.tree, element)
    fault = Fault(Reason.WRONG_SIGNATURE, "")
    for candidate in candidates:
        verified = _signed(alone, read, candidate, case.at)
        if isinstance(verified, Fault) and verified.reason is Reason.ALTERED:
            verified = _signed_among_others(case.tree, element, read)
        if isinstance(verified, Fault):
            fault = verified
        elif canonical.content_of_signed(verified) == case.content:
            return candidate
        else:
            return Fault(Reason.NOT_WHAT_IS_READ, "what was signed is not what is read of the alert")
        if fault.reason is Reason.ALTERED:
            break
    return fault


def _signed(alone: etree._Element, read: Form, signer: Certificate, at: datetime) -> bytes | Fault:
    """The bytes this certificate signed. ALTERED means: it did sign, and something else than this."""
    config = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=frozenset({read.method}),
        digest_algorithms=frozenset({read.digest}),
        ignore_ambiguous_key_info=True,  # KeyInfo was a hint for the choice of the certificate and is nothing more
        verification_time=at,
        # XMLDSig 1.1 §4.4.3.2: this one is meant where no transform names one, and not 1.1
        default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    try:
        result = _Verifier().verify(
            alone,
            x509_cert=signer.x509,
            validate_schema=False,
            parser=xmltext.strict_parser(comments=True, instructions=True),
            expect_config=config,
        )
    except InvalidDigest:
        return Fault(Reason.ALTERED, "the alert was changed after it was signed, or not all of it was signed")
    # a key of another kind, a relative namespace, a number that is none: all that a stranger can write
    except (SignXMLException, UnsupportedAlgorithm, ValueError, etree.LxmlError):
        return Fault(Reason.WRONG_SIGNATURE, f"the signature was not made with the key of {signer.subject}")
    assert not isinstance(result, list)
    return result.signed_data


def _signed_among_others(tree: etree._Element, element: etree._Element, read: Form) -> bytes | Fault:
    """What else the signer may have had before him: instructions outside the root, signatures made before his.

    Only after signxml found that the key did sign this reference. The standard takes away one signature, the
    reference's own; signxml leaves out what stands outside the root, and all other signatures were taken away for it.
    """
    for view in canonical.views(tree, element):
        data = canonical.canonical_bytes(view, read.canonical)
        if hashlib.new(read.digest.name.lower(), data).digest() == read.digest_value:
            return data
    return Fault(Reason.ALTERED, "the alert was changed after it was signed, or not all of it was signed")


def _finding(signature: Signature) -> Finding:
    harmless = signature.ok or signature.reason in _FOREIGN
    weight: Weight = "policy" if harmless else "warning"
    return Finding("S39", weight, signature.line, signature.element, signature.words, CLAUSE)
