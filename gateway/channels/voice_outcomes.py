"""What the end of a call means: one table from providers' words and SIP codes to a verdict on the delivery.

Knows: the words of the Twilio-shaped Calls API, SIP status codes, and that delivered means played, not answered.
Never knows: who was called, how often a call is tried again, where a word came from (callback, poll, SIP dialog).
Implements the meaning of RFC 3261 §21 (status codes) for an outbound announcement.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.model import Receipt, ReceiptKind
from gateway.sip.reason import code_of

CONFIRM_KEY = "1"


class CallEnd(NamedTuple):
    """The end of one call as its driver learned it.

    `word` is the provider's status, lower case; `sip_code` the SIP status when known, else 0; `duration_s` counts from
    the answer for as long as somebody may have listened, `answered_s` to the end, which is what a call costs;
    `needed_s` is the estimated length of one reading of the text; `played` says that the playout was seen to reach its
    end; `digits` are the keys pressed afterwards; `answered_by` is the provider's guess.
    """

    call_id: str
    word: str
    needed_s: float = 0.0
    sip_code: int = 0
    duration_s: float = 0.0
    played: bool = False
    digits: str = ""
    answered_by: str = ""
    answered_s: float = 0.0


class Heard(NamedTuple):
    """What became of the audio of a call that we play: whole readings, keys, who answered, seconds, packets sent."""

    readings: int = 0
    digits: str = ""
    answered_by: str = ""
    seconds: float = 0.0
    packets: int = 0


class Verdict(NamedTuple):
    """What the delivery comes to; `detail` is one of our own words, so that reports count few of them."""

    kind: ReceiptKind
    detail: str


PLAYED = Verdict(ReceiptKind.DELIVERED, "played")
CONFIRMED = Verdict(ReceiptKind.DELIVERED, "confirmed")
MACHINE = Verdict(ReceiptKind.DELIVERED, "machine")
HUNG_UP = Verdict(ReceiptKind.RETRY, "hung up early")
FAX = Verdict(ReceiptKind.FAILED, "fax")
BUSY = Verdict(ReceiptKind.RETRY, "busy")
NO_ANSWER = Verdict(ReceiptKind.RETRY, "no answer")
CONGESTION = Verdict(ReceiptKind.RETRY, "congestion")
REJECTED = Verdict(ReceiptKind.FAILED, "rejected")
INVALID_NUMBER = Verdict(ReceiptKind.FAILED, "invalid number")
NOT_ACCEPTABLE = Verdict(ReceiptKind.FAILED, "not acceptable")
CANCELED = Verdict(ReceiptKind.FAILED, "canceled")
INTERRUPTED = Verdict(ReceiptKind.RETRY, "interrupted")
FAILED = Verdict(ReceiptKind.FAILED, "failed")
FAILED_FOR_NOW = Verdict(ReceiptKind.RETRY, "failed")

DOUBTFUL = frozenset({"busy", "congestion", "rejected", "not acceptable", "failed", "refused"})
"""Words for a call that never rang and that may be the trunk's fault: one says nothing, a wave of them says that the
trunk takes no calls of ours (throttled, barred, out of credit). Only "invalid number" is about the number alone."""

COMPLETED = "completed"

WORDS: Mapping[str, Verdict | None] = {
    # Not final: the call goes on. A word that is not in this table is not final either.
    "queued": None,
    "initiated": None,
    "ringing": None,
    "answered": None,
    "in-progress": None,
    # Final. `completed` is judged by what was heard, `failed` by its SIP code.
    "busy": BUSY,
    "no-answer": NO_ANSWER,
    "canceled": CANCELED,
    "interrupted": INTERRUPTED,  # our own word: this node was stopped while the call went on
}

SIP_CODES: Mapping[int, Verdict] = {
    403: REJECTED,  # RFC 3261 §21.4.4
    404: INVALID_NUMBER,  # RFC 3261 §21.4.5
    408: NO_ANSWER,  # RFC 3261 §21.4.9
    410: INVALID_NUMBER,  # RFC 3261 §21.4.11
    415: NOT_ACCEPTABLE,  # RFC 3261 §21.4.13
    480: NO_ANSWER,  # RFC 3261 §21.4.18
    484: INVALID_NUMBER,  # RFC 3261 §21.4.22
    486: BUSY,  # RFC 3261 §21.4.24
    487: NO_ANSWER,  # RFC 3261 §21.4.25: our own CANCEL at the end of the ring time
    488: NOT_ACCEPTABLE,  # RFC 3261 §21.4.26
    500: CONGESTION,  # RFC 3261 §21.5.1
    502: CONGESTION,  # RFC 3261 §21.5.3
    503: CONGESTION,  # RFC 3261 §21.5.4
    504: CONGESTION,  # RFC 3261 §21.5.5
    600: BUSY,  # RFC 3261 §21.6.1
    603: REJECTED,  # RFC 3261 §21.6.2
    604: INVALID_NUMBER,  # RFC 3261 §21.6.3
    606: NOT_ACCEPTABLE,  # RFC 3261 §21.6.4
}


def answered_s(word: str, duration_s: float) -> float:
    """For how long a call of a provider was answered; some say how long it rang when nobody did."""
    return duration_s if word == COMPLETED else 0.0


def receipt_of(provider: str, end: CallEnd, verdict: Verdict) -> Receipt:
    """What tracking is told of the end of a call."""
    return Receipt(provider, end.call_id, verdict.kind, end.sip_code, verdict.detail, end.answered_s)


def is_final(word: str) -> bool:
    """Whether a provider's word ends the call."""
    return word in (COMPLETED, "failed") or WORDS.get(word) is not None


