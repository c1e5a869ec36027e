"""A ceiling is kept, refusals slow a place down, and it recovers gradually; no clock but an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.pace import DOUBLES_S, LEAST_REFUSALS, LEAST_SHARE, Backoff, Pace


def test_waits_double_up_to_a_ceiling_and_start_again_after_success() -> None:
    backoff = Backoff(0.5, 4.0)
    assert [backoff.failed() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    for _ in range(2000):
        backoff.failed()
    backoff.succeeded()
    assert backoff.failed() == 0.5


def sent(pace: Pace, start: float, seconds: float, most: int = 10) -> int:
    """How many go in this time, asked for a hundred times a second, `most` each time."""
    gone = 0
    for tick in range(1, round(seconds * 100) + 1):
        left = pace.left(start + tick * 0.01)
        for _ in range(most if left is None else min(left, most)):
            pace.spend()
            gone += 1
    return gone


def refusals(pace: Pace, now: float, count: int) -> None:
    for _ in range(count):
        pace.refused(now)


def test_a_pace_gives_its_rate_and_never_saves_up_more_than_a_tenth_of_a_second() -> None:
    pace = Pace(100.0, 0.0)
    assert 200 <= sent(pace, 0.0, 2.0) <= 210
    assert pace.left(1000.0) == 10
    assert Pace(None, 0.0).left(5.0) is None


def test_a_rate_below_one_a_second_still_comes_round() -> None:
    pace = Pace(0.5, 0.0)
    assert pace.left(0.0) == 1
    pace.spend()
    assert pace.left(1.0) == 0
    assert pace.next_at(1.0) == 2.0
    assert pace.left(2.0) == 1


def test_refusals_halve_what_a_place_took_and_it_recovers_in_ten_seconds() -> None:
    pace = Pace(None, 0.0)
    assert sent(pace, 0.0, 2.0) == 2000
    refusals(pace, 2.0, 600)
    assert pace.per_s(2.0) == pytest.approx(500, rel=0.02)
    assert 500 <= sent(pace, 2.0, 1.0) <= 600  # on its way up already
    assert pace.per_s(2.0 + DOUBLES_S / 2) == pytest.approx(500 * 2**0.5, rel=0.02)
    assert pace.per_s(2.1 + DOUBLES_S) is None
    assert not pace.slowed
    assert pace.left(12.2) is None


def test_a_place_that_goes_on_refusing_is_asked_less_and_less_and_recovers_to_what_it_took() -> None:
    pace = Pace(1000.0, 0.0)
    now, rates = 0.0, []
    for _ in range(12):
        refusals(pace, now + 1.0, sent(pace, now, 1.0, most=50))
        now += 1.0
        rates.append(pace.per_s(now))
    assert rates[-1] == pytest.approx(1000 * LEAST_SHARE, rel=0.02)  # never silent
    assert pace.per_s(now + DOUBLES_S * 3.5) == pytest.approx(1000 * LEAST_SHARE * 2**3.5, rel=0.02)
    assert pace.per_s(now + DOUBLES_S * 4.1) == 1000.0


def test_refusals_of_one_moment_count_once() -> None:
    pace = Pace(100.0, 0.0)
    sent(pace, 0.0, 1.0)
    refusals(pace, 1.0, 50)
    slow = pace.per_s(1.0)
    refusals(pace, 1.5, 50)
    assert slow is not None
    assert pace.per_s(1.5) == pytest.approx(slow * 2 ** (0.5 / DOUBLES_S))


@pytest.mark.parametrize(("asked", "refused"), [(1000, 200), (3, 3), (LEAST_REFUSALS - 1, LEAST_REFUSALS - 1)])
def test_a_few_refusals_among_many_change_nothing(asked: int, refused: int) -> None:
    pace = Pace(None, 0.0)
    pace.left(0.5)
    for _ in range(asked):
        pace.spend()
    refusals(pace, 0.6, refused)
    assert not pace.slowed


def test_what_it_took_before_it_was_watched_counts() -> None:
    pace = Pace(None, 0.0, took_per_s=400)
    refusals(pace, 0.1, 99)
    assert not pace.slowed
    refusals(pace, 0.1, 1)
    assert pace.per_s(0.1) == 200


def test_another_ceiling_holds_from_then_on_for_a_place_that_is_slowed_too() -> None:
    pace = Pace(100.0, 0.0)
    assert sent(pace, 0.0, 1.0) >= 100
    pace.keep_to(20.0)
    assert 18 <= sent(pace, 1.0, 1.0) <= 23
    refusals(pace, 2.0, 20)
    pace.keep_to(5.0)
    assert pace.per_s(2.0) == 5.0
    assert pace.per_s(2.0 + DOUBLES_S) == 5.0


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 20), st.integers(0, 40)), max_size=40))
def test_no_course_of_events_exceeds_the_ceiling_or_stops_for_good(course: list[tuple[float, int, int]]) -> None:
    pace, now, gone = Pace(50.0, 0.0), 0.0, 0
    for passed, wanted, refused in course:
        now += passed
        left = pace.left(now)
        assert left is not None
        for _ in range(min(left, wanted)):
            pace.spend()
            gone += 1
        refusals(pace, now, refused)
    assert gone <= 5 + 50.0 * now + 1
    assert pace.left(now + 200.0) == 5
