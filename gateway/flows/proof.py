"""Proof: a document is read, its signatures are verified at receipt, and only what was signed is used.

Knows: the checker, the entity's own rule for signatures. Never knows: XML, the store, what an alert may do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.cap.check import Verdict
from gateway.cap.signature import Signature
from gateway.flows.checking import Checker
from gateway.model import SignatureRule, SignatureVerdict
from gateway.policy import identity
from gateway.policy.rights import Authority, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whose word a document is. `signature` None: it could not be read; `refusal`: it is nobody's."""

    signature: SignatureVerdict | None = None
    signatures: tuple[Signature, ...] = ()
    refusal: Refusal | None = None

    def rows(self) -> list[Mapping[str, Any]]:
        """Each signature's verdict as it is stored and shown."""
        return [
            {
                "ok": one.ok, "reason": one.reason.value if one.reason else None, "words": one.words, "id": one.id,
                "algorithm": one.algorithm, "sha1": one.sha1, "fingerprint": one.fingerprint, "subject": one.subject,
                "not_after": one.not_after.isoformat() if one.not_after else None,
            }
            for one in self.signatures
        ]  # fmt: skip


async def read(checker: Checker, raw: bytes, authority: Authority, now: datetime) -> tuple[Verdict, Proof]:
    """What the document says and whose word it is. With a refusal the verdict has no alert: nothing of it is used."""
    verdict = await checker.check(raw, now)
    if not verdict.readable:
        return verdict, Proof()
    verdict, proof = await _verified(checker, raw, verdict, authority, now)
    assert proof.signature is not None
    own = authority.identity
    refusal = identity.unproven(own, proof.signature, proof.signatures)
    if refusal is None and verdict.alert is not None:
        refusal = identity.foreign_sender(own, verdict.alert) or identity.from_the_future(verdict.alert, now)
    if refusal is None:
        return verdict, proof
    refusal = replace(refusal, findings=(*refusal.findings, *verdict.findings))
    return replace(verdict, alert=None), replace(proof, refusal=refusal)


async def _verified(
    checker: Checker, raw: bytes, verdict: Verdict, authority: Authority, now: datetime
) -> tuple[Verdict, Proof]:
    """The verdict with what was found of its signatures; its alert is that of the signed bytes, where they count."""
    own = authority.identity
    if not verdict.signed:
        return verdict, Proof(signature=SignatureVerdict.NONE)
    if own.signatures is SignatureRule.IGNORE:
        return verdict, Proof(signature=SignatureVerdict.IGNORED)
    found = await checker.verify(raw, own.trust, now, allow_sha1=own.allow_sha1)
    verdict = replace(verdict, findings=(*verdict.findings, *found.findings))
    if found.signed_bytes is None:
        return verdict, Proof(signature=SignatureVerdict.UNTRUSTED, signatures=found.signatures)
    # only what was signed is used: it is read again, without anything that was not
    signed = await checker.check(found.signed_bytes, now)
    proven = replace(
        verdict,
        alert=signed.alert if verdict.alert else None,
        identifier=signed.identifier,
        sender=signed.sender,
        sent=signed.sent,
    )
    return proven, Proof(signature=SignatureVerdict.TRUSTED, signatures=found.signatures)
