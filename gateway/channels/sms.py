"""SMS: takes deliveries when a window has room, sends them by the carriers of their routes, tells what became of them.

Knows: carriers, windows, what a command_status means for a delivery. Never knows: SQL, retry policy, prices, other
channels; texts and senders are sms_provider's, binds and rates sms_carrier's. SMPP 3.4 through gateway.smpp.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, assert_never

from gateway.channels.base import Emit, Work
from gateway.channels.sms_carrier import Bind, Carrier, Carriers
from gateway.channels.sms_leases import LeasedBinds
from gateway.channels.sms_outbox import Outbox
from gateway.channels.sms_provider import PartTicket, Probe, Replacement, delivery_of, refusal_of, stopped, wrong_number
from gateway.channels.sms_settings import SmsProviderSettings
from gateway.ending import within
from gateway.log import unit_logger
from gateway.model import ChannelName, Delivery, Outcome, OutcomeKind, Text, Transport
from gateway.policy.allowance import Allowance
from gateway.smpp import events as smpp
from gateway.smpp.link import Link
from gateway.smpp.status import StatusKind, lookup

__all__ = ["SmsChannel", "SmsProviderSettings"]

log = unit_logger(__name__)

_SPIN_PAUSE_S = 0.005
_NO_ROUTE_PAUSE_S = 2.0
_PROBE_S = 90.0
_LEASE_AND_TEXT = itemgetter(0, 3)  # of a Delivery
_GOOD_BYE_S = 2.5  # a peer that does not answer the unbind is left


def _uncounted(bind: str, parts: int) -> None:
    """Nobody counts."""


def _always() -> bool:
    """The fence of a node that can not lose a lease."""
    return True


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SmsChannel:
    """The SMS channel of one transport. `max_unrecorded` bounds the answers that are not durable yet: beyond it nothing
    is taken. While `fence()` is false nothing is written: what was taken may be another node's by now.
    `allowances` are the rates of accounts that other nodes share; the others are this node's alone. `leased`: only the
    binds that `leases` is told to open.
    `parts_submitted(bind, parts)` counts for metrics; `findings` counts what peers did wrong."""

    name = ChannelName.SMS

    def __init__(
        self,
        transport: Transport,
        providers: Sequence[SmsProviderSettings],
        *,
        max_unrecorded: int = 3_000,
        drain_s: float = 10.0,
        leased: bool = False,
        fence: Callable[[], bool] = _always,
        allowances: Mapping[str, Allowance] | None = None,
        parts_submitted: Callable[[str, int], None] = _uncounted,
        wall: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transport = transport
        self.findings: Counter[str] = Counter()
        self.recalled: Counter[str] = Counter()
        self._max_unrecorded = max_unrecorded
        self._drain_s = drain_s
        self._fence = fence
        self._parts_submitted = parts_submitted
        self._wall = wall
        self._hungry = asyncio.Event()
        self._stopping = asyncio.Event()
        self._calm = asyncio.Event()
        self._withdrawn: set[int] = set()
        self._work: Work | None = None
        self._outbox: Outbox | None = None
        self.carriers = Carriers(providers, self._on_events, now=monotonic, allowances=allowances or {})
        self._binds = self.carriers.binds
        self.leases = LeasedBinds(self.carriers, leased=leased)

    @property
    def in_flight(self) -> int:
        """Parts that left and wait for their answers."""
        return sum(link.in_flight for link in self._binds)

    def able(self) -> bool:
        """Whether a bind stands by which messages can leave."""
        return self.carriers.bound

    def bind_up(self) -> dict[str, bool]:
        """Whether each bind stands, by its name."""
        return self.carriers.bind_up()

    def breakers_open(self) -> dict[str, bool]:
        """Whether each provider is left alone for a while, by its name."""
        return self.carriers.breakers_open()

    async def run(self, work: Work, emit: Emit) -> None:
        """Send until cancelled; then answers in flight get `drain_s` to come and to become durable."""
        self._stopping.clear()
        self._work, self._outbox = work, Outbox(emit, self.granted)
        serving = asyncio.create_task(self._serve(work, self._outbox))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._stopping.set()
            await asyncio.wait([serving])
            serving.result()
            raise
        finally:
            serving.cancel()
            self._work = None
            for one in self.carriers:
                one.clear()  # empty, unless the store failed; then their lease tells the next node

    async def withdraw(self, campaign: int) -> None:
        """Give back what was taken for this campaign and not written."""
        self._withdrawn.add(campaign)
        self._take_back(self._withdrawn)

    def granted(self) -> None:
        """An account was given more, or a batch is durable and makes room: go on."""
        self._pump_all()

    async def probe(self, address: str, words: Text, provider: str = "") -> tuple[str, str]:
        """Send one message that is no delivery: (provider, its id there), or ("", "") when it was not taken."""
        bind = self.carriers.way_to(address, provider)
        if bind is None or not self._fence() or self.transport is not Transport.LIVE:
            return "", ""
        ids: asyncio.Queue[str] = asyncio.Queue()
        sent = bind.probe(bind.carrier.provider.prepared(words), address, Probe(ids.put_nowait))
        self._parts_submitted(bind.link.name, sent)
        bind.link.flush()
        with contextlib.suppress(TimeoutError):
            if message_id := await asyncio.wait_for(ids.get(), _PROBE_S):
                return bind.carrier.name, message_id
        return "", ""

    # the life of one run

    async def _serve(self, work: Work, outbox: Outbox) -> None:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed(work))
            running = [group.create_task(bind.run()) for bind in self._binds.values()]
            stopped = group.create_task(self._stopping.wait())
            waited: set[asyncio.Future[Any]] = {stopped, outbox.broken}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if outbox.broken.done():
                outbox.broken.result()
            feeding.cancel()
            await self._drain(outbox)
            for one in running:
                one.cancel()
        await outbox.settled()

    async def _feed(self, work: Work) -> None:
        """When the binds ask for more than there was: wait for more."""
        while True:
            await self._hungry.wait()
            self._hungry.clear()
            await work.ready()
            if not self._pump_all():
                await asyncio.sleep(_SPIN_PAUSE_S)

    async def _drain(self, outbox: Outbox) -> None:
        """Answers first, then their record, then good-bye to the peers."""
        self._take_back()
        until = asyncio.get_running_loop().time() + self._drain_s
        if self.in_flight:
            self._calm.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._calm.wait(), self._drain_s)
        await outbox.settled(max(0.0, until - asyncio.get_running_loop().time()))
        await within(_GOOD_BYE_S, asyncio.gather(*(bind.end() for bind in self._binds.values())))

    # what the peers say

    def _on_events(self, link: Link, events: Sequence[smpp.Event]) -> None:
        """One loop turn of one link."""
        outbox, bind = self._outbox, self._binds[link]
        if outbox is None:
            return
        for event in events:
            self._told(outbox, bind, event)
        self._pump(bind)
        if self.carriers.waiting:
            self._pump_all()  # another bind may have the room that this one has not
        outbox.hand_on_soon()
        if not self.in_flight:
            self._calm.set()

    def _told(self, outbox: Outbox, bind: Bind, event: smpp.Event) -> None:
        """What one event means for deliveries is the provider's to say, what it means for the bind is ours."""
        link, carrier, provider = bind.link, bind.carrier, bind.carrier.provider
        match event:
            case smpp.Accepted(tickets, ids):
                bind.pace.accepted(link.now(), len(tickets))
                carrier.breaker.taken()
                outbox.items += provider.accepted(tickets, ids)
            case smpp.Receipts(handles, receipts):
                outbox.receive(provider.received(receipts))
                outbox.owe(link, handles)
            case smpp.Refused(ticket, status):
                self._refused(outbox, bind, ticket, status)
            case smpp.Unanswered(tickets):
                carrier.breaker.failed(carrier.now(), len(tickets))
                outbox.items += provider.unknown(tickets, "no answer in time")
            case smpp.Belated(ticket, message_id, status):
                outbox.items += provider.belated(ticket, status, message_id)
            case smpp.Answered(_, status):
                self.recalled["refused" if status else "taken"] += 1
            case smpp.Inbound(handle):
                outbox.owe(link, [handle])
            case smpp.Finding(words, times):
                self.findings[words] += times
            case smpp.Bound():
                log.event("bind_up", bind=link.name)
            case smpp.Down():
                outbox.items += provider.unknown(event.unanswered, event.reason)
                self._down(bind, event)
            case _:
                assert_never(event)

    def _refused(self, outbox: Outbox, bind: Bind, ticket: object, status: int) -> None:
        """Too fast: the message keeps its place and its attempts. Anything else is the provider's to say."""
        carrier = bind.carrier
        match lookup(status).kind:
            case StatusKind.THROTTLE:
                bind.pace.throttled(bind.link.now())
                carrier.breaker.taken()  # it answers: it is only busy
                if isinstance(ticket, Delivery | PartTicket | Replacement) and carrier.too_fast(ticket):
                    if delivery_of(ticket).text.campaign in self._withdrawn:
                        self._take_back(self._withdrawn)  # it was on its way when its campaign was withdrawn
                    return
            case StatusKind.LINK_FAULT:
                bind.link.restart()
                carrier.breaker.failed(carrier.now())
            case StatusKind.RETRY:
                carrier.breaker.failed(carrier.now())
            case _:
                carrier.breaker.taken()
        if isinstance(ticket, Replacement):
            carrier.not_replaced(ticket)
        else:
            outbox.items += carrier.provider.refused(ticket, status)

    def _down(self, bind: Bind, event: smpp.Down) -> None:
        say = log.event if self._stopping.is_set() or not bind.held.is_set() else log.warning
        say("bind_down", bind=bind.link.name, why=event.reason, status=f"{event.status:#x}")
        if not bind.carrier.bound:
            whole, parts = bind.carrier.clear()
            self._give_up(bind.carrier, parts)
            (self._route if self.carriers.bound else self._give_back)(whole)

    # what we send

    def _pump_all(self) -> int:
        """Fill every window; the number of deliveries that left or were refused."""
        done = 0
        for bind in self._binds.values():
            done += self._pump(bind)
            bind.link.flush()
        return done

    def _pump(self, bind: Bind) -> int:
        """Fill one bind's window, as far as rates and the unrecorded answers allow. Does not flush."""
        done, outbox, carrier = 0, self._outbox, bind.carrier
        if (carrier.queue or carrier.again) and not self._fence():
            self._take_back()
        while self._work is not None and outbox is not None and not self._stopping.is_set():
            room = min(bind.room, self._max_unrecorded - outbox.unrecorded)
            if room <= 0:
                break
            budget = bind.budget(room)
            if budget <= 0:
                self._wake_later(bind)
                break
            if carrier.again:
                done += self._send_again(bind, budget)
                continue
            batch = self._next(self._work, carrier, max(1, budget // bind.parts_hint))
            if not batch:
                self._hungry.set()
                break
            done += len(batch)
            if not self._send(bind, batch):
                break
        return done

    def _next(self, work: Work, carrier: Carrier, limit: int) -> Sequence[Delivery]:
        """What was taken before and could not be written comes first."""
        if not carrier.queue:
            if self.carriers.only is None and self.carriers.full:
                return ()  # what is routed and not written would be unknown after a crash: no more of it
            taken = work.take(limit)
            if self._withdrawn:  # who sends again is withdrawn no more
                self._withdrawn.difference_update(delivery.text.campaign for delivery in taken)
            if self.carriers.only is not None:
                return taken
            self._route(taken)
            if taken and self.carriers.waiting:
                asyncio.get_running_loop().call_soon(self._pump_all)  # some of it is for others
        return [carrier.queue.popleft() for _ in range(min(limit, len(carrier.queue)))]

    def _route(self, deliveries: Sequence[Delivery]) -> None:
        """Into the queues of their carriers; what nobody can take now comes again a moment later."""
        routed = self.carriers.route(deliveries)
        self._give_back(routed.waiting, _NO_ROUTE_PAUSE_S)
        for delivery in routed.refused:
            self._refuse(delivery, "no route for this number")

    def _send_again(self, bind: Bind, budget: int) -> int:
        """What was refused for its speed, in its order; the number of those that left or can not leave any more."""
        carrier, now, done = bind.carrier, self._wall(), 0
        while carrier.again and done < min(budget, bind.room):
            ticket = carrier.again.popleft()
            delivery = delivery_of(ticket)
            refusal = refusal_of(delivery, self.transport, now)
            if not refusal:
                self._parts_submitted(bind.link.name, bind.submit_again(ticket))
            elif isinstance(ticket, PartTicket):
                self._give_up(carrier, [ticket], refusal)
            else:
                self._refuse(delivery, refusal)
            done += 1
        return done

    def _send(self, bind: Bind, batch: Sequence[Delivery]) -> bool:
        """Write these into the session, neighbours of one lease with one text together. False when the window is too
        full for the next one: the rest waits, in its order."""
        now, room, done = self._wall(), bind.room, 0
        for (_, words), neighbours in groupby(batch, _LEASE_AND_TEXT):
            run = list(neighbours)
            prepared = bind.carrier.provider.prepared(words)
            fit = run[: room // max(1, len(prepared.parts))]
            why = prepared.refusal or stopped(run[0], self.transport, now)
            leaving = [d for d in fit if self._leaves(d, why) and not (d.lease.replaces and bind.replace(d))]
            self._parts_submitted(bind.link.name, bind.submit(prepared, leaving))
            room -= len(fit) * len(prepared.parts)
            done += len(fit)
            if len(fit) < len(run):
                bind.carrier.queue.extendleft(reversed(batch[done:]))
                return False
        return True

    def _leaves(self, delivery: Delivery, why: str) -> bool:
        """Whether it may leave: `why` it and its neighbours may not, or its number, is its end."""
        if why := why or wrong_number(delivery.address):
            self._refuse(delivery, why)
        return not why

    def _refuse(self, delivery: Delivery, why: str) -> None:
        """No byte of this one may ever leave."""
        if self._outbox is not None:
            self._outbox.items.append(Outcome(delivery, OutcomeKind.FAILED, "", detail=why, settled=True))
            self._outbox.hand_on_soon()

    def _wake_later(self, bind: Bind) -> None:
        if bind.wake is None:
            bind.wake = asyncio.get_running_loop().call_later(bind.pause_s(), self._woken, bind)

    def _woken(self, bind: Bind) -> None:
        bind.wake = None
        self._pump(bind)
        bind.link.flush()

    def _take_back(self, campaigns: Collection[int] | None = None) -> None:
        """What is not written, of these campaigns or all of it, is given back."""
        for one in self.carriers:
            whole, parts = one.take_out(campaigns)
            self._give_back(whole)
            self._give_up(one, parts)

    def _give_back(self, deliveries: Sequence[Delivery], for_s: float | None = None) -> None:
        if self._outbox is not None and deliveries:
            self._outbox.items += [Outcome(one, OutcomeKind.UNSENT, "", retry_after_s=for_s) for one in deliveries]
            self._outbox.hand_on_soon()

    def _give_up(self, carrier: Carrier, parts: Sequence[PartTicket], why: str = "") -> None:
        """Parts of messages whose other parts have left."""
        if self._outbox is not None and parts:
            self._outbox.items += [told for part in parts for told in carrier.provider.given_up(part, why)]
            self._outbox.hand_on_soon()
