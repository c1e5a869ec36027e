"""SMPP PDUs as bytes: the hot ones (submit_sm, deliver_sm and their responses) by struct, without an object each.

Knows: layouts, command ids, length bounds. Never knows: state, time, sockets; a malformed PDU is a value.
SMPP 3.4 §3 to §5; TLVs are in tlv.py.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

from gateway.smpp import tlv

HEADER_BYTES = 16
MAX_PDU_BYTES = 65_536
MAX_SEQUENCE = 0x7FFF_FFFF  # SMPP 3.4 §5.1.4
INTERFACE_VERSION = 0x34  # SMPP 3.4 §5.2.4

# SMPP 3.4 §5.1.2.1
RESPONSE = 0x8000_0000
GENERIC_NACK = 0x8000_0000
BIND_RECEIVER = 0x0000_0001
BIND_TRANSMITTER = 0x0000_0002
QUERY_SM = 0x0000_0003
SUBMIT_SM = 0x0000_0004
DELIVER_SM = 0x0000_0005
UNBIND = 0x0000_0006
REPLACE_SM = 0x0000_0007
CANCEL_SM = 0x0000_0008
BIND_TRANSCEIVER = 0x0000_0009
OUTBIND = 0x0000_000B
ENQUIRE_LINK = 0x0000_0015
SUBMIT_MULTI = 0x0000_0021
ALERT_NOTIFICATION = 0x0000_0102
DATA_SM = 0x0000_0103
SUBMIT_SM_RESP = RESPONSE | SUBMIT_SM
DELIVER_SM_RESP = RESPONSE | DELIVER_SM
UNBIND_RESP = RESPONSE | UNBIND
ENQUIRE_LINK_RESP = RESPONSE | ENQUIRE_LINK
DATA_SM_RESP = RESPONSE | DATA_SM
CANCEL_SM_RESP = RESPONSE | CANCEL_SM
REPLACE_SM_RESP = RESPONSE | REPLACE_SM
BINDS = frozenset({BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER})
BIND_RESPS = frozenset(RESPONSE | command for command in BINDS)

# SMPP 3.4 §5.2.12
ESM_UDHI = 0x40
ESM_TYPE_MASK = 0x3C
ESM_RECEIPT = 0x04
ESM_INTERMEDIATE = 0x20

_HEADER = struct.Struct(">IIII")
pack_header = _HEADER.pack
unpack_header = _HEADER.unpack_from


class Malformed(NamedTuple):
    """A PDU body that can not be read, and why. The reason never contains the peer's data."""

    reason: str


class Message(NamedTuple):
    """What submit_sm, deliver_sm and data_sm have in common. Text is raw bytes; findings never hold data."""

    source_addr: bytes
    destination_addr: bytes
    esm_class: int
    priority_flag: int
    validity_period: bytes
    registered_delivery: int
    data_coding: int
    short_message: bytes
    tlvs: Mapping[int, bytes]
    findings: tuple[str, ...]


class Template(NamedTuple):
    """A submit_sm or deliver_sm without sequence number and destination: only these differ between recipients."""

    head: bytes
    tail: bytes
    fixed_bytes: int


class Address(NamedTuple):
    """A source or destination with its type of number and numbering plan."""

    ton: int
    npi: int
    digits: bytes


class BindRequest(NamedTuple):
    """The body of bind_transceiver, bind_transmitter or bind_receiver."""

    system_id: bytes
    password: bytes
    system_type: bytes
    interface_version: int


