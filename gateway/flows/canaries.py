"""Canaries: a message to one telephone of each operator every few minutes, and how long ago one arrived.

Knows: store.canaries, when the next is due, metrics. Never knows: binds, routes, how a message is sent (the channel
does). Only the node that leads sends them; receipts may come to any node.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.store import canaries
from gateway.store.canaries import CanaryState
from gateway.store.pool import GONE, Store

LOOK_S = 5.0


class Canary(Protocol):
    """What the settings say of one."""

    @property
    def name(self) -> str:
        """Of the operator, for people."""
        ...

    @property
    def interval_s(self) -> float:
        """From one message to the next."""
        ...


Send = Callable[[str], Awaitable[tuple[str, str]]]
"""Name of a canary -> (provider, message id), both empty when it could not be sent."""


class Canaries:
    """Sends those that are due, takes in their receipts, shows their ages."""

    def __init__(
        self,
        store: Store,
        every: Sequence[Canary],
        send: Send,
        *,
        leads: Callable[[], bool],
        metrics: Metrics,
        log: UnitLogger,
        monotonic: Callable[[], float],
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._every = {one.name: one.interval_s for one in every}
        self._send = send
        self._leads = leads
        self._metrics = metrics
        self._log = log
        self._look_s = look_s
        self._monotonic = monotonic
        self._began = monotonic()

    async def run(self) -> None:
        """Look every few seconds; run until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self.look()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)

    async def look(self) -> None:
        """Once."""
        if not self._leads():
            self._metrics.set_canaries({})
            return
        async with self._store.queue.acquire(timeout=5) as connection:
            states = await canaries.settled(connection, list(self._every))
        alone_s = self._monotonic() - self._began  # of those that never left
        self._metrics.set_canaries(
            {name: states[name][1:] if name in states else (alone_s, None) for name in self._every}
        )
        for name in due(self._every, states):
            await self._sent(name)

    async def _sent(self, name: str) -> None:
        provider, message_id = await self._send(name)
        if not message_id:
            self._log.warning("canary_not_sent", canary=name)
            return
        async with self._store.queue.acquire(timeout=5) as connection:
            await canaries.sent(connection, name, provider, message_id)


def due(every: Mapping[str, float], states: Mapping[str, CanaryState]) -> list[str]:
    """The canaries whose next message should have left."""
    return [name for name, interval_s in every.items() if name not in states or states[name].sent_s >= interval_s]
