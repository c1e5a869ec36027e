"""SMS: takes deliveries when a window has room, sends them over SMPP binds, and tells what became of them.

Knows: binds, windows, what a command_status means for a delivery. Never knows: SQL, retry policy, prices, other
channels; texts and senders are sms_provider's. SMPP 3.4 through gateway.smpp.
"""

import asyncio
import contextlib
import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, assert_never

from gateway.channels.base import Emit, Work, may_leave
from gateway.channels.sms_outbox import Outbox
from gateway.channels.sms_provider import LongMessage, PartTicket, Prepared, Provider
from gateway.channels.sms_settings import SmsProviderSettings
from gateway.model import ChannelName, Delivery, Outcome, OutcomeKind, Transport
from gateway.smpp.events import (
    Accepted,
    Bound,
    Down,
    Event,
    Finding,
    Inbound,
    Receipts,
    Refused,
    Unanswered,
)
from gateway.smpp.link import Link
from gateway.smpp.pace import Pace
from gateway.smpp.session import Session
from gateway.smpp.status import StatusKind, lookup

__all__ = ["SmsChannel", "SmsProviderSettings"]

log = logging.getLogger(__name__)

_E164 = re.compile(r"\+[1-9][0-9]{3,14}")
_SPIN_PAUSE_S = 0.005


