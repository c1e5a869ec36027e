"""The proof of a mail: the evidence is gathered, the policy judges it, and only what was proven is handed on.

Knows: where evidence comes from (DNS, openssl, the verifier of XML signatures). Never knows: what makes it enough
(policy.mailproof), the store, IMAP.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from gateway.cap.signature import SignatureVerdict
from gateway.cap.trust import Trust
from gateway.mailbox import dkim, finding, mime, smime
from gateway.mailbox.mime import Entity, Limits, Part, Unreadable
from gateway.mailbox.resolver import Resolver
from gateway.policy import mailproof
from gateway.policy.mailproof import DkimPass, MailRefusal, MailSource, ProofKind, Reason

Verify = Callable[[bytes, Trust, datetime], Awaitable[SignatureVerdict]]
"""gateway.cap.signature.verify in a process of its own. Never raises."""

MOST_TRIED = 5
MOST_RECORDS = 3
DECIDING = frozenset({"from", "content-type", "content-transfer-encoding"})
"""Fields that say who wrote a mail and how its body is to be read: where they stand, a signature has to cover them."""


class XmlProof(Protocol):
    """The verifier of signatures inside CAP documents."""

    async def signers(self, document: bytes, certificates: str) -> Sequence[bytes]:
        """SHA-256 of each certificate whose signature holds and that `certificates` (PEM) vouch for; () without one."""


class PinnedSigners:
    """XmlProof by the gateway's own verifier, which runs where documents are read (`verify`: flows.checking)."""

    def __init__(self, verify: Verify, utcnow: Callable[[], datetime]) -> None:
        self._verify = verify
        self._utcnow = utcnow

    async def signers(self, document: bytes, certificates: str) -> Sequence[bytes]:
        """See XmlProof. One broken signature in a document takes the worth from all others."""
        try:
            trust = Trust.from_pem(certificates.encode())
        except ValueError:
            return ()
        verdict = await self._verify(document, trust, self._utcnow())
        return [bytes.fromhex(each) for each in verdict.fingerprints] if verdict.trusted else ()


class Later(NamedTuple):
    """The proof can not be verified now, through no fault of the mail."""

    words: str


class Carried(NamedTuple):
    """The documents of a proven mail, and how many others in it were not proven."""

    documents: tuple[bytes, ...]
    unproven: int = 0


class Read(NamedTuple):
    """A mail divided: its header, its parts, and the bytes they lie in."""

    raw: bytes
    entity: Entity
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRules:
    """`limits` and `most_alerts` bound a mail; `addresses` by the mailbox's name are those it is known by."""

    limits: Limits
    most_alerts: int
    addresses: dict[str, frozenset[str]]


