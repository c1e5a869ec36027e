"""The time of the day as the database has it, the same on every node, whatever a node's own clock says.

Asked every second, and carried on in between by a clock that does not jump: a wall clock that is set by an hour makes
no alert expire and no retry wait. The two watch each other: when the database's own clock is set, it is noticed.
Knows: one question. Never knows: what the time is for.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.errors import StoreUnavailable
from gateway.store.pool import Connection, Store
from gateway.store.sql import Queries

_SQL = Queries.load("clock")
EVERY_S = 1.0
STEP_S = 1.0
"""What differs by less was not set: clocks drift, and are slewed."""
TRANSACTION_S = 30.0
"""So long a transaction may last before it is asked. By a clock that is behind nothing looks ended that has not."""


class StoreClock:
    """Call it for the time in UTC; `read` comes first, `run` keeps it true."""

    def __init__(self, store: Store, steady: Callable[[], float], *, every_s: float = EVERY_S) -> None:
        self._store = store
        self._steady = steady
        self._every_s = every_s
        self._read: tuple[datetime, float] | None = None
        self._doubt_s = 0.0  # what was read may be wrong by so much: it was said at any moment of the question
        self._set_at = float("-inf")

    def __call__(self) -> datetime:
        """The time."""
        return self._at(self._steady())

    async def read(self) -> None:
        """Ask the database. Raises StoreUnavailable."""
        async with self._store.connection() as connection:
            before = self._steady()
            said = await connection.fetchval(_SQL["clock_time"])
        after = self._steady()
        if self._read is not None and not self._expected(said, before, after):
            self._set_at = after
        self._read, self._doubt_s = (said, (before + after) / 2), (after - before) / 2

    def settled(self, for_s: float) -> bool:
        """Whether the database's clock was not set for so long, as far as was noticed."""
        return self._steady() - self._set_at >= for_s

    async def trusted(self, connection: Connection, for_s: float) -> bool:
        """Whether now(), which is when this transaction began, is what was to be expected, and has been for so long.

        A lease whose holder lives is renewed by the new time within its own length after the clock was set. Until then
        an end that is past says nothing."""
        before = self._steady()
        said = await connection.fetchval(_SQL["transaction_time"])
        return self._expected(said, before - TRANSACTION_S, self._steady()) and self.settled(for_s)

    async def run(self) -> None:
        """Ask every so often until cancelled; without an answer the last one is carried on."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.read()
            except StoreUnavailable:
                continue

    def _at(self, steady: float) -> datetime:
        assert self._read is not None
        said, at = self._read
        return said + timedelta(seconds=steady - at)

    def _expected(self, said: datetime, before: float, after: float) -> bool:
        step = timedelta(seconds=STEP_S + self._doubt_s)
        return self._at(before) - step < said < self._at(after) + step
