"""Escalating: who has no delivered SMS in the time that the entity chose is called.

Knows: which node looks (the leader), how often. Never knows: what is late (the store's query says it), channels.
"""

import asyncio
from collections.abc import Callable

from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger
from gateway.store import escalation
from gateway.store.pool import Store


class Escalator:
    """Looks once a second; `called` is told when there are calls to make."""

    def __init__(
        self,
        store: Store,
        *,
        chunk_rows: int,
        leads: Callable[[], bool],
        called: Callable[[], None],
        log: UnitLogger,
        every_s: float = 1.0,
    ) -> None:
        self._store = store
        self._chunk_rows = chunk_rows
        self._leads = leads
        self._called = called
        self._log = log
        self._every_s = every_s

    async def run(self) -> None:
        """Escalate until cancelled."""
        while True:
            if self._leads():
                try:
                    await self.once()
                except StoreUnavailable as error:
                    self._log.warning("store_away", error=type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def once(self) -> int:
        """Look at every chunk that is old enough, each in a transaction of its own; how many people are called."""
        async with self._store.connection() as connection:
            ripe = await escalation.ripe_chunks(connection)
        total = 0
        for campaign, lo in ripe:
            async with self._store.transaction() as connection:
                added = await escalation.escalate_chunk(connection, campaign, lo, size=self._chunk_rows)
            if added:
                self._log.event("sms_escalated", campaign=campaign, calls=added)
                self._called()
            total += added
        return total
