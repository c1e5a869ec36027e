"""Client transactions held against the standard's drawings: every cell of both tables, and every timer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.transaction import INVITE, LIFE_S, OTHER, Action, ClientTransaction, Event, State, of_code

SEQUENCE_S = {True: [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], False: [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]}


@pytest.mark.parametrize("invite", [True, False])
def test_a_request_is_repeated_when_the_standard_says(invite: bool) -> None:
    transaction = ClientTransaction(invite=invite, reliable=False, now=0.0)
    sent = []
    while transaction.state is not State.TERMINATED:
        due = transaction.next_timer()
        assert due is not None
        actions = transaction.handle_timer(due)
        if Action.SEND in actions:
            sent.append(due)
    assert sent == SEQUENCE_S[invite]
    assert (actions, due) == ((Action.TIMEOUT,), LIFE_S)


def test_a_provisional_answer_ends_the_repetition_of_an_invite_for_good() -> None:
    transaction = ClientTransaction(invite=True, reliable=False, now=0.0)
    assert transaction.response(100, 0.1) == (Action.TELL,)
    assert transaction.next_timer() is None
    assert transaction.handle_timer(500.0) == ()


def test_a_provisional_answer_slows_the_repetition_of_others() -> None:
    transaction = ClientTransaction(invite=False, reliable=False, now=0.0)
    transaction.response(100, 0.1)
    assert transaction.handle_timer(0.5) == (Action.SEND,)
    assert transaction.next_timer() == 4.5


@pytest.mark.parametrize(("invite", "code", "reliable", "lives_s"), [
    (True, 486, False, 32.0), (True, 486, True, 0.0), (True, 200, False, 32.0), (True, 200, True, 32.0),
    (False, 200, False, 5.0), (False, 200, True, 0.0), (False, 481, False, 5.0),
])  # fmt: skip
def test_a_final_answer_is_remembered_for_its_time(invite: bool, code: int, reliable: bool, lives_s: float) -> None:
    transaction = ClientTransaction(invite=invite, reliable=reliable, now=0.0)
    transaction.response(code, 1.0)
    assert transaction.next_timer() == 1.0 + lives_s
    transaction.handle_timer(1.0 + lives_s)
    assert transaction.state is State.TERMINATED


def test_a_refusal_is_acknowledged_every_time_and_told_once() -> None:
    transaction = ClientTransaction(invite=True, reliable=False, now=0.0)
    assert transaction.response(486, 0.1) == (Action.ACK, Action.TELL)
    assert transaction.response(486, 0.6) == (Action.ACK,)
    assert transaction.response(200, 0.7) == ()


@pytest.mark.parametrize("table", [INVITE, OTHER])
def test_nothing_leads_out_of_the_end_and_every_state_has_a_way_there(table: object) -> None:
    assert isinstance(table, dict)
    assert not [key for key in table if key[0] is State.TERMINATED]
    for state in {key[0] for key in table}:
        reached, new = {state}, {state}
        while new:
            new = {step.state for (at, _), step in table.items() if at in reached} - reached
            reached |= new
        assert State.TERMINATED in reached


@given(st.booleans(), st.booleans(), st.lists(st.tuples(st.floats(0, 40), st.integers(100, 699)), max_size=20))
def test_whatever_comes_a_transaction_tells_one_final_and_ends(
    invite: bool, reliable: bool, script: list[tuple[float, int]]
) -> None:
    transaction = ClientTransaction(invite=invite, reliable=reliable, now=0.0)
    now, finals = 0.0, 0
    for pause_s, code in script:
        now += pause_s
        finals += Action.TIMEOUT in transaction.handle_timer(now)
        before = transaction.state
        told = Action.TELL in transaction.response(code, now)
        # an INVITE's 2xx is handed on again and again: each repetition wants its ACK
        finals += told and code >= 200 and before is not State.ACCEPTED
    assert finals <= 1
    if not invite:
        now += 100
        transaction.handle_timer(now)
        transaction.handle_timer(now + 100)
        assert transaction.state is State.TERMINATED


@pytest.mark.parametrize(("code", "event"), [
    (100, Event.PROVISIONAL), (199, Event.PROVISIONAL), (200, Event.SUCCESS), (299, Event.SUCCESS),
    (300, Event.REFUSAL), (699, Event.REFUSAL),
])  # fmt: skip
def test_codes_are_classes(code: int, event: Event) -> None:
    assert of_code(code) is event


def test_a_transport_that_breaks_is_told() -> None:
    transaction = ClientTransaction(invite=True, reliable=True, now=0.0)
    assert transaction.broken(1.0) == (Action.FAIL,)
    assert transaction.state is State.TERMINATED
