"""Answers that come after nobody waited for them any longer: what they are the answers to, for a while.

Knows: sequence numbers, how long and how many are remembered. Never knows: what a ticket is, what was answered.
SMPP 3.4 §7.2.
"""

from collections import OrderedDict
from collections.abc import Mapping

KEEP_S = 600.0
MOST = 5_000


class Late:
    """The oldest are forgotten first: those that are older than `keep_s`, or one too many."""

    def __init__(self, keep_s: float = KEEP_S, most: int = MOST) -> None:
        self._keep_s = keep_s
        self._most = most
        self._tickets: OrderedDict[int, tuple[float, object]] = OrderedDict()  # number -> (until, ticket)

    def __len__(self) -> int:
        return len(self._tickets)

    def expect(self, overdue: Mapping[int, object], now: float) -> None:
        """The answers to these numbers are overdue, and may still come."""
        self._forget(now)
        for number, ticket in overdue.items():
            self._tickets[number] = now + self._keep_s, ticket
        while len(self._tickets) > self._most:
            self._tickets.popitem(last=False)

    def take(self, number: int, now: float) -> object | None:
        """What this number was the request for; once, and None for what is not remembered."""
        self._forget(now)
        _, ticket = self._tickets.pop(number, (0.0, None))
        return ticket

    def _forget(self, now: float) -> None:
        while self._tickets and next(iter(self._tickets.values()))[0] <= now:
            self._tickets.popitem(last=False)
