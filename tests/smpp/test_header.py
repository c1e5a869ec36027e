"""User data headers: written as the standard says, read whatever stands in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp import header, pdu
from gateway.smpp.header import Header

octet = st.integers(1, 255)


@given(st.none() | st.tuples(st.integers(0, 0xFFFF), octet, octet), st.integers(0, 13), st.integers(0, 13))
def test_what_is_written_is_read_and_has_the_size_that_was_reckoned(
    part: tuple[int, int, int] | None, locking: int, single: int
) -> None:
    head = Header(part, locking, single)
    written = header.write(head, wide=True)
    assert header.split(written + b"text", pdu.ESM_UDHI if written else 0) == (head, b"text")
    assert len(written) == header.size(long=part is not None, wide=True, tables=bool(locking) + bool(single))


@pytest.mark.parametrize(
    ("head", "wide", "octets"),
    [
        (Header((0x1FF, 3, 1)), False, "050003ff0301"),
        (Header((0x1FF, 3, 1)), True, "06080401ff0301"),
        (Header(None, 0, 1), False, "03240101"),
        (Header((7, 2, 2), 3, 3), False, "0b000307020224010325 0103".replace(" ", "")),
        (header.NONE, False, ""),
    ],
)
def test_headers_are_those_of_the_standard(head: Header, wide: bool, octets: str) -> None:
    assert header.write(head, wide=wide).hex() == octets


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_payload_is_split_without_losing_more_than_its_header(payload: bytes, esm_class: int) -> None:
    head, body = header.split(payload, esm_class)
    assert payload.endswith(body)
    assert head.part is None or esm_class & pdu.ESM_UDHI


def test_unknown_elements_are_skipped() -> None:
    payload = bytes((10, 0x05, 4, 1, 2, 3, 4, 0x24, 1, 3, 0x70)) + b"x"
    assert header.split(payload, pdu.ESM_UDHI) == (Header(None, 0, 3), b"x")
