"""A carrier: one provider with its binds, what waits for it, how fast it may go, and whether it works at present.

Knows: binds, queues, pace, breakers, allowances of accounts, routes between carriers. Never knows: the store, outcomes.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from gateway.channels.sms_breaker import BreakerState
from gateway.channels.sms_provider import (
    LongMessage,
    PartTicket,
    Prepared,
    Probe,
    Provider,
    Replacement,
    Ticket,
    delivery_of,
)
from gateway.channels.sms_routes import Routes
from gateway.channels.sms_settings import SmsProviderSettings, account_rates
from gateway.model import Delivery
from gateway.policy.allowance import Allowance
from gateway.smpp import pdu
from gateway.smpp.events import Event, Role
from gateway.smpp.link import Link
from gateway.smpp.pace import Pace
from gateway.smpp.session import Session

OnEvents = Callable[[Link, Sequence[Event]], None]
SHORTEST_SLEEP_S = 0.001
LONGEST_SLEEP_S = 60.0
TRIES_IN_PLACE = 5  # ESME_RMSGQFUL may be about one telephone, which must not slow all others for ever
_MOST_REMEMBERED = 1_000


class Bind:
    """One link with its carrier and its pace; `parts_hint` is how many parts a message had lately. The link is kept up
    while `held` is set."""

    def __init__(self, carrier: "Carrier", link: Link, pace: Pace, *, sends: bool) -> None:
        self.carrier = carrier
        self.link = link
        self.pace = pace
        self.sends = sends
        self.parts_hint = 1
        self.wake: asyncio.TimerHandle | None = None
        self.held = asyncio.Event()
        self.held.set()
        self._over = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Keep the link up whenever the bind is held, until `end`."""
        self._over = False
        while not self._over:
            await self.held.wait()
            if not self.held.is_set():  # taken away before we had our turn
                continue
            self._idle.clear()
            try:
                await self.link.run()
            finally:
                self._idle.set()

    async def end(self) -> None:
        """Close the link for good."""
        self._over = True
        await self.closed()

    async def closed(self) -> None:
        """Close the link, if it is up or on its way, and return when it is closed."""
        if not self._idle.is_set():
            await self.link.close()
            await self._idle.wait()

    @property
    def room(self) -> int:
        """How many submits may be written now: none by a bind that is to be closed."""
        return self.link.room if self.held.is_set() else 0

    @property
    def requests_room(self) -> int:
        """How many requests that are no submits may be made here now."""
        session = self.link.session
        return session.request_room if self.sends and session is not None else 0

    def budget(self, wanted: int) -> int:
        """How many of `wanted` parts may leave now by this bind."""
        carrier = self.carrier
        budget = carrier.breaker.room(carrier.now(), self.pace.allow(self.link.now(), wanted))
        if carrier.allowance is not None and budget > 0:
            budget = min(budget, carrier.allowance.room(carrier.now()))
        return budget

    def pause_s(self) -> float:
        """How long to wait when there is no budget; the longest when somebody else has to grant some."""
        carrier, now = self.carrier, self.carrier.now()
        waits = [self.pace.next_at(self.link.now()) - self.link.now(), carrier.breaker.next_at(now) - now]
        if carrier.allowance is not None:
            waits.append(carrier.allowance.next_at(now) - now)
        return min(max(SHORTEST_SLEEP_S, *waits), LONGEST_SLEEP_S)

    def submit(self, prepared: Prepared, batch: Sequence[Delivery]) -> int:
        """Correlation, then bytes: both are the session's. The SMS parts that left."""
        session = self.link.session
        if not batch or session is None:
            return 0
        now, parts = self.link.now(), prepared.parts
        if len(parts) == 1:
            session.submit(batch, [delivery.address[1:].encode() for delivery in batch], parts[0], now)
        else:
            for delivery in batch:
                long = LongMessage(delivery, len(parts))
                tickets = [PartTicket(long, number) for number in range(len(parts))]
                session.submit_parts(tickets, delivery.address[1:].encode(), parts, now)
        self.parts_hint = prepared.cost
        return self._left(len(batch) * prepared.cost)

    def replace(self, delivery: Delivery) -> bool:
        """Put this text in the place of an earlier one that this peer holds; False when there is none or it does not
        fit: then it is to be sent like any other, and the earlier one is cancelled, where the peer does that."""
        earlier = delivery.lease.replaces.pop(delivery.seq, None)
        if earlier is None or earlier.provider != self.carrier.name:
            return False
        ticket = Replacement(delivery, earlier)
        if self._replace(ticket):
            return True
        self.carrier.recall([(earlier.message_id, delivery.address)])
        return False

    def _replace(self, ticket: Replacement) -> bool:
        session = self.link.session
        body = self.carrier.provider.replacement(ticket.delivery.text, ticket.earlier)
        if session is None or body is None:
            return False
        session.replace(ticket, body, self.link.now())
        self._left(1)
        return True

    def submit_again(self, ticket: Ticket) -> int:
        """What was refused for its speed alone, with the ticket that it had."""
        session = self.link.session
        if session is None:
            return 0
        if isinstance(ticket, Replacement):
            return int(self._replace(ticket))
        delivery, number = delivery_of(ticket), ticket.number if isinstance(ticket, PartTicket) else 0
        prepared = self.carrier.provider.prepared(delivery.text)
        template = prepared.parts[number : number + 1]
        session.submit_parts([ticket], delivery.address[1:].encode(), template, self.link.now())
        return self._left(1 if isinstance(ticket, PartTicket) else prepared.cost)

    def probe(self, prepared: Prepared, address: str, ticket: Probe) -> int:
        """One message that is no delivery."""
        session = self.link.session
        if session is None:
            return 0
        session.submit_parts([ticket], address[1:].encode(), prepared.parts[:1], self.link.now())
        return self._left(1)

    def _left(self, parts: int) -> int:
        carrier = self.carrier
        self.pace.spent(parts)
        carrier.breaker.left(carrier.now())
        if carrier.allowance is not None:
            carrier.allowance.spend(parts)
        return parts


