"""Reading ahead: what comes next is read on a session of its own while this is written.

Knows: one question at a time, and how long its answer is good for. Never knows: what is read.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from gateway.store.pool import Connection, Store

KEPT_S = 10.0

Read = TypeVar("Read")


class Ahead(Generic[Read]):
    """What was asked for beforehand. A question that has no session yet is not waited for: who waits may hold the
    session that it would get."""

    def __init__(self, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._for: Hashable = None
        self._asked_at: float | None = None
        self._reading: asyncio.Task[Read] | None = None

    def ask(self, what: Hashable, read: Callable[[Connection], Awaitable[Read]]) -> None:
        """Begin to read what will be taken as `what`; what was asked for before is given up."""
        self.drop()
        self._for, self._reading = what, asyncio.create_task(self._read(read))

    async def take(self, what: Hashable) -> Read | None:
        """What was read, once; None when it was not asked for, has not begun to be read, or is old. Raises what the
        reading raised."""
        reading, asked_at = self._reading, self._asked_at
        if reading is None or what != self._for or asked_at is None or self._monotonic() - asked_at > KEPT_S:
            self.drop()
            return None
        self._reading = self._asked_at = None
        try:
            return await reading
        finally:
            reading.cancel()

    def drop(self) -> None:
        """Give up what was asked for."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading.add_done_callback(_heard)
        self._for = self._reading = self._asked_at = None

    async def _read(self, read: Callable[[Connection], Awaitable[Read]]) -> Read:
        async with self._store.connection() as connection:
            self._asked_at = self._monotonic()
            return await read(connection)


def _heard(reading: "asyncio.Task[Read]") -> None:
    """Nobody asks any more why it failed."""
    if not reading.cancelled():
        reading.exception()
