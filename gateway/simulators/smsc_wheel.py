"""What an SMSC simulator has taken and not delivered: submits with the time at which their receipts are due.

Knows: times, one loop timer. Never knows: connections, receipts' texts.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

_PER_S = 100


class Submit(NamedTuple):
    """What a receipt needs of its submit."""

    system_id: bytes
    destination: bytes
    source: bytes
    number: int
    word: str
    data_coding: int
    mode: str


class Wheel:
    """`due` is told of submits whose time has come."""

    def __init__(self, due: Callable[[list[Submit]], None], *, clock: Callable[[], float]) -> None:
        self._due = due
        self._clock = clock
        self._buckets: dict[int, list[Submit]] = {}
        self._turning: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._buckets.values())

    def add(self, submit: Submit, after_s: float) -> None:
        """This one is due so much later."""
        when = int((self._clock() + after_s) * _PER_S) + 1
        self._buckets.setdefault(when, []).append(submit)
        if self._turning is None:
            self._turning = asyncio.get_running_loop().call_later(1 / _PER_S, self._turn)

    def find(self, is_it: Callable[[Submit], bool]) -> Submit | None:
        """The first that is meant."""
        return next((submit for bucket in self._buckets.values() for submit in bucket if is_it(submit)), None)

    def remove(self, submit: Submit) -> None:
        """It is not due any more."""
        for bucket in self._buckets.values():
            if submit in bucket:
                bucket.remove(submit)
                return

    def clear(self) -> None:
        """Forget everything."""
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None
        self._buckets.clear()

    def _turn(self) -> None:
        """Everything that is due by now."""
        self._turning = None
        now = int(self._clock() * _PER_S)
        for when in sorted(key for key in self._buckets if key <= now):
            self._due(self._buckets.pop(when))
        if self._buckets:
            self._turning = asyncio.get_running_loop().call_later(1 / _PER_S, self._turn)
