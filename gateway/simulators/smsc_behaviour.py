"""What an SMSC simulator is told to do wrong, the dialects of its receipts, and the joining of long messages.

Knows: ids, receipt texts, message_state, concatenation headers. Never knows: connections, time.
SMPP 3.4 Appendix B; 3GPP TS 23.040 §9.2.3.24.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.simulators.recorder import EXPIRED, FAILED
from gateway.smpp import header, pdu, text, tlv
from gateway.smpp.status import BY_NAME

REFUSED = "refused"  # outcome: final refusal at the submit
THROTTLED = "throttled"  # outcome: ESME_RTHROTTLED at the submit
UNANSWERED = "unanswered"  # outcome: accepted, receipt follows, but the response is never sent

_RTHROTTLED = BY_NAME["ESME_RTHROTTLED"].code
CANCELLED = "cancelled"  # outcome: cancel_sm came before the telephone
# SMPP 3.4 Appendix B
_STATES = {FAILED: (b"UNDELIV", 5, b"001"), EXPIRED: (b"EXPIRED", 3, b"000"), CANCELLED: (b"DELETED", 4, b"000")}
_DELIVERED = (b"DELIVRD", 2, b"000")
_MOST_INCOMPLETE = 10_000
_MOST_TEXTS = 2_000


def _standard(message_id: bytes, word: bytes, error: bytes) -> bytes:
    stamp = time.strftime("%y%m%d%H%M", time.gmtime()).encode()
    delivered = b"001" if word == b"DELIVRD" else b"000"
    return b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:" % (
        message_id,
        delivered,
        stamp,
        stamp,
        word,
        error,
    )


def _short(message_id: bytes, word: bytes, error: bytes) -> bytes:
    return b"id:%b stat:%b err:%b" % (message_id, word, error)


def _upper(message_id: bytes, word: bytes, error: bytes) -> bytes:
    return b"ID: %b, SUB: 1, DLVRD: 1, STAT: %b, ERR: %b, TEXT: stat:REJECTD" % (message_id, word, error)


_DIALECTS: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {
    "standard": _standard,
    "short": _short,
    "upper": _upper,
}


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """How to misbehave; may be changed while the simulator runs. The default is a correct, fast SMSC.

    `ids`: decimal | hex | hex-decimal | decimal-hex (form in the response - form in a receipt's text).
    `receipts`: text | tlv | both. `dialect`: standard | short | upper. `most_binds`: more than these are refused.
    """

    bind_status: int = 0
    most_binds: int | None = None
    refuse_status: int = BY_NAME["ESME_RINVDSTADR"].code
    replace_status: int = 0
    throttle_per_s: float | None = None
    throttle_status: int = _RTHROTTLED
    response_delay_s: float = 0.0
    receipts: str = "text"
    dialect: str = "standard"
    ids: str = "decimal"
    receipt_first: bool = False
    duplicate_receipts: bool = False
    drop_response_every: int = 0
    close_after: int = 0
    mute: bool = False
    first_id: int = 1_000_000_000
    deliver_window: int = 1_000

    def id(self, number: int, *, in_text: bool) -> bytes:
        """The id in the response's form, or in the form of a receipt's text."""
        forms = self.ids.split("-")
        return b"%X" % number if forms[-1 if in_text else 0] == "hex" else b"%d" % number

    def receipt(self, recipient: bytes, number: int, outcome: str) -> pdu.Template:
        """The deliver_sm for this outcome; it comes from the number that the message went to."""
        # SMPP 3.4 §4.6.1 and Appendix B
        word, state, error = _STATES.get(outcome, _DELIVERED)
        tlvs: tuple[tuple[int, bytes], ...] = ()
        said = b""
        if self.receipts != "text":
            id_tlv = (tlv.RECEIPTED_MESSAGE_ID, self.id(number, in_text=False) + b"\0")
            tlvs = (id_tlv, (tlv.MESSAGE_STATE, bytes((state,))))
        if self.receipts != "tlv":
            said = _DIALECTS[self.dialect](self.id(number, in_text=True), word, error)
        return pdu.template(
            source_addr=recipient.decode("latin-1"),
            short_message=said,
            esm_class=pdu.ESM_RECEIPT,
            source_ton=1,
            source_npi=1,
            tlvs=tlvs,
        )


class Joiner:
    """Puts long messages together again; of those that never become whole it keeps a bounded number."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[bytes, bytes, int, int], dict[int, bytes]] = OrderedDict()
        self._texts: dict[tuple[bytes, int, int, int], str] = {}

    def join(self, message: pdu.Message) -> str | None:
        """The whole text when this was its last missing part, else None."""
        payload = message.short_message or message.tlvs.get(tlv.MESSAGE_PAYLOAD, b"")
        head, body = header.split(payload, message.esm_class)
        part = head.part or _sar(message)
        if part is None or part[1] < 2:
            return self._decode(body, message.data_coding, head)
        reference, total, number = part
        key = (message.source_addr, message.destination_addr, reference, total)
        parts = self._parts.setdefault(key, {})
        parts[number] = body
        if len(parts) < total:
            if len(self._parts) > _MOST_INCOMPLETE:
                self._parts.popitem(last=False)
            return None
        del self._parts[key]
        return self._decode(b"".join(parts[n] for n in sorted(parts)), message.data_coding, head)

    def _decode(self, body: bytes, data_coding: int, head: header.Header) -> str:
        """Alerts go to many: a text is decoded once."""
        key = (body, data_coding, head.locking, head.single)
        words = self._texts.get(key)
        if words is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            words = self._texts[key] = text.decode(body, data_coding, head)
        return words


def _sar(message: pdu.Message) -> tuple[int, int, int] | None:
    """(reference, total, number) from the sar_* parameters, which count only when all three are there."""
    # SMPP 3.4 §5.3.2.22
    values = [message.tlvs.get(tag) for tag in (tlv.SAR_MSG_REF_NUM, tlv.SAR_TOTAL_SEGMENTS, tlv.SAR_SEGMENT_SEQNUM)]
    if not all(values):
        return None
    reference, total, number = (int.from_bytes(value) for value in values if value)
    return reference, total, number
