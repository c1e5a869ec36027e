"""Who a mail is really from, and whether it is answered: by proof, never by its From alone.

Knows: registered sources of alerts by mail, what proves them, reasons in words. Never knows: DNS, openssl, SQL, IMAP.
Standard: RFC 5322 §3.4, §3.6.2; RFC 3834 §2; DMARC's alignment (RFC 7489 §3.1).

From only says which source is claimed; the proof then has to be that very source's.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ProofKind(StrEnum):
    """What proves that a mail is from a source."""

    DKIM = "dkim"
    SMIME = "smime"
    XMLDSIG = "xmldsig"


class Reason(StrEnum):
    """Why a mail is refused; the words are in SENTENCES."""

    TOO_LARGE = "too-large"
    UNREADABLE = "unreadable"
    NO_SENDER = "no-sender"
    UNKNOWN_SENDER = "unknown-sender"
    NO_PROOF = "no-proof"
    PROOF_FAILED = "proof-failed"
    PROOF_UNAVAILABLE = "proof-unavailable"
    NO_RIGHT = "no-right"
    NO_ALERT = "no-alert"
    NO_NOTICE = "no-notice"
    TOO_MANY = "too-many-alerts"
    BROKEN = "broken"


SENTENCES: Mapping[Reason, str] = {
    Reason.TOO_LARGE: "The mail is larger than the mailbox takes.",
    Reason.UNREADABLE: "The mail is not built as mails are, or in a way that two programs may read differently.",
    Reason.NO_SENDER: "From does not name exactly one address.",
    Reason.UNKNOWN_SENDER: "The address in From is no registered source of this mailbox.",
    Reason.NO_PROOF: "The mail lacks the proof that was agreed for this source.",
    Reason.PROOF_FAILED: "The proof of this mail does not hold.",
    Reason.PROOF_UNAVAILABLE: "The proof could not be verified for a long time.",
    Reason.NO_RIGHT: "The source's credential was revoked or has expired.",
    Reason.NO_ALERT: "No CAP document was found in the mail.",
    Reason.NO_NOTICE: "The mail says nothing of a mail that was sent.",
    Reason.TOO_MANY: "The mail carries more alerts than one mail may.",
    Reason.BROKEN: "The mail could not be processed; this is a fault of the gateway.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRefusal:
    """No, and why: a word for machines and what exactly was wrong."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSource:
    """A registered source of alerts by mail.

    `domain` must sign (dkim); `certificates` (PEM) are of those who may sign or certify (smime, xmldsig); `fingerprint`
    pins one key (dkim: SHA-256 of the published key) or certificate. `answers`: a CAP Ack or Error goes to
    `reply_address`.
    """

    id: int
    mailbox: str
    address: str
    entity_id: int
    proof: ProofKind
    domain: str = ""
    certificates: str = ""
    fingerprint: bytes | None = None
    answers: bool = False
    reply_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimPass:
    """A DKIM signature that holds: who made it, the SHA-256 of its key, and the header fields it covers, lower case."""

    domain: str
    key: bytes
    fields: frozenset[str]


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_BRACKETED = re.compile(r"[^<>@,;:]*<[ \t]*([^<>@ \t,;:]{1,64}@[^<>@ \t,;:]{1,255})[ \t]*>[ \t]*")
_BARE = re.compile(r"[ \t]*([^<>@ \t,;:]{1,64}@[^<>@ \t,;:]{1,255})[ \t]*")
_ANY_ADDRESS = re.compile(r"[^<>@\s,;:\"()]{1,64}@[^<>@\s,;:\"()]{1,255}")
_LONGEST = 4_000
AUTOMATIC = frozenset({"bulk", "list", "junk", "auto_reply"})


def claimed_address(values: Sequence[str]) -> str | MailRefusal:
    """The one address in the From fields of a mail, in lower case. # RFC 5322 §3.6.2"""
    if len(values) == 1 and len(values[0]) <= _LONGEST:
        plain = _COMMENT.sub(" ", _QUOTED.sub(" ", values[0]))
        match = _BRACKETED.fullmatch(plain) or _BARE.fullmatch(plain)
        if match:
            return match[1].lower()
    return MailRefusal(reason=Reason.NO_SENDER)


def named_addresses(values: Sequence[str]) -> frozenset[str]:
    """Every address in To and Cc, in lower case."""
    return frozenset(found.lower() for value in values for found in _ANY_ADDRESS.findall(value[:100_000]))


def aligned(address: str, domain: str) -> bool:
    """Whether a signing domain may speak for an address: its own domain, or one above it. # RFC 7489 §3.1.1"""
    own = address.rpartition("@")[2].lower()
    domain = domain.lower()
    return "." in domain and (own == domain or own.endswith("." + domain))


def may_sign(source: MailSource, domain: str) -> bool:
    """Whether a signature of this domain is worth verifying for this source; others cost no question to DNS."""
    return domain == source.domain.lower() and aligned(source.address, domain)


def judge_dkim(
    source: MailSource, held: Sequence[DkimPass], present: Collection[str], addressed: bool
) -> MailRefusal | None:
    """Whether one of the signatures that hold proves the source.

    `present` are the names of fields that decide how the mail is read; `addressed`: To or Cc name this mailbox.
    """
    if not addressed:
        return MailRefusal(reason=Reason.PROOF_FAILED, detail="the mail was written to somebody else and sent on")
    detail = "no signature of the agreed domain holds"
    for passed in held:
        uncovered = sorted(set(present) - passed.fields)
        if not may_sign(source, passed.domain):
            continue
        if uncovered:
            detail = f"the signature does not cover {', '.join(uncovered)}"
        elif source.fingerprint is not None and passed.key != source.fingerprint:
            detail = "the published key is not the one that was agreed"
        else:
            return None
    return MailRefusal(reason=Reason.PROOF_FAILED, detail=detail)


def judge_certificates(source: MailSource, signers: Sequence[tuple[bytes, Collection[str]]]) -> MailRefusal | None:
    """Whether one of the signers, (SHA-256, mail addresses) each, is the source.

    A pinned certificate counts by itself; under a trusted authority the certificate has to be for the source's address.
    """
    for fingerprint, addresses in signers:
        if source.fingerprint is not None:
            if fingerprint == source.fingerprint:
                return None
        elif source.address.lower() in addresses:
            return None
    wanted = "pinned for this source" if source.fingerprint is not None else "for the address in From"
    return MailRefusal(reason=Reason.PROOF_FAILED, detail=f"the signer's certificate is not {wanted}")


def is_automatic(auto_submitted: str, precedence: str, return_path: str | None) -> bool:
    """Whether a mail came from a machine that must not be answered. # RFC 3834 §2"""
    submitted = auto_submitted.partition(";")[0].strip().lower()
    return submitted not in ("", "no") or precedence.strip().lower() in AUTOMATIC or return_path == "<>"


def may_answer(source: MailSource, *, automatic: bool) -> bool:
    """Whether a CAP Ack or Error may go back: asked for, and to nobody whose mails are a machine's own answers."""
    return source.answers and bool(source.reply_address) and not automatic
