"""The ways in, put together: the rules of the one intake, feeds of others that are read.

Knows: their settings and every class of theirs. Never knows: why an alert is accepted, when a node starts and stops.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web

from gateway.cap.parse import Limits
from gateway.channels.sms_settings import sms_counter
from gateway.flows.checking import Checker
from gateway.flows.intake import Intake, IntakeRules
from gateway.flows.keeping import Keeper
from gateway.flows.relaying import Relaying
from gateway.flows.sources import Sources
from gateway.log import unit_logger
from gateway.settings import Settings
from gateway.smpp.spelling import transliterate
from gateway.store.pool import Store
from gateway.web.access import Handler
from gateway.web.incoming import PATH, Incoming
from gateway.web.outward import Guard, Outward, networks
from gateway.web.sources import SourcePages

SOURCE = "feed"
READ_DEADLINE_S = 20.0  # a feed may be ten times as large as an alert


def intake_rules(settings: Settings, url: str) -> IntakeRules:
    """What the intake keeps to; `url` is how others reach this gateway."""
    return IntakeRules(
        compose=settings.compose_rules(sms_counter(settings.sms.all()), transliterate),
        default_expiry=timedelta(seconds=settings.intake.default_expiry_s),
        public_url=url,
        help={k: v for k, v in settings.support.model_dump().items() if v},
    )


class Upstream:
    """Feeds of others: their poller, the hubs that call us, drafts made from their alerts. See `opened`."""

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
        known: Callable[[Handler], Handler],
        utcnow: Callable[[], datetime],
    ) -> AsyncIterator["Upstream"]:
        """Everything that reading them takes, while the block runs; `url` is how hubs reach this gateway."""
        section, bounds = settings.sources, Limits(max_bytes=settings.intake.max_bytes)
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
                    sender_domain=section.sender_domain or urlsplit(url).hostname or "gateway", utcnow=utcnow,
                )  # fmt: skip
                pages = SourcePages(store, relaying, partial(intake.accept, source=SOURCE, hold=True), known=known)
                called = Incoming(sources, max_bytes=rules.feed_bytes).routes()
                yield cls(sources, reader, [*pages.routes(), *called])
        finally:
            reader.close()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return self._pages

    async def run(self) -> None:
        """Read what is due until cancelled."""
        await self._sources.run()
