"""How fast one place is asked: its ceiling, less of it after it said "not now", waiting after failures.

Knows: seconds, rates, counts. Never knows: clocks (the time is an argument), what the place is: a relay, a domain.
Implements RFC 5321 §4.5.4.1 (slower after failures) without a list of destinations.
"""

WINDOW_S = 1.0
LEAST_REFUSALS = 5
REFUSED_SHARE = 0.25
LEAST_SHARE = 1 / 16
DOUBLES_S = 10.0
"""A place is slowed when it refuses that many, and that share, of what it was asked in this window and the one before,
but never below LEAST_SHARE of what it took: somebody there may still get an alert. Afterwards its rate doubles in
DOUBLES_S until it is again what it took."""


_EPSILON = 1e-9  # what rounding may take from a token


class Backoff:
    """How long to wait after the n-th failure in a row: doubling up to a ceiling."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0

    def succeeded(self) -> None:
        """Start again from the first wait."""
        self._failures = 0

    def failed(self) -> float:
        """Seconds to wait now."""
        wait_s = min(self._first_s * 2.0**self._failures, self._most_s)
        self._failures = min(self._failures + 1, 32)
        return wait_s


class Pace:
    """At most `most_per_s` a second on average (None: any number), in steps of up to 100 ms.

    Refusals halve what the place took a second; those within a window of a cut belong to the same event. Then it
    recovers by itself. `took_per_s`: what it took before anybody counted here.
    """

    def __init__(self, most_per_s: float | None, now: float, *, took_per_s: float = 0.0) -> None:
        self._most_per_s = most_per_s
        self._rate = most_per_s
        self._cut_per_s: float | None = None
        self._before_per_s = 0.0
        self._cut_at = now - WINDOW_S
        self._left = max(1.0, (most_per_s or 0.0) / 10)
        self._at = self._since = now
        self._gone, self._gone_before = 0, took_per_s
        self._refused = self._refused_before = 0

    @property
    def slowed(self) -> bool:
        """True from a cut until it has recovered."""
        return self._cut_per_s is not None

    def per_s(self, now: float) -> float | None:
        """The rate to keep; None: any."""
        if self._cut_per_s is None:
            return self._most_per_s
        rate: float = self._cut_per_s * 2.0 ** ((now - self._cut_at) / DOUBLES_S)
        if rate < self._before_per_s:
            return rate if self._most_per_s is None else min(rate, self._most_per_s)
        self._cut_per_s = None
        return self._most_per_s

    def keep_to(self, most_per_s: float) -> None:
        """Another ceiling from now on."""
        self._most_per_s = most_per_s

    def left(self, now: float) -> int | None:
        """How many may go now; None: any number."""
        if now - self._since >= WINDOW_S:
            self._roll(now)
        self._rate = rate = self.per_s(now)
        if rate is None:
            self._at = now
            return None
        self._left = min(max(1.0, rate / 10), self._left + (now - self._at) * rate)
        self._at = now
        return max(0, int(self._left + _EPSILON))

    def next_at(self, now: float) -> float:
        """When at least one may go: `now` or later."""
        rate = self.per_s(now)
        return now if rate is None or self._left >= 1.0 else now + (1.0 - self._left) / rate

    def spend(self) -> None:
        """One has gone."""
        self._gone += 1
        if self._rate is not None:
            self._left -= 1

    def refused(self, now: float) -> None:
        """One came back: not now."""
        if now - self._since >= WINDOW_S:
            self._roll(now)
        self._refused += 1
        refused, gone = self._refused + self._refused_before, self._gone + self._gone_before
        if refused < LEAST_REFUSALS or refused < REFUSED_SHARE * gone or now - self._cut_at < WINDOW_S:
            return
        rate, took = self.per_s(now), max(self._gone / max(0.1, now - self._since), self._gone_before, 2.0)
        took = took if rate is None else min(rate, took)
        if self._cut_per_s is None:  # a second cut changes the rate, not where it recovers to
            self._before_per_s = took
        self._cut_per_s = max(took / 2, self._before_per_s * LEAST_SHARE)
        self._cut_at = self._at = now
        self._left = min(self._left, 0.0)

    def _roll(self, now: float) -> None:
        """The next window; one that is long ago counts as empty."""
        recent = now - self._since < 2 * WINDOW_S
        self._gone_before = float(self._gone) if recent else 0.0
        self._refused_before = self._refused if recent else 0
        self._gone = self._refused = 0
        self._since = now
