"""Delivery receipts: found in optional parameters first, in the text dialects otherwise; ids brought to one form.

Knows: message_state, the receipt text of SMPP 3.4 Appendix B and its relatives, hexadecimal and decimal ids.
Never knows: which message a receipt belongs to. SMPP 3.4 §4.6, §5.2.28, §5.3.2.12, Appendix B.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import NamedTuple

from gateway.smpp import pdu, text, tlv

MAX_ID_CHARS = 65  # SMPP 3.4 §5.2.23, NUL included


class Fate(Enum):
    """What a message_state means for the message; INTERMEDIATE settles nothing."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    INTERMEDIATE = "intermediate"

    __hash__ = object.__hash__  # each is there once; an enum's own is a Python call, for every receipt


class State(NamedTuple):
    """One row of message_state: number, word in a receipt's text, what it means, where it is written."""

    code: int
    word: str
    fate: Fate
    clause: str


# SMPP 3.4 §5.2.28 and Appendix B; UNKNOWN and ACCEPTD settle nothing: the peer itself does not know
STATES: tuple[State, ...] = (
    State(0, "SCHEDULED", Fate.INTERMEDIATE, "SMPP 5.0 §4.7.15"),
    State(1, "ENROUTE", Fate.INTERMEDIATE, "SMPP 3.4 §5.2.28"),
    State(2, "DELIVRD", Fate.DELIVERED, "SMPP 3.4 §5.2.28"),
    State(3, "EXPIRED", Fate.EXPIRED, "SMPP 3.4 §5.2.28"),
    State(4, "DELETED", Fate.FAILED, "SMPP 3.4 §5.2.28"),
    State(5, "UNDELIV", Fate.FAILED, "SMPP 3.4 §5.2.28"),
    State(6, "ACCEPTD", Fate.INTERMEDIATE, "SMPP 3.4 §5.2.28"),
    State(7, "UNKNOWN", Fate.INTERMEDIATE, "SMPP 3.4 §5.2.28"),
    State(8, "REJECTD", Fate.FAILED, "SMPP 3.4 §5.2.28"),
    State(9, "SKIPPED", Fate.FAILED, "SMPP 5.0 §4.7.15"),
)
_BY_CODE = {state.code: state for state in STATES}
# words that providers write instead of the seven letters
_SPELLINGS = {
    "DELIVERED": "DELIVRD", "DELIVERD": "DELIVRD", "DLVRD": "DELIVRD", "UNDELIVERABLE": "UNDELIV",
    "UNDELIVERED": "UNDELIV", "UNDELIVRD": "UNDELIV", "UNDLVRD": "UNDELIV", "FAILED": "UNDELIV", "REJECTED": "REJECTD",
    "ACCEPTED": "ACCEPTD", "BUFFERED": "ENROUTE", "BUFFRED": "ENROUTE", "BUFFERD": "ENROUTE", "SUBMITTED": "ENROUTE",
}  # fmt: skip
_BY_WORD = {state.word: state for state in STATES}
_BY_WORD |= {spelling: _BY_WORD[word] for spelling, word in _SPELLINGS.items()}


class DeliveryReceipt(NamedTuple):
    """What a receipt says. `from_tlv` tells in which of the peer's two forms the id is written; `error` is its code
    or 0, `word` the state in the standard's seven letters."""

    message_id: str
    fate: Fate
    word: str
    error: int
    from_tlv: bool


_as_receipt = partial(tuple.__new__, DeliveryReceipt)  # without a Python call for each


class NotReceipt(NamedTuple):
    """Why a deliver_sm is no receipt that can be used: a reply of a person, or a receipt without id or state."""

    reason: str


_ID = re.compile(r"\bid\s?[:=]\s?([!-+\--:<-~]{1,64})", re.IGNORECASE)
_STAT = re.compile(r"\bstat(?:us)?\s?[:=]\s?([A-Za-z]{2,20})", re.IGNORECASE)
_ERR = re.compile(r"\berr(?:or)?\s?[:=]\s?([0-9A-Fa-f]{1,8})", re.IGNORECASE)
_TEXT = re.compile(r"\btext\s?[:=]", re.IGNORECASE)
_MAX_TEXT = 512
# SMPP 3.4 §4.6.1: service_type, source_addr, destination_addr, esm_class, protocol_id, priority_flag,
# schedule_delivery_time, validity_period, registered_delivery, replace_if_present_flag, data_coding (not UCS-2),
# sm_default_msg_id, sm_length; then Appendix B. No repetition can give back what it took: as fast as it is long
_STANDARD = re.compile(
    r"[^\0]*+\0..[^\0]*+\0..[^\0]*+\0\x04..[^\0]*+\0[^\0]*+\0..[^\x08].(.)"
    r"id:([0-9A-Za-z]{1,64}+)(?: sub:[0-9]*+)?(?: dlvrd:[0-9]*+)?(?: submit date:[0-9]*+)?(?: done date:[0-9]*+)?"
    r" stat:([A-Z]{7}) err:([0-9]{3})(?: [Tt]ext:|\Z)",
    re.DOTALL,
)


