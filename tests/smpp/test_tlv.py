"""Optional parameters."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp import tlv

pairs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=8, unique_by=lambda p: p[0])


@given(pairs, st.binary(max_size=20))
def test_what_is_encoded_is_read_again_wherever_it_stands(tlvs: list[tuple[int, bytes]], before: bytes) -> None:
    data = before + tlv.encode(tlvs)
    assert tlv.parse(data, len(before), len(data)) == (dict(tlvs), ())


@given(st.binary(max_size=600))
def test_any_bytes_give_values_and_findings_and_never_an_exception(data: bytes) -> None:
    found, findings = tlv.parse(data, 0, len(data))
    assert sum(4 + len(value) for value in found.values()) <= len(data)
    assert len(findings) <= 2


def test_no_bytes_are_no_parameters() -> None:
    assert tlv.parse(b"abc", 3, 3) == ({}, ())


def test_a_length_beyond_the_pdu_keeps_what_came_before() -> None:
    data = tlv.encode([(0x1E, b"id\0")]) + struct.pack(">HH", 0x427, 500) + b"\2"
    assert tlv.parse(data, 0, len(data)) == ({0x1E: b"id\0"}, ("optional parameter is longer than its PDU",))


def test_left_over_bytes_are_a_finding() -> None:
    data = tlv.encode([(0x427, b"\2")]) + b"\0\0"
    assert tlv.parse(data, 0, len(data)) == ({0x427: b"\2"}, ("bytes are left after the optional parameters",))


def test_of_a_repeated_parameter_the_first_counts() -> None:
    data = tlv.encode([(0x1E, b"first\0"), (0x1E, b"second\0"), (0x1E, b"third\0")])
    assert tlv.parse(data, 0, len(data)) == ({0x1E: b"first\0"}, ("optional parameter is repeated",))


def test_a_string_with_or_without_its_nul_is_the_same() -> None:
    assert tlv.c_string(b"abc\0") == tlv.c_string(b"abc") == b"abc"
