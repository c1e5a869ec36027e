"""Which requests have waited too long."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp.overdue import Overdue


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 3)), max_size=30))
def test_every_number_is_due_once_not_before_its_time_and_not_much_later(sent: list[tuple[int, float]]) -> None:
    overdue, now, number = Overdue(10.0), 0.0, 1
    left: dict[int, float] = {}
    for many, pause_s in sent:
        now += pause_s
        overdue.left(number, number + many - 1, now)
        left |= dict.fromkeys(range(number, number + many), now)
        number += many
    seen: list[int] = []
    while (due_at := overdue.due_at) is not None:
        assert overdue.due(due_at - 0.001) == []
        for span in overdue.due(due_at):
            assert all(9.999 <= due_at - left[one] <= 10.251 for one in span)
            seen += span
    assert seen == sorted(left)
    assert overdue.timers == 0


def test_what_leaves_within_a_moment_shares_a_timer_unless_the_numbers_began_anew() -> None:
    overdue = Overdue(10.0)
    overdue.left(7, 9, 0.0)
    overdue.left(12, 12, 0.2)
    assert overdue.timers == 1
    overdue.left(1, 2, 0.2)
    assert overdue.timers == 2
    assert overdue.due(10.25) == [range(7, 13)]
    assert overdue.due(10.45) == [range(1, 3)]


def test_nothing_left_is_never_due() -> None:
    overdue = Overdue(10.0)
    overdue.left(5, 4, 0.0)
    assert (overdue.due_at, overdue.due(1e9)) == (None, [])