def parse(message: pdu.Message) -> DeliveryReceipt | NotReceipt:
    """The receipt in a deliver_sm or data_sm.

    A text that merely looks like a receipt counts only when esm_class says so: anybody can write such an SMS.
    """
    tlvs = message.tlvs
    kind = message.esm_class & pdu.ESM_TYPE_MASK
    if kind not in (pdu.ESM_RECEIPT, pdu.ESM_INTERMEDIATE) and tlv.RECEIPTED_MESSAGE_ID not in tlvs:
        return NotReceipt("no receipt")
    raw = message.short_message or tlvs.get(tlv.MESSAGE_PAYLOAD, b"")
    return _any_form(message, raw, kind == pdu.ESM_INTERMEDIATE)


def standard(octets: str, start: int, end: int) -> DeliveryReceipt | None:
    """The body of a deliver_sm that is a receipt just as Appendix B has it, which nearly every receipt is: read at
    once, where it stands among `octets` (a character each). None for everything else, which is for `parse`."""
    match = _STANDARD.match(octets, start, end)
    if match is None:
        return None
    sm_length, message_id, word, error = match.groups()
    state = _BY_WORD.get(word)
    if state is None or match.end(1) + ord(sm_length) != end:
        return None
    return _as_receipt((message_id, state.fate, state.word, int(error), False))


def _any_form(message: pdu.Message, raw: bytes, intermediate: bool) -> DeliveryReceipt | NotReceipt:
    """Optional parameters first, then what the text adds."""
    tlvs = message.tlvs
    said = _before_text(text.decode(raw[:_MAX_TEXT], message.data_coding))
    tlv_id = tlv.c_string(tlvs.get(tlv.RECEIPTED_MESSAGE_ID, b"")).decode("ascii", "replace")
    match = _ID.search(said) if not tlv_id else None
    message_id = tlv_id or (match[1] if match else "")
    if not message_id or len(message_id) >= MAX_ID_CHARS:
        return NotReceipt("receipt without message id")
    state = _state(tlvs, said)
    if state is None:
        return NotReceipt("receipt without a known state")
    fate = Fate.INTERMEDIATE if intermediate else state.fate
    return DeliveryReceipt(message_id, fate, state.word, _error(tlvs, said), bool(tlv_id))


def _state(tlvs: Mapping[int, bytes], said: str) -> State | None:
    coded = tlvs.get(tlv.MESSAGE_STATE)
    if coded is not None and len(coded) == 1 and coded[0] in _BY_CODE:  # SMPP 3.4 §5.3.2.35
        return _BY_CODE[coded[0]]
    match = _STAT.search(said)
    return _BY_WORD.get(match[1].upper()) if match else None


def _error(tlvs: Mapping[int, bytes], said: str) -> int:
    coded = tlvs.get(tlv.NETWORK_ERROR_CODE)
    if coded is not None and len(coded) == 3:  # SMPP 3.4 §5.3.2.31
        return coded[1] << 8 | coded[2]
    match = _ERR.search(said)
    if match is None:
        return 0
    return int(match[1]) if match[1].isdigit() else int(match[1], 16)


def _before_text(said: str) -> str:
    """A receipt repeats the start of our message behind `text:`; nothing there may be taken for a field."""
    match = _TEXT.search(said)
    return said[: match.start()] if match else said


def _raw(message_id: str) -> str:
    return message_id


def _folded(message_id: str) -> str:
    return message_id.casefold()


def _from_hex(message_id: str) -> str:
    try:
        return str(int(message_id, 16)) if message_id.isalnum() else message_id
    except ValueError:
        return message_id


def _from_decimal(message_id: str) -> str:
    # only digits lose leading zeros: in a UUID or a hexadecimal id they mean something
    return str(int(message_id)) if message_id.isascii() and message_id.isdigit() else message_id


class IdRule(NamedTuple):
    """How one provider writes ids: in submit_sm_resp and receipted_message_id, and in the text of a receipt. Each
    brings an id from there to the one form in which they are compared."""

    response: Callable[[str], str]
    receipt_text: Callable[[str], str]


ID_RULES: Mapping[str, IdRule] = {
    "raw": IdRule(_raw, _raw),
    "case-fold": IdRule(_folded, _folded),
    "leading-zeros": IdRule(_from_decimal, _from_decimal),
    "hex": IdRule(_from_hex, _from_hex),
    "hex->decimal": IdRule(_from_hex, _from_decimal),
    "decimal->hex": IdRule(_from_decimal, _from_hex),
}
