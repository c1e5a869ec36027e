"""Replacing: which SMS of an Update could take the place of one that its provider holds and has not delivered.

Knows: store.recalls, which providers replace. Never knows: SMPP, whether two texts fit each other (the channel does).
"""

from collections import OrderedDict
from collections.abc import Collection

from gateway.model import Earlier
from gateway.store import recalls
from gateway.store.deliveries import Leased
from gateway.store.pool import Store

_MOST_REMEMBERED = 256


class Replacing:
    """Looks once for each lease; campaigns that are no Updates cost one question."""

    def __init__(self, store: Store, providers: Collection[str]) -> None:
        self._store = store
        self._providers = sorted(providers)
        self._before: OrderedDict[int, list[int]] = OrderedDict()

    async def find(self, campaign: int, leased: Leased) -> dict[int, Earlier]:
        """By row of this lease, the message whose place it could take."""
        before = self._before.get(campaign)
        if before == [] or not leased.seqs:
            return {}
        async with self._store.ask.acquire(timeout=5) as connection:
            if before is None:
                before = self._remember(campaign, await recalls.updated_by(connection, campaign))
            if not before:
                return {}
            return await recalls.replaceable(connection, leased.seqs, leased.addresses, before, self._providers)

    def _remember(self, campaign: int, before: list[int]) -> list[int]:
        self._before[campaign] = before
        if len(self._before) > _MOST_REMEMBERED:
            self._before.popitem(last=False)
        return before
