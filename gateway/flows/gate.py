"""The start gate of calls: never more than the agreed starts in any sliding minute, over all nodes and campaigns.

Slots are reserved in the store (one grid for all nodes) and used only in their time; a log in this process watches the
minute once more. Knows: policy.pacing, store.deliveries. Never knows: calls.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.policy.pacing import CeilingPacer, GatePlan
from gateway.store import deliveries
from gateway.store.pool import GONE, Store

SLOTS_AT_ONCE = 5
AHEAD_S = 1.0


class StoreGate:
    """Gives permits to start a call (channels.voice.StartGate)."""

    def __init__(self, store: Store, *, name: str, max_starts_per_minute: int, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._name = name
        self._period_s = GatePlan(limit=max_starts_per_minute).period_s
        # a slot that is reserved and not used is lost: where they are rare, one at a time
        self._at_once = max(1, min(SLOTS_AT_ONCE, int(AHEAD_S / self._period_s)))
        self._pacer = CeilingPacer(max_starts_per_minute)
        self._monotonic = monotonic
        self._slots: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Make the gate's row."""
        async with self._store.queue.acquire(timeout=5) as connection:
            await deliveries.open_gate(connection, self._name, self._period_s)

    async def permit(self) -> float | None:
        """Wait for a start slot and take it; its time on the monotonic clock. None: the store gives none now."""
        async with self._turn:
            while True:
                if not self._slots and not await self._reserve():
                    return None
                slot = self._slots.popleft()
                await asyncio.sleep(max(0.0, slot - self._monotonic()))
                now = self._monotonic()
                # a slot that was missed by more than a period is lost: catching up would be a burst
                if now - slot <= self._period_s and self._pacer.start(now):
                    return now

    async def _reserve(self) -> bool:
        try:
            asked_at = self._monotonic()
            async with self._store.queue.acquire(timeout=5) as connection:
                wait_s, period_s = await deliveries.reserve_starts(connection, self._name, self._at_once)
        except GONE:
            await asyncio.sleep(0.5)
            return False
        # the answer was made between asking and now: the later moment keeps two nodes apart
        first = max(asked_at, self._monotonic()) + wait_s
        self._slots.extend(first + i * period_s for i in range(self._at_once))
        return True

    def starts_in_last_minute(self) -> int:
        """For the gauge gateway_call_starts_last_60s."""
        return self._pacer.last_window(self._monotonic())
