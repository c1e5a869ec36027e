"""What may leave at a rate: exact over time, never in bursts, stalls made up within a bound, overdrafts paid back."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.allowance import CATCH_UP_S, FASTER, FASTER_LATE_S, PAUSE_S, Allowance, grid_period_s


def leave(allowance: Allowance, now: float, wanted: int = 10**6) -> int:
    """As many as may."""
    many = min(allowance.room(now), wanted)
    allowance.spend(many)
    return many


@pytest.mark.parametrize("rate", [0.5, 1, 30, 500, 40_000])
def test_asked_often_its_rate_leaves_and_no_unit_more(rate: float) -> None:
    allowance = Allowance(rate)
    sent = sum(leave(allowance, tick / 100) for tick in range(1001))
    assert rate * 10 - 1 <= sent <= rate * 10 + 1


def test_asked_late_a_ceiling_makes_up_for_a_moment_only() -> None:
    allowance = Allowance(1000)
    leave(allowance, 0.0)
    assert leave(allowance, 0.9) == 51


@pytest.mark.parametrize("late_s", [0.05, CATCH_UP_S])
def test_after_a_pause_there_is_nothing_to_make_up_for(late_s: float) -> None:
    allowance = Allowance(1000, late_s=late_s)
    leave(allowance, 0.0)
    assert leave(allowance, PAUSE_S + 0.1) == 1


def on_average(rate: float, step_s: float = 0.0) -> Allowance:
    return Allowance(rate, late_s=CATCH_UP_S, step_s=step_s)


@pytest.mark.parametrize("rate", [2.0, 500, 2500, 40_000])
@pytest.mark.parametrize("step_s", [0.0, 0.01])
def test_a_rate_is_held_on_average_whatever_stalls_there_were(rate: float, step_s: float) -> None:
    """Every four seconds everything stands still for 0.7 s; and nobody asks more often than each 30 ms."""
    allowance, now, sent = on_average(rate, step_s), 100.0, 0
    for turn in range(1, 4001):
        sent += leave(allowance, now)
        now += 0.7 if turn % 110 == 0 else 0.03
    assert now - 100 > 140
    assert sent == pytest.approx(rate * (now - 100), abs=rate * 0.8 + 2)


def test_what_a_stall_cost_is_made_up_a_quarter_faster_than_the_rate() -> None:
    allowance, sent = on_average(1000), dict.fromkeys(range(8), 0)
    for tick in range(8000):
        if not 1000 <= tick < 1900:  # stalled
            sent[tick // 1000] += leave(allowance, tick / 1000)
    assert sent[0] == 1000
    assert sent[1] == pytest.approx((FASTER_LATE_S + 0.1) * FASTER * 1000, abs=2)
    assert [sent[second] for second in (2, 3)] == pytest.approx([FASTER * 1000] * 2, abs=2)
    assert [sent[second] for second in (5, 6, 7)] == pytest.approx([1000] * 3, abs=1)
    assert sum(sent.values()) == pytest.approx(8000, abs=1)


def test_a_longer_stall_than_may_be_made_up_is_lost() -> None:
    allowance = on_average(100)
    leave(allowance, 0.0)
    allowance.room(0.9)
    sent = sum(leave(allowance, 1.8 + tick / 100) for tick in range(1000))
    assert sent == pytest.approx(100 * (10 + CATCH_UP_S), abs=2)


def test_what_may_leave_within_a_step_leaves_together() -> None:
    allowance = on_average(2500, step_s=0.01)
    assert leave(allowance, 5.0) == 1
    at = allowance.next_at(5.0001)
    assert at == pytest.approx(5.01)
    assert [leave(allowance, now) for now in (5.004, 5.0099, 5.0101, 5.015, 5.0201)] == [0, 0, 25, 0, 25]


@given(
    st.floats(1, 50_000),
    st.lists(st.tuples(st.floats(0, 1.5), st.integers(1, 40_000)), min_size=1, max_size=60),
)
def test_in_no_span_does_more_leave_than_the_rate_and_what_may_be_made_up(
    rate: float, asked: list[tuple[float, int]]
) -> None:
    allowance, now, left = on_average(rate), 0.0, []
    for after, wanted in asked:
        now += after
        left.append((now, leave(allowance, now, wanted)))
    for start in range(len(left)):
        sent = 0
        for at, many in left[start:]:
            sent += many
            span_s = at - left[start][0]
            assert sent <= (span_s + max(CATCH_UP_S, 1 / rate)) * rate + 2
            assert sent <= (span_s + FASTER_LATE_S) * rate * FASTER + 2


@given(
    st.floats(1, 50_000),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 400)), min_size=1, max_size=100),
)
def test_in_no_span_does_more_leave_than_the_rate_and_one_moment_allow(
    rate: float, asked: list[tuple[float, int]]
) -> None:
    allowance, now, left = Allowance(rate), 0.0, []
    for after, wanted in asked:
        now += after
        left.append((now, leave(allowance, now, wanted)))
    for start in range(0, len(left), 7):
        sent = 0
        for at, many in left[start:]:
            sent += many
            assert sent <= (at - left[start][0] + max(0.05, 1 / rate)) * rate + 2


def test_of_a_shared_grid_only_what_was_granted_leaves_and_each_slot_in_its_time() -> None:
    allowance, asked = Allowance(100, shared=True), []
    allowance.hungry = lambda: asked.append(allowance.left)
    assert (allowance.room(0.0), asked, allowance.next_at(0.0)) == (0, [0], inf)
    allowance.low = 1
    allowance.granted(1.0, 5)
    allowance.granted(2.0, 5)
    assert [leave(allowance, at) for at in (0.99, 1.0, 1.025, 1.05, 1.09, 2.0)] == [0, 1, 2, 2, 0, 1]
    assert allowance.left == 4
    assert allowance.next_at(2.0) == pytest.approx(2.01)
    assert asked == [0]
    leave(allowance, 2.03)
    assert (allowance.room(2.03), asked) == (0, [0, 1])


def test_slots_that_were_missed_are_lost() -> None:
    allowance = Allowance(100, shared=True)
    assert [allowance.room(tick) for tick in range(5)] == [0] * 5
    allowance.granted(0.0, 1000)
    assert leave(allowance, 5.0) == 6
    assert leave(allowance, 11.0) == 0
    assert allowance.left == 0


def test_a_long_message_may_overdraw_and_the_next_slots_pay() -> None:
    allowance = Allowance(10, shared=True)
    allowance.granted(0.0, 2)
    assert allowance.room(0.0) == 1
    allowance.spend(5)
    allowance.granted(1.0, 10)
    assert allowance.room(1.25) == 0
    assert allowance.next_at(1.0) == pytest.approx(1.3)
    assert allowance.room(1.3) == 1


@pytest.mark.parametrize("rate", [0.3, 1, 7, 333, 30_000, 99_999])
def test_the_period_of_a_grid_is_whole_microseconds_and_never_too_short(rate: float) -> None:
    period_s = grid_period_s(rate)
    assert round(period_s * 1e6) == pytest.approx(period_s * 1e6)
    assert 1 / rate * 0.9999999 <= period_s <= 1 / rate + 1.1e-6