class _Bind:
    """One link with its provider and its pace; `parts_hint` is how many parts a message had lately."""

    def __init__(self, provider: Provider, link: Link, pace: Pace) -> None:
        self.provider = provider
        self.link = link
        self.pace = pace
        self.parts_hint = 1
        self.wake: asyncio.TimerHandle | None = None


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
    `parts_submitted(bind, parts)` counts for metrics; `findings` counts what peers did wrong."""

    name = ChannelName.SMS

    def __init__(
        self,
        transport: Transport,
        providers: Sequence[SmsProviderSettings],
        *,
        max_unrecorded: int = 3_000,
        drain_s: float = 10.0,
        fence: Callable[[], bool] = _always,
        parts_submitted: Callable[[str, int], None] = _uncounted,
        wall: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.transport = transport
        self.findings: Counter[str] = Counter()
        self._max_unrecorded = max_unrecorded
        self._drain_s = drain_s
        self._fence = fence
        self._parts_submitted = parts_submitted
        self._wall = wall
        self._binds: dict[Link, _Bind] = {}
        self._waiting: deque[Delivery] = deque()  # taken, not written
        self._hungry = asyncio.Event()
        self._stopping = asyncio.Event()
        self._calm = asyncio.Event()
        self._work: Work | None = None
        self._outbox: Outbox | None = None
        for settings in providers:
            self._add(Provider(settings))

    @property
    def in_flight(self) -> int:
        """Parts that left and wait for their answers."""
        return sum(link.in_flight for link in self._binds)

    def bind_up(self) -> dict[str, bool]:
        """Whether each bind stands, by its name."""
        return {link.name: link.bound for link in self._binds}

    async def run(self, work: Work, emit: Emit) -> None:
        """Send until cancelled; then answers in flight get `drain_s` to come and to become durable."""
        self._stopping.clear()
        self._work, self._outbox = work, Outbox(emit, self._recorded)
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
            self._waiting.clear()  # empty, unless the store failed; then their lease tells the next node

    async def withdraw(self, campaign: int) -> None:
        """Give back what was taken for this campaign and not written."""
        mine = [delivery for delivery in self._waiting if delivery.text.campaign == campaign]
        self._waiting = deque(delivery for delivery in self._waiting if delivery.text.campaign != campaign)
        self._give_back(mine)

    def _add(self, provider: Provider) -> None:
        settings = provider.settings
        endpoint, backoff = settings.endpoint(), settings.backoff()
        ceiling = settings.max_rate_per_s / settings.binds if settings.max_rate_per_s else None
        for number, role in enumerate(settings.roles(), 1):
            new_session = partial(Session, settings.bind_config(role))
            link = Link(f"{settings.name}/{number}", endpoint, new_session, self._on_events, backoff=backoff)
            self._binds[link] = _Bind(provider, link, Pace(ceiling))

    # the life of one run

    async def _serve(self, work: Work, outbox: Outbox) -> None:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed(work))
            for link in self._binds:
                group.create_task(link.run())
            stopped = group.create_task(self._stopping.wait())
            waited: set[asyncio.Future[Any]] = {stopped, outbox.broken}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if outbox.broken.done():
                outbox.broken.result()
            feeding.cancel()
            await self._drain(outbox)
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
        self._give_back_waiting()
        until = asyncio.get_running_loop().time() + self._drain_s
        if self.in_flight:
            self._calm.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._calm.wait(), self._drain_s)
        await outbox.settled(max(0.0, until - asyncio.get_running_loop().time()))
        await asyncio.gather(*(link.close() for link in self._binds))

    def _recorded(self) -> None:
        """A batch is durable: there is room for more."""
        self._pump_all()

    # what the peers say

    def _on_events(self, link: Link, events: Sequence[Event]) -> None:
        """One loop turn of one link."""
        outbox, bind = self._outbox, self._binds[link]
        if outbox is None:
            return
        for event in events:
            self._told(outbox, bind, event)
        self._pump(bind)
        if self._waiting:
            self._pump_all()  # another bind may have the room that this one has not
        outbox.hand_on_soon()
        if not self.in_flight:
            self._calm.set()

    def _told(self, outbox: Outbox, bind: _Bind, event: Event) -> None:
        """What one event means for deliveries is the provider's to say, what it means for the bind is ours."""
        link, provider = bind.link, bind.provider
        match event:
            case Accepted(tickets, ids):
                bind.pace.accepted(link.now(), len(tickets))
                outbox.items += provider.accepted(tickets, ids)
            case Receipts(handles, receipts):
                outbox.items += provider.received(receipts)
                outbox.owe(link, handles)
            case Refused(ticket, status):
                self._slow_or_restart(bind, status)
                outbox.items += provider.refused(ticket, status)
            case Unanswered(tickets):
                outbox.items += provider.unknown(tickets, "no answer in time")
            case Inbound(handle):
                outbox.owe(link, [handle])
            case Finding(words, times):
                self.findings[words] += times
            case Bound():
                log.info("bind %s is up", link.name)
            case Down():
                outbox.items += provider.unknown(event.unanswered, event.reason)
                self._down(link, event)
            case _:
                assert_never(event)

    def _down(self, link: Link, event: Down) -> None:
        level = logging.INFO if self._stopping.is_set() else logging.WARNING
        log.log(level, "bind %s is down: %s (status %#x)", link.name, event.reason, event.status)
        if not any(other.bound for other in self._binds):
            self._give_back_waiting()

    def _slow_or_restart(self, bind: _Bind, status: int) -> None:
        """What a refusal means for the bind; what it means for the message is the provider's."""
        match lookup(status).kind:
            case StatusKind.THROTTLE:
                bind.pace.throttled(bind.link.now())
            case StatusKind.LINK_FAULT:
                bind.link.restart()
            case _:
                pass

    # what we send

    def _pump_all(self) -> int:
        """Fill every window; the number of deliveries that left or were refused."""
        done = 0
        for bind in self._binds.values():
            done += self._pump(bind)
            bind.link.flush()
        return done

    def _pump(self, bind: _Bind) -> int:
        """Fill one bind's window, as far as its pace and the unrecorded answers allow. Does not flush."""
        done, link, outbox = 0, bind.link, self._outbox
        if self._waiting and not self._fence():
            self._give_back_waiting()
        while self._work is not None and outbox is not None and not self._stopping.is_set():
            room = min(link.room, self._max_unrecorded - outbox.unrecorded)
            if room <= 0:
                break
            budget = bind.pace.allow(link.now(), room)
            if budget <= 0:
                self._wake_later(bind)
                break
            batch = self._next(self._work, max(1, budget // bind.parts_hint))
            if not batch:
                self._hungry.set()
                break
            done += len(batch)
            if not self._send(bind, batch):
                break
        return done

    def _next(self, work: Work, limit: int) -> Sequence[Delivery]:
        """What was taken before and could not be written comes first."""
        if not self._waiting:
            return work.take(limit)
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def _send(self, bind: _Bind, batch: Sequence[Delivery]) -> bool:
        """Write these into the session, neighbours with one text together. False when the window is too full for the
        next one: the rest waits, in its order."""
        now, room, provider = self._wall(), bind.link.room, bind.provider
        words = batch[0].text
        prepared = provider.prepared(words)
        run: list[Delivery] = []
        for at, delivery in enumerate(batch):
            if delivery.text is not words:
                self._submit(bind, prepared, run)
                run, words = [], delivery.text
                prepared = provider.prepared(words)
            refusal = prepared.refusal or self._refusal(delivery, now)
            if refusal:
                self._refuse(delivery, refusal)
                continue
            room -= len(prepared.parts)
            if room < 0:
                self._submit(bind, prepared, run)
                self._waiting.extendleft(reversed(batch[at:]))
                return False
            run.append(delivery)
        self._submit(bind, prepared, run)
        return True

    def _refuse(self, delivery: Delivery, why: str) -> None:
        """No byte of this one may ever leave."""
        if self._outbox is not None:
            self._outbox.items.append(Outcome(delivery, OutcomeKind.FAILED, "", detail=why, settled=True))
            self._outbox.hand_on_soon()

    def _submit(self, bind: _Bind, prepared: Prepared, batch: Sequence[Delivery]) -> None:
        """Correlation, then bytes: both are the session's; here parts are counted."""
        session = bind.link.session
        if not batch or session is None:
            return
        now = bind.link.now()
        parts = prepared.parts
        if len(parts) == 1:
            session.submit(batch, [delivery.address[1:].encode() for delivery in batch], parts[0], now)
        else:
            for delivery in batch:
                long = LongMessage(delivery, len(parts))
                tickets = [PartTicket(long, number) for number in range(len(parts))]
                session.submit_parts(tickets, delivery.address[1:].encode(), parts, now)
        many = len(batch) * prepared.cost
        bind.parts_hint = prepared.cost
        bind.pace.spent(many)
        self._parts_submitted(bind.link.name, many)

    def _refusal(self, delivery: Delivery, now: datetime) -> str:
        """Why this delivery may not leave, or nothing."""
        if not may_leave(delivery, self.transport):
            return "mode refused"
        if not _E164.fullmatch(delivery.address):
            return "not an E.164 number"
        return "expired before it was sent" if delivery.text.expires_at <= now else ""

    def _wake_later(self, bind: _Bind) -> None:
        if bind.wake is None:
            delay_s = max(0.001, bind.pace.next_at(bind.link.now()) - bind.link.now())
            bind.wake = asyncio.get_running_loop().call_later(delay_s, self._woken, bind)

    def _woken(self, bind: _Bind) -> None:
        bind.wake = None
        self._pump(bind)
        bind.link.flush()

    def _give_back_waiting(self) -> None:
        given, self._waiting = list(self._waiting), deque()
        self._give_back(given)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        if self._outbox is not None:
            self._outbox.items += [Outcome(delivery, OutcomeKind.UNSENT, "") for delivery in deliveries]
            self._outbox.hand_on_soon()