def encode(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """Any PDU from its body. SMPP 3.4 §3.2."""
    return pack_header(HEADER_BYTES + len(body), command, status, sequence) + body


def encode_bind(
    command: int,
    sequence: int,
    *,
    system_id: str,
    password: str,
    system_type: str = "",
    interface_version: int = INTERFACE_VERSION,
    addr_ton: int = 0,
    addr_npi: int = 0,
    address_range: str = "",
) -> bytes:
    """bind_transmitter, bind_receiver or bind_transceiver. Non-ASCII or NUL raises ValueError."""
    # SMPP 3.4 §4.1.1
    texts = b"".join([_c_octets(text) for text in (system_id, password, system_type)])
    body = texts + bytes((interface_version, addr_ton, addr_npi)) + _c_octets(address_range)
    return encode(command, 0, sequence, body)


def template(
    *,
    source_addr: str,
    short_message: bytes,
    data_coding: int = 0,
    esm_class: int = 0,
    source_ton: int = 0,
    source_npi: int = 0,
    dest_ton: int = 1,
    dest_npi: int = 1,
    priority_flag: int = 0,
    validity_period: str = "",
    registered_delivery: int = 0,
    tlvs: tuple[tuple[int, bytes], ...] = (),
) -> Template:
    """Everything of a submit_sm that is the same for all recipients. More than 254 bytes of text raise ValueError."""
    if len(short_message) > 254:  # SMPP 3.4 §5.2.22
        raise ValueError("short_message is longer than 254 bytes")
    # SMPP 3.4 §4.4.1
    head = b"\0" + bytes((source_ton, source_npi)) + _c_octets(source_addr) + bytes((dest_ton, dest_npi))
    tail = (
        b"\0"
        + bytes((esm_class, 0, priority_flag))
        + b"\0"
        + _c_octets(validity_period)
        + bytes((registered_delivery, 0, data_coding, 0, len(short_message)))
        + short_message
        + tlv.encode(tlvs)
    )
    return Template(head, tail, HEADER_BYTES + len(head) + len(tail))


def from_template(made: Template, command: int, sequence: int, destination: bytes) -> bytes:
    """One submit_sm or deliver_sm. `destination` must be digits or letters without NUL: nothing checks it here."""
    return pack_header(made.fixed_bytes + len(destination), command, 0, sequence) + made.head + destination + made.tail


def cancel_sm(message_id: bytes, source: Address, destination: Address) -> bytes:
    """The body of a cancel_sm for one message. The addresses are those of its submit_sm."""
    # SMPP 3.4 §4.9.1; a message_id has to be there: without one the peer cancels everything between the two
    if not message_id:
        raise ValueError("cancel_sm without message_id")
    return b"\0" + message_id + b"\0" + _address(source) + _address(destination)


def replace_sm(
    message_id: bytes, source: Address, short_message: bytes, *, validity_period: str = "", registered_delivery: int = 0
) -> bytes:
    """The body of a replace_sm: another text, in the data_coding of the first, for a message on its way."""
    if len(short_message) > 254:  # SMPP 3.4 §5.2.22
        raise ValueError("short_message is longer than 254 bytes")
    # SMPP 3.4 §4.10.1: schedule_delivery_time, validity_period, registered_delivery, sm_default_msg_id, sm_length
    times = b"\0" + _c_octets(validity_period)
    flags = bytes((registered_delivery, 0, len(short_message)))
    return message_id + b"\0" + _address(source) + times + flags + short_message


def parse_replace(data: bytes, start: int, end: int) -> tuple[bytes, bytes] | Malformed:
    """(message_id, short_message) of a replace_sm."""
    # SMPP 3.4 §4.10.1
    index = data.index
    try:
        id_end = index(0, start, end)
        source_end = index(0, id_end + 3, end)
        schedule_end = index(0, source_end + 1, end)
        at = index(0, schedule_end + 1, end) + 1
    except ValueError:
        return Malformed("a mandatory field is missing")
    if at + 3 > end or at + 3 + data[at + 2] > end:
        return Malformed("a mandatory field is missing")
    return data[start:id_end], data[at + 3 : at + 3 + data[at + 2]]


def parse_cancel(data: bytes, start: int, end: int) -> tuple[bytes, bytes] | Malformed:
    """(message_id, destination) of a cancel_sm."""
    # SMPP 3.4 §4.9.1
    index = data.index
    try:
        id_at = index(0, start, end) + 1
        id_end = index(0, id_at, end)
        source_end = index(0, id_end + 3, end)
        dest_at = source_end + 3
        dest_end = index(0, dest_at, end)
    except ValueError:
        return Malformed("a mandatory field is missing")
    return data[id_at:id_end], data[dest_at:dest_end]


def parse_message(data: bytes, start: int, end: int) -> Message | Malformed:
    """The body of a submit_sm or deliver_sm that stands between `start` and `end`."""
    # SMPP 3.4 §4.4.1 and §4.6.1: the two bodies have the same layout
    index = data.index
    try:
        source_at = index(0, start, end) + 3
        source_end = index(0, source_at, end)
        dest_at = source_end + 3
        dest_end = index(0, dest_at, end)
        validity_at = index(0, dest_end + 4, end) + 1
        at = index(0, validity_at, end) + 1
    except ValueError:
        return Malformed("a mandatory field is missing")
    if at + 5 > end:
        return Malformed("a mandatory field is missing")
    text_at = at + 5
    text_end = text_at + data[at + 4]
    if text_end > end:
        return Malformed("sm_length is longer than the PDU")
    tlvs, findings = tlv.parse(data, text_end, end) if text_end < end else (tlv.NO_TLVS, ())
    return Message(
        data[source_at:source_end],
        data[dest_at:dest_end],
        data[dest_end + 1],
        data[dest_end + 3],
        data[validity_at : at - 1],
        data[at],
        data[at + 2],
        data[text_at:text_end],
        tlvs,
        findings,
    )


def parse_data_sm(data: bytes, start: int, end: int) -> Message | Malformed:
    """The body of a data_sm; its text is in message_payload."""
    # SMPP 3.4 §4.7.1
    index = data.index
    try:
        source_at = index(0, start, end) + 3
        source_end = index(0, source_at, end)
        dest_at = source_end + 3
        dest_end = index(0, dest_at, end)
    except ValueError:
        return Malformed("a mandatory field is missing")
    at = dest_end + 1
    if at + 3 > end:
        return Malformed("a mandatory field is missing")
    tlvs, findings = tlv.parse(data, at + 3, end)
    source, destination = data[source_at:source_end], data[dest_at:dest_end]
    return Message(source, destination, data[at], 0, b"", data[at + 1], data[at + 2], b"", tlvs, findings)


def parse_bind(data: bytes, start: int, end: int) -> BindRequest | Malformed:
    """The body of a bind request, as far as a peer needs it."""
    # SMPP 3.4 §4.1.1
    fields = data[start:end].split(b"\0", 3)
    if len(fields) < 4 or not fields[3]:
        return Malformed("a mandatory field is missing")
    return BindRequest(fields[0], fields[1], fields[2], fields[3][0])


def parse_c_octets(data: bytes, start: int, end: int) -> str:
    """The C-octet string at `start` (message_id, system_id); a missing NUL or an empty body is understood."""
    nul = data.find(0, start, end)
    return data[start : nul if nul >= 0 else end].decode("latin-1")


def parse_bind_resp(body: bytes) -> tuple[str, int | None]:
    """system_id and sc_interface_version (None when not said)."""
    # SMPP 3.4 §4.1.2
    nul = body.find(0)
    if nul < 0:
        return body.decode("latin-1"), None
    tlvs, _ = tlv.parse(body, nul + 1, len(body))
    version = tlvs.get(tlv.SC_INTERFACE_VERSION)
    return body[:nul].decode("latin-1"), version[0] if version else None


def _address(address: Address) -> bytes:
    return bytes((address.ton, address.npi)) + address.digits + b"\0"


def _c_octets(text: str) -> bytes:
    """A C-octet string with its NUL. SMPP 3.4 §3.1."""
    value = text.encode("ascii")
    if 0 in value:
        raise ValueError("a C-octet string can not contain NUL")
    return value + b"\0"
