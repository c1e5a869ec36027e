"""How fast one bind may submit: up to its ceiling, half as fast when the peer says "too fast", then back again.

Knows: parts, seconds, what the peer accepted lately. Never knows: messages, sockets; time is an argument.
"""

_LEARN_S = 1.0  # the peer's own rate is counted over this long
_SETTLE_S = 1.2  # refusals on their way, or of the same second at the peer, do not slow us again
_BURST_S = 0.05
_RECOVER_S = 1.5  # from half the learned rate to just below it
_BELOW = 0.98
_PROBE = 0.00002  # per cubic second: hardly at first, so that a refusal is rare, then ever more boldly
_FORGET = 4.0  # times the learned rate: the limit is gone
_SLOWEST_PER_S = 1.0


class Pace:
    """A token bucket whose rate learns from refusals. `ceiling_per_s` is the agreed maximum in parts, or None."""

    def __init__(self, ceiling_per_s: float | None = None) -> None:
        self.ceiling_per_s = ceiling_per_s
        self.rate_per_s = ceiling_per_s
        self._tokens = 1.0
        self._at: float | None = None
        self._learned_per_s = 0.0
        self._slowed_at = float("-inf")
        self._counted_from = float("-inf")
        self._accepted = 0
        self._accepted_per_s = 0.0

    def allow(self, now: float, wanted: int) -> int:
        """How many of `wanted` parts may leave now. Does not spend them: say so by `spent`."""
        rate = self.rate_per_s
        if rate is None:
            return wanted
        self._creep(now)
        rate = self.rate_per_s
        if rate is None:
            return wanted
        elapsed = now - self._at if self._at is not None else 0.0
        self._at = now
        self._tokens = min(self._tokens + rate * max(0.0, elapsed), rate * _BURST_S + 1.0)
        return max(0, min(wanted, int(self._tokens)))

    def spent(self, parts: int) -> None:
        """These parts have left."""
        if self.rate_per_s is not None:
            self._tokens -= parts

    def next_at(self, now: float) -> float:
        """When the next part may leave, or `now`."""
        if self.rate_per_s is None or self._tokens >= 1.0:
            return now
        return now + (1.0 - self._tokens) / self.rate_per_s

    def accepted(self, now: float, parts: int) -> None:
        """The peer took these parts."""
        if now - self._counted_from >= _LEARN_S:
            span = now - self._counted_from
            self._accepted_per_s = self._accepted / span if span < 2 * _LEARN_S else 0.0
            self._counted_from, self._accepted = now, 0
        self._accepted += parts

    def throttled(self, now: float) -> None:
        """The peer refused because of its rate or its queue: half as fast from now on."""
        if now - self._slowed_at < _SETTLE_S:
            return
        span = max(now - self._counted_from, _LEARN_S)  # a burst of a moment says nothing about a second
        taken_per_s = max(self._accepted_per_s, self._accepted / span if span < 2 * _LEARN_S else 0.0)
        before = self.rate_per_s if self.rate_per_s is not None else taken_per_s
        self._learned_per_s = max(min(before, taken_per_s or before), 2 * _SLOWEST_PER_S)
        self.rate_per_s = max(self._learned_per_s / 2, _SLOWEST_PER_S)
        self._tokens = min(self._tokens, 0.0)
        self._slowed_at = now
        self._at = now

    def _creep(self, now: float) -> None:
        """Quickly back to just below what the peer took, slowly beyond it."""
        learned = self._learned_per_s
        if not learned:
            return
        since = now - self._slowed_at
        if since < _RECOVER_S:
            rate = learned * (0.5 + (_BELOW - 0.5) * since / _RECOVER_S)
        else:
            rate = learned * _BELOW * (1.0 + _PROBE * (since - _RECOVER_S) ** 3)
        if rate >= (self.ceiling_per_s or learned * _FORGET):
            self._learned_per_s = 0.0
            self.rate_per_s = self.ceiling_per_s
        else:
            self.rate_per_s = max(rate, _SLOWEST_PER_S)
