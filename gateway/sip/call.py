"""The life of an outgoing call as a table, and what is known of it on the way.

Knows: RFC 3261 §9 (CANCEL waits for a first answer), §13.2.2 (answers to an INVITE), §15 (BYE).
Never knows: bytes, transactions, sockets, clocks, what is played.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.sip.request import Leg


class Life(Enum):
    """Where a call stands."""

    INVITING = "inviting"
    RINGING = "ringing"
    ABANDONED = "abandoned"
    CANCELLING = "cancelling"
    UP = "up"
    LEAVING = "leaving"
    ENDED = "ended"


class Turn(Enum):
    """What happens to it."""

    PROGRESS = "1xx"
    ANSWER = "2xx"
    REFUSAL = "3xx to 6xx, or none"
    HANG_UP = "we hang up"
    BYE = "the other side hangs up"
    DONE = "the answer to our BYE, or none"


class Duty(Enum):
    """What the agent has to send or to say then."""

    CANCEL = "send CANCEL"
    BYE = "send BYE"
    ACK = "send ACK"
    SAY_PROGRESS = "report progress"
    SAY_UP = "report the answer"
    SAY_END = "report the end"


class Move(NamedTuple):
    """The next state and the duties on the way."""

    life: Life
    duties: tuple[Duty, ...] = ()


LIVES: Mapping[tuple[Life, Turn], Move] = {
    (Life.INVITING, Turn.PROGRESS): Move(Life.RINGING, (Duty.SAY_PROGRESS,)),
    (Life.INVITING, Turn.ANSWER): Move(Life.UP, (Duty.ACK, Duty.SAY_UP)),
    (Life.INVITING, Turn.REFUSAL): Move(Life.ENDED, (Duty.SAY_END,)),
    (Life.INVITING, Turn.HANG_UP): Move(Life.ABANDONED),  # RFC 3261 §9.1: no CANCEL before a provisional response
    (Life.RINGING, Turn.PROGRESS): Move(Life.RINGING, (Duty.SAY_PROGRESS,)),
    (Life.RINGING, Turn.ANSWER): Move(Life.UP, (Duty.ACK, Duty.SAY_UP)),
    (Life.RINGING, Turn.REFUSAL): Move(Life.ENDED, (Duty.SAY_END,)),
    (Life.RINGING, Turn.HANG_UP): Move(Life.CANCELLING, (Duty.CANCEL,)),
    (Life.ABANDONED, Turn.PROGRESS): Move(Life.CANCELLING, (Duty.CANCEL,)),
    (Life.ABANDONED, Turn.ANSWER): Move(Life.LEAVING, (Duty.ACK, Duty.BYE)),
    (Life.ABANDONED, Turn.REFUSAL): Move(Life.ENDED, (Duty.SAY_END,)),
    # RFC 3261 §9.1: the CANCEL crossed the answer; it was answered, so it is ended as a call
    (Life.CANCELLING, Turn.ANSWER): Move(Life.LEAVING, (Duty.ACK, Duty.BYE)),
    (Life.CANCELLING, Turn.REFUSAL): Move(Life.ENDED, (Duty.SAY_END,)),
    (Life.UP, Turn.ANSWER): Move(Life.UP, (Duty.ACK,)),  # RFC 3261 §13.2.2.4: our ACK was lost
    (Life.UP, Turn.HANG_UP): Move(Life.LEAVING, (Duty.BYE,)),
    (Life.UP, Turn.BYE): Move(Life.ENDED, (Duty.SAY_END,)),
    (Life.LEAVING, Turn.ANSWER): Move(Life.LEAVING, (Duty.ACK,)),
    (Life.LEAVING, Turn.BYE): Move(Life.ENDED, (Duty.SAY_END,)),  # both hung up
    (Life.LEAVING, Turn.DONE): Move(Life.ENDED, (Duty.SAY_END,)),
    (Life.ENDED, Turn.ANSWER): Move(Life.ENDED, (Duty.ACK,)),
}
"""What has no row changes nothing."""


@dataclass(slots=True, eq=False, kw_only=True)
class SipCall:
    """One outgoing call. `cseq` is of our newest request, `invite_cseq` and `branch` of the INVITE that counts."""

    leg: Leg
    offer: bytes
    media: tuple[str, int]
    branch: str
    cseq: int = 1
    invite_cseq: int = 1
    life: Life = Life.INVITING
    to_tag: str = ""
    ack: bytes = b""
    code: int = 0
    cause: int = 0
    retry_after_s: float | None = None
    answered: bool = False
    by_peer: bool = False
    credentials_tried: int = 0
    give_up_at: float | None = None

    def turn(self, turn: Turn) -> tuple[Duty, ...]:
        """Take one turn; what is to be done now."""
        move = LIVES.get((self.life, turn))
        if move is None:
            return ()
        self.life = move.life
        return move.duties
