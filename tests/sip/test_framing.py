"""Messages out of a stream, however it is cut."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.framing import MESSAGE_MAX_BYTES, Framer

FIRST = b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabc"
SECOND = b"BYE sip:x SIP/2.0\r\nContent-Length : 0\r\n\r\n"


@given(st.lists(st.integers(0, len(FIRST + SECOND) + 6), max_size=10))
def test_messages_come_out_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"\r\n\r\n" + FIRST + b"\r\n" + SECOND
    framer, found = Framer(), []
    edges = [0, *sorted(cuts), len(stream)]
    for start, end in pairwise(edges):
        found += framer.feed(stream[start:end])
    assert found == [FIRST, SECOND]
    assert not framer.broken


def test_pings_are_counted() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n\r\n") == []
    assert framer.pings == 1
    assert framer.feed(FIRST + b"\r\n\r\n" + FIRST) == [FIRST, FIRST]
    assert framer.pings == 2


@pytest.mark.parametrize(
    "data",
    [
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 200 OK\r\nl: 1\r\nl: 2\r\n\r\n",
        b"SIP/2.0 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"x" * (MESSAGE_MAX_BYTES + 1),
    ],
)
def test_a_stream_that_can_not_be_followed_is_given_up(data: bytes) -> None:
    framer = Framer()
    assert framer.feed(data) == []
    assert framer.broken
    assert framer.feed(FIRST) == []


def test_a_slow_stream_of_bytes_takes_no_time() -> None:
    began = time.process_time()
    framer = Framer()
    for _ in range(20_000):
        framer.feed(b"a")
    assert time.process_time() - began < 2
