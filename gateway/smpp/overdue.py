"""Which requests have waited too long for their answers, with few timers: those that left within a moment share one.

Knows: sequence numbers, when they left, how long an answer may take. Never knows: what they asked, whether it came.
SMPP 3.4 §7.2.
"""

from collections import deque

_GRAIN_S = 0.25  # what left within so long is overdue together


class Overdue:
    """Answered or not, every number comes out of `due` once."""

    def __init__(self, timeout_s: float) -> None:
        self._patience_s = timeout_s + _GRAIN_S
        self._spans: deque[list[float | int]] = deque()  # [first left at, first number, last number]

    @property
    def due_at(self) -> float | None:
        """When `due` has something to say, if nothing else leaves."""
        return self._spans[0][0] + self._patience_s if self._spans else None

    @property
    def timers(self) -> int:
        """How many moments are remembered."""
        return len(self._spans)

    def left(self, first: int, last: int, now: float) -> None:
        """These consecutive numbers left."""
        newest = self._spans[-1] if self._spans else None
        if newest is not None and now - newest[0] < _GRAIN_S and newest[1] <= first:
            newest[2] = last
        elif last >= first:
            self._spans.append([now, first, last])

    def due(self, now: float) -> list[range]:
        """The numbers for whose answers nobody waits any longer."""
        # SMPP 3.4 §7.2: response_timer
        found: list[range] = []
        while self._spans and self._spans[0][0] + self._patience_s <= now:
            _, first, last = self._spans.popleft()
            found.append(range(int(first), int(last) + 1))
        return found
