"""The life cycles as tables: what may follow what, and that every life ends."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import CampaignState, DeliveryState
from gateway.policy.states import (
    CAMPAIGN,
    DELIVERY,
    FINAL,
    CampaignEvent,
    DeliveryEvent,
    after,
    campaign_after,
)

D, E, C, X = DeliveryState, DeliveryEvent, CampaignState, CampaignEvent


def test_a_final_state_never_changes() -> None:
    for state, event in product(FINAL, DeliveryEvent):
        with pytest.raises(KeyError):
            after(state, event)


def test_what_must_not_happen_is_an_error() -> None:
    for state, event in ((D.QUEUED, E.ACCEPTED), (D.SUBMITTED, E.MARK), (D.SUBMITTED, E.STOP), (D.UNKNOWN, E.EXPIRE)):
        with pytest.raises(KeyError):
            after(state, event)


def test_bytes_leave_only_after_the_mark() -> None:
    before = {state for (state, event), end in DELIVERY.items() if end is D.SUBMITTED}
    assert before == {D.SUBMITTING, D.UNKNOWN, D.RETRY_WAIT}  # the last two by an answer that came late
    assert {event for (_, event), end in DELIVERY.items() if end is D.SUBMITTING} == {E.MARK}
    assert {state for (state, event) in DELIVERY if event is E.MARK} == {D.QUEUED, D.RETRY_WAIT, D.UNKNOWN}


def test_a_late_receipt_resolves_what_was_unknown() -> None:
    assert after(D.UNKNOWN, E.ARRIVED) is D.DELIVERED
    assert after(D.UNKNOWN, E.NOT_ARRIVED) is D.FAILED
    assert after(D.UNKNOWN, E.NETWORK_EXPIRED) is D.EXPIRED


def test_a_late_answer_resolves_what_was_unknown() -> None:
    assert after(D.UNKNOWN, E.ACCEPTED) is after(D.RETRY_WAIT, E.ACCEPTED) is D.SUBMITTED
    assert after(D.UNKNOWN, E.REFUSED) is D.FAILED
    assert after(D.UNKNOWN, E.TRY_LATER) is D.RETRY_WAIT
    assert (D.RETRY_WAIT, E.REFUSED) not in DELIVERY, "it is the answer to an earlier try"


def test_a_receipt_before_its_response_is_kept() -> None:
    assert after(D.SUBMITTING, E.ARRIVED) is D.DELIVERED


def test_stopping_takes_back_only_what_has_not_left() -> None:
    assert {state for state, event in DELIVERY if event is E.STOP} == {D.QUEUED, D.RETRY_WAIT, D.SUBMITTING}
    assert {DELIVERY[key] for key in DELIVERY if key[1] is E.STOP} == {D.CANCELLED}


@given(st.lists(st.sampled_from(DeliveryEvent), max_size=40))
def test_no_chain_of_events_leads_out_of_the_table_or_back_from_the_end(events: list[DeliveryEvent]) -> None:
    state = D.QUEUED
    for event in events:
        if (state, event) in DELIVERY:
            assert state not in FINAL
            state = after(state, event)
    assert state in DeliveryState


@pytest.mark.parametrize("state", [state for state in DeliveryState if state not in FINAL])
def test_every_open_delivery_can_come_to_an_end(state: DeliveryState) -> None:
    seen, waiting = set[DeliveryState](), {state}
    while waiting:
        seen |= waiting
        waiting = {end for (start, _), end in DELIVERY.items() if start in waiting} - seen
    assert seen & FINAL


CAMPAIGN_TABLE = """
          approve  first slice  pause   resume   stop     expire   done
held      planned  -            -       -        closing  closing  -
planned   -        sending      paused  -        closing  closing  -
sending   -        -            paused  -        closing  closing  closed
paused    -        -            -       sending  closing  closing  -
closing   -        -            -       -        -        -        closed
closed    -        -            -       -        -        -        -
"""
EVENTS = (X.APPROVE, X.FIRST_SLICE, X.PAUSE, X.RESUME, X.STOP, X.EXPIRE, X.DONE)
ROWS = [line.split() for line in CAMPAIGN_TABLE.strip().splitlines()[1:]]


@pytest.mark.parametrize(
    ("state", "event", "becomes"),
    [
        (CampaignState(row[0]), event, None if cell == "-" else CampaignState(cell))
        for row in ROWS
        for event, cell in zip(EVENTS, row[1:], strict=True)
    ],
)
def test_a_campaign_lives_as_the_table_says(
    state: CampaignState, event: CampaignEvent, becomes: CampaignState | None
) -> None:
    assert campaign_after(state, event) is becomes


def test_the_table_above_names_every_state_and_event() -> None:
    assert {row[0] for row in ROWS} == {state.value for state in CampaignState}
    assert set(EVENTS) == set(CampaignEvent)
    assert len(CAMPAIGN) == sum(cell != "-" for row in ROWS for cell in row[1:])
