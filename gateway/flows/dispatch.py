"""Dispatch: gives each channel its lane, keeps the leases alive, takes over what a dead node left, stops what must.

Knows: lanes, which campaigns are open, leases. Never knows: peers' protocols, how texts are made, what outcomes mean.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway.channels.base import Channel
from gateway.ending import within
from gateway.flows.fence import Fence
from gateway.flows.lane import Held, Lane
from gateway.flows.tracking import Tracking
from gateway.log import UnitLogger
from gateway.model import ChannelName, Transport
from gateway.store import deliveries
from gateway.store.clock import StoreClock
from gateway.store.pool import GONE, Connection, Store


class Dispatcher:
    """Runs the lanes of this node."""

    def __init__(
        self,
        *,
        store: Store,
        tracking: Tracking,
        lanes: Mapping[tuple[ChannelName, Transport], Lane],
        channels: Sequence[Channel],
        fence: Fence,
        clock: StoreClock,
        node: int,
        lease_s: float,
        heartbeat_s: float,
        grace_s: float,
        longest_wait_s: float,
        log: UnitLogger,
    ) -> None:
        self._store = store
        self._tracking = tracking
        self._lanes = lanes
        self._channels = channels
        self._fence = fence
        self._clock = clock
        self._node = node
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._grace_s = grace_s
        self._longest_wait_s = longest_wait_s
        self._log = log
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Dispatch until cancelled."""
        await self._recover(own=True)
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes.values():
                tasks.create_task(lane.feed())
            for channel in self._channels:
                lane = self._lanes[channel.name, channel.transport]
                tasks.create_task(channel.run(lane, self._tracking.emit))
            tasks.create_task(self._watch())
            tasks.create_task(self._beat())
            tasks.create_task(self._tend())

    async def drain(self, deadline_s: float) -> bool:
        """Hand out nothing more and wait until every answer is in; True when nothing is in flight any more."""
        for lane in self._lanes.values():
            lane.close()
        return await within(deadline_s, self._settled())

    async def _settled(self) -> None:
        while any(lane.busy or any(held.in_flight for held in lane.held()) for lane in self._lanes.values()):
            await asyncio.sleep(0.05)
        while self._tracking.unrecorded:
            await asyncio.sleep(0.02)

    async def release(self) -> None:
        """Give the leases back, so that others need not wait for their end."""
        for lane in self._lanes.values():
            for held in lane.held():
                if not held.in_flight:
                    await self._give_back(lane, held)

    # which campaigns may send -------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look for open campaigns four times a second, and at once when woken; stop those that may not send."""
        while True:
            self.wake.clear()
            try:
                await self._look()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)
            try:
                async with asyncio.timeout(0.25):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        async with self._store.queue.acquire(timeout=5) as connection:
            found = await deliveries.lanes_open(connection)
            held = {h.lease.campaign for lane in self._lanes.values() for h in lane.held()}
            sending = await deliveries.still_sending(connection, list(held)) if held else set()
        by_lane: dict[tuple[ChannelName, Transport], dict[int, int]] = defaultdict(dict)
        for one in found:
            by_lane[one.channel, one.transport][one.campaign] = one.priority
        for key, lane in self._lanes.items():
            lane.opened(by_lane[key])
        for campaign in held - sending:
            await self._halt(campaign)

    async def _halt(self, campaign: int) -> None:
        for lane in self._lanes.values():
            lane.halt(campaign)
        for channel in self._channels:
            await channel.withdraw(campaign)

    # leases -------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            try:
                await self.beat_once()
            except GONE as error:
                self._log.warning("heartbeat_missed", error=type(error).__name__)
                await asyncio.sleep(0.25)
                continue
            await asyncio.sleep(self._heartbeat_s)

    async def beat_once(self) -> None:
        """Prolong every lease; let go of those that are finished, withdrawn or no longer ours."""
        mine = [(lane, held) for lane in self._lanes.values() for held in lane.held()]
        asked_at = self._fence.starts()
        async with self._store.queue.acquire(timeout=5) as connection:
            kept = await deliveries.keep_leases(connection, [h.lease for _, h in mine], lease_s=self._lease_s)
        self._fence.renewed(asked_at)
        for lane, held in mine:
            if held.lease.remaining <= 0:
                lane.forget(held)
            elif held.key not in kept:
                self._log.warning("lease_lost", campaign=held.lease.campaign, channel=lane.channel)
                lane.forget(held)
            elif kept[held.key] and not held.gone:
                await self._halt(held.lease.campaign)
            elif held.gone and not held.in_flight:
                if kept[held.key]:  # withdrawn: nobody sends the rest, the sweep ends it
                    lane.forget(held)
                else:
                    await self._give_back(lane, held)

    async def _give_back(self, lane: Lane, held: Held) -> None:
        """Unless one of its rows is still being written: then it is ours until the next beat."""
        async with self._store.queue.acquire(timeout=5) as connection:
            given = await deliveries.give_back(connection, held.lease)
        if given:
            lane.forget(held)

    async def _tend(self) -> None:
        """Every half second: due retries become chunks, chunks of dead nodes are taken over, orphans are matched."""
        while True:
            await asyncio.sleep(0.5)
            try:
                await self._recover(own=False)
                async with self._store.queue.acquire(timeout=5) as connection:
                    if not self._clock.settled(self._lease_s):
                        await deliveries.hasten_retries(connection, self._longest_wait_s)
                    made = await deliveries.due_retries(connection, 5000)
                if made:
                    self.wake.set()
                await self._tracking.match_orphans()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)

    async def _recover(self, *, own: bool) -> None:
        """Take chunks from dead holders; with `own`, those that this node held before it was restarted."""
        async with self._store.queue.acquire(timeout=5) as connection:
            while found := await deliveries.expired_leases(connection, self._node, own=own):
                for campaign, lo, urgent in found:
                    if not await self._take(connection, campaign, lo, urgent=urgent, own=own):
                        return

    async def _take(self, connection: Connection, campaign: int, lo: int, *, urgent: bool, own: bool) -> bool:
        """Take one chunk; False: the database's clock has just been set, so holders that live may look dead."""
        async with connection.transaction():
            if not (own or await self._clock.trusted(connection, self._lease_s)):
                return False
            taken = await deliveries.recover_chunk(
                connection, campaign, lo, node=self._node, own=own, urgent=urgent, grace_s=self._grace_s
            )
        if taken:
            channel, unknown = taken
            self._log.event("chunk_recovered", campaign=campaign, channel=channel, unknown=unknown)
        return True
