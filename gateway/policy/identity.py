"""Whether an alert is the word of the entity that posts it: its signature, its sender, its clock.

Knows: what an entity registered, what was found of the signatures. Never knows: XML, SQL, how a signature is verified.
Standard: CAP 1.2 §3.2.1 (sender, sent), §3.3.4.1.

CAP forbids to refuse an alert merely because its signature can not be verified: without the entity's own demand it is
said, and no more. With that demand the signature is the right to alert, and what is not proven is nobody's word.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.cap.findings import Finding, quoted
from gateway.cap.model import CapAlert
from gateway.cap.parse import Limits
from gateway.cap.signature import Signature
from gateway.model import SignatureRule, SignatureVerdict
from gateway.policy.rights import Identity, Refusal

CLOCK_AHEAD = timedelta(seconds=Limits().clock_ahead_s)


def unproven(identity: Identity, verdict: SignatureVerdict, found: Sequence[Signature]) -> Refusal | None:
    """The signature that the entity demands is missing, or not trusted."""
    if identity.signatures is not SignatureRule.REQUIRE or verdict is SignatureVerdict.TRUSTED:
        return None
    if verdict is SignatureVerdict.NONE:
        return Refusal(
            reason="not-signed",
            message="This entity's alerts must be signed, and there is no signature in this one: sign it (XML-DSig, "
            "enveloped) with a key whose certificate is registered.",
        )
    why = "; ".join(dict.fromkeys(one.words for one in found if not one.ok)) or "it can not be verified"
    return Refusal(
        reason="signature-not-trusted",
        message=f"This entity's alerts must be signed by a certificate that is registered, and this one is not: {why}.",
    )


def foreign_sender(identity: Identity, alert: CapAlert) -> Refusal | None:
    """A sender that is not one of those that the entity registered."""
    if not identity.senders or alert.sender in identity.senders:
        return None
    return Refusal(
        reason="sender-not-registered",
        message=f"The sender {quoted(alert.sender)} is not one that this entity registered. An administrator adds it "
        "with `gateway entity senders`.",
    )


def from_the_future(alert: CapAlert, now: datetime) -> Refusal | None:
    """Sent after it came, by more than clocks differ: its times mean nothing, and it could be replayed for ever."""
    # CAP 1.2 §3.2.1
    if alert.sent <= now + CLOCK_AHEAD:
        return None
    ahead = (alert.sent - now) // timedelta(minutes=1)
    most = CLOCK_AHEAD // timedelta(minutes=1)
    message = f"sent lies {ahead} minutes in the future, and {most} are let pass; check the sender's clock and offset"
    return Refusal(
        reason="sent-in-future",
        message=f"The alert says that it was sent after it arrived: {message}.",
        status=422,
        findings=(Finding("S3", "error", None, "alert/sent", message, "CAP 1.2 §3.2.1"),),
    )
