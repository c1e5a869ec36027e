"""The lives of a delivery and of a campaign, as tables; a missing key is an error.

Knows: states and the events that change them. Never knows: who stores them (the SQL of store/queries does what these
tables say; a test compares both), clocks, peers.
"""

from enum import Enum

from gateway.model import CampaignState, DeliveryState


class DeliveryEvent(Enum):
    """What can happen to one delivery."""

    MARK = "mark"  # the mark is durable, bytes may leave
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TRY_LATER = "try later"
    TOO_LATE = "too late"  # the alert expired before it could leave
    NO_ANSWER = "no answer"  # bytes left, the answer never came, or the holder died
    ARRIVED = "arrived"  # receipt: delivered
    NOT_ARRIVED = "not arrived"  # receipt: failed
    NETWORK_EXPIRED = "network expired"  # receipt: expired
    CALL_AGAIN = "call again"  # receipt: busy, no answer
    REPLACED = "replaced"  # a later text took its place at the provider before it arrived
    STOP = "stop"  # the campaign was stopped
    EXPIRE = "expire"  # the campaign expired


D, E = DeliveryState, DeliveryEvent
DELIVERY: dict[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (D.QUEUED, E.MARK): D.SUBMITTING,
    (D.QUEUED, E.STOP): D.CANCELLED,
    (D.QUEUED, E.EXPIRE): D.EXPIRED,
    (D.RETRY_WAIT, E.MARK): D.SUBMITTING,
    (D.RETRY_WAIT, E.STOP): D.CANCELLED,
    (D.RETRY_WAIT, E.EXPIRE): D.EXPIRED,
    (D.UNKNOWN, E.MARK): D.SUBMITTING,  # urgent only, once, flagged possible duplicate
    (D.SUBMITTING, E.ACCEPTED): D.SUBMITTED,
    (D.SUBMITTING, E.REFUSED): D.FAILED,
    (D.SUBMITTING, E.TRY_LATER): D.RETRY_WAIT,
    (D.SUBMITTING, E.TOO_LATE): D.EXPIRED,
    (D.SUBMITTING, E.NO_ANSWER): D.UNKNOWN,
    (D.SUBMITTING, E.STOP): D.CANCELLED,  # taken and not written
    (D.SUBMITTED, E.REPLACED): D.CANCELLED,
    # an answer that came after nobody waited for it any longer
    (D.UNKNOWN, E.ACCEPTED): D.SUBMITTED,
    (D.RETRY_WAIT, E.ACCEPTED): D.SUBMITTED,  # of an earlier try than the one that was refused for now
    (D.UNKNOWN, E.REFUSED): D.FAILED,
    (D.UNKNOWN, E.TRY_LATER): D.RETRY_WAIT,
    (D.UNKNOWN, E.TOO_LATE): D.EXPIRED,
} | {
    # a receipt may come at any time before the end, and resolves what was unknown
    (state, event): end
    for state in (D.SUBMITTING, D.SUBMITTED, D.RETRY_WAIT, D.UNKNOWN)
    for event, end in (
        (E.ARRIVED, D.DELIVERED),
        (E.NOT_ARRIVED, D.FAILED),
        (E.NETWORK_EXPIRED, D.EXPIRED),
        (E.CALL_AGAIN, D.RETRY_WAIT),
    )
}
FINAL = frozenset({D.DELIVERED, D.FAILED, D.CANCELLED, D.EXPIRED})


class CampaignEvent(Enum):
    """What can happen to a campaign."""

    APPROVE = "approve"
    FIRST_SLICE = "first slice"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    EXPIRE = "expire"
    DONE = "done"  # nothing is open any more


C, X = CampaignState, CampaignEvent
CAMPAIGN: dict[tuple[CampaignState, CampaignEvent], CampaignState] = {
    (C.HELD, X.APPROVE): C.PLANNED,
    (C.HELD, X.STOP): C.CLOSING,
    (C.HELD, X.EXPIRE): C.CLOSING,
    (C.PLANNED, X.FIRST_SLICE): C.SENDING,
    (C.PLANNED, X.PAUSE): C.PAUSED,
    (C.PLANNED, X.STOP): C.CLOSING,
    (C.PLANNED, X.EXPIRE): C.CLOSING,
    (C.SENDING, X.PAUSE): C.PAUSED,
    (C.SENDING, X.STOP): C.CLOSING,
    (C.SENDING, X.EXPIRE): C.CLOSING,
    (C.SENDING, X.DONE): C.CLOSED,
    (C.PAUSED, X.RESUME): C.SENDING,
    (C.PAUSED, X.STOP): C.CLOSING,
    (C.PAUSED, X.EXPIRE): C.CLOSING,
    (C.CLOSING, X.DONE): C.CLOSED,
}


def after(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """The state after the event. Raises KeyError for what must not happen."""
    return DELIVERY[state, event]


def campaign_after(state: CampaignState, event: CampaignEvent) -> CampaignState | None:
    """The campaign's state after the event, None when the event means nothing in this state."""
    return CAMPAIGN.get((state, event))
