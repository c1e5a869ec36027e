"""A dispatch rehearsed as events in time: when who would have been told, before anything is sent or bought.

People come out of planning slice by slice; ways (binds, connections, lines) take them as their windows and the agreed
rates allow; some need another try. One model for all channels: a bind has a window of unanswered messages, a trunk of
lines. Knows: arithmetic on seconds and counts. Never knows: settings, the store, clocks.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf

from gateway.policy.retry import RetryRules, back_off_s

FIRST_SLICE, LARGEST_SLICE = 500, 100_000  # as the planner writes them
MOST_GROUPS = 20_000
"""Messages move in groups, of so many at most: eleven million one by one would say the same, a thousand times later."""
SHARES = (0.5, 0.9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way out: how many messages may be on it at once, how long each is, and units a second that it takes."""

    window: int
    answer_s: float
    per_s: float = inf

    def capacity_per_s(self, units_each: int) -> float:
        """Units a second: a window is used again once its answers are in."""
        return min(self.per_s, self.window / self.answer_s if self.answer_s else inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one channel has to do and may: units are SMS parts, mails, calls. `again` is the share of tries that have to
    be made again; nothing starts after `ends_s`."""

    messages: int
    ways: Sequence[Way]
    rate_per_s: float = inf
    units_each: int = 1
    planned_per_s: float = 100_000.0
    again: float = 0.0
    rules: RetryRules = field(default_factory=RetryRules)
    ends_s: float = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Seconds after acceptance: the first start; when half, nine tenths and all had their first try; the last answer.
    `too_late` never started, `given_up` had all their tries; `held_by` is what was slowest."""

    first_s: float
    started_s: tuple[float, ...]
    answered_s: float
    too_late: int
    given_up: int
    held_by: str


class Rehearsal:
    """One channel's dispatch; `run` goes through its events."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._group = max(1, ceil(load.messages / MOST_GROUPS))
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._fresh = 0
        self._again: deque[tuple[int, int]] = deque()  # (messages, tries made)
        self._idle = list(load.ways)
        self._gate_s = 0.0
        self._owed: dict[int, float] = {}  # of a message that has to be tried again, by the tries made
        self._started = 0
        self._too_late = 0
        self._given_up = 0
        self._marks: list[float] = []
        self._first_s, self._answered_s = inf, 0.0

    def run(self) -> Course:
        """From acceptance to the last answer."""
        self._plan()
        while self._events:
            at, _, happens = heapq.heappop(self._events)
            happens(at)
            self._go(at)
        self._too_late = self._load.messages - self._started
        self._marks += [inf] * (len(SHARES) - len(self._marks))
        return Course(
            first_s=self._first_s,
            started_s=tuple(self._marks),
            answered_s=self._answered_s,
            too_late=self._too_late,
            given_up=self._given_up,
            held_by=self._held_by(),
        )

    def _at(self, at: float, happens: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, happens))

    def _plan(self) -> None:
        """Slices become ready as they are written."""
        written = 0
        while written < self._load.messages:
            rows = min(max(FIRST_SLICE, 2 * written), LARGEST_SLICE, self._load.messages - written)
            written += rows
            self._at(written / self._load.planned_per_s, partial(self._ready, rows))

    def _ready(self, rows: int, _at: float) -> None:
        self._fresh += rows

    def _go(self, at: float) -> None:
        """Idle ways take what is ready, those that wait for another try first."""
        while self._idle and (self._again or self._fresh):
            start = max(at, self._gate_s)
            if start >= self._load.ends_s:
                self._fresh = 0
                self._again.clear()
                return
            way = self._idle.pop()
            many, tries = self._again.popleft() if self._again else (min(self._group, self._fresh), 0)
            if not tries:
                self._fresh -= many
            self._start(way, many, tries, start)

    def _start(self, way: Way, many: int, tries: int, start: float) -> None:
        units = many * self._load.units_each
        self._gate_s = start + units / self._load.rate_per_s
        takes_s = units / way.capacity_per_s(self._load.units_each)
        over = max(start + takes_s, self._gate_s)
        self._first_s = min(self._first_s, start)
        if not tries:
            self._started += many
            while len(self._marks) < len(SHARES) and self._started >= SHARES[len(self._marks)] * self._load.messages:
                self._marks.append(over)
        self._at(over, partial(self._free, way))
        self._at(over + way.answer_s, partial(self._answered, many, tries + 1))

    def _free(self, way: Way, _at: float) -> None:
        self._idle.append(way)

    def _answered(self, many: int, tries: int, at: float) -> None:
        self._answered_s = max(self._answered_s, at)
        owed = self._owed.get(tries, 0.0) + many * self._load.again
        again, self._owed[tries] = int(owed), owed % 1
        if again and tries >= self._load.rules.attempts:
            self._given_up += again
        elif again:
            self._at(at + back_off_s(self._load.rules, tries), lambda _at: self._again.append((again, tries)))

    def _held_by(self) -> str:
        load = self._load
        limits = {
            "the agreed rate": load.rate_per_s,
            "windows and links": sum(way.capacity_per_s(load.units_each) for way in load.ways),
            "planning": load.planned_per_s * load.units_each,
        }
        return min(limits, key=limits.__getitem__)


def rehearse(load: Load) -> Course:
    """What would happen; without a way everybody is too late."""
    if not load.ways or load.messages <= 0:
        nobody = load.messages <= 0
        times = (0.0 if nobody else inf,) * len(SHARES)
        return Course(
            first_s=inf, started_s=times, answered_s=0.0, too_late=0 if nobody else load.messages, given_up=0,
            held_by="nothing" if nobody else "no way out",
        )  # fmt: skip
    return Rehearsal(load).run()
