"""A lane: the marked deliveries of one channel and transport, most urgent first. Channels pull from it.

A delivery is marked in the store before it can be taken, and a clock that runs on while the process is stopped is
compared with the end of the leases before it is handed out. Knows: store.deliveries, pacing, texts. Never knows: peers'
protocols, what an outcome means (tracking does), which campaigns exist (dispatch does).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, repeat
from math import inf

from gateway.flows.fence import Fence
from gateway.flows.replacing import Replacing
from gateway.flows.texts import Texts
from gateway.flows.tracking import Tracking
from gateway.model import ChannelName, Delivery, Lease, Outcome, OutcomeKind, Transport
from gateway.policy.allowance import Allowance
from gateway.store import deliveries
from gateway.store.deliveries import Leased, LeaseKey
from gateway.store.pool import GONE, Connection, Store

SAMPLE_EVERY = 64
UNABLE_S = 2.0  # so long may rows be ready that nobody can take
NO_GRANT_S = 0.01
LEAST_SHARE = 10  # of what is marked ahead: campaigns that share a lane take turns in steps, and a mark is a commit
_as_delivery = partial(tuple.__new__, Delivery)  # without a Python call for each


@dataclass(slots=True)
class Held:
    """A lease, how many of its rows are marked, and whether its rest is not ours to send any more. `asked` is how many
    were to be marked when the store was last asked: if its answer is lost, the same is asked again."""

    leased: Leased
    marked: int = 0
    asked: int = 0
    gone: bool = False

    @property
    def lease(self) -> Lease:
        """The lease itself."""
        return self.leased.lease

    @property
    def key(self) -> LeaseKey:
        """What the store calls it."""
        return LeaseKey(self.lease.campaign, self.lease.lo, self.lease.epoch)

    @property
    def unmarked(self) -> int:
        """Rows that may still be marked."""
        return 0 if self.gone else len(self.leased.seqs) - self.marked

    @property
    def in_flight(self) -> int:
        """Marked rows whose outcome was not handed in yet."""
        return self.marked - (len(self.leased.seqs) - self.lease.remaining)


@dataclass(slots=True)
class _Campaign:
    id: int
    priority: int
    open: bool = True  # the store has ready chunks of it
    served: int = 0
    held: deque[Held] = field(default_factory=deque)


class Lane:
    """What one channel pulls from (channels.base.Work), kept filled by `feed`."""

    def __init__(
        self,
        *,
        channel: ChannelName,
        transport: Transport,
        store: Store,
        texts: Texts,
        tracking: Tracking,
        fence: Fence,
        node: int,
        mark_ahead: int,
        lease_s: float,
        pacer: Allowance | None,
        monotonic: Callable[[], float],
        able: Callable[[], bool],
        replacing: Replacing | None = None,
    ) -> None:
        self.channel = channel
        self.transport = transport
        self._store = store
        self._texts = texts
        self._tracking = tracking
        self._fence = fence
        self._node = node
        self._mark_ahead = mark_ahead
        self._lease_s = lease_s
        self._pacer = pacer
        self._monotonic = monotonic
        self._able = able
        self._able_at = monotonic()
        self._replacing = replacing
        self._campaigns: dict[int, _Campaign] = {}
        self._ready: dict[int, deque[Delivery]] = {}
        self._some = asyncio.Event()
        self._hungry = asyncio.Event()
        self._since_sample = 0
        self.closed = False
        self.busy = False  # the store is leasing or marking: what it will have done is not known yet

    # what the channel calls -----------------------------------------------------------------------------------

    def take(self, limit: int) -> list[Delivery]:
        """At most `limit` deliveries that may leave now: inside the leases' time and the channel's rate."""
        if limit <= 0 or self.closed or not self._fence.holds():
            return []
        now = self._monotonic()
        taken: list[Delivery] = []
        for priority in sorted(self._ready):
            queue = self._ready[priority]
            while queue and len(taken) < limit and (many := self._permitted(now, queue, limit - len(taken))):
                taken += [queue.popleft() for _ in range(many)]
            if queue:
                break
        self._after_take(taken, now)
        return taken

    async def ready(self) -> None:
        """Return when `take` may give something."""
        while True:
            if self.closed or not self._waiting():
                self._some.clear()
                await self._some.wait()
            elif not self._fence.holds():
                await asyncio.sleep(0.1)
            elif self._pacer is not None and (wait_s := self._pacer.next_at(now := self._monotonic()) - now) > 0:
                self._pacer.room(now)  # asks for more where nothing is granted
                await asyncio.sleep(NO_GRANT_S if wait_s == inf else min(wait_s, 0.5))
            else:
                return

    def _permitted(self, now: float, queue: Sequence[Delivery], most: int) -> int:
        """How many of the first ones may leave now; those with another number of parts are asked for by themselves."""
        if self._pacer is None:
            return min(most, len(queue))
        parts = queue[0].text.parts
        alike = 0
        for delivery in islice(queue, most):
            if delivery.text.parts != parts:
                break
            alike += 1
        room = self._pacer.room(now)
        many = min(alike, room // parts or min(room, 1))  # one that costs more than there is is paid for later
        self._pacer.spend(many * parts)
        return many

    def _after_take(self, taken: Sequence[Delivery], now: float) -> None:
        if not taken:
            return
        self._since_sample += len(taken)
        if self._since_sample >= SAMPLE_EVERY:
            self._since_sample = 0
            self._tracking.handed_out(taken[0], now)
        self._hungry.set()

    def _waiting(self, up_to: int = 99) -> int:
        return sum(len(queue) for priority, queue in self._ready.items() if priority <= up_to)

    # what the dispatcher calls --------------------------------------------------------------------------------

    def opened(self, campaigns: Mapping[int, int]) -> None:
        """The campaigns that have ready chunks in this lane, with their priority."""
        level = self._level() if campaigns.keys() - self._campaigns.keys() else 0
        for number, priority in campaigns.items():
            known = self._campaigns.setdefault(number, _Campaign(number, priority, served=level))
            known.open = True
        for number in [c.id for c in self._campaigns.values() if not c.held and c.id not in campaigns]:
            del self._campaigns[number]
        if campaigns:
            self._hungry.set()
        self._look_whether_able()

    def _look_whether_able(self) -> None:
        """What nobody can take for a while goes back as unsent: after a crash it would have been unknown. So does the
        rest of the leases: another node may be able."""
        now = self._monotonic()
        if self._able():
            self._able_at = now
        elif now - self._able_at >= UNABLE_S:
            for held in self.held():
                held.gone = True
            self._give_back(lambda _: True)

    def _give_back(self, chosen: Callable[[Delivery], bool]) -> None:
        """These ready rows are unsent."""
        unsent: list[Delivery] = []
        for queue in self._ready.values():
            unsent += [d for d in queue if chosen(d)]
            kept = [d for d in queue if not chosen(d)]
            queue.clear()
            queue.extend(kept)
        self._tracking.emit([Outcome(d, OutcomeKind.UNSENT, "") for d in unsent])

    def _level(self) -> int:
        """Where a newcomer begins: beside the least served, of whom that is not counted which is still here."""
        here = Counter(d.lease.campaign for queue in self._ready.values() for d in queue)
        return min((c.served - here[c.id] for c in self._campaigns.values()), default=0)

    async def feed(self) -> None:
        """Keep `mark_ahead` marked rows ready; run until cancelled."""
        while True:
            self._hungry.clear()
            self.busy = True
            try:
                while await self._feed_once():
                    pass
            except GONE:
                self.busy = False
                await asyncio.sleep(0.2)
                continue
            self.busy = False
            await self._hungry.wait()

    def held(self) -> list[Held]:
        """Every lease of this lane."""
        return [held for campaign in self._campaigns.values() for held in campaign.held]

    def forget(self, held: Held) -> None:
        """A lease is over: finished, given back, or taken by another node. Its ready rows are not ours to send."""
        self._campaigns[held.lease.campaign].held.remove(held)
        if held.lease.remaining <= 0:
            return  # every row has its outcome: none is ready
        for queue in self._ready.values():
            kept = [d for d in queue if d.lease is not held.lease]
            queue.clear()
            queue.extend(kept)

    def halt(self, campaign: int) -> None:
        """This campaign may not send now: its ready rows go back as unsent, its leases mark nothing more."""
        for held in self._campaigns[campaign].held if campaign in self._campaigns else ():
            held.gone = True
        self._give_back(lambda delivery: delivery.lease.campaign == campaign)

    def close(self) -> None:
        """No delivery is handed out any more; what is ready goes back as unsent."""
        self.closed = True
        for campaign in list(self._campaigns):
            self.halt(campaign)

    # how it is kept filled ------------------------------------------------------------------------------------

    async def _feed_once(self) -> bool:
        """Mark one more step of the most urgent, least served campaign; False: nothing to do now."""
        if self.closed or not self._able():
            return False
        for campaign in sorted(self._campaigns.values(), key=lambda c: (c.priority, c.served)):
            waiting = self._waiting(campaign.priority)
            room = self._mark_ahead - waiting
            if waiting and room < self._mark_ahead / 4:  # a mark is a commit: not one for every few rows
                return False
            held = next((h for h in campaign.held if h.unmarked), None)
            if held is None and campaign.open:
                held = await self._lease(campaign)
            if held is not None:
                await self._mark(campaign, held, min(room, self._share(campaign.priority)))
                return True
        return False

    def _share(self, priority: int) -> int:
        """Rows that a campaign marks before the next of its priority has its turn."""
        rivals = sum(
            c.priority == priority and (c.open or any(h.unmarked for h in c.held)) for c in self._campaigns.values()
        )
        return max(1, self._mark_ahead // max(1, min(rivals, LEAST_SHARE)))

    async def _lease(self, campaign: _Campaign) -> Held | None:
        async with self._store.queue.acquire(timeout=5) as connection:
            leased = await deliveries.lease_chunks(
                connection,
                campaign=campaign.id,
                channel=self.channel,
                transport=self.transport,
                node=self._node,
                limit=1,
                lease_s=self._lease_s,
            )
        campaign.open = bool(leased)
        for one in leased:
            held = Held(one)
            campaign.held.append(held)
            if one.seqs:
                if self._replacing is not None:
                    one.lease.replaces = await self._replacing.find(campaign.id, one)
                return held
            self._tracking.emit([one.lease])  # every row has found its end meanwhile
        return None

    async def _mark(self, campaign: _Campaign, held: Held, room: int) -> None:
        """Make the next rows of a lease durable as 'may have left', then put them into the ready queue."""
        rows, start = held.leased, held.marked
        # an unheard mark is repeated as it was: with another end its rows would be counted twice
        stop = held.asked if held.asked > start else min(start + room, len(rows.seqs))
        held.asked = stop
        texts = await self._texts.of(campaign.id)
        async with self._store.queue.acquire(timeout=5) as connection:
            allowed = await self._mark_in_store(connection, held, start, stop)
        if allowed is None:
            held.gone = True
            campaign.open = False  # paused, stopped or expired: no more chunks until the dispatcher has looked again
            return
        held.marked = stop
        campaign.served += stop - start
        dropped = (stop - start) - len(allowed)
        held.lease.remaining -= dropped
        here, lease = slice(start, stop), held.lease
        said = map(texts.__getitem__, rows.keys[here])
        ready = list(map(_as_delivery, zip(repeat(lease), rows.seqs[here], rows.addresses[here], said)))
        if dropped:
            ready = [delivery for delivery in ready if delivery.seq in allowed]
        if self.closed or held.gone:  # halted while the store was marking: nobody will take them
            self._tracking.emit([Outcome(d, OutcomeKind.UNSENT, "") for d in ready])
        else:
            self._ready.setdefault(campaign.priority, deque()).extend(ready)
            self._some.set()
        if dropped and held.lease.remaining == 0:
            self._tracking.emit([held.lease])

    async def _mark_in_store(
        self, connection: Connection, held: Held, start: int, stop: int
    ) -> set[int] | range | None:
        """The seqs that may leave, None when the lease is withdrawn, paused, expired or lost."""
        rows = held.leased
        if rows.listed:
            wanted = rows.seqs[start:stop]
            return await deliveries.mark_listed(connection, held.lease, wanted, lease_s=self._lease_s) or None
        done = await deliveries.mark_range(
            connection, held.lease, rows.seqs[stop - 1], stop - start, lease_s=self._lease_s
        )
        return range(rows.seqs[start], rows.seqs[stop - 1] + 1) if done else None
