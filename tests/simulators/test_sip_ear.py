"""What the called side hears, by times that the test makes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators.sip_ear import CALLS_KEPT, WINDOW_S, Ear
from gateway.sip.rtp import FRAME_BYTES, FRAME_S, pack_header


def packet(number: int, source: int = 1, first: int = 0) -> bytes:
    head = pack_header(0x80, 8, number & 0xFFFF, (first + number * FRAME_BYTES) & 0xFFFFFFFF, source)
    return head + bytes(FRAME_BYTES)


def test_a_steady_call_is_not_late_and_one_packet_in_a_hundred_is_the_most() -> None:
    ear = Ear()
    for n in range(200):
        ear.take(packet(n), 1000.0 + n * FRAME_S + (0.0301 if n == 77 else 0.0))
    heard = ear.heard()
    assert heard["packets"] == 200
    assert max(heard["p50"], heard["p99"]) < 0.11
    assert heard["max"] == pytest.approx(30, abs=0.2)


@given(st.lists(st.floats(0, 0.05), min_size=5, max_size=60), st.integers(0, 2**32 - 1))
def test_lateness_is_against_the_best_packet_of_the_call(delays_s: list[float], first: int) -> None:
    ear = Ear()
    for n, delay_s in enumerate(delays_s):
        ear.take(packet(n, first=0 if first + 9600 >= 2**32 else first), 1000.0 + n * FRAME_S + delay_s)
    assert ear.heard()["max"] == pytest.approx(1000 * (max(delays_s) - min(delays_s)), abs=0.11)


def test_a_pause_of_the_sender_is_late_for_five_seconds_at_most() -> None:
    ear = Ear()
    packets = int(10 * WINDOW_S / FRAME_S)
    for n in range(packets):
        ear.take(packet(n), 1000.0 + n * FRAME_S + (0.5 if n >= 100 else 0.0))
    late = ear.heard()
    assert late["p50"] < 0.11
    assert late["max"] == pytest.approx(500, abs=0.2)


def test_a_timestamp_that_runs_over_begins_anew() -> None:
    ear = Ear()
    for n in range(100):
        ear.take(packet(n, first=2**32 - 50 * FRAME_BYTES), 1000.0 + n * FRAME_S)
    assert ear.heard() == {"packets": 100, "p50": 0.0, "p99": 0.0, "max": pytest.approx(0, abs=0.11)}


def test_what_is_no_packet_is_not_counted_and_calls_are_bounded() -> None:
    ear = Ear()
    ear.take(b"", 0.0)
    ear.take(bytes(2000), 0.0)
    for source in range(CALLS_KEPT + 10):
        ear.take(packet(0, source), 1.0)
    assert len(ear._calls) == CALLS_KEPT
    assert ear.heard()["packets"] == CALLS_KEPT + 10


def test_asking_in_the_middle_changes_nothing_that_was_heard() -> None:
    ear, dice = Ear(), random.Random(3)
    for n in range(100):
        ear.take(packet(n), 1000.0 + n * FRAME_S + dice.random() / 1000)
    before = ear.heard()
    assert ear.heard() == before
