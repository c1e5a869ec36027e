"""The ways out of a node: the channels of both transports, what they share with other nodes, whether they are up.

Knows: settings, every class of channel. Never knows: what is sent, when, to whom.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiohttp import web

from gateway.channels.base import Channel
from gateway.channels.email import EmailChannel
from gateway.channels.email_domains import alone
from gateway.channels.email_settings import EmailSettings, RelaySettings, relay_rates
from gateway.channels.sms import SmsChannel
from gateway.channels.sms_settings import CanarySettings, SmsProviderSettings, account_rates
from gateway.channels.voice import VoiceChannel, VoiceMeters
from gateway.channels.voice_drivers import driver_for
from gateway.channels.voice_settings import Trunk
from gateway.flows.bind_leases import BindLeases
from gateway.flows.canaries import Canaries
from gateway.flows.costing import Bookkeeper
from gateway.flows.fence import Fence
from gateway.flows.gate import Gates
from gateway.flows.lane import Lane
from gateway.flows.rates import SharedRates
from gateway.flows.recalling import Recaller
from gateway.flows.replacing import Replacing
from gateway.flows.restoring import Restoring
from gateway.flows.texts import Texts
from gateway.flows.tracking import Tracking
from gateway.flows.webhooks import Webhooks
from gateway.log import unit_logger
from gateway.metrics import Metrics
from gateway.model import ChannelName, MessageClass, Mode, Text, Transport
from gateway.policy.allowance import CATCH_UP_S, Allowance
from gateway.settings import Settings
from gateway.store.clock import StoreClock
from gateway.store.pool import Store
from gateway.web.access import Access
from gateway.web.outward import Guard, Outward, networks
from gateway.web.webhooks import WebhookPages

MARK_AHEAD_S = 0.5
STEP_S = 0.01
"""What may leave within it leaves together: 25 mails for the price of one turn."""
MAIL_LATE_S = 0.1
"""How long after its time a mail may still leave under a relay's or a domain's ceiling."""


class Outlets:
    """`open` builds the channels; `parts` is what has to run beside them. `nodes`: how many nodes send now."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        metrics: Metrics,
        gates: Gates,
        fence: Fence,
        utcnow: Callable[[], datetime],
        nodes: Callable[[], int] = alone,
    ) -> None:
        self.channels: list[Channel] = []
        self.parts: list[Callable[[], Coroutine[None, None, None]]] = []
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._gates = gates
        self._fence = fence
        self._utcnow = utcnow
        self._nodes = nodes

    def open(self) -> list[Channel]:
        """Every channel that has a provider, for the live transports and for the simulated ones."""
        sms, email, voice = self._settings.sms, self._settings.email, self._settings.voice
        for transport, providers in ((Transport.LIVE, sms.providers), (Transport.SIMULATED, sms.simulated)):
            if providers:
                self.channels.append(self._sms(transport, providers))
        if email is not None:
            for transport, relays in ((Transport.LIVE, email.relays), (Transport.SIMULATED, email.simulated)):
                if relays:
                    self.channels.append(self._email(transport, email, relays))
        for transport, trunk in ((Transport.LIVE, voice.trunk), (Transport.SIMULATED, voice.simulated)):
            if trunk is not None:
                self.channels.append(self._voice(transport, trunk))
        return self.channels

    def states(self) -> tuple[dict[str, bool], dict[ChannelName, int]]:
        """Links and whether they are up; deliveries in flight by channel."""
        links: dict[str, bool] = {}
        flight = dict.fromkeys(ChannelName, 0)
        for channel in self.channels:
            match channel:
                case SmsChannel():
                    for bind, held in channel.leases.held().items():
                        self._metrics.set_bind_held(bind, held)
                    # a provider calls when it has something to say: no call is no fault
                    links |= {name: up for name, up in channel.bind_up().items() if not name.endswith("/outbind")}
                    for provider, is_open in channel.breakers_open().items():
                        self._metrics.set_breaker_open(provider, is_open)
                case EmailChannel():
                    links |= channel.relays_up()
                    self._metrics.set_domains_slowed(channel.transport, channel.domains_slowed())
                case VoiceChannel():
                    links |= channel.trunks_up()
            if isinstance(channel, SmsChannel | EmailChannel | VoiceChannel):
                flight[channel.name] += channel.in_flight
        return links, flight

    def capacity(self) -> dict[ChannelName, float]:
        """What each channel can take a second now: its agreed rate, less where only some of this node's live links are
        up. A node that sends nothing itself tells the agreed rates."""
        rates = dict(self._settings.rates())
        for channel in self.channels:
            if channel.transport is Transport.LIVE and (up := _up(channel)):
                rates[channel.name] *= sum(up) / len(up)
        return rates

    def call_settled(self, _provider: str, call_id: str, refused: bool) -> None:
        """A call is over: its line is free. `refused`: busy or congested."""
        for channel in self.channels:
            if isinstance(channel, VoiceChannel):
                channel.settled(call_id, refused=refused)

    async def call_answered_by_machine(self, call_id: str) -> None:
        """The provider says so: it is to hear what is for machines."""
        for channel in self.channels:
            if isinstance(channel, VoiceChannel):
                await channel.to_machine(call_id)

    def _sms(self, transport: Transport, providers: Sequence[SmsProviderSettings]) -> SmsChannel:
        gates = SharedRates(self._store, account_rates(providers), kind="sms", monotonic=time.monotonic)
        channel = SmsChannel(
            transport,
            providers,
            fence=self._fence.holds,
            max_unrecorded=self._settings.sms.max_unrecorded,
            drain_s=self._settings.sms.drain_s,
            leased=True,
            parts_submitted=self._metrics.sms_parts,
            allowances=gates.allowances,
            wall=self._utcnow,
        )
        gates.granted = channel.granted
        self.parts.append(gates.run)
        return channel

    def _email(self, transport: Transport, settings: EmailSettings, relays: Sequence[RelaySettings]) -> EmailChannel:
        of_relays = self._ceilings(relay_rates(relays), "relay")
        of_domains = self._ceilings(settings.domain_rates(), f"domain {transport}")
        channel = EmailChannel(
            transport=transport,
            settings=settings,
            relays=relays,
            accepted=self._metrics.emails,
            fence=self._fence.holds,
            relay_shares=of_relays.allowances,
            domain_shares=of_domains.allowances,
            nodes=self._nodes,
        )
        for rates in (of_relays, of_domains):
            rates.granted = channel.granted
            self.parts.append(rates.run)
        return channel

    def _ceilings(self, rates_per_s: Mapping[str, float], kind: str) -> SharedRates:
        """Rates of mails that all nodes keep to, in steps of a tenth of a second."""
        return SharedRates(self._store, rates_per_s, kind=kind, monotonic=time.monotonic, late_s=MAIL_LATE_S)

    async def lease_binds(
        self, node: int, fence: Fence, clock: StoreClock, *, leads: Callable[[], bool], named: Callable[[], bool]
    ) -> BindLeases:
        """Who says which of the SMS channels' binds this node opens; what is free is its own from now on."""
        dispatch = self._settings.dispatch
        leased = [channel.leases for channel in self.channels if isinstance(channel, SmsChannel)]
        keeper = BindLeases(
            self._store, leased, node=node, fence=fence, clock=clock, lease_s=dispatch.lease_s,
            heartbeat_s=dispatch.heartbeat_s, leads=leads, named=named, log=unit_logger("gateway.binds"),
        )  # fmt: skip
        self.parts.append(keeper.run)
        await keeper.look()
        return keeper

    def watch_operators(self, leads: Callable[[], bool]) -> None:
        """Send canaries by the live SMS channel, while this node leads and holds binds."""
        known = {one.name: one for one in self._settings.sms.canaries}
        live = self._live_sms()
        if live is None or not known:
            return

        async def send(name: str) -> tuple[str, str]:
            one = known[name]
            return await live.probe(one.number, canary_text(one), one.provider)

        every = tuple(known.values())
        log = unit_logger("gateway.canaries")
        able = live.leases.held  # who leads since a moment ago may have no bind yet: that is no operator's fault
        watch = Canaries(
            self._store,
            every,
            send,
            leads=lambda: leads() and any(able().values()),
            metrics=self._metrics,
            log=log,
            monotonic=time.monotonic,
        )
        self.parts.append(watch.run)

    def code_sender(self) -> Callable[[str, str, datetime], Awaitable[bool]] | None:
        """How a code leaves that proves whose number it is: by the real providers, or not at all (None)."""
        live = self._live_sms()
        if live is None:
            return None

        async def send(number: str, words: str, until: datetime) -> bool:
            provider, _ = await live.probe(number, plain_text(words, until, "code"))
            return bool(provider)

        return send

    def sms_able(self) -> bool:
        """Whether a text message could leave by a real provider from this node now."""
        live = self._live_sms()
        return live is not None and live.able()

    def _live_sms(self) -> SmsChannel | None:
        return next((c for c in self.channels if isinstance(c, SmsChannel) and c.transport is Transport.LIVE), None)

    async def heed_restores(self, leads: Callable[[], bool]) -> None:
        """Nothing of a database that came back from a backup leaves unasked."""
        failover_s = self._settings.database.failover_s
        restoring = Restoring(self._store, failover_s=failover_s, leads=leads, log=unit_logger("gateway.restoring"))
        await restoring.once()
        self.parts.append(restoring.run)

    def recall_stopped(self, leads: Callable[[], bool]) -> None:
        """Cancel at the providers what stopped campaigns left there, while this node leads."""
        carriers = [channel.carriers for channel in self.channels if isinstance(channel, SmsChannel)]
        if any(one.provider.settings.cancel_sm for several in carriers for one in several):
            recaller = Recaller(self._store, carriers, leads=leads, log=unit_logger("gateway.recalling"))
            self.parts.append(recaller.run)

    def lanes(self, tracking: Tracking, node: int) -> dict[tuple[ChannelName, Transport], Lane]:
        """A lane for each channel."""
        texts = Texts(self._store)
        return {(c.name, c.transport): self._lane(c, texts, tracking, node) for c in self.channels}

    def _lane(self, channel: Channel, texts: Texts, tracking: Tracking, node: int) -> Lane:
        dispatch, pacer = self._settings.dispatch, self._pacer(channel)
        ahead = max(10, int(self._settings.rates()[channel.name] * MARK_AHEAD_S)) if pacer is not None else 5
        return Lane(
            channel=channel.name, transport=channel.transport, store=self._store, texts=texts, tracking=tracking,
            fence=self._fence, node=node, mark_ahead=min(dispatch.mark_ahead, ahead), lease_s=dispatch.lease_s,
            pacer=pacer, monotonic=time.monotonic, able=channel.able, replacing=self._replacing(channel),
        )  # fmt: skip

    def _pacer(self, channel: Channel) -> Allowance | None:
        """The rate of a channel's lane, one for all nodes; calls are paced by their gate."""
        if channel.name is ChannelName.VOICE:
            return None
        lane = f"{channel.name} {channel.transport}"
        rate = {lane: self._settings.rates()[channel.name]}
        rates = SharedRates(self._store, rate, kind="lane", monotonic=time.monotonic, late_s=CATCH_UP_S, step_s=STEP_S)
        self.parts.append(rates.run)
        return rates.allowances[lane]

    def _replacing(self, channel: Channel) -> Replacing | None:
        """Who finds what an Update's messages by this channel could take the place of."""
        names = channel.carriers.replacing if isinstance(channel, SmsChannel) else frozenset()
        return Replacing(self._store, names) if names else None

    def keep_books(self, leads: Callable[[], bool], utcnow: Callable[[], datetime]) -> None:
        """Watch over the units that entities paid ahead, while this node leads."""
        zone = self._settings.compose.time_zone
        log = unit_logger("gateway.costing")
        self.parts.append(Bookkeeper(self._store, leads=leads, utcnow=utcnow, log=log, zone=zone).run)

    def adopters(self) -> Mapping[str, Callable[[str, int, str], None]]:
        """By trunk, how its channel is told of a call that an earlier process started."""
        return {channel.provider: channel.adopt for channel in self.channels if isinstance(channel, VoiceChannel)}

    def _voice(self, transport: Transport, trunk: Trunk) -> VoiceChannel:
        return VoiceChannel(
            transport=transport,
            settings=self._settings.voice,
            driver=driver_for(trunk, self._settings.voice),
            gate=self._gates.of_trunk(trunk.name),
            lines=trunk.max_concurrent_calls,
            fence=lambda _lease: self._fence.holds(),
            meters=VoiceMeters(started=self._metrics.calls),
            utcnow=self._utcnow,
        )


