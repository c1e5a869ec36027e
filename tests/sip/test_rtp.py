"""RTP packets: what is written is read, what is damaged is nothing, a key is told once."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.rtp import KeyReader, Packet, pack_header, read


@given(st.integers(0, 127), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=200))
def test_what_is_written_is_read(kind: int, sequence: int, timestamp: int, payload: bytes) -> None:
    data = pack_header(0x80, 0x80 | kind, sequence, timestamp, 7) + payload
    assert read(data) == Packet(kind, sequence, timestamp, payload)


def test_sources_extensions_and_padding_are_passed_over() -> None:
    head = pack_header(0x80 | 0x20 | 0x10 | 2, 8, 1, 2, 3)
    extension = struct.pack("!HHI", 1, 1, 9)
    assert read(head + bytes(8) + extension + b"voice" + b"\0\0\x03") == Packet(8, 1, 2, b"voice")


@pytest.mark.parametrize("data", [
    b"", b"\x80" * 11, b"\x40" * 12, pack_header(0x8F, 8, 1, 2, 3), pack_header(0x90, 8, 1, 2, 3) + b"\0\0",
    pack_header(0x90, 8, 1, 2, 3) + b"\0\0\xff\xff", pack_header(0xA0, 8, 1, 2, 3) + b"ab\xff", b"\x80" * 3000,
])  # fmt: skip
def test_what_is_no_packet_is_nothing(data: bytes) -> None:
    assert read(data) is None


@given(st.binary(max_size=100))
def test_nothing_raises(data: bytes) -> None:
    packet = read(data)
    if packet is not None:
        KeyReader().take(packet)


def event(key: int, timestamp: int, *, end: bool = False) -> Packet:
    return Packet(101, 0, timestamp, bytes((key, 0x80 if end else 0, 0, 160)))


def test_a_key_in_ten_packets_is_one_key_even_when_most_are_lost() -> None:
    keys = KeyReader()
    told = [keys.take(event(1, 1000)) for _ in range(7)] + [keys.take(event(1, 1000, end=True)) for _ in range(3)]
    assert "".join(told) == "1"
    assert keys.take(event(11, 4000, end=True)) == "#"
    assert keys.take(event(1, 9000)) == "1"
    assert keys.take(event(16, 9900)) == ""
    assert keys.take(Packet(101, 0, 99, b"")) == ""
