"""The time of the day as the database has it, the same on every node, whatever a node's own clock says.

Asked now and then, and carried on in between by a clock that does not jump: a wall clock that is set by an hour makes
no alert expire and no retry wait. Knows: one question. Never knows: what the time is for.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.errors import StoreUnavailable
from gateway.store.pool import Store
from gateway.store.sql import Queries

_SQL = Queries.load("clock")
EVERY_S = 60.0


class StoreClock:
    """Call it for the time in UTC; `read` comes first, `run` keeps it true."""

    def __init__(self, store: Store, steady: Callable[[], float], *, every_s: float = EVERY_S) -> None:
        self._store = store
        self._steady = steady
        self._every_s = every_s
        self._read: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """The time."""
        assert self._read is not None
        said, at = self._read
        return said + timedelta(seconds=self._steady() - at)

    async def read(self) -> None:
        """Ask the database. Raises StoreUnavailable."""
        async with self._store.connection() as connection:
            before = self._steady()
            said = await connection.fetchval(_SQL["clock_time"])
        self._read = said, (before + self._steady()) / 2

    async def run(self) -> None:
        """Ask every so often until cancelled; without an answer the last one is carried on."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.read()
            except StoreUnavailable:
                continue
