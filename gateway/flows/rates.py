"""Rates that all nodes share, of channels and SMS accounts: slots of one grid for each, reserved while somebody sends.

Knows: policy.allowance, store.deliveries (the gate's row, as for calls). Never knows: providers, binds, messages.
"""

import asyncio
from collections.abc import Callable, Mapping

from gateway.policy.allowance import LATE_S, Allowance, grid_period_s
from gateway.store import deliveries
from gateway.store.pool import GONE, Store

AHEAD_S = 0.25
"""The most that is reserved at once: what a node that stops takes from the others."""
_AWAY_S = 0.5


FIRST_S = 0.05
"""The least that is reserved at once, so that a campaign begins at its full rate."""


class SharedRates:
    """Allowances that every node asks the store for, by name; `kind` and name are the row that all nodes share. Hand
    `allowances` to whoever sends; `granted` is told whenever there is more. `late_s`: policy.allowance.

    Each slot is given out once, so what leaves in a span is at most the slots of that span and of `late_s` before it,
    over all nodes.
    """

    def __init__(
        self,
        store: Store,
        rates_per_s: Mapping[str, float],
        *,
        kind: str,
        monotonic: Callable[[], float],
        late_s: float = LATE_S,
        step_s: float = 0.0,
    ) -> None:
        self._store = store
        self._kind = kind
        self._monotonic = monotonic
        self.granted: Callable[[], None] = lambda: None
        self.allowances = {
            name: Allowance(1.0 / grid_period_s(rate), shared=True, late_s=late_s, step_s=step_s)
            for name, rate in rates_per_s.items()
        }
        self._hungry = {name: asyncio.Event() for name in rates_per_s}
        for name, allowance in self.allowances.items():  # from the start: who asked early is not asked again
            allowance.hungry = self._hungry[name].set

    async def run(self) -> None:
        """Keep all of them filled as they are used; run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, allowance in self.allowances.items():
                tasks.create_task(self._fill(f"{self._kind}:{name}", allowance, self._hungry[name]))

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
                first = await self._reserve(row, slots, allowance)
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

    async def _reserve(self, row: str, slots: int, allowance: Allowance) -> float:
        """The first slot's time on our clock: of those that nobody took, the oldest that may still be used."""
        asked_at = self._monotonic()
        late_s = asked_at - allowance.oldest(asked_at)
        async with self._store.queue.acquire(timeout=5) as connection:
            wait_s, _ = await deliveries.reserve_starts(connection, row, slots, late_s)
        # the answer was made between asking and now: the later moment keeps two nodes apart
        return max(asked_at, self._monotonic()) + wait_s


def wanted(spent: int, rate_per_s: float) -> int:
    """How many slots to reserve after so many were used: twice as many, within the least and the most at once."""
    return max(1, min(max(4, int(rate_per_s * FIRST_S), 2 * spent), int(rate_per_s * AHEAD_S)))
