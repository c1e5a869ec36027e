"""The breaker of a provider: opened by failures in a row, tried with one message, closed by an answer."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.sms_breaker import TRANSITIONS, Breaker, BreakerState, Step


def broken(at: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, first_s=5, longest_s=12)
    breaker.failed(at, 3)
    return breaker


def test_failures_in_a_row_open_it_and_others_do_not() -> None:
    breaker = Breaker(failures=3)
    for _ in range(10):
        breaker.failed(0.0, 2)
        breaker.taken()
    assert (breaker.state, breaker.room(0.0, 50)) == (BreakerState.CLOSED, 50)
    breaker.failed(1.0, 3)
    assert (breaker.state, breaker.room(1.0, 50), breaker.next_at(1.0)) == (BreakerState.OPEN, 0, 6.0)


def test_after_the_pause_one_message_passes_and_its_answer_closes_it() -> None:
    breaker = broken()
    assert breaker.room(5.0, 50) == 1
    breaker.left(5.0)
    assert (breaker.state, breaker.room(5.1, 50)) == (BreakerState.PROBING, 0)
    breaker.taken()
    assert (breaker.state, breaker.room(5.2, 50)) == (BreakerState.CLOSED, 50)


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now, pauses = broken(), 0.0, []
    for _ in range(4):
        pauses.append(breaker.next_at(now) - now)
        now = breaker.next_at(now)
        breaker.left(now)
        breaker.failed(now)
    assert pauses == [5, 10, 12, 12]


def test_a_probe_without_any_answer_is_followed_by_another_one() -> None:
    breaker = broken()
    breaker.left(5.0)
    assert [breaker.room(at, 9) for at in (9.9, 10.0)] == [0, 1]


def test_failures_that_were_on_their_way_when_it_opened_change_nothing() -> None:
    breaker = broken()
    breaker.failed(4.0, 100)
    assert breaker.next_at(4.0) == 5.0


@given(st.lists(st.tuples(st.sampled_from(["room", "left", "taken", "failed"]), st.floats(0, 30)), max_size=60))
def test_whatever_happens_it_never_stays_closed_to_all_for_longer_than_the_longest_pause(
    steps: list[tuple[str, float]],
) -> None:
    breaker, now = Breaker(failures=2, first_s=1, longest_s=8), 0.0
    for what, after in steps:
        now += after
        if what == "left" and breaker.room(now, 1):
            breaker.left(now)
        elif what == "taken":
            breaker.taken()
        elif what == "failed":
            breaker.failed(now)
        assert breaker.next_at(now) - now <= 8
        assert breaker.room(breaker.next_at(now), 5) >= 1


def test_the_table_has_an_answer_for_every_step_that_can_happen() -> None:
    impossible = {(BreakerState.CLOSED, Step.PAUSE_OVER)}
    impossible |= {(state, Step.TOO_MANY_FAILURES) for state in (BreakerState.OPEN, BreakerState.PROBING)}
    assert set(product(BreakerState, Step)) - impossible == TRANSITIONS.keys()
