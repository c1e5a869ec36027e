"""The life of a call: the table has a row for everything that matters and none that leads back from the end."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.call import LIVES, Duty, Life, SipCall, Turn
from gateway.sip.request import Leg


def call() -> SipCall:
    return SipCall(leg=Leg(call_id="c", sender="s", to="t", target="u"), offer=b"", media=("h", 1), branch="b")


def test_nothing_leads_back_from_the_end() -> None:
    assert {move.life for (life, _), move in LIVES.items() if life is Life.ENDED} == {Life.ENDED}


def test_every_answer_is_acknowledged_once_each_time() -> None:
    for (_, turn), move in LIVES.items():
        assert move.duties.count(Duty.ACK) == (turn is Turn.ANSWER)


def test_a_call_that_was_given_up_is_never_reported_as_up() -> None:
    for (life, turn), move in LIVES.items():
        if life in (Life.ABANDONED, Life.CANCELLING, Life.LEAVING) and turn is Turn.ANSWER:
            assert Duty.SAY_UP not in move.duties and move.life is Life.LEAVING


@given(st.lists(st.sampled_from(Turn), max_size=30))
def test_whatever_happens_the_end_is_said_at_most_once(turns: list[Turn]) -> None:
    one = call()
    said = [duty for turn in turns for duty in one.turn(turn)]
    assert said.count(Duty.SAY_END) == (one.life is Life.ENDED)
    assert said.count(Duty.SAY_UP) <= 1
    assert said.count(Duty.CANCEL) <= 1
