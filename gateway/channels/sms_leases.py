"""Which binds of an SMS channel are this node's to open: all of them, or those that it is told.

Knows: binds and links, how one is closed in peace. Never knows: why a bind is this node's, other nodes, the store.
"""

import asyncio
import time
from collections.abc import Iterator

from gateway.channels.sms_carrier import Bind, Carriers

_LOOK_S = 0.02


class LeasedBinds:
    """Opens and closes binds by (provider, ordinal): one link, or two where sending and receiving are apart. With
    `leased` none is open before it is said; without, all are."""

    def __init__(self, carriers: Carriers, *, leased: bool) -> None:
        self._by_key = {
            (carrier.name, ordinal): carrier.pair(ordinal)
            for carrier in carriers
            for ordinal in range(1, carrier.provider.settings.binds + 1)
        }
        for bind in self._all() if leased else ():
            bind.held.clear()

    def wanted(self) -> dict[str, int]:
        """How many binds each provider allows."""
        wanted: dict[str, int] = {}
        for provider, _ in self._by_key:
            wanted[provider] = wanted.get(provider, 0) + 1
        return wanted

    def held(self) -> dict[str, bool]:
        """Whether each bind is this node's, by the name of its link."""
        return {bind.link.name: bind.held.is_set() for bind in self._all()}

    def is_up(self, provider: str, ordinal: int) -> bool:
        """Whether this bind stands."""
        return all(bind.link.bound for bind in self._by_key[provider, ordinal])

    def open(self, provider: str, ordinal: int) -> None:
        """From now on this one is kept open."""
        for bind in self._by_key[provider, ordinal]:
            bind.held.set()

    async def close(self, provider: str, ordinal: int, *, within_s: float) -> None:
        """Write no more by this one, wait so long for what is not answered, say good-bye; closed when it returns."""
        binds = self._by_key[provider, ordinal]
        until = time.monotonic() + within_s
        for bind in binds:
            bind.held.clear()
        while any(bind.link.in_flight for bind in binds) and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
        await asyncio.gather(*(bind.closed() for bind in binds))

    def _all(self) -> Iterator[Bind]:
        return (bind for pair in self._by_key.values() for bind in pair)
