"""Forgetting: deliveries that are older than they may be kept, receipts and sessions that nobody will ever ask for,
what imports kept for undoing, and the people who left for good in what was sent.

Knows: how long each is kept. Never knows: tables. Answers kept for requests that come again go after a day, what
webhooks were told after a month. Reports, counts and what was said are never forgotten here.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from gateway.flows.leading import as_leader
from gateway.log import UnitLogger
from gateway.store import deliveries, erasing, idempotency, importing, sessions, ways, webhooks
from gateway.store.pool import Store

EVERY_S = 600.0
DAY_S = 86_400.0


class RetentionSettings(BaseModel):
    """How long is kept who was sent what. Campaigns go fifty at a time, when the youngest of them is old enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    deliveries_days: float = Field(default=400.0, ge=1, le=36_500)
    orphan_receipts_days: float = Field(default=14.0, ge=1, le=3_650)


class Forgetter:
    """Looks every ten minutes, on the node that leads."""

    def __init__(self, store: Store, rules: RetentionSettings, *, leads: Callable[[], bool], log: UnitLogger) -> None:
        self._store = store
        self._rules = rules
        self._leads = leads
        self._log = log

    async def run(self) -> None:
        """Forget until cancelled."""
        await as_leader(self.once, every_s=EVERY_S, leads=self._leads, log=self._log)

    async def once(self) -> None:
        """Everything that is too old now, one partition after the other."""
        async with self._store.connection() as connection:
            await sessions.forget(connection)
            await ways.forget(connection)
            await deliveries.forget_lengths(connection, self._rules.deliveries_days * DAY_S)
            orphans = await deliveries.forget_orphans(connection, self._rules.orphan_receipts_days * DAY_S)
            if orphans:
                self._log.event("orphan_receipts_forgotten", receipts=orphans)
            if rows := await erasing.forget(connection):
                self._log.event("deliveries_erased", deliveries=rows)
            if rows := await importing.forget(connection):
                self._log.event("import_changes_forgotten", rows=rows)
            if answers := await idempotency.forget(connection):
                self._log.event("answers_forgotten", answers=answers)
            if told := await webhooks.forget(connection):
                self._log.event("webhook_deliveries_forgotten", deliveries=told)
            while (
                first := await deliveries.forget_deliveries(connection, self._rules.deliveries_days * DAY_S)
            ) is not None:
                self._log.event("deliveries_forgotten", first_campaign=first)
