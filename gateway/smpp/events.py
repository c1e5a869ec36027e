"""The words of an SMPP session: roles, states with their table, what a bind is asked with, what it tells.

Knows: names and shapes. Never knows: bytes, times, what a ticket is.
SMPP 3.4 §2.2.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.smpp import pdu
from gateway.smpp.receipt import DeliveryReceipt

Handle = tuple[int, int]
"""(command of the response, sequence number): what an acknowledgement needs."""


class Role(Enum):
    """What a bind may do; the value is its command_id. SMPP 3.4 §2.2."""

    TRANSCEIVER = pdu.BIND_TRANSCEIVER
    TRANSMITTER = pdu.BIND_TRANSMITTER
    RECEIVER = pdu.BIND_RECEIVER


class State(Enum):
    """Where a session stands. SMPP 3.4 §2.2."""

    OPEN = "open"
    BINDING = "binding"
    BOUND = "bound"
    UNBINDING = "unbinding"
    DOWN = "down"


class Step(Enum):
    """What moves a session on."""

    BIND_SENT = "bind sent"
    BIND_ACCEPTED = "bind accepted"
    UNBIND_SENT = "unbind sent"
    ENDED = "ended"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.OPEN, Step.BIND_SENT): State.BINDING,
    (State.OPEN, Step.ENDED): State.DOWN,
    (State.BINDING, Step.BIND_ACCEPTED): State.BOUND,
    (State.BINDING, Step.ENDED): State.DOWN,
    (State.BOUND, Step.UNBIND_SENT): State.UNBINDING,
    (State.BOUND, Step.ENDED): State.DOWN,
    (State.UNBINDING, Step.ENDED): State.DOWN,
}


# what it means when a deadline of the session passes in silence
SILENCE = {
    State.OPEN: "no outbind",
    State.BINDING: "no answer to the bind",
    State.BOUND: "no answer to enquire_link",
    State.UNBINDING: "no answer to the unbind",
    State.DOWN: "closed by us",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BindConfig:
    """Who binds, how, and how patient it is. `window` counts submits without an answer; 0 s switches a probe off.
    `outbind` is the (system_id, password) by which a peer that connects to us asks for the bind."""

    system_id: str
    password: str
    system_type: str = ""
    outbind: tuple[str, str] | None = None
    role: Role = Role.TRANSCEIVER
    window: int = 100
    enquire_link_s: float = 30.0
    response_timeout_s: float = 60.0
    control_timeout_s: float = 10.0


class Bound(NamedTuple):
    """The peer took the bind; `interface_version` is None when it did not say."""

    system_id: str
    interface_version: int | None


class Accepted(NamedTuple):
    """The peer took responsibility for these tickets; ids in the same order, "" of what was replaced."""

    tickets: list[object]
    message_ids: list[str]


class Refused(NamedTuple):
    """The peer said no to this ticket; see status.py for what that means."""

    ticket: object
    status: int


class Unanswered(NamedTuple):
    """These tickets left and their answers did not come in time."""

    tickets: list[object]


class Belated(NamedTuple):
    """The answer to a ticket that was `Unanswered` before: taken under this id (`status` is 0), or refused."""

    ticket: object
    message_id: str
    status: int


class Receipts(NamedTuple):
    """Receipts that wait to be acknowledged by these sequence numbers, see Session.acknowledge."""

    handles: list[Handle]
    receipts: list[DeliveryReceipt]


class Answered(NamedTuple):
    """The peer answered a request outside the window (cancel_sm): the command, and its command_status."""

    command: int
    status: int


class Inbound(NamedTuple):
    """A message that is no receipt (a person's reply); it waits to be acknowledged, too."""

    handle: Handle
    message: pdu.Message


class Finding(NamedTuple):
    """Something that a correct peer does not do, and how often it did since the last call of events()."""

    text: str
    times: int


class Down(NamedTuple):
    """The session is over. `unanswered` left and were never answered: nobody knows what became of them.

    `status` is the command_status of a refused bind, else 0.
    """

    reason: str
    unanswered: list[object]
    status: int = 0


Event = Bound | Accepted | Refused | Unanswered | Belated | Receipts | Answered | Inbound | Finding | Down
