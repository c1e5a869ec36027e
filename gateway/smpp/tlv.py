"""Optional parameters: tag, length, value. Unknown ones are kept and cost nothing, malformed ones become findings.

Knows: the tags that receipts, long messages and binds use. Never knows: what a value is good for.
SMPP 3.4 §5.3.
"""

import struct
from collections.abc import Iterable, Mapping

# SMPP 3.4 §5.3.2
USER_MESSAGE_REFERENCE = 0x0204
SAR_MSG_REF_NUM = 0x020C
SAR_TOTAL_SEGMENTS = 0x020E
SAR_SEGMENT_SEQNUM = 0x020F
SC_INTERFACE_VERSION = 0x0210
RECEIPTED_MESSAGE_ID = 0x001E
NETWORK_ERROR_CODE = 0x0423
MESSAGE_PAYLOAD = 0x0424
MESSAGE_STATE = 0x0427
# SMPP 3.4 §5.3.2: 0x1400-0x3FFF is reserved for vendors; this one tells our own simulator the campaign's mode
CAMPAIGN_MODE = 0x1401

NO_TLVS: Mapping[int, bytes] = {}
_HEAD = struct.Struct(">HH")


def encode(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    """Tags and values as they stand in a PDU. A value longer than 65535 bytes raises struct.error."""
    return b"".join([_HEAD.pack(tag, len(value)) + value for tag, value in tlvs])


def parse(data: bytes, start: int, end: int) -> tuple[Mapping[int, bytes], tuple[str, ...]]:
    """What stands between `start` and `end`, and what was wrong with it. Of a repeated tag the first one counts."""
    if start >= end:
        return NO_TLVS, ()
    found: dict[int, bytes] = {}
    repeated = False
    problem: tuple[str, ...] = ()
    at = start
    # SMPP 3.4 §5.3.1
    while end - at >= 4:
        tag, length = _HEAD.unpack_from(data, at)
        at += 4
        if length > end - at:
            problem = ("optional parameter is longer than its PDU",)
            break
        if tag in found:
            repeated = True
        else:
            found[tag] = data[at : at + length]
        at += length
    if at != end and not problem:
        problem = ("bytes are left after the optional parameters",)
    return found, (*problem, "optional parameter is repeated") if repeated else problem


def c_string(value: bytes) -> bytes:
    """A C-octet string without its NUL; peers that forget the NUL are understood."""
    return value.split(b"\0", 1)[0]
