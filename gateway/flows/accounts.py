"""The rates of SMS accounts over all nodes: slots of one grid for each account, reserved while somebody wants to send.

Knows: policy.allowance, store.deliveries (the gate's row, as for calls). Never knows: providers, binds, messages.
"""

import asyncio
from collections.abc import Callable, Mapping

from gateway.policy.allowance import Allowance, grid_period_s
from gateway.store import deliveries
from gateway.store.pool import GONE, Store

AHEAD_S = 0.25
"""The most that is reserved at once: what a node that stops takes from the others."""
_AWAY_S = 0.5


class AccountGates:
    """Allowances that every node asks the store for. Hand `allowances` to the channel and its `granted` to here."""

    def __init__(self, store: Store, rates_per_s: Mapping[str, float], *, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self.granted: Callable[[], None] = lambda: None
        self.allowances = {
            account: Allowance(1.0 / grid_period_s(rate), shared=True) for account, rate in rates_per_s.items()
        }
        self._hungry = {account: asyncio.Event() for account in rates_per_s}
        for account, allowance in self.allowances.items():  # from the start: who asked early is not asked again
            allowance.hungry = self._hungry[account].set

    async def run(self) -> None:
        """Keep all of them filled as they are used; run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for account, allowance in self.allowances.items():
                tasks.create_task(self._fill(f"sms:{account}", allowance, self._hungry[account]))

    async def _fill(self, row: str, allowance: Allowance, hungry: asyncio.Event) -> None:
        opened, spent_before = False, 0
        while True:
            await hungry.wait()
            hungry.clear()
            slots = wanted(allowance.spent - spent_before, allowance.rate_per_s)
            try:
                if not opened:
                    await self._open(row, allowance.period_s)
                    opened = True
                first = await self._reserve(row, slots)
            except GONE:
                await asyncio.sleep(_AWAY_S)
                hungry.set()
                continue
            spent_before, allowance.low = allowance.spent, slots // 2
            allowance.granted(first, slots)
            self.granted()

    async def _open(self, row: str, period_s: float) -> None:
        async with self._store.queue.acquire(timeout=5) as connection:
            await deliveries.open_gate(connection, row, period_s)

    async def _reserve(self, row: str, slots: int) -> float:
        """The first slot's time on our clock."""
        asked_at = self._monotonic()
        async with self._store.queue.acquire(timeout=5) as connection:
            wait_s, _ = await deliveries.reserve_starts(connection, row, slots)
        # the answer was made between asking and now: the later moment keeps two nodes apart
        return max(asked_at, self._monotonic()) + wait_s


def wanted(spent: int, rate_per_s: float) -> int:
    """How many slots to reserve after so many were used: twice as many, at least a few, at most a moment's worth."""
    return max(1, min(max(4, 2 * spent), int(rate_per_s * AHEAD_S)))