def judge(end: CallEnd) -> Verdict | None:
    """The verdict on a call, or None while it is not final.

    Played is proven by the provider's request after the last word, or else by a completed call that lasted at least as
    long as one reading of the text takes. A machine that let it play is delivered and named.
    """
    if end.played:
        return _played(end)
    if end.word == COMPLETED:
        return _completed(end)
    if end.word == "failed":
        return by_sip_code(end.sip_code)
    return WORDS.get(end.word)


def call_end(
    call_id: str, heard: Heard, *, needed_s: float, why: str, answered: bool, sip_code: int = 0, cause: int = 0
) -> CallEnd:
    """The end of a call that we play: by what was heard of it, else by our own reason to end it, else by the code."""
    found = CallEnd(
        call_id, COMPLETED, needed_s=needed_s, sip_code=sip_code, duration_s=heard.seconds, digits=heard.digits,
        answered_by=heard.answered_by, answered_s=heard.seconds,
    )  # fmt: skip
    if heard.answered_by == "machine":
        # a machine that recorded a whole reading; its recording is cut when it hangs up before that
        return found if heard.readings else found._replace(duration_s=0.0)
    if heard.readings or heard.digits:
        return found._replace(played=True)
    if why in ("no-answer", "canceled", "interrupted"):
        return found._replace(word=why)
    if why == "not-acceptable":
        return found._replace(word="failed", sip_code=488)
    if answered:
        return found._replace(duration_s=0.0)
    return found._replace(word="failed", sip_code=code_of(sip_code, cause))


def by_sip_code(code: int) -> Verdict:
    """The verdict on a final SIP status that is no success; 0 when the provider gave none."""
    if (known := SIP_CODES.get(code)) is not None:
        return known
    # RFC 3261 §8.1.3.2: an unknown code counts as the x00 of its class. 400 and 600 are final here, 500 is not.
    return FAILED if 400 <= code < 500 or code >= 600 else FAILED_FOR_NOW


def _played(end: CallEnd) -> Verdict:
    if end.digits == CONFIRM_KEY:
        return CONFIRMED
    return MACHINE if end.answered_by.startswith("machine") and not end.digits else PLAYED


def _completed(end: CallEnd) -> Verdict:
    if end.answered_by == "fax":
        return FAX
    if end.duration_s < end.needed_s or end.duration_s <= 0:
        return HUNG_UP
    return MACHINE if end.answered_by.startswith("machine") else PLAYED
