"""The breaker: a wave opens it, a busy evening does not, and it finds its way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.breaker import Breaker, BreakerRules

RULES = BreakerRules(calls=10, share=0.8, first_s=10, max_s=40, probes=2)


def after(*answers: bool, now: float = 0.0) -> Breaker:
    """A breaker that saw these answers: True is a refusal."""
    breaker = Breaker(RULES)
    for refused in answers:
        (breaker.refused if refused else breaker.took)(now)
    return breaker


def test_a_wave_of_refusals_opens_it() -> None:
    breaker = after(*[True] * 9)
    assert breaker.closed(0)
    breaker.refused(0)
    assert not breaker.closed(0)
    assert breaker.rests_until == 10


@pytest.mark.parametrize("answers", [[True, False] * 20, [True] * 7 + [False] * 3, [False] * 9 + [True] * 7])
def test_many_busy_people_do_not_open_it(answers: list[bool]) -> None:
    assert after(*answers).closed(0)


def test_what_comes_during_the_rest_of_calls_before_changes_nothing() -> None:
    breaker = after(*[True] * 10)
    breaker.took(5)
    breaker.refused(6)
    assert breaker.rests_until == 10
    assert not breaker.closed(5)


def test_after_the_rest_a_few_calls_decide() -> None:
    breaker = after(*[True] * 10)
    assert not breaker.closed(11)  # it rests no longer, but a refusal would still be the trunk's
    breaker.refused(11)
    assert breaker.rests_until == 10
    breaker.refused(11)
    assert breaker.rests_until == 11 + 20
    breaker.took(40)
    assert breaker.closed(40)


def test_the_rests_grow_up_to_their_bound_and_are_short_again_after_a_success() -> None:
    breaker, now, rests = after(*[True] * 10), 0.0, []
    for _ in range(4):
        rests.append(breaker.rests_until - now)
        now = breaker.rests_until
        for _ in range(RULES.probes):
            breaker.refused(now)
    assert rests == [10, 20, 40, 40]
    breaker.took(breaker.rests_until)
    now = breaker.rests_until
    for _ in range(10):
        breaker.refused(now)
    assert breaker.rests_until == now + 10


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=200))
def test_it_never_rests_longer_than_its_bound(script: list[tuple[bool, float]]) -> None:
    breaker, now = Breaker(RULES), 0.0
    for refused, pause_s in script:
        now += pause_s
        (breaker.refused if refused else breaker.took)(now)
        assert breaker.rests_until <= now + RULES.max_s
