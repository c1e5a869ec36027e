"""The ways in, put together: the rules of the one intake, mailboxes that are watched, feeds of others that are
read.

Knows: their settings and every class of theirs. Never knows: why an alert is accepted, when a node starts and stops.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from gateway.cap.parse import Limits
from gateway.channels.base import Emit
from gateway.channels.sms_settings import sms_counter
from gateway.channels.voice_trunks import RestTrunk
from gateway.flows.checking import Checker
from gateway.flows.courier import Courier, SendMail, SendSms
from gateway.flows.intake import Intake, IntakeRules
from gateway.flows.inviting import Inviter
from gateway.flows.keeping import Keeper
from gateway.flows.launching import Launching
from gateway.flows.locating import Locating
from gateway.flows.registering import Registering
from gateway.flows.relaying import Relaying
from gateway.flows.sources import Sources
from gateway.log import unit_logger
from gateway.mailbox.imap import Box
from gateway.mailbox.noting import Noter
from gateway.mailbox.proving import PinnedSigners, ProofRules, Prover
from gateway.mailbox.replying import Mail, RelaySender, Replier
from gateway.mailbox.resolver import DnsResolver
from gateway.mailbox.settings import BoxSettings
from gateway.mailbox.smime import OpenSsl
from gateway.mailbox.taking import Taker, TakeRules
from gateway.mailbox.watching import MailTaker, Watcher
from gateway.settings import EmailSection, Settings, VoiceSection
from gateway.smpp.spelling import transliterate
from gateway.store.pool import Store
from gateway.web.bodies import Handler
from gateway.web.callbacks import VoiceCallbacks, callback_source
from gateway.web.citizens import CitizenPages
from gateway.web.confirming import ConfirmPages
from gateway.web.incoming import PATH, Incoming
from gateway.web.invitations import PATH as INVITATION_PATH
from gateway.web.outward import Guard, Outward, networks
from gateway.web.places import PlacePages
from gateway.web.sources import SourcePages
from gateway.web.templates import TemplatePages

S = TypeVar("S")
SOURCE = "feed"
READ_DEADLINE_S = 20.0  # a feed may be ten times as large as an alert


def intake_rules(settings: Settings, url: str) -> IntakeRules:
    """What the intake keeps to; `url` is how others reach this gateway."""
    return IntakeRules(
        compose=settings.compose_rules(sms_counter(settings.sms.all()), transliterate),
        default_expiry=timedelta(seconds=settings.intake.default_expiry_s),
        public_url=url,
        help=settings.support.said(),
    )


def voice_callbacks(
    voice: VoiceSection,
    emit: Emit,
    settled: Callable[[str, str, bool], None],
    machine: Callable[[str], Awaitable[None]],
) -> VoiceCallbacks:
    """Where providers of calls tell what became of each."""
    trunks = [trunk for trunk in (voice.trunk, voice.simulated) if isinstance(trunk, RestTrunk)]
    sources = {trunk.name: callback_source(trunk, voice) for trunk in trunks}
    return VoiceCallbacks(sources, emit, settled, machine)


class Mailboxes:
    """Alerts by mail: a watcher for each box, one prover and one taker for all of them, answers by the relays."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        intake: Intake,
        checker: Checker,
        *,
        leads: Callable[[], bool],
        counted: Callable[[str, str], None],
        utcnow: Callable[[], datetime],
    ) -> None:
        section = settings.mailbox
        prover = Prover(
            ProofRules(
                limits=section.limits(),
                most_alerts=section.max_alerts,
                addresses={box.name: frozenset(box.addresses) for box in section.boxes},
            ),
            resolver=DnsResolver(section.nameservers, port=section.dns_port, timeout_s=section.dns_timeout_s),
            openssl=OpenSsl(section.openssl),
            xml=PinnedSigners(checker.verify, utcnow),
            now_s=time.time,
        )
        rules = TakeRules(limits=section.limits(), sender=section.sender, answers_per_hour=section.answers_per_hour)
        self._taker = Taker(store, prover, intake.accept, rules)
        self._log = unit_logger("gateway.mailbox")
        sender = relay_sender(settings.email)
        self._replier = Replier(store, sender, log=self._log) if sender else None
        self._noter = noter(store, settings)
        self._store, self._section, self._leads, self._counted = store, section, leads, counted
        self.watchers = [
            self._watcher(box, self._taker) if box.takes == "alerts" else self._watcher(box, self._noter)
            for box in section.boxes
        ]

    def _watcher(self, box: BoxSettings, taker: MailTaker[S] | None) -> Watcher[S]:
        assert taker is not None  # the settings see to it
        return Watcher(
            box, self._store, taker, Box.opened, most_bytes=self._section.max_mail_bytes,
            patience_s=self._section.proof_patience_s, leads=self._leads, monotonic=time.monotonic,
            counted=self._counted, owed=self._owed, log=self._log,
        )  # fmt: skip

    def up(self) -> dict[str, bool]:
        """Which mailboxes are watched now."""
        return {watcher.name: watcher.up for watcher in self.watchers}

    def _owed(self) -> None:
        if self._replier is not None:
            self._replier.wake.set()

    async def run(self) -> None:
        """Watch and answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for watcher in self.watchers:
                tasks.create_task(watcher.run())
            if self._replier is not None:
                tasks.create_task(self._replier.run())


def relay_sender(email: EmailSection | None) -> RelaySender | None:
    """How answers leave: by the relays of real e-mails, for an authority is told the truth in rehearsals, too."""
    if email is None or not email.relays:
        return None
    relays = sorted(email.relays, key=lambda relay: relay.priority)
    return RelaySender(
        relays=[relay.pool(email.client_name).link for relay in relays],
        from_address=email.from_address,
        from_name=email.from_name,
        message_id_domain=email.message_id_domain,
    )


def noter(store: Store, settings: Settings) -> Noter | None:
    """What is done with mails that come back; None when nobody could tell whether they are about ours."""
    email = settings.email
    if email is None or not (secret := email.verp_secret.get_secret_value()):
        return None
    limits = settings.mailbox.limits()
    return Noter(store, secret=secret.encode(), envelope_address=email.envelope_address, limits=limits)


class Citizens:
    """Citizens who register themselves: the pages for them, and the courier of a node that holds real transports."""

    def __init__(self, settings: Settings, store: Store, *, url: str) -> None:
        self._store = store
        self._email = settings.email
        self._rules = settings.citizens.rules(url)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        registering, locating = Registering(self._store, self._rules), Locating(self._store)
        return [
            *CitizenPages(registering, self._rules, locating).routes(),
            *ConfirmPages(registering).routes(),
            *PlacePages(locating, registering, self._rules).routes(),
        ]

    def courier(self, sms: SendSms | None, sms_able: Callable[[], bool]) -> Courier:
        """Who sends their codes and links; `sms` is how a text message leaves here, `sms_able` whether one can now."""
        sender, log = relay_sender(self._email), unit_logger("gateway.courier")
        mail = _mailing(sender) if sender else None
        return Courier(self._store, self._rules, sms=sms, mail=mail, log=log, sms_able=sms_able)


def inviter(settings: Settings, store: Store, *, url: str) -> Inviter | None:
    """Who mails invitations; None without a relay. `url` is how people reach this gateway."""
    sender = relay_sender(settings.email)
    if sender is None:
        return None
    zone = ZoneInfo(settings.compose.time_zone)
    return Inviter(
        store, _mailing(sender), link=settings.sign_in.invitation_link or url + INVITATION_PATH,
        service=settings.sign_in.rp_name, local=lambda moment: moment.astimezone(zone),
        log=unit_logger("gateway.inviter"),
    )  # fmt: skip


def _mailing(sender: RelaySender) -> SendMail:
    async def mail(address: str, subject: str, body: str) -> bool:
        return await sender(Mail(address, subject, body, None, "", "auto-generated"))

    return mail


class Upstream:
    """Alerts that are made here: from feeds of others (their poller, the hubs that call us) and from templates of the
    entity's own. See `opened`."""

    def __init__(self, sources: Sources, reader: Checker, pages: list[web.RouteDef]) -> None:
        self._sources = sources
        self._reader = reader
        self._pages = pages

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        settings: Settings,
        store: Store,
        intake: Intake,
        strict: Checker,
        *,
        url: str,
        known: Callable[..., Handler],
        utcnow: Callable[[], datetime],
    ) -> AsyncIterator["Upstream"]:
        """Everything that reading them takes, while the block runs; `url` is how hubs reach this gateway."""
        section, bounds = settings.sources, Limits(max_bytes=settings.intake.max_bytes)
        domain = section.sender_domain or urlsplit(url).hostname or "gateway"
        # a worker of its own: what strangers serve never makes an authority wait
        reader = Checker(workers=1, limits=bounds, lenient=True, deadline_s=READ_DEADLINE_S)
        guard = Guard(allowed=networks(section.allowed_networks))
        try:
            async with Outward(guard, agent=f"cap-alert-gateway (+{url})", timeout_s=section.timeout_s) as outward:
                keeper = Keeper(
                    store, check=reader.check, read=reader.read_feed, rules=section.keep_rules(), utcnow=utcnow
                )
                rules = section.rules(alert_bytes=bounds.max_bytes, callback_url=f"{url}{PATH}")
                sources = Sources(store, keeper, outward, rules, log=unit_logger("gateway.sources"), utcnow=utcnow)
                relaying = Relaying(
                    store, lenient=reader.check, strict=strict.check, texts=section.relay_texts(),
                    sender_domain=domain, utcnow=utcnow,
                )  # fmt: skip
                pages = SourcePages(store, relaying, partial(intake.accept, source=SOURCE, hold=True), known=known)
                called = Incoming(sources, max_bytes=rules.feed_bytes).routes()
                launching = Launching(store, intake, sender_domain=domain, utcnow=utcnow)
                prepared = TemplatePages(store, launching, known).routes()
                yield cls(sources, reader, [*pages.routes(), *called, *prepared])
        finally:
            reader.close()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return self._pages

    async def run(self) -> None:
        """Read what is due until cancelled."""
        await self._sources.run()
