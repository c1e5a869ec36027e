"""The words of a session."""

from gateway.smpp import pdu
from gateway.smpp.events import TRANSITIONS, Role, State


def test_a_role_is_its_command() -> None:
    assert {role.value for role in Role} == pdu.BINDS


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.DOWN}
    assert set(TRANSITIONS.values()) == set(State) - {State.OPEN}
