"""The e-mail channel: deliveries out to SMTP relays, one envelope each, answers back as outcomes.

Knows: relays and their order, what each SMTP fate means for a delivery, how much may be unrecorded.
Never knows: SQL, retry policy, other channels, how SMTP works (gateway/smtp does), how a mail looks (mail does).
The sender identity comes from settings only, never from an alert. Standards are cited in gateway/smtp.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, assert_never

from gateway.channels.base import Emit, Work
from gateway.channels.email_domains import Domains, alone, least
from gateway.channels.email_settings import EmailSettings, RelaySettings
from gateway.channels.email_signing import Signer
from gateway.channels.email_supply import Supply
from gateway.channels.email_writer import Tag, Writer
from gateway.ending import within
from gateway.model import ChannelName, Delivery, Outcome, OutcomeKind, Receipt, Transport
from gateway.policy.allowance import Allowance
from gateway.smtp.events import Fate, Result
from gateway.smtp.link import Link, Pool, Security
from gateway.smtp.reply import Scope, scope

__all__ = ["EmailChannel", "EmailSettings", "RelaySettings", "Security", "Tag"]

_EMITS = 8  # batches that may wait for the store at the same time
_GROW_S = 0.05  # how often more work than room opens more links

KINDS: Mapping[Fate, OutcomeKind] = {
    Fate.ACCEPTED: OutcomeKind.ACCEPTED,
    Fate.RETRY: OutcomeKind.RETRY,
    Fate.FAILED: OutcomeKind.FAILED,
    Fate.UNKNOWN: OutcomeKind.UNKNOWN,
    Fate.UNSENT: OutcomeKind.UNSENT,
}


# an enum's member costs a call each time it is named, and its hash another (Python 3.11)
_ACCEPTED, _TAKEN = Fate.ACCEPTED, OutcomeKind.ACCEPTED


def nobody(_relay: str, _count: int) -> None:
    """Counts nothing."""


def always() -> bool:
    """The fence of a node that can not lose a lease."""
    return True


class _Shares(NamedTuple):
    """Rates that all nodes keep to together, by relay and by a domain's first name; how many nodes these are."""

    relays: Mapping[str, Allowance]
    domains: Mapping[str, Allowance]
    nodes: Callable[[], int]


class EmailChannel:
    """E-mail as a channel. `accepted` is told (relay, n) once per batch; `relays` replaces those of the settings; while
    `fence()` is false no body is written: what was begun may be another node's by now. `relay_shares` and
    `domain_shares` are rates that other nodes keep to as well (tell `granted` of more); of other domains' ceilings it
    takes its part among so many `nodes`.
    """

    name = ChannelName.EMAIL

    def __init__(
        self,
        *,
        transport: Transport,
        settings: EmailSettings,
        relays: Sequence[RelaySettings] | None = None,
        accepted: Callable[[str, int], None] = nobody,
        fence: Callable[[], bool] = always,
        relay_shares: Mapping[str, Allowance] | None = None,
        domain_shares: Mapping[str, Allowance] | None = None,
        nodes: Callable[[], int] = alone,
    ) -> None:
        self.transport = transport
        self._settings = settings
        self._shares = _Shares(relay_shares or {}, domain_shares or {}, nodes)
        self._relays = tuple(settings.relays if relays is None else relays)
        self._accepted = accepted
        self._fence = fence
        self._run: _Run | None = None

    async def run(self, work: Work, emit: Emit) -> None:
        """Send until cancelled; then finish what is in flight within `drain_s`, and say of the rest what is known."""
        self._run = _Run(
            self.transport, self._settings, self._relays, self._accepted, self._fence, self._shares, work, emit
        )
        try:
            await self._run.work_on()
        finally:
            self._run.close()
            self._run = None

    def granted(self) -> None:
        """A relay or a domain was given more: go on."""
        if self._run is not None:
            self._run.granted()

    async def withdraw(self, campaign: int) -> None:
        """Stop this campaign's mails whose final dot is not written; they come back as unsent."""
        if self._run is not None:
            self._run.withdraw(campaign)

    @property
    def in_flight(self) -> int:
        """Mails begun and not answered yet."""
        return self._run.in_flight if self._run is not None else 0

    def domains_slowed(self) -> int:
        """How many recipients' domains are asked more slowly now."""
        return self._run.slowed() if self._run is not None else 0

    def relays_slowed(self) -> dict[str, bool]:
        """Which relays are asked more slowly, because they said of themselves: not now."""
        slowed = self._run.relays_slowed() if self._run is not None else frozenset[str]()
        return {relay.name: relay.name in slowed for relay in self._relays}

    def relays_up(self) -> dict[str, bool]:
        """Which relays have a link that takes mail."""
        up = self._run.up() if self._run is not None else frozenset[str]()
        return {relay.name: relay.name in up for relay in self._relays}

    def able(self) -> bool:
        """True when any relay takes mail."""
        return any(self.relays_up().values())