def _up(channel: Channel) -> list[bool]:
    """Whether each link of a channel is up; nothing where links are made only when there is something to send."""
    match channel:
        case SmsChannel():
            return [up for name, up in channel.bind_up().items() if not name.endswith("/outbind")]
        case VoiceChannel():
            return list(channel.trunks_up().values())
        case _:
            return []  # a relay is connected to when there is mail


def canary_text(canary: CanarySettings) -> Text:
    """What a canary says; worth delivering until the next one leaves."""
    return plain_text(canary.text, datetime.now(UTC) + timedelta(seconds=canary.interval_s), "canary")


def plain_text(words: str, until: datetime, reference: str) -> Text:
    """A text message that is no alert: a canary or a code."""
    return Text(
        campaign=0,
        key=zlib.crc32(words.encode()),
        channel=ChannelName.SMS,
        language="",
        body=words,
        mode=Mode.LIVE,
        message_class=MessageClass.OTHER,
        expires_at=until,
        reference=reference,
    )


class Hooks(NamedTuple):
    """What tells systems of entities: what has to run, what wakes it, the pages on which they are kept."""

    run: Callable[[], Coroutine[None, None, None]]
    wake: asyncio.Event
    routes: list[web.RouteDef]


@asynccontextmanager
async def webhooks_opened(
    settings: Settings, store: Store, access: Access, *, url: str, utcnow: Callable[[], datetime]
) -> AsyncIterator[Hooks]:
    """Webhooks while the block runs; `url` is how others know this gateway."""
    section = settings.webhooks
    guard = Guard(allowed=networks(section.allowed_networks), refused=networks(section.refused_networks))
    async with Outward(guard, agent=f"cap-alert-gateway (+{url})", timeout_s=section.timeout_s) as outward:
        telling = Webhooks(
            store, fetch=outward.fetch, rules=section.rules(), workers=section.workers, utcnow=utcnow,
            log=unit_logger("gateway.webhooks"),
        )  # fmt: skip
        pages = WebhookPages(store, access, refusal=guard.refusal, rules=section.rules(), utcnow=utcnow)
        yield Hooks(telling.run, telling.wake, pages.routes())
