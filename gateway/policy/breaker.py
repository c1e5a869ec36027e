"""When a trunk that refuses call after call is left alone, and how it is tried again.

Knows: how many of the last calls were refused, seconds. Never knows: calls, trunks, clocks (`now` is an argument),
which answers are refusals of the trunk (the driver's tables say so).

A trunk that throttles often says busy: a wave of it is the trunk's trouble and costs the called people no attempts.
"""

from collections import deque
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """It opens when at least `share` of the last `calls` were refused; then it rests, each time longer."""

    calls: int = 20
    share: float = 0.8
    first_s: float = 15.0
    max_s: float = 300.0
    probes: int = 3


class Breaker:
    """Closed, open until `rests_until`, or half open: then a few calls decide."""

    def __init__(self, rules: BreakerRules | None = None) -> None:
        self._rules = rules or BreakerRules()
        self._recent: deque[bool] = deque(maxlen=self._rules.calls)
        self._rest_s = self._rules.first_s
        self._probes: int | None = None  # refusals left until a half-open breaker opens again
        self.rests_until = -inf

    def closed(self, now: float) -> bool:
        """Whether a refusal is the called person's own: it is not while the breaker rests or is on probation."""
        return self._probes is None and now >= self.rests_until

    def took(self, now: float) -> None:
        """The trunk took a call to where it rang, or refused it for a reason of that number."""
        if now < self.rests_until:
            return  # of a call that began before
        self._recent.append(False)
        self._probes, self._rest_s = None, self._rules.first_s

    def refused(self, now: float) -> None:
        """The trunk was busy or congested before it rang."""
        if now < self.rests_until:
            return
        if self._probes is not None:
            self._probes -= 1
            if self._probes <= 0:
                self._open(now)
            return
        self._recent.append(True)
        full = len(self._recent) == self._rules.calls
        if full and sum(self._recent) >= self._rules.share * self._rules.calls:
            self._open(now)

    def _open(self, now: float) -> None:
        self.rests_until = now + self._rest_s
        self._rest_s = min(self._rest_s * 2, self._rules.max_s)
        self._probes = self._rules.probes
        self._recent.clear()
