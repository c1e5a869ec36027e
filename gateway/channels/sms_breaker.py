"""When a provider is left alone for a while: after many failures of its own in a row, ever longer, then tried with one.

Knows: a table of states, counts, seconds; time is an argument. Never knows: what failed, who else could send.
"""

from enum import Enum


class BreakerState(Enum):
    """Where the breaker stands."""

    CLOSED = "closed"  # all may pass
    OPEN = "open"  # nothing passes until the pause is over
    PROBING = "probing"  # one message is out; its answer decides


class Step(Enum):
    """What moves it."""

    TAKEN = "taken"
    TOO_MANY_FAILURES = "too many failures"
    FAILED = "failed"
    PAUSE_OVER = "pause over"


TRANSITIONS: dict[tuple[BreakerState, Step], BreakerState] = {
    (BreakerState.CLOSED, Step.TAKEN): BreakerState.CLOSED,
    (BreakerState.CLOSED, Step.FAILED): BreakerState.CLOSED,
    (BreakerState.CLOSED, Step.TOO_MANY_FAILURES): BreakerState.OPEN,
    (BreakerState.OPEN, Step.TAKEN): BreakerState.CLOSED,  # an answer that was on its way
    (BreakerState.OPEN, Step.FAILED): BreakerState.OPEN,
    (BreakerState.OPEN, Step.PAUSE_OVER): BreakerState.PROBING,
    (BreakerState.PROBING, Step.TAKEN): BreakerState.CLOSED,
    (BreakerState.PROBING, Step.FAILED): BreakerState.OPEN,
    (BreakerState.PROBING, Step.PAUSE_OVER): BreakerState.PROBING,  # its answer never came: another one
}
_GROWTH = 2.0


class Breaker:
    """Opens after `failures` in a row, for `first_s`, doubled each time a probe fails, up to `longest_s`."""

    def __init__(self, *, failures: int = 20, first_s: float = 5.0, longest_s: float = 120.0) -> None:
        self.state = BreakerState.CLOSED
        self._failures = failures
        self._first_s = first_s
        self._longest_s = longest_s
        self._in_a_row = 0
        self._pause_s = first_s
        self._until = 0.0

    def room(self, now: float, wanted: int) -> int:
        """How many of `wanted` messages may leave; one that leaves while it is not closed is the probe."""
        if self.state is BreakerState.CLOSED:
            return wanted
        return min(1, wanted) if now >= self._until else 0

    def next_at(self, now: float) -> float:
        """When something may pass: now or later."""
        return now if self.state is BreakerState.CLOSED else max(now, self._until)

    def left(self, now: float) -> None:
        """Something left: after a pause it is the probe, which nothing follows before its answer or another pause."""
        if self.state is not BreakerState.CLOSED:
            self._move(Step.PAUSE_OVER)
            self._until = now + self._pause_s

    def taken(self) -> None:
        """The provider answered as one that works."""
        self._in_a_row = 0
        if self.state is not BreakerState.CLOSED:
            self._move(Step.TAKEN)
            self._pause_s = self._first_s

    def failed(self, now: float, times: int = 1) -> None:
        """The provider failed by itself: no answer, a system error, a bind that it says is wrong."""
        self._in_a_row += times
        match self.state:
            case BreakerState.CLOSED if self._in_a_row >= self._failures:
                self._move(Step.TOO_MANY_FAILURES)
                self._until = now + self._pause_s
            case BreakerState.PROBING:
                self._move(Step.FAILED)
                self._pause_s = min(self._pause_s * _GROWTH, self._longest_s)
                self._until = now + self._pause_s
            case _:
                self._move(Step.FAILED)

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state, step]
