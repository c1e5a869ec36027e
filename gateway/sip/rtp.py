"""RTP packets of a telephone call, and the keys that travel in them.

Knows: RFC 3550 §5.1 (header), RFC 3551 (20 ms of G.711 are 160 bytes), RFC 4733 (keys as events).
Never knows: sockets, clocks, which call a packet belongs to.
"""

import struct
from typing import NamedTuple

FRAME_S = 0.02
FRAME_BYTES = 160
HEADER_BYTES = 12
PACKET_MAX_BYTES = 2048
KEYS = "0123456789*#ABCD"  # RFC 4733 §3.2

pack_header = struct.Struct("!BBHII").pack
"""Version and flags, marker and payload type, sequence number, timestamp, source: RFC 3550 §5.1."""
_unpack = struct.Struct("!BBHII").unpack_from


class Packet(NamedTuple):
    """What is read of a packet."""

    payload_type: int
    sequence: int
    timestamp: int
    payload: bytes


def read(data: bytes) -> Packet | None:
    """A packet, None for everything else."""
    # RFC 3550 §5.1
    if not HEADER_BYTES <= len(data) <= PACKET_MAX_BYTES:
        return None
    first, second, sequence, timestamp, _ = _unpack(data)
    if first >> 6 != 2:
        return None
    at, end = HEADER_BYTES + 4 * (first & 0x0F), len(data)
    if first & 0x10:  # RFC 3550 §5.3.1: an extension with its length in words
        if len(data) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    if first & 0x20 and end > at:
        end -= data[-1]  # padding says its own length
    if at > end:
        return None
    return Packet(second & 0x7F, sequence, timestamp, data[at:end])


class KeyReader:
    """Keys out of events: each press is told once, though it comes in ten packets, some of them lost."""

    def __init__(self) -> None:
        self._last: int | None = None

    def take(self, packet: Packet) -> str:
        """The key that this packet begins to tell, "" when there is none or it was told."""
        # RFC 4733 §2.5.1.2: all packets of one press have its timestamp
        if len(packet.payload) < 4 or packet.timestamp == self._last:
            return ""
        self._last = packet.timestamp
        event = packet.payload[0]
        return KEYS[event] if event < len(KEYS) else ""
