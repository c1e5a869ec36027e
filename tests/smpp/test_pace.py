"""How fast one bind submits, on a clock that the test turns."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp.pace import Pace


def run(
    pace: Pace, seconds: float, limit_per_s: float | None, *, start: float = 0.0, step_s: float = 0.01
) -> list[int]:
    """Submit as fast as allowed to a peer that takes `limit_per_s`; how many it took in each second."""
    taken, second, in_second = [], 0, 0
    for turn in range(int(seconds / step_s)):
        now = start + turn * step_s
        if int(turn * step_s + 1e-9) > second:
            taken.append(in_second)
            second, in_second = second + 1, 0
        many = pace.allow(now, 100)
        pace.spent(many)
        for _ in range(many):
            if limit_per_s is not None and in_second >= limit_per_s:
                pace.throttled(now)
            else:
                in_second += 1
                pace.accepted(now, 1)
    return [*taken, in_second]


def test_without_a_ceiling_everything_may_leave() -> None:
    assert Pace().allow(0.0, 12_345) == 12_345


@given(st.floats(1.0, 5_000.0))
def test_a_ceiling_is_held_and_used(ceiling: float) -> None:
    taken = run(Pace(ceiling), 10, None)
    assert sum(taken) <= ceiling * 10 * 1.06 + 2
    assert sum(taken) >= ceiling * 10 * 0.94 - 2


def test_a_throttled_bind_slows_to_half_and_comes_back_to_what_the_peer_takes() -> None:
    taken = run(Pace(), 65, 300.0)
    assert min(taken) >= 300 / 2
    assert sum(taken[5:]) / len(taken[5:]) >= 0.95 * 300


def test_within_five_seconds_hardly_anything_is_refused_any_more() -> None:
    pace = Pace()
    run(pace, 5, 300.0)
    assert pace.rate_per_s is not None
    assert 150.0 <= pace.rate_per_s <= 330.0


def test_refusals_on_their_way_slow_only_once() -> None:
    pace = Pace(100.0)
    for i in range(100):
        pace.accepted(i / 100, 1)
    pace.allow(1.0, 1)
    for _ in range(50):
        pace.throttled(1.0)
    assert pace.rate_per_s is not None
    assert 45.0 <= pace.rate_per_s <= 51.0


def test_when_the_limit_is_gone_the_rate_grows_until_it_is_free_again() -> None:
    pace = Pace()
    run(pace, 5, 300.0)
    run(pace, 90, None, start=5.0)
    assert pace.rate_per_s is None


def test_a_ceiling_is_the_most_that_recovery_reaches() -> None:
    pace = Pace(200.0)
    run(pace, 3, 100.0)
    assert pace.rate_per_s is not None
    assert pace.rate_per_s < 200.0
    run(pace, 120, None, start=3.0)
    assert pace.rate_per_s == 200.0


def test_a_peer_that_takes_nothing_is_still_asked_now_and_then() -> None:
    pace = Pace()
    asked = 0
    for second in range(60):
        many = pace.allow(float(second), 10)
        pace.spent(many)
        asked += many
        pace.throttled(float(second))
    assert 20 <= asked <= 120


def test_a_long_message_may_leave_on_credit_and_is_paid_back() -> None:
    pace = Pace(10.0)
    assert pace.allow(0.0, 1) == 1
    pace.spent(5)
    assert pace.allow(0.1, 1) == 0
    assert 0.4 <= pace.next_at(0.1) <= 0.6
    assert pace.allow(0.55, 1) == 1
