"""Webhooks: what happened to campaigns is told to the systems of their entities, at least once, over all nodes.

Knows: the store's outbox, the order of lease, attempt and record. Never knows: how an address is reached, what an
answer means (policy.webhooks says it), what happened (the change itself wrote the message).
Standard: Standard Webhooks 1.0.
"""

from collections.abc import Callable
from datetime import datetime

from gateway.flows.hub import Fetch
from gateway.flows.pump import Pump
from gateway.log import UnitLogger
from gateway.policy import webhooks as policy
from gateway.policy.webhooks import WebhookRules
from gateway.store import webhooks
from gateway.store.pool import Store
from gateway.store.webhooks import Attempt, Leased

LEASE_S = 60.0


class Webhooks:
    """One node's part; `fetch` reaches the addresses, `wake` says that there may be something to tell."""

    def __init__(
        self,
        store: Store,
        *,
        fetch: Fetch,
        rules: WebhookRules,
        workers: int,
        utcnow: Callable[[], datetime],
        log: UnitLogger,
    ) -> None:
        self._store = store
        self._fetch = fetch
        self._rules = rules
        self._utcnow = utcnow
        self._log = log
        self._pump = Pump(claim=self._due, do=self._tell, record=self._record, workers=workers, log=log)
        self.wake = self._pump.wake
        self.drain = self._pump.drain

    async def run(self) -> None:
        """Tell until cancelled."""
        await self._pump.run()

    async def _due(self, limit: int) -> list[Leased]:
        async with self._store.transaction() as connection:
            return await webhooks.lease(connection, limit, LEASE_S)

    async def _tell(self, leased: Leased) -> Attempt:
        body = leased.body.encode()
        signed_with = [secret for secret in (leased.secret, leased.old_secret) if secret]
        headers = policy.headers(leased.public_id, body, signed_with, self._utcnow())
        answer = await self._fetch("POST", leased.url, headers=headers, body=body, most_bytes=0)
        told = policy.after(answer, leased.attempts, self._utcnow())
        return Attempt(leased=leased, status=answer.status, told=told)

    async def _record(self, done: list[Attempt]) -> None:
        async with self._store.transaction() as connection:
            disabled = await webhooks.record(connection, done, self._rules.disable_after_s)
        delivered = sum(one.told.reached for one in done)
        self._log.event("webhooks_told", told=delivered, failed=len(done) - delivered, disabled=disabled)
