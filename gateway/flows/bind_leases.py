"""Bind leases: which of the binds that a provider allows this node opens, beside the other nodes.

A bind is opened after its lease is committed, and given back after it is closed, so that a provider that allows N never
sees one more. A node that slept closes what is another's by now, and claims nothing while another process may have its
name; one that the store does not answer closes all of them when its leases end, by a clock that runs on while it is
stopped.
Knows: store.binds, fair shares, the fence. Never knows: SMPP, what is sent.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from gateway.flows.fence import Fence
from gateway.log import UnitLogger
from gateway.policy.binds import fair_share, let_go
from gateway.store import binds
from gateway.store.binds import BindKey
from gateway.store.clock import StoreClock
from gateway.store.pool import GONE, Connection, Store

HAND_OVER_S = 10.0
"""So long may answers be waited for, before a bind is closed that another node is to open."""
MARGIN_S = 1.0
"""So long before its leases end the fence of a node falls: time for one question, or for answers on their way."""
_AGAIN_S = 0.25


class Leasable(Protocol):
    """A channel's binds (channels.sms_leases.LeasedBinds)."""

    def wanted(self) -> dict[str, int]:
        """How many binds each provider allows."""
        ...

    def is_up(self, provider: str, ordinal: int) -> bool:
        """Whether this bind stands."""
        ...

    def open(self, provider: str, ordinal: int) -> None:
        """Keep this one open."""
        ...

    async def close(self, provider: str, ordinal: int, *, within_s: float) -> None:
        """Wait so long for its answers; closed when it returns."""
        ...


class BindLeases:
    """Leases this node's share; `wake` makes it look at once (another node may have given some back)."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[Leasable],
        *,
        node: int,
        fence: Fence,
        clock: StoreClock,
        lease_s: float,
        heartbeat_s: float,
        leads: Callable[[], bool],
        named: Callable[[], bool],
        log: UnitLogger,
    ) -> None:
        self._store = store
        self._channel_of = {provider: channel for channel in channels for provider in channel.wanted()}
        self._binds = {provider: channel.wanted()[provider] for provider, channel in self._channel_of.items()}
        self._node = node
        self._fence = fence
        self._clock = clock
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._leads = leads
        self._named = named
        self._log = log
        self._held: dict[BindKey, int] = {}  # with their epochs
        self._leaving: set[BindKey] = set()
        self._next_s = heartbeat_s
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Keep this node's share of every provider's binds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while self._binds:
                self.wake.clear()
                try:
                    for surplus in await self.look():
                        tasks.create_task(self._hand_over(surplus))
                except GONE as error:
                    self._log.warning("bind_leases_not_kept", error=type(error).__name__)
                    if not self._fence.holds():
                        await self._close(self._held)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                await asyncio.sleep(min(_AGAIN_S, self._heartbeat_s))  # whoever wakes us often gets no more than this
                try:
                    async with asyncio.timeout(self._next_s):
                        await self.wake.wait()
                except TimeoutError:
                    continue

    async def look(self) -> list[BindKey]:
        """Prolong what is held, open what more is this node's share; returns what is more than that."""
        if not self._binds:
            return []
        asked_at = self._fence.starts()
        patience_s = (self._fence.left_s() or MARGIN_S) if self._held else self._lease_s
        async with (
            asyncio.timeout(patience_s),
            self._store.queue.acquire(timeout=5) as connection,
            connection.transaction(),
        ):
            shares = await self._shares(connection)
            kept = await binds.keep(connection, self._node, self._held, lease_s=self._lease_s)
            claimed = await self._claim(connection, shares, kept) if self._named() else {}
        self._fence.renewed(asked_at)
        await self._close(self._held.keys() - kept)
        self._held |= claimed
        for key in claimed:
            self._channel_of[key.provider].open(*key)
        if claimed:
            self._log.event("binds_leased", binds=_names(claimed))
        return [key for provider, share in shares.items() for key in self._surplus(provider, share)]

    async def leave(self) -> None:
        """Give back everything, once the channels have closed it: the others open it at once."""
        if not self._binds:
            return
        try:
            async with self._store.queue.acquire(timeout=5) as connection, connection.transaction():
                await binds.step_out(connection, self._node)
                await binds.give_back(connection, self._node, self._held)
        except GONE as error:  # they end by themselves
            self._log.warning("binds_not_given_back", error=type(error).__name__)

    async def _shares(self, connection: Connection) -> dict[str, int]:
        """How many binds of each provider are this node's; when that may change is remembered. None is said, and so
        none changes hands, while the database's clock has just been set: nodes that live may look gone."""
        found = await binds.take_part(
            connection, self._node, list(self._binds), leads=self._leads(), lease_s=self._lease_s
        )
        if not await self._clock.trusted(connection, self._lease_s):
            self._next_s = self._heartbeat_s
            return {}
        changes = [place.change_s for place in found.values() if place.change_s is not None]
        self._next_s = min([self._heartbeat_s, *changes])
        return {name: fair_share(self._binds[name], place.nodes, place.place) for name, place in found.items()}

    async def _claim(
        self, connection: Connection, shares: Mapping[str, int], kept: Collection[BindKey]
    ) -> dict[BindKey, int]:
        claimed: dict[BindKey, int] = {}
        for provider, share in shares.items():
            have = [key.ordinal for key in kept if key.provider == provider]
            if len(have) < share:
                claimed |= await binds.claim(
                    connection, self._node, provider, binds=self._binds[provider], have=have, most=share - len(have),
                    lease_s=self._lease_s,
                )  # fmt: skip
        return claimed

    def _surplus(self, provider: str, share: int) -> list[BindKey]:
        """Binds to give to others, beside those that are on their way to them."""
        channel = self._channel_of[provider]
        mine = [key.ordinal for key in self._held if key.provider == provider and key not in self._leaving]
        return [BindKey(provider, one) for one in let_go({n: channel.is_up(provider, n) for n in mine}, share)]

    async def _hand_over(self, key: BindKey) -> None:
        """Close one in peace, its lease prolonged meanwhile, and give it back."""
        self._leaving.add(key)
        await self._channel_of[key.provider].close(*key, within_s=HAND_OVER_S)
        self._leaving.discard(key)
        epoch = self._held.pop(key, None)
        if epoch is None:
            return
        try:
            async with self._store.queue.acquire(timeout=5) as connection:
                await binds.give_back(connection, self._node, {key: epoch})
        except GONE as error:  # its lease ends by itself
            self._log.warning("bind_not_given_back", error=type(error).__name__)
        self._log.event("bind_handed_over", bind=_names([key]))

    async def _close(self, keys: Collection[BindKey]) -> None:
        """These may be another node's by now."""
        lost = [key for key in keys if key not in self._leaving]
        if not lost:
            return
        self._log.warning("bind_leases_lost", binds=_names(lost))
        for key in lost:
            del self._held[key]
        await asyncio.gather(*(self._channel_of[key.provider].close(*key, within_s=MARGIN_S) for key in lost))


def _names(keys: Collection[BindKey]) -> str:
    return " ".join(f"{key.provider}/{key.ordinal}" for key in sorted(keys))
