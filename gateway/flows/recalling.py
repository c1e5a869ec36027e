"""Recalling: what a stopped campaign has left at providers that cancel is cancelled there, before it rings.

Knows: store.recalls, how far each provider was asked. Never knows: SMPP. What became of a message only its receipt
says: an SMS that is recalled and one that was delivered a moment before look the same until then.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.log import UnitLogger
from gateway.store import recalls
from gateway.store.pool import GONE, Store

LOOK_S = 0.5
_MOST_REMEMBERED = 1_000


class Providers(Protocol):
    """Who can be asked (channels.sms_carrier.Carriers); `replacing` are those that replace what they hold."""

    @property
    def replacing(self) -> frozenset[str]:
        """Their names."""
        ...

    def recall_room(self) -> dict[str, int]:
        """How many messages each provider could be asked to cancel now."""
        ...

    def recall(self, provider: str, messages: Sequence[tuple[str, str]]) -> None:
        """Ask: (message id, number)."""
        ...


class Recaller:
    """Looks twice a second while this node leads; every message is asked for once."""

    def __init__(
        self, store: Store, providers: Sequence[Providers], *, leads: Callable[[], bool], log: UnitLogger,
        look_s: float = LOOK_S,
    ) -> None:  # fmt: skip
        self._store = store
        self._providers = providers
        self._leads = leads
        self._log = log
        self._look_s = look_s
        self._asked: dict[tuple[int, str], tuple[int, int]] = {}  # (campaign, provider) -> the last place

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            try:
                if self._leads():
                    await self.once()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)

    async def once(self) -> int:
        """Ask for as much as the providers have room for; how many messages that were."""
        rooms = [(one, name, room) for one in self._providers for name, room in one.recall_room().items()]
        if not rooms:
            return 0
        async with self._store.queue.acquire(timeout=5) as connection:
            campaigns = await recalls.stopped_campaigns(connection)
            total = 0
            for campaign, updated in campaigns:
                for providers, name, room in rooms:
                    if updated and name in providers.replacing:
                        continue  # what can be replaced is not cancelled; the channel cancels what can not
                    place = self._asked.get((campaign, name), (0, 0))
                    found = await recalls.recallable(connection, campaign, name, place, room)
                    if found:
                        providers.recall(name, [(one.message_id, one.address) for one in found])
                        self._remember(campaign, name, (found[-1].seq, found[-1].mask))
                        self._log.event("sms_recalled", campaign=campaign, provider=name, messages=len(found))
                    total += len(found)
                rooms = [(one, name, left) for one, name, _ in rooms if (left := one.recall_room().get(name, 0))]
        return total

    def _remember(self, campaign: int, name: str, place: tuple[int, int]) -> None:
        self._asked[campaign, name] = place
        if len(self._asked) > _MOST_REMEMBERED:
            del self._asked[next(iter(self._asked))]