class Prover:
    """Judges mails of claimed sources."""

    def __init__(
        self,
        rules: ProofRules,
        *,
        resolver: Resolver,
        openssl: smime.OpenSsl,
        xml: XmlProof | None,
        now_s: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._openssl = openssl
        self._xml = xml
        self._now_s = now_s

    async def carried(self, raw: bytes, source: MailSource) -> Carried | MailRefusal | Later:
        """The CAP documents that this mail brings from this very source."""
        read = await asyncio.to_thread(read_mail, raw, self._rules.limits)
        if isinstance(read, MailRefusal):
            return read
        match source.proof:
            case ProofKind.DKIM:
                refused = await self._dkim(read, source)
                return refused or await self._documents(read)
            case ProofKind.SMIME:
                signed = await self._smime(read, source)
                return await self._documents(signed) if isinstance(signed, Read) else signed
            case ProofKind.XMLDSIG:
                return await self._signed_documents(read, source)

    async def _documents(self, read: Read) -> Carried | MailRefusal:
        limits, most = self._rules.limits, self._rules.most_alerts
        found = await asyncio.to_thread(finding.documents, read.raw, read.parts, limits, most)
        if isinstance(found, finding.TooMuch):
            return MailRefusal(reason=Reason.TOO_MANY, detail=found.words)
        return Carried(tuple(found)) if found else MailRefusal(reason=Reason.NO_ALERT)

    async def _dkim(self, read: Read, source: MailSource) -> MailRefusal | Later | None:
        """None when one of its signatures proves the source."""
        every = dkim.signatures(read.entity.fields)
        tried = [one for one in every if isinstance(one, dkim.Signature) and mailproof.may_sign(source, one.domain)]
        if not tried:
            faults = [one.words for one in every if isinstance(one, dkim.Fault)]
            detail = faults[0] if faults else "there is no DKIM signature of the agreed domain"
            return MailRefusal(reason=Reason.NO_PROOF, detail=detail)
        held: list[DkimPass] = []
        faults, waiting = [], False
        for signature in tried[:MOST_TRIED]:
            outcome = await self._verified(signature, read)
            if isinstance(outcome, bytes):
                held.append(DkimPass(domain=signature.domain, key=outcome, fields=frozenset(signature.fields)))
            elif outcome is None:
                waiting = True
            else:
                faults.append(outcome.words)
        known_by = self._rules.addresses.get(source.mailbox, frozenset())
        written_to = mailproof.named_addresses(read.entity.values(b"to") + read.entity.values(b"cc"))
        deciding = DECIDING | {"to", "cc"} if known_by else DECIDING
        present = {field.name.decode("latin-1") for field in read.entity.fields} & deciding
        refusal = mailproof.judge_dkim(source, held, present, not known_by or bool(known_by & written_to))
        if refusal is not None and waiting:
            return Later("the key can not be looked up now")
        if refusal is not None and faults and not held:
            return MailRefusal(reason=refusal.reason, detail=faults[0])
        return refusal

    async def _verified(self, signature: dkim.Signature, read: Read) -> bytes | dkim.Fault | None:
        """The digest of the key that the signature holds by; None when nobody can say now."""
        records = await self._resolver.txt(signature.key_name)
        if records is None:
            return None
        outcome: bytes | dkim.Fault = dkim.Fault("no key is published for the signature")
        body, now_s = read.raw[read.entity.body :], int(self._now_s())
        for record in records[:MOST_RECORDS]:
            outcome = await asyncio.to_thread(dkim.verify, signature, read.entity.fields, body, record, now_s)
            if isinstance(outcome, bytes):
                break
        return outcome

    async def _smime(self, read: Read, source: MailSource) -> Read | MailRefusal | Later:
        """What was signed, as a mail of its own; the rest of the mail is nobody's word."""
        claim = smime.claim(read.raw, read.entity, self._rules.limits)
        if claim is None:
            return MailRefusal(reason=Reason.NO_PROOF, detail="the mail has no S/MIME signature")
        verified = claim if isinstance(claim, smime.Fault) else await self._openssl.verify(claim, source.certificates)
        if isinstance(verified, smime.Fault):
            if verified.later:
                return Later(verified.words)
            return MailRefusal(reason=Reason.PROOF_FAILED, detail=verified.words)
        signers = [(signer.fingerprint, signer.addresses) for signer in verified.signers]
        refusal = mailproof.judge_certificates(source, signers)
        if refusal is not None:
            return refusal
        return await asyncio.to_thread(read_mail, verified.content, self._rules.limits)

    async def _signed_documents(self, read: Read, source: MailSource) -> Carried | MailRefusal:
        """The documents that carry a signature of the source themselves; others are left out and counted."""
        if self._xml is None:
            return MailRefusal(reason=Reason.NO_PROOF, detail="signatures inside alerts are not verified here")
        carried = await self._documents(read)
        if isinstance(carried, MailRefusal):
            return carried
        proven: list[bytes] = []
        for document in carried.documents:
            signers = await self._xml.signers(document, source.certificates)
            if (source.fingerprint is None and signers) or source.fingerprint in signers:
                proven.append(document)
        if not proven:
            return MailRefusal(
                reason=Reason.PROOF_FAILED, detail="no alert carries a signature of the source that holds"
            )
        return Carried(tuple(proven), len(carried.documents) - len(proven))


def read_mail(raw: bytes, limits: Limits) -> Read | MailRefusal:
    """The mail divided into its parts."""
    entity = mime.read_entity(raw, 0, len(raw), limits)
    parts = entity if isinstance(entity, Unreadable) else mime.leaves(raw, entity, limits)
    if isinstance(entity, Unreadable) or isinstance(parts, Unreadable):
        words = entity.words if isinstance(entity, Unreadable) else parts.words if isinstance(parts, Unreadable) else ""
        return MailRefusal(reason=Reason.UNREADABLE, detail=words)
    return Read(raw, entity, parts)
