"""The user data header of an SMS: which part of what it is, and which national tables it is written with.

Knows: information elements, as bytes and as numbers. Never knows: texts.
3GPP TS 23.040 §9.2.3.24.
"""

from typing import NamedTuple

from gateway.smpp import pdu

# 3GPP TS 23.040 §9.2.3.24
_PART_8_BIT = 0x00
_PART_16_BIT = 0x08
_SINGLE_SHIFT = 0x24
_LOCKING_SHIFT = 0x25


class Header(NamedTuple):
    """(reference, total, number) of a part, or None when it is no part; identifiers of national tables, or 0."""

    part: tuple[int, int, int] | None = None
    locking: int = 0
    single: int = 0


NONE = Header()


def size(*, long: bool, wide: bool, tables: int) -> int:
    """Octets of a header with its length octet; 0 when nothing has to be said."""
    elements = (6 if wide else 5) * long + 3 * tables
    return elements + 1 if elements else 0


def write(header: Header, *, wide: bool) -> bytes:
    """The header with its length octet, or nothing. `wide` takes a 16-bit reference."""
    elements = b""
    if header.part is not None:
        reference, total, number = header.part
        if wide:  # 3GPP TS 23.040 §9.2.3.24.8
            elements += bytes((_PART_16_BIT, 4, reference >> 8 & 0xFF, reference & 0xFF, total, number))
        else:  # 3GPP TS 23.040 §9.2.3.24.1
            elements += bytes((_PART_8_BIT, 3, reference & 0xFF, total, number))
    if header.single:  # 3GPP TS 23.040 §9.2.3.24.15
        elements += bytes((_SINGLE_SHIFT, 1, header.single))
    if header.locking:  # 3GPP TS 23.040 §9.2.3.24.16
        elements += bytes((_LOCKING_SHIFT, 1, header.locking))
    return bytes((len(elements),)) + elements if elements else b""


def split(payload: bytes, esm_class: int) -> tuple[Header, bytes]:
    """The header of a short_message and what stands behind it. Elements that nobody knows are skipped."""
    if not esm_class & pdu.ESM_UDHI or not payload:
        return NONE, payload
    end = 1 + payload[0]
    elements, body = payload[1:end], payload[end:]
    part, locking, single = None, 0, 0
    at = 0
    while at + 2 <= len(elements):
        kind, length = elements[at], elements[at + 1]
        value = elements[at + 2 : at + 2 + length]
        match kind, len(value):
            case 0x00, 3:  # 3GPP TS 23.040 §9.2.3.24.1
                part = (value[0], value[1], value[2])
            case 0x08, 4:  # 3GPP TS 23.040 §9.2.3.24.8
                part = (value[0] << 8 | value[1], value[2], value[3])
            case 0x24, 1:
                single = value[0]
            case 0x25, 1:
                locking = value[0]
        at += 2 + length
    return Header(part, locking, single), body