class Carrier:
    """`queue` was routed here and not written, in its order; `again` was refused for its speed and goes first."""

    def __init__(
        self,
        settings: SmsProviderSettings,
        on_events: OnEvents,
        *,
        now: Callable[[], float],
        allowance: Allowance | None = None,
    ) -> None:
        self.provider = Provider(settings)
        self.breaker = settings.breaker()
        self.allowance = allowance
        self.now = now
        self.queue: deque[Delivery] = deque()
        self.again: deque[Ticket] = deque()
        self._tries: OrderedDict[tuple[int, int, int], int] = OrderedDict()
        self.binds = tuple(self._bind(number, role, on_events) for number, role in enumerate(settings.roles(), 1))
        if (called := settings.outbind()) is not None:
            endpoint, config = called
            link = Link(f"{settings.name}/outbind", endpoint, partial(Session, config), on_events)
            self.binds += (Bind(self, link, Pace(), sends=False),)

    @property
    def name(self) -> str:
        """As in the settings."""
        return self.provider.settings.name

    @property
    def able(self) -> bool:
        """Whether messages may be routed here: a bind stands, and the breaker lets something pass."""
        return self.bound and self.breaker.room(self.now(), 1) > 0

    @property
    def bound(self) -> bool:
        """Whether a bind stands by which messages can leave."""
        return any(bind.link.bound and bind.held.is_set() for bind in self.binds if bind.sends)

    @property
    def most_waiting(self) -> int:
        """As much as the windows hold of the binds that are this node's."""
        return self.provider.settings.window * sum(bind.sends and bind.held.is_set() for bind in self.binds)

    @property
    def full(self) -> bool:
        """Whether as much waits here as its windows hold."""
        return len(self.queue) >= max(1, self.most_waiting)

    def pair(self, ordinal: int) -> tuple[Bind, ...]:
        """The links of one bind, counted from 1: one, or two where sending and receiving are apart."""
        settings = self.provider.settings
        links = len(settings.roles()) // settings.binds
        return self.binds[(ordinal - 1) * links : ordinal * links]

    def too_fast(self, ticket: Ticket) -> bool:
        """The peer refused this one for its speed: it keeps its place, unless that was tried too often."""
        delivery, number = delivery_of(ticket), ticket.number if isinstance(ticket, PartTicket) else 0
        key = (delivery.lease.campaign, delivery.seq, number)
        tries = self._tries[key] = self._tries.pop(key, 0) + 1
        if len(self._tries) > _MOST_REMEMBERED:
            self._tries.popitem(last=False)
        if tries > TRIES_IN_PLACE:
            del self._tries[key]
            return False
        self.again.append(ticket)
        return True

    def not_replaced(self, ticket: Replacement) -> None:
        """The peer did not put this text in the place of the earlier one: it is sent like any other."""
        self.queue.appendleft(ticket.delivery)
        self.recall([(ticket.earlier.message_id, ticket.delivery.address)])

    def recall_room(self) -> int:
        """How many messages may be recalled now."""
        able = self.provider.settings.cancel_sm and self.bound
        return sum(bind.requests_room for bind in self.binds) if able else 0

    def recall(self, messages: Sequence[tuple[str, str]]) -> None:
        """Ask to cancel messages that left: (message id, E.164 number). No more than `recall_room`."""
        settings, rest = self.provider.settings, list(messages) if self.provider.settings.cancel_sm else []
        source = pdu.Address(settings.source_ton, settings.source_npi, settings.source_addr.encode())
        for bind in self.binds:
            room, session = bind.requests_room, bind.link.session
            if session is None or not room:
                continue
            now, rest = rest[:room], rest[room:]
            to = [pdu.Address(settings.dest_ton, settings.dest_npi, number[1:].encode()) for _, number in now]
            ids = [message_id.encode("latin-1") for message_id, _ in now]
            bodies = [pdu.cancel_sm(one, source, dest) for one, dest in zip(ids, to, strict=True)]
            session.request(pdu.CANCEL_SM, bodies, bind.link.now())
            bind.link.flush()

    def clear(self) -> tuple[list[Delivery], list[PartTicket]]:
        """Everything that waits, whole messages in their order and parts of messages whose other parts have left."""
        parts = [ticket for ticket in self.again if isinstance(ticket, PartTicket)]
        whole = [delivery_of(one) for one in self.again if not isinstance(one, PartTicket)] + list(self.queue)
        self.again.clear()
        self.queue.clear()
        return whole, parts

    def take_out(self, campaigns: Collection[int] | None = None) -> tuple[list[Delivery], list[PartTicket]]:
        """The same of these campaigns (None: of all); the others go on waiting."""
        whole, parts = self.clear()
        if campaigns is None:
            return whole, parts
        self.queue.extend(one for one in whole if one.text.campaign not in campaigns)
        self.again.extend(part for part in parts if part.long.delivery.text.campaign not in campaigns)
        return (
            [one for one in whole if one.text.campaign in campaigns],
            [part for part in parts if part.long.delivery.text.campaign in campaigns],
        )

    def _bind(self, number: int, role: Role, on_events: OnEvents) -> Bind:
        settings = self.provider.settings
        new_session = partial(Session, settings.bind_config(role))
        name = f"{settings.name}/{number}"
        link = Link(name, settings.endpoint(), new_session, on_events, backoff=settings.backoff())
        return Bind(self, link, Pace(settings.bind_rate_per_s), sends=role is not Role.RECEIVER)


