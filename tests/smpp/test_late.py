"""Answers that come too late: their requests are remembered for a while, and no more of them than so many."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp.late import Late


def test_a_request_is_found_once_and_only_under_its_number() -> None:
    late = Late(keep_s=10.0)
    late.expect({7: "seven", 9: "nine"}, 0.0)
    assert late.take(8, 1.0) is None
    assert late.take(9, 1.0) == "nine"
    assert late.take(9, 1.0) is None
    assert len(late) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 5)), max_size=40))
def test_what_is_too_old_or_one_too_many_is_forgotten_the_oldest_first(came: list[tuple[int, float]]) -> None:
    late, now, number = Late(keep_s=10.0, most=20), 0.0, 0
    expected: dict[int, float] = {}
    for many, pause_s in came:
        now += pause_s
        fresh = dict.fromkeys(range(number, number + many), now)
        late.expect(fresh, now)
        number += many
        expected = dict(list((expected | fresh).items())[-20:])
        expected = {one: at for one, at in expected.items() if at + 10.0 > now}
        assert len(late) == len(expected)
    assert {one: late.take(one, now) for one in range(number)} == {one: expected.get(one) for one in range(number)}
    assert not len(late)
