"""The start gates of calls: never more than the agreed starts in any sliding minute, over all nodes and campaigns.

Slots are reserved in the store (one grid for all nodes), a few ahead so that a slow answer costs none, and used only in
their time; a log in this process watches the minute once more. Behind the gate for all calls stand narrower ones: of a
trunk, of numbers that begin alike.
Knows: policy.pacing, store.deliveries. Never knows: calls, trunks.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from gateway.policy.pacing import GatePlan, SlidingLog
from gateway.store import deliveries
from gateway.store.pool import GONE, Store

SLOTS_AT_ONCE = 5
LOW = 3
"""Fewer slots than this left: the next are asked for, and the answer may take as long as those last."""
AHEAD_S = 1.0


def always() -> bool:
    """Of a start that is wanted whatever happens."""
    return True


class StoreGate:
    """Gives permits to start a call (channels.voice.StartGate)."""

    def __init__(
        self,
        store: Store,
        *,
        name: str,
        max_starts_per_minute: int,
        monotonic: Callable[[], float],
        window_s: float = 60.0,
    ) -> None:
        self._store = store
        self._name = name
        self._period_s = GatePlan(limit=max_starts_per_minute, window_s=window_s).period_s
        # a slot that is reserved and not used is lost: where they are rare, one at a time
        self._at_once = max(1, min(SLOTS_AT_ONCE, int(AHEAD_S / self._period_s)))
        self._low = min(LOW, self._at_once - 1)
        # the grid is the store's: a second one here would refuse a slot that comes a little early after a late one
        self._log = SlidingLog(max_starts_per_minute, window_s)
        self._monotonic = monotonic
        self._slots: deque[float] = deque()
        self._asked: asyncio.Task[bool] | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Make the gate's row."""
        async with self._store.queue.acquire(timeout=5) as connection:
            await deliveries.open_gate(connection, self._name, self._period_s)

    async def permit(self, to: str = "", wanted: Callable[[], bool] = always) -> float | None:
        """Wait for a start slot and take it; its time on the monotonic clock. None: the store gives none now, or it is
        not wanted any more when its turn comes, and no slot is spent.

        Whom the call is for makes no difference here (it does to NarrowGate).
        """
        async with self._turn:
            while wanted() and (bool(self._slots) or await asyncio.shield(self._ask())):
                slot = self._slots.popleft()
                if len(self._slots) < self._low:
                    self._ask()
                await asyncio.sleep(max(0.0, slot - self._monotonic()))
                now = self._monotonic()
                # a slot that was missed by more than a period is lost: catching up would be a burst
                if now - slot <= self._period_s and self._log.due() <= now:
                    self._log.add(now)
                    return now
            return None

    def _ask(self) -> asyncio.Task[bool]:
        """Have the next slots reserved, once at a time: for the one who waits now and for those who come later."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._reserve())
        return self._asked

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
        return self._log.within(self._monotonic(), self._log.window_s)


SLACK_S, SLACK_PERIODS = 2.0, 5
"""A narrow slot is taken before the whole one and used after it. Waiting for that one takes a few periods of the whole
gate; the narrow window is longer by as much, so that its ceiling holds for the starts themselves."""


class NarrowGate:
    """A trunk's own gate: its ceiling and those of prefixes, then the ceiling of all."""

    def __init__(self, whole: StoreGate, *, trunk: StoreGate | None, prefixes: Mapping[str, StoreGate]) -> None:
        self._whole = whole
        self._trunk = trunk
        self._prefixes = sorted(prefixes.items(), key=lambda item: -len(item[0]))

    async def permit(self, to: str = "", wanted: Callable[[], bool] = always) -> float | None:
        """Wait for a slot of every gate that the number has to pass. None: the store gives none now."""
        prefix = next((gate for digits, gate in self._prefixes if to.startswith(digits)), None)
        for gate in (prefix, self._trunk):
            if gate is not None and await gate.permit(to, wanted) is None:
                return None
        return await self._whole.permit(to, wanted)


class Gates:
    """All gates of a node, made from their ceilings; each is a row in the store, shared by all nodes."""

    def __init__(
        self,
        store: Store,
        *,
        max_starts_per_minute: int,
        prefixes: Mapping[str, int],
        trunks: Mapping[str, int],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._window_s = 60.0 + max(SLACK_S, SLACK_PERIODS * 60.0 / max_starts_per_minute)
        self.whole = StoreGate(
            store, name="voice", max_starts_per_minute=max_starts_per_minute, monotonic=monotonic
        )  # fmt: skip
        self._prefixes = {digits: self._narrow(f"voice {digits}", limit) for digits, limit in prefixes.items()}
        self._trunks = {name: self._narrow(f"voice {name}", limit) for name, limit in trunks.items()}

    async def open(self) -> None:
        """Make the rows."""
        for gate in (self.whole, *self._prefixes.values(), *self._trunks.values()):
            await gate.open()

    def of_trunk(self, name: str) -> NarrowGate:
        """The gate for one trunk's calls."""
        return NarrowGate(self.whole, trunk=self._trunks.get(name), prefixes=self._prefixes)

    def _narrow(self, name: str, limit: int) -> StoreGate:
        return StoreGate(
            self._store, name=name, max_starts_per_minute=limit, monotonic=self._monotonic, window_s=self._window_s
        )
