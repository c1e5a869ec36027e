"""The allowance of an account: exact over time, smooth, never in bursts, paid back when overdrawn."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.allowance import Allowance, grid_period_s


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


def test_asked_late_it_makes_up_for_a_moment_only() -> None:
    allowance = Allowance(1000)
    leave(allowance, 0.0)
    assert leave(allowance, 60.0) == 51


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
