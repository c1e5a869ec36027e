"""G.711: 16-bit samples to a byte each and back, by either law, and how loud a frame is.

Knows: ITU-T G.711 (A-law and mu-law), RFC 3551 §4.5.14 (their payload types).
Never knows: packets, files, what is said.
"""

import sys
from array import array
from functools import cache

from gateway.sip.sdp import PCMA, PCMU

RATE_PER_S = 8000
SILENCE = {PCMU: b"\xff", PCMA: b"\xd5"}
LEVEL_UNIT = 16
"""Levels are in steps of 16 of a 16-bit sample's size, 255 at most."""
_BIAS, _CLIP = 0x84, 32635


def _segment(value: int) -> int:
    return max(0, value.bit_length() - 8)


def encode_alaw(sample: int) -> int:
    """One sample, -32768 to 32767, by the A-law."""
    # G.711 §3.1; every second bit is inverted
    sign = 0x80 if sample >= 0 else 0
    value = min(32767, sample if sample >= 0 else ~sample)
    segment = _segment(value)
    low = (value >> (segment + 3)) & 0x0F if segment else (value >> 4) & 0x0F
    return (sign | segment << 4 | low) ^ 0x55


def decode_alaw(code: int) -> int:
    """One byte of the A-law as a sample."""
    code ^= 0x55
    segment, low = (code >> 4) & 7, code & 0x0F
    value = (low << 4) + 8 if segment == 0 else ((low << 4) + 0x108) << (segment - 1)
    return value if code & 0x80 else -value


def encode_ulaw(sample: int) -> int:
    """One sample by the mu-law."""
    # G.711 §3.2; all bits are inverted
    sign = 0x80 if sample < 0 else 0
    value = min(_CLIP, abs(sample)) + _BIAS
    segment = _segment(value)
    return ~(sign | segment << 4 | (value >> (segment + 3)) & 0x0F) & 0xFF


def decode_ulaw(code: int) -> int:
    """One byte of the mu-law as a sample."""
    code = ~code & 0xFF
    segment, low = (code >> 4) & 7, code & 0x0F
    value = (((low << 3) + _BIAS) << segment) - _BIAS
    return -value if code & 0x80 else value


@cache
def _encoder(law: int) -> bytes:
    """The code of every sample, by its two's complement."""
    encode = encode_alaw if law == PCMA else encode_ulaw
    return bytes(encode(n - 65536 if n > 32767 else n) for n in range(65536))


@cache
def _levels(law: int) -> bytes:
    decode = decode_alaw if law == PCMA else decode_ulaw
    return bytes(min(255, abs(decode(code)) // LEVEL_UNIT) for code in range(256))


def encode(samples: bytes, law: int) -> bytes:
    """16-bit little-endian samples by a law."""
    words = array("H", samples)
    if sys.byteorder == "big":
        words.byteswap()
    return bytes(map(_encoder(law).__getitem__, words))


def decode(data: bytes, law: int) -> bytes:
    """16-bit little-endian samples of bytes of a law."""
    one = decode_alaw if law == PCMA else decode_ulaw
    words = array("h", map([one(code) for code in range(256)].__getitem__, data))
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()


def level(frame: bytes, law: int) -> int:
    """The mean size of a frame's samples, 0 to 32767, cut off at 4080: enough to tell speech from silence."""
    return LEVEL_UNIT * sum(frame.translate(_levels(law))) // len(frame) if frame else 0
