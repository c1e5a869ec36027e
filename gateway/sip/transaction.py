"""Client transactions as the standard draws them: two tables of states and events, and their timers.

Knows: RFC 3261 §17.1 (client transactions), RFC 6026 (a 2xx keeps its transaction for repetitions).
Never knows: messages, sockets, clocks (`now` is an argument), what a call is.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

# RFC 3261 §17.1.1.1
T1_S, T2_S, T4_S = 0.5, 4.0, 5.0
LIFE_S = 64 * T1_S


class State(Enum):
    """Where a transaction stands."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Event(Enum):
    """What happens to it: a response by its class, or a timer."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    REFUSAL = "300-699"
    RESEND = "timer A or E"
    GIVE_UP = "timer B or F"
    DONE = "timer D, K or M"
    BROKEN = "transport error"


class Action(Enum):
    """What is to be done then."""

    SEND = "send the request again"
    ACK = "acknowledge the refusal"
    TELL = "hand the response on"
    TIMEOUT = "no answer came"
    FAIL = "it can not be sent"


class Step(NamedTuple):
    """The next state, and the actions on the way."""

    state: State
    actions: tuple[Action, ...] = ()


_C, _T, _P = State.CALLING, State.TRYING, State.PROCEEDING
_D, _A, _X = State.COMPLETED, State.ACCEPTED, State.TERMINATED
Table = Mapping[tuple[State, Event], Step]

# RFC 3261 §17.1.1.2, with the state `accepted` of RFC 6026 §8.4
INVITE: Table = {
    (_C, Event.RESEND): Step(_C, (Action.SEND,)),
    (_C, Event.GIVE_UP): Step(_X, (Action.TIMEOUT,)),
    (_C, Event.BROKEN): Step(_X, (Action.FAIL,)),
    (_C, Event.PROVISIONAL): Step(_P, (Action.TELL,)),
    (_C, Event.SUCCESS): Step(_A, (Action.TELL,)),
    (_C, Event.REFUSAL): Step(_D, (Action.ACK, Action.TELL)),
    (_P, Event.PROVISIONAL): Step(_P, (Action.TELL,)),
    (_P, Event.SUCCESS): Step(_A, (Action.TELL,)),
    (_P, Event.REFUSAL): Step(_D, (Action.ACK, Action.TELL)),
    (_P, Event.BROKEN): Step(_X, (Action.FAIL,)),
    (_D, Event.REFUSAL): Step(_D, (Action.ACK,)),
    (_D, Event.DONE): Step(_X),
    (_D, Event.BROKEN): Step(_X),
    (_A, Event.SUCCESS): Step(_A, (Action.TELL,)),
    (_A, Event.DONE): Step(_X),
    (_A, Event.BROKEN): Step(_X),
}

# RFC 3261 §17.1.2.2
OTHER: Table = {
    (_T, Event.RESEND): Step(_T, (Action.SEND,)),
    (_T, Event.GIVE_UP): Step(_X, (Action.TIMEOUT,)),
    (_T, Event.BROKEN): Step(_X, (Action.FAIL,)),
    (_T, Event.PROVISIONAL): Step(_P, (Action.TELL,)),
    (_T, Event.SUCCESS): Step(_D, (Action.TELL,)),
    (_T, Event.REFUSAL): Step(_D, (Action.TELL,)),
    (_P, Event.RESEND): Step(_P, (Action.SEND,)),
    (_P, Event.GIVE_UP): Step(_X, (Action.TIMEOUT,)),
    (_P, Event.BROKEN): Step(_X, (Action.FAIL,)),
    (_P, Event.PROVISIONAL): Step(_P, (Action.TELL,)),
    (_P, Event.SUCCESS): Step(_D, (Action.TELL,)),
    (_P, Event.REFUSAL): Step(_D, (Action.TELL,)),
    (_D, Event.DONE): Step(_X),
    (_D, Event.BROKEN): Step(_X),
}


def of_code(code: int) -> Event:
    """The event that a status code is."""
    if code < 200:
        return Event.PROVISIONAL
    return Event.SUCCESS if code < 300 else Event.REFUSAL


class ClientTransaction:
    """One request of ours until everything about it is over. What has no row in its table changes nothing."""

    def __init__(self, *, invite: bool, reliable: bool, now: float, give_up_s: float = LIFE_S) -> None:
        self.state = State.CALLING if invite else State.TRYING
        self._invite = invite
        self._reliable = reliable
        self._pause_s = T1_S
        # RFC 3261 §17.1.1.2: no timer A and E over a reliable transport
        self._timers: dict[Event, float] = {} if reliable else {Event.RESEND: now + T1_S}
        self._timers[Event.GIVE_UP] = now + give_up_s

    def response(self, code: int, now: float) -> tuple[Action, ...]:
        """A response with this status came."""
        return self._take(of_code(code), now)

    def broken(self, now: float) -> tuple[Action, ...]:
        """The transport says that the request did not leave, or that no answer can come."""
        return self._take(Event.BROKEN, now)

    def handle_timer(self, now: float) -> tuple[Action, ...]:
        """What is due."""
        actions: tuple[Action, ...] = ()
        # giving up comes before sending once more
        for event in sorted((event for event, at in self._timers.items() if at <= now), key=lambda e: e.name):
            if event in self._timers:
                actions += self._take(event, now)
        return actions

    def next_timer(self) -> float | None:
        """When `handle_timer` has something to do."""
        return min(self._timers.values(), default=None)

    def _take(self, event: Event, now: float) -> tuple[Action, ...]:
        step = (INVITE if self._invite else OTHER).get((self.state, event))
        self._timers.pop(event, None)
        if step is None:
            return ()
        if event is Event.RESEND:
            self._again(now)
        if step.state is not self.state:
            self.state = step.state
            self._entered(now)
        return step.actions

    def _again(self, now: float) -> None:
        # RFC 3261 §17.1.1.2 doubles without end, §17.1.2.2 up to T2
        self._pause_s = self._pause_s * 2 if self._invite else min(self._pause_s * 2, T2_S)
        if self.state is State.PROCEEDING:
            self._pause_s = T2_S  # RFC 3261 §17.1.2.2
        self._timers[Event.RESEND] = now + self._pause_s

    def _entered(self, now: float) -> None:
        """The timers of the new state."""
        match self.state:
            case State.PROCEEDING:
                if self._invite:
                    self._timers.clear()  # it may ring for long; ending that is up to the caller
            case State.COMPLETED:
                # RFC 3261 §17.1.1.2 (timer D) and §17.1.2.2 (timer K)
                wait_s = 0.0 if self._reliable else (LIFE_S if self._invite else T4_S)
                self._timers = {Event.DONE: now + wait_s}
            case State.ACCEPTED:
                self._timers = {Event.DONE: now + LIFE_S}  # RFC 6026 §7.2 (timer M)
            case _:
                self._timers.clear()