class Routed(NamedTuple):
    """What could not be put into any queue: nobody up takes such numbers just now, or nobody ever does."""

    waiting: list[Delivery]
    refused: list[Delivery]


class Carriers:
    """All carriers of a transport and the routes between them. `allowances` are rates of accounts that other nodes
    share; those of other accounts are this node's alone."""

    def __init__(
        self,
        providers: Sequence[SmsProviderSettings],
        on_events: OnEvents,
        *,
        now: Callable[[], float],
        allowances: Mapping[str, Allowance],
    ) -> None:
        rates = {name: Allowance(rate) for name, rate in account_rates(providers).items()} | dict(allowances)
        self.all = [Carrier(one, on_events, now=now, allowance=rates.get(one.account_name)) for one in providers]
        self.binds = {bind.link: bind for one in self.all for bind in one.binds}
        self._routes = Routes([(one, one.provider.settings.rule()) for one in self.all])
        # where everything goes to one carrier nothing has to be looked up
        self.only = self.all[0] if len(providers) == 1 and "+" in providers[0].prefixes else None

    def __iter__(self) -> Iterator[Carrier]:
        return iter(self.all)

    @property
    def waiting(self) -> bool:
        """Whether anything was taken and not written."""
        return any(one.queue or one.again for one in self.all)

    @property
    def full(self) -> bool:
        """Whether one of them has as much in its queue as it should."""
        return any(one.full for one in self.all)

    @property
    def bound(self) -> bool:
        """Whether a bind stands by which messages can leave."""
        return any(one.bound for one in self.all)

    def route(self, deliveries: Sequence[Delivery]) -> Routed:
        """Each into the queue that its number, the shares and the present state of things choose."""
        routes, able = self._routes, self.present()
        routed = Routed([], [])
        for delivery in deliveries:
            carrier = self._holder(delivery) or routes.choose(delivery.address, able, delivery.text.parts)
            if carrier is not None:
                carrier.queue.append(delivery)
            else:
                (routed.waiting if routes.tiers(delivery.address) else routed.refused).append(delivery)
        return routed

    @property
    def replacing(self) -> frozenset[str]:
        """The providers that replace what they hold."""
        return frozenset(one.name for one in self.all if one.provider.settings.replace_sm)

    def _holder(self, delivery: Delivery) -> Carrier | None:
        """Whoever holds an earlier text for this number and can put this one in its place now."""
        earlier = delivery.lease.replaces.get(delivery.seq)
        return next((one for one in self.all if one.name == earlier.provider and one.able), None) if earlier else None

    def way_to(self, address: str, provider: str = "") -> Bind | None:
        """A bind with room by which this number would be reached now, or by which this provider is."""
        able = self.present()
        tiers = [tuple(one for one in self.all if one.name == provider)] if provider else self._routes.tiers(address)
        binds = [bind for tier in tiers for one in tier if one in able for bind in one.binds]
        return next((bind for bind in binds if bind.sends and bind.room > 0), None)

    def recall_room(self) -> dict[str, int]:
        """How many messages each provider that cancels could be asked to cancel now."""
        return {one.name: room for one in self.all if (room := one.recall_room())}

    def recall(self, provider: str, messages: Sequence[tuple[str, str]]) -> None:
        """Ask a provider to cancel what it took and has not delivered: (message id, number), within its room."""
        for one in self.all:
            if one.name == provider:
                one.recall(messages)

    def present(self) -> set[Carrier]:
        """Those that can send now."""
        able = {one for one in self.all if one.able}
        self._routes.present(able)
        return able

    def bind_up(self) -> dict[str, bool]:
        """Whether each bind that is this node's stands, by its name."""
        return {link.name: link.bound for link, bind in self.binds.items() if bind.held.is_set()}

    def breakers_open(self) -> dict[str, bool]:
        """Whether each provider is left alone for a while, by its name."""
        return {one.name: one.breaker.state is not BreakerState.CLOSED for one in self.all}
