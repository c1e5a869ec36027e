"""Units that may leave at a rate: slots of one grid, granted from outside or by itself, used in their time.

What a stall cost is made up within a bound: a moment of a ceiling, a second of a rate that is held on average.
Knows: arithmetic on seconds and slots. Never knows: who grants, how many nodes share the grid, what a unit is.
"""

from collections import deque
from collections.abc import Callable
from math import ceil, floor, inf

LATE_S = 0.05
"""How long after its time a slot of a ceiling may still be used; what was missed by more is lost."""
CATCH_UP_S = 1.0
"""The same of a rate that is held on average: what was missed for longer is lost."""
FASTER, FASTER_LATE_S = 1.25, 0.2
"""How much faster than its rate such a one may go to make up for what it missed, and for how long that may stall, too:
together never more than half as much again in any second."""
PAUSE_S = 1.0
"""So long nobody wanted anything: there is nothing to make up for."""
EPSILON = 1e-9


def _nobody() -> None:
    """Nobody grants anything."""


def grid_period_s(rate_per_s: float) -> float:
    """Seconds between two slots in whole microseconds, as a store keeps them: never more than the rate."""
    return ceil(1e6 / rate_per_s - EPSILON) / 1e6


class Allowance:
    """`rate_per_s` units a second. Without `shared` every slot of the grid is its own; with it only those granted:
    `hungry` is called when no more than `low` slots are left. A slot may be used until `late_s` after its time;
    `step_s` joins what may leave within it, so that a fast rate is not one by one."""

    def __init__(self, rate_per_s: float, *, shared: bool = False, late_s: float = LATE_S, step_s: float = 0.0) -> None:
        self.rate_per_s = rate_per_s
        self.period_s = 1.0 / rate_per_s
        self._late_s = max(late_s, self.period_s)
        self._step_s = step_s
        self._since = self._asked_at = -inf
        self._faster = Allowance(rate_per_s * FASTER, late_s=FASTER_LATE_S) if late_s > FASTER_LATE_S else None
        self.hungry: Callable[[], None] = _nobody
        self.low = 0
        self.spent = 0
        self._debt = 0
        self._grants: deque[list[float]] = deque()  # [time of the first slot, slots]
        if not shared:
            self._grants.append([-inf, inf])

    @property
    def left(self) -> float:
        """Slots that were granted and neither used nor lost."""
        return sum(slots for _, slots in self._grants)

    def granted(self, first: float, slots: int) -> None:
        """These slots are ours, one period apart."""
        pays = min(self._debt, slots)
        self._debt -= pays
        if slots > pays:
            self._grants.append([first + pays * self.period_s, slots - pays])

    def oldest(self, now: float) -> float:
        """Slots before this time are lost."""
        return max(now - self._late_s, self._since)

    def room(self, now: float) -> int:
        """How many units may leave now; asked whenever somebody wants any."""
        if now - self._asked_at > max(PAUSE_S, self.period_s):
            self._since = now
        self._asked_at = now
        due = self._due(self._stepped(now))
        return due if self._faster is None else min(due, self._faster.room(now))

    def _stepped(self, now: float) -> float:
        return floor(now / self._step_s + EPSILON) * self._step_s if self._step_s else now

    def _due(self, now: float) -> int:
        total = 0
        for grant in list(self._grants):
            self._forfeit(grant, now)
            first, slots = grant
            due = min(slots, floor((now - first) / self.period_s + EPSILON) + 1) if first <= now else 0
            total += int(due)
            if slots <= 0:
                self._grants.popleft()
            elif due < slots:
                break
        if self.left <= self.low:
            self.hungry()
        return total

    def spend(self, units: int) -> None:
        """These have left. A message may cost more than there was room for: what it owes is paid by later slots."""
        self.spent += units
        if self._faster is not None:
            self._faster.spend(units)
        while units and self._grants:
            grant = self._grants[0]
            used = min(units, grant[1])
            grant[0] += used * self.period_s
            grant[1] -= used
            units -= int(used)
            if not grant[1]:
                self._grants.popleft()
        self._debt += units

    def next_at(self, now: float) -> float:
        """When the next unit may leave: now or later; infinity until something is granted."""
        if not self._grants:
            return inf
        at = self._grants[0][0]
        if self._step_s:
            at = ceil(at / self._step_s - EPSILON) * self._step_s
        return max(now, at) if self._faster is None else max(at, self._faster.next_at(now))

    def _forfeit(self, grant: list[float], now: float) -> None:
        """Drop the slots that were missed for too long."""
        oldest = self.oldest(now)
        if grant[0] == -inf:
            grant[0] = now
        elif grant[0] < oldest:
            missed = floor((oldest - grant[0]) / self.period_s)
            grant[0] += missed * self.period_s
            grant[1] = max(0, grant[1] - missed)
