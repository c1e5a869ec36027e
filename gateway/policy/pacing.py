"""How fast calls may be started: a ceiling on every window, of one process and over several nodes.

Knows: arithmetic on seconds, counts and rates. Seconds are any clock's that never runs backwards; the caller says
which. Never knows: which clock, what is started, who waits, where the state of several nodes is kept.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import floor, inf

GUARD_S = 0.001
"""Added to every window, so that starts exactly one window apart never share a closed window after rounding."""

STRETCH = 1.003
"""The grid's period over window / limit. 600 a minute gives a period of 100.3 ms: 598 starts in 60 s, and start i+600
stands 180 ms past the window of start i. That slack takes up one forfeitable period of lateness (100.3 ms) and about
80 ms of difference between the clocks of nodes; below it the sliding log never has to hold anybody back."""

EPSILON = 1e-9
"""Rounding allowed when a time that was computed is compared with a time that was slept for."""


class Grid:
    """Slots one period apart, each good for one start. A slot missed by more than a period is forfeited for ever."""

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self._next: float | None = None

    def due(self, now: float) -> float:
        """The time of the first slot that may still be used: in the past by at most one period, now, or to come."""
        if self._next is None:
            return now
        missed = floor((now - self._next) / self.period_s)
        return self._next + max(0, missed) * self.period_s

    def use(self, now: float) -> None:
        """Spend the slot that `due` names."""
        self._next = self.due(now) + self.period_s


class SlidingLog:
    """The times of the last `limit` starts: the one thing that can prove that no window holds more."""

    def __init__(self, limit: int, window_s: float, history: Iterable[float] = ()) -> None:
        self.window_s = window_s
        self._starts = deque(sorted(history), maxlen=limit)

    def due(self) -> float:
        """The first time at which one more start leaves every window at or below the limit."""
        if len(self._starts) < (self._starts.maxlen or 0):
            return -inf
        return self._starts[0] + self.window_s + GUARD_S

    def add(self, now: float) -> None:
        """Write one start down."""
        self._starts.append(now)

    def within(self, now: float, window_s: float) -> int:
        """How many starts lie in the last `window_s` (for the gauge)."""
        return sum(start > now - window_s for start in self._starts)

    @property
    def starts(self) -> tuple[float, ...]:
        """What a restart needs in order to go on without a fresh allowance."""
        return tuple(self._starts)


class CeilingPacer:
    """Never more than `max_per_window` starts in any window, nearly that many with a backlog, and never in a burst.

    A grid spreads the starts, a log over the window proves the ceiling. `per_second` adds a provider's own limit for
    any one second. Leave it at least 1 above the grid's rate (11 for 600 a minute), or every late start costs the
    starts after it, too. `history` are the start times before a restart, by the same clock.
    """

    def __init__(
        self,
        max_per_window: int = 600,
        window_s: float = 60.0,
        *,
        per_second: int | None = None,
        history: Iterable[float] = (),
    ) -> None:
        past = sorted(history)
        self._grid = Grid(window_s / max_per_window * STRETCH)
        self._window = SlidingLog(max_per_window, window_s, past)
        self._second = SlidingLog(per_second, 1.0, past) if per_second else None
        if past:
            self._grid.use(past[-1])

    def next_at(self, now: float) -> float:
        """When the next start may happen: `now` or later."""
        second = self._second.due() if self._second else -inf
        return max(now, self._grid.due(now), self._window.due(), second)

    def start(self, now: float) -> bool:
        """Take a start at `now` and write it down, or False when it is too early."""
        if self.next_at(now) > now + EPSILON:
            return False
        self._grid.use(now)
        self._window.add(now)
        if self._second:
            self._second.add(now)
        return True

    def last_window(self, now: float) -> int:
        """Starts in the window that ends now: what `gateway_call_starts_last_60s` shows."""
        return self._window.within(now, self._window.window_s)

    @property
    def starts(self) -> tuple[float, ...]:
        """The start times to pass as `history` after a restart."""
        return self._window.starts


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """The ceiling that several nodes share."""

    limit: int = 600
    window_s: float = 60.0

    @property
    def period_s(self) -> float:
        """Seconds between two slots: 100.3 ms for 600 a minute."""
        return self.window_s / self.limit * STRETCH


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """What the shared row holds: the first free slot, and the newest slots given out (at most `limit`, ascending)."""

    next_at: float = -inf
    recent: tuple[float, ...] = ()


def reserve(plan: GatePlan, state: GateState, now: float, n: int) -> tuple[tuple[float, ...], GateState]:
    """Give out the next `n` slots (at most `plan.limit`) of a gate that all nodes share. The database executes the
    same arithmetic under the row's lock, with its own clock as `now`:

        floor[0] = max(now, next_at)
        floor[i] = -infinity                                     for i > 0
        floor[i] = max(floor[i], recent[i - limit] + window)     where recent holds that many (counted from its end)
        slot[i]  = i * period + max(floor[j] - j * period for j <= i)
        next_at  = slot[n-1] + period;  recent = the last `limit` of recent || slots

    The maximum over j is a window function (`max(...) over (order by i)`), so n slots are one statement. A node may
    use a slot from its time on and until one period later; a later slot is forfeited, and a slot that is not needed
    is not handed back: the gate loses a start, it never exceeds. Two slots that are `limit` apart lie limit * period
    = 60.18 s apart, so a start up to a period late on a clock up to 79 ms off keeps the ceiling. Reserve no more than
    is in hand to be started, and no more than about one second ahead.
    """
    if not 0 < n <= plan.limit:
        raise ValueError("a reservation is for at least one slot and at most the limit")
    log = len(state.recent) - plan.limit
    floors = (
        max(
            max(now, state.next_at) if i == 0 else -inf,
            state.recent[log + i] + plan.window_s + GUARD_S if 0 <= log + i < len(state.recent) else -inf,
        )
        - i * plan.period_s
        for i in range(n)
    )
    slots = tuple(i * plan.period_s + top for i, top in enumerate(accumulate(floors, max)))
    recent = (state.recent + slots)[-plan.limit :]
    return slots, GateState(next_at=slots[-1] + plan.period_s, recent=recent)


def usable(plan: GatePlan, slot: float, now: float) -> bool:
    """Whether a slot that was given out may be used at `now`: from its time on, until one period later."""
    return slot <= now + EPSILON and now - slot <= plan.period_s
