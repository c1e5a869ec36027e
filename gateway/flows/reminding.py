"""Reminding: who may send practises every month, and keeps their training.

Knows: how often to look. Never knows: tables, who is meant. A notice is all there is: nobody loses a right by it.
"""

from collections.abc import Callable

from gateway.flows.leading import as_leader
from gateway.log import UnitLogger
from gateway.store import persons
from gateway.store.pool import Store

EVERY_S = 3600.0


class Reminder:
    """Looks every hour, on the node that leads."""

    def __init__(self, store: Store, *, leads: Callable[[], bool], log: UnitLogger) -> None:
        self._store = store
        self._leads = leads
        self._log = log

    async def run(self) -> None:
        """Remind until cancelled."""
        await as_leader(self.once, every_s=EVERY_S, leads=self._leads, log=self._log)

    async def once(self) -> None:
        """Everybody who is due now."""
        async with self._store.acting("reminder") as connection:
            if (told := await persons.remind(connection)) > 0:
                self._log.event("persons_reminded", notices=told)
