"""Adopting: calls that an earlier process started and nobody watches any more are watched again.

A node that starts looks for its own; the leader for those of nodes that are gone, once no call can last any longer.
Knows: which calls have no end, by trunk. Never knows: how a call is watched (channels.voice does).
"""

import asyncio
from collections.abc import Callable, Mapping

from gateway.errors import StoreUnavailable
from gateway.log import UnitLogger
from gateway.store import calls
from gateway.store.pool import Store

Adopt = Callable[[str, int, str], None]
FORGOTTEN_AFTER_S = 600.0


class Adopter:
    """`adopt` by trunk takes (call id, campaign, text); a call that is watched already is not taken twice."""

    def __init__(
        self,
        store: Store,
        adopt: Mapping[str, Adopt],
        *,
        node: int,
        leads: Callable[[], bool],
        log: UnitLogger,
        every_s: float = 60.0,
    ) -> None:
        self._store = store
        self._adopt = adopt
        self._node = node
        self._leads = leads
        self._log = log
        self._every_s = every_s

    async def run(self) -> None:
        """This node's own at once, then what others left behind, until cancelled."""
        if not self._adopt:
            return
        own = True
        while True:
            try:
                if own or self._leads():
                    await self.once(own=own)
                own = False
            except StoreUnavailable as error:
                self._log.warning("store_away", error=type(error).__name__)
            await asyncio.sleep(1.0 if own else self._every_s)

    async def once(self, *, own: bool) -> int:
        """Watch the calls of this node's last process (`own`) or of nodes that are gone; how many."""
        async with self._store.connection() as connection:
            found = await calls.without_end(
                connection, list(self._adopt), node=self._node if own else None, forgotten_after_s=FORGOTTEN_AFTER_S
            )
        for call in found:
            self._adopt[call.trunk](call.call_id, call.campaign, call.text)
        if found:
            self._log.event("calls_adopted", calls=len(found))
        return len(found)
