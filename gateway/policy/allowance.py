"""Units that may leave on one account: slots of one grid, granted from outside or by itself, used in their time.

Knows: arithmetic on seconds and slots. Never knows: who grants, how many nodes share the grid, what a unit is.
"""

from collections import deque
from collections.abc import Callable
from math import ceil, floor, inf

LATE_S = 0.05
"""How long after its time a slot may still be used; what was missed by more is lost: nothing leaves in bursts."""
EPSILON = 1e-9


def _nobody() -> None:
    """Nobody grants anything."""


def grid_period_s(rate_per_s: float) -> float:
    """Seconds between two slots in whole microseconds, as a store keeps them: never more than the rate."""
    return ceil(1e6 / rate_per_s - EPSILON) / 1e6


class Allowance:
    """`rate_per_s` units a second. Without `shared` every slot of the grid is its own; with it only those granted:
    `hungry` is called when no more than `low` slots are left."""

    def __init__(self, rate_per_s: float, *, shared: bool = False) -> None:
        self.rate_per_s = rate_per_s
        self.period_s = 1.0 / rate_per_s
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

    def room(self, now: float) -> int:
        """How many units may leave now."""
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
        return max(now, self._grants[0][0]) if self._grants else inf

    def _forfeit(self, grant: list[float], now: float) -> None:
        """Drop the slots that were missed by more than `LATE_S`, or by more than a period where that is longer."""
        oldest = now - max(LATE_S, self.period_s)
        if grant[0] == -inf:
            grant[0] = now
        elif grant[0] < oldest:
            missed = floor((oldest - grant[0]) / self.period_s)
            grant[0] += missed * self.period_s
            grant[1] = max(0, grant[1] - missed)