class _Run:
    """One run of the channel: everything that lives between its start and its end."""

    def __init__(
        self,
        transport: Transport,
        settings: EmailSettings,
        relays: Sequence[RelaySettings],
        accepted: Callable[[str, int], None],
        fence: Callable[[], bool],
        shares: _Shares,
        work: Work,
        emit: Emit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._settings = settings
        self._accepted = accepted
        self._fence = fence
        self._work = work
        self._emit = emit
        self._wake = asyncio.Event()
        now = self._loop.time()
        self._domains = Domains(
            settings.domains, settings.domain_max_per_s, now, shared=shares.domains, nodes=shares.nodes
        )
        self._shares = shares.relays
        self._supply = Supply(
            work=work,
            writer=Writer(settings.identity()),
            transport=transport,
            domains=self._domains,
            signer=Signer(settings.dkim, settings.dkim_workers) if settings.dkim else None,
            refuse=lambda delivery, result, detail: self._note(delivery, "", result, detail),
            later=self._send_back,
            wake=self._wake.set,
        )
        self._pools: deque[tuple[int, Pool[Delivery]]] = deque(
            (relay.priority, Pool(relay.pool(settings.client_name, paced=relay.name not in shares.relays), self._touch))
            for relay in relays
        )
        self._touched: dict[Link[Delivery], Pool[Delivery]] = {}
        self._outcomes: list[Outcome | Receipt] = []
        self._unrecorded = 0
        self._group = asyncio.TaskGroup()
        self._emitting: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._draining = False

    async def work_on(self) -> None:
        """Send until cancelled, then drain."""
        async with self._group:
            for _, pool in self._pools:
                self._group.create_task(pool.keep())
            self._group.create_task(self._turns())
            try:
                await self._pump()
            finally:
                await self._drain()

    def close(self) -> None:
        """End what runs beside the loop."""
        self._supply.close()

    def withdraw(self, campaign: int) -> None:
        """Mark what is not written to the end; the sessions give it back."""
        self._take_back(lambda delivery: delivery.text.campaign == campaign)

    def _take_back(self, chosen: Callable[[Delivery], bool]) -> None:
        self._supply.take_back(chosen)
        for _, pool in self._pools:
            for link in pool.links:
                link.session.withdraw(chosen)
                self._touch(pool, link)

    @property
    def in_flight(self) -> int:
        """Envelopes begun and not done, over all links."""
        return sum(link.session.in_flight for _, pool in self._pools for link in pool.links)

    def slowed(self) -> int:
        """How many domains are asked more slowly, because they said: not now."""
        return self._domains.slowed(self._loop.time())

    def relays_slowed(self) -> frozenset[str]:
        """Names of the relays that are asked more slowly."""
        return frozenset(pool.settings.name for _, pool in self._pools if pool.pace.slowed)

    def up(self) -> frozenset[str]:
        """Names of the relays with an open link."""
        return frozenset(pool.settings.name for _, pool in self._pools if pool.ready)

    def granted(self) -> None:
        """More may leave: look at once."""
        self._wake.set()

    # ---- work in

    async def _pump(self) -> None:
        """Begin what the links do not fetch themselves: first mails, mails after a pause, more links."""
        while True:
            await self._work.ready()
            if self._free():
                if not self._turn():
                    await asyncio.sleep(0.001)
                continue
            for pool in [pool for pool in self._active() if not pool.free]:
                pool.grow(self._group)
            self._room.clear()
            await within(_GROW_S, self._room.wait())

    def _active(self) -> list[Pool[Delivery]]:
        """The relays in use: of those that are up, those with the lowest priority number."""
        up = [(priority, pool) for priority, pool in self._pools if pool.ready]
        best = min((priority for priority, _ in up), default=0)
        return [pool for priority, pool in up if priority == best]

    def _free(self) -> list[tuple[Pool[Delivery], Link[Delivery]]]:
        """Every link that a mail may go to now, as many as may be unrecorded."""
        if self._draining:
            return []
        now = self._loop.time()
        free: list[tuple[Pool[Delivery], Link[Delivery]]] = []
        self._pools.rotate(1)
        for pool in self._active():
            if pool.free:
                left = least(pool.pace.left(now), self._shares.get(pool.settings.name), now)
                free.extend([(pool, link) for link in pool.free][:left])
        return free[: max(0, self._settings.max_unrecorded - self._unrecorded)]

    def _refill(self, touched: dict[Link[Delivery], Pool[Delivery]]) -> int:
        """Give a mail to every free link, as far as there are any; returns how many deliveries that moved."""
        free = self._free()
        if not free:
            return 0
        envelopes, moved = self._supply.take(len(free), int(time.time()))
        now = self._loop.time()
        for envelope in envelopes:
            pool, link = free.pop()
            begun = link.session.send(envelope, now)
            touched[link] = pool
            pool.pace.spend()
            if (share := self._shares.get(pool.settings.name)) is not None:
                share.spend(1)
            pool.free.discard(link)
            if not begun:
                self._touch(pool, link)
        return moved

    # ---- answers out

    def _touch(self, pool: Pool[Delivery], link: Link[Delivery]) -> None:
        """Something happened on this link: it gets its turn in this turn of the loop."""
        self._touched[link] = pool
        self._wake.set()

    async def _turns(self) -> None:
        """However much arrives in one turn of the loop, it is looked at once."""
        while True:
            await self._wake.wait()
            self._turn()

    def _turn(self) -> int:
        """One turn for all links: answers in, next mails out, one write per link, one batch to the store."""
        if not self._fence() and (self._supply.held or self.in_flight):
            self._take_back(lambda _delivery: True)
        self._wake.clear()
        touched, self._touched = self._touched, {}
        accepted: Counter[str] = Counter()
        for link, pool in touched.items():
            for done in pool.collect(link):
                result = done.results[0]
                if result.fate is _ACCEPTED:
                    accepted[pool.settings.name] += 1
                    self._outcomes.append(
                        Outcome(done.ticket, _TAKEN, pool.settings.name, result.reply.code, settled=True)
                    )
                    self._unrecorded += 1
                    continue
                if result.fate is Fate.RETRY and scope(result.reply, of_sender=result.of_sender) is Scope.DOMAIN:
                    self._domains.refused(done.ticket, self._loop.time())
                self._note(done.ticket, pool.settings.name, result, _detail(result))
        taken = self._refill(touched)
        for link, pool in touched.items():
            link.flush()
            if link in pool.free and not link.session.wants:  # its body is written now
                pool.free.discard(link)
        for relay, count in accepted.items():
            self._accepted(relay, count)
        self._hand_on()
        if not self._room.is_set() and (self._draining or self._free()):
            self._room.set()
        return taken

    def _note(self, delivery: Delivery, relay: str, result: Result, detail: str) -> None:
        """What is not taken over."""
        self._outcomes.append(Outcome(delivery, KINDS[result.fate], relay, result.reply.code, detail))
        self._unrecorded += 1

    def _send_back(self, delivery: Delivery, wait_s: float) -> None:
        """Taken, not sent, not an attempt: again after so many seconds."""
        self._outcomes.append(Outcome(delivery, OutcomeKind.UNSENT, "", retry_after_s=wait_s or None))
        self._unrecorded += 1

    def _hand_on(self) -> None:
        """Emit what has gathered; while many batches wait, the next one grows instead."""
        if self._outcomes and len(self._emitting) < _EMITS and not self._draining:
            batch, self._outcomes = self._outcomes, []
            task = self._group.create_task(self._record(batch))
            self._emitting.add(task)

    async def _record(self, batch: Sequence[Outcome | Receipt]) -> None:
        await self._emit(batch)
        self._unrecorded -= len(batch)
        task = asyncio.current_task()
        assert task is not None
        self._emitting.discard(task)  # before the wake: the next turn may use its place
        self._wake.set()

    # ---- the end

    async def _drain(self) -> None:
        """Begin nothing, let what is begun end within `drain_s`, cut the rest; then as long again for the records."""
        self._draining = True
        self._supply.take_back(lambda _delivery: True)
        end = self._loop.time() + self._settings.drain_s
        for _, pool in self._pools:
            pool.close()
        while self.in_flight and self._loop.time() < end:
            self._room.clear()
            await within(_GROW_S, self._room.wait())
            self._turn()
        for _, pool in self._pools:
            for link in pool.links:
                link.cut()
        self._turn()
        await within(self._settings.drain_s, self._record_the_rest())

    async def _record_the_rest(self) -> None:
        if self._emitting:
            await asyncio.wait(self._emitting)
        if self._outcomes:
            await self._emit(self._outcomes)


def _detail(result: Result) -> str:
    """What the report counts by; never the peer's own words, which may hold an address."""
    match result.fate:
        case Fate.ACCEPTED | Fate.UNSENT:
            return ""
        case Fate.UNKNOWN:
            return "no answer after the final dot"
        case Fate.RETRY | Fate.FAILED:
            return result.reply.meaning
    assert_never(result.fate)
