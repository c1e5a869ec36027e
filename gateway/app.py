"""The gateway put together: what is built from the settings, the order of start and stop.

Knows: every class, and it is the only file that does. Never knows: why an alert is accepted, sent or refused.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import uvloop
from aiohttp import web

from gateway import log as logging_
from gateway.cap.parse import Limits
from gateway.ending import within
from gateway.flows.adopting import Adopter
from gateway.flows.campaigns import Campaigns
from gateway.flows.checking import Checker
from gateway.flows.closing import Closer
from gateway.flows.dispatch import Dispatcher
from gateway.flows.escalating import Escalator
from gateway.flows.examining import Examiner
from gateway.flows.fence import Fence
from gateway.flows.forecasting import Forecasting
from gateway.flows.forgetting import Forgetter
from gateway.flows.gate import Gates
from gateway.flows.hub import Hub
from gateway.flows.intake import Intake
from gateway.flows.planning import Planner
from gateway.flows.publishing import Publisher
from gateway.flows.reminding import Reminder
from gateway.flows.sealing import sealer
from gateway.flows.tracking import Tracking
from gateway.inlets import Citizens, Mailboxes, Upstream, intake_rules, inviter, noter, voice_callbacks
from gateway.metrics import Metrics
from gateway.model import ChannelName
from gateway.outlets import Outlets, webhooks_opened
from gateway.policy.heartbeat import Pulse
from gateway.settings import Role, Settings
from gateway.store.clock import StoreClock
from gateway.store.opening import opened
from gateway.store.pool import PoolLimits, Store
from gateway.store.presence import Presence
from gateway.web import problem
from gateway.web.access import Access
from gateway.web.api import Api
from gateway.web.authority import authority_routes
from gateway.web.docs import Docs
from gateway.web.feed import FeedPages
from gateway.web.health import Health
from gateway.web.hub import HubPages
from gateway.web.identity import identity_routes
from gateway.web.listening import listen
from gateway.web.outward import Guard, Outward, networks
from gateway.web.unsubscribe import UnsubscribePages
from gateway.web.validate import ValidatePages


def boottime() -> float:
    """A clock that runs on while the process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Gateway:
    """One node. `async with Gateway.running(settings) as node` serves until the block ends."""

    def __init__(self, settings: Settings, roles: frozenset[str], dsn: str) -> None:
        self.settings = settings
        self.roles = roles or frozenset(settings.node.roles)
        self.name = settings.node.name or socket.gethostname()
        self.dsn = dsn
        self.log = logging_.unit_logger("gateway")
        self.metrics = Metrics()
        self.url = ""
        self.failed: BaseException | None = None
        self._stop = asyncio.Event()

    # start and stop -----------------------------------------------------------------------------------------

    @classmethod
    @asynccontextmanager
    async def running(cls, settings: Settings, roles: frozenset[str], dsn: str) -> AsyncIterator["Gateway"]:
        """A node that serves while the block runs, and is drained after it."""
        node = cls(settings, roles, dsn)
        async with AsyncExitStack() as stack:
            await node._build(stack)
            tasks = asyncio.create_task(node._work())
            try:
                await node.checker.warm()  # what a restarted node has to send does not wait for this
                yield node
            finally:
                await node._wind_down(tasks)

    def heed_signals(self) -> None:
        """From now on SIGTERM and SIGINT ask the node to stop, which drains it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    async def until_stopped(self) -> None:
        """Return when it was asked to stop, or when a part of the node has failed."""
        await self._stop.wait()

    async def _build(self, stack: AsyncExitStack) -> None:
        section = self.settings.database
        limits = PoolLimits(
            least=section.pool_min, most=section.pool_max, connect_timeout_s=section.connect_timeout_s,
            command_timeout_s=section.command_timeout_s,
        )  # fmt: skip
        self.store = await Store.open(self.dsn, limits=limits, name=f"gateway {self.name}")
        stack.push_async_callback(self.store.close)
        self.now = StoreClock(self.store, boottime)
        await self.now.read()
        self.presence = Presence(self.dsn, self.name, duties=self.roles, news=self._news, log=self.log)
        self._wakes: list[asyncio.Event] = []
        self._parts: list[Callable[[], Coroutine[None, None, None]]] = [self.now.run]  # roles add theirs
        self.number = await self.presence.enter()
        stack.push_async_callback(self.presence.leave)
        bounds = Limits(max_bytes=self.settings.intake.max_bytes)
        self.checker = Checker(workers=self.settings.http.parse_workers, limits=bounds)
        stack.callback(self.checker.close)
        self._build_tracking()
        await self._build_dispatch()
        await self._build_web(stack)

    def _build_tracking(self) -> None:
        dispatch = self.settings.dispatch
        rules = {channel: self.settings.retry.of(channel) for channel in ChannelName}
        self.tracking = Tracking(
            self.store, rules=rules, metrics=self.metrics, log=logging_.unit_logger("gateway.tracking"),
            utcnow=self.now, monotonic=time.monotonic, batch_rows=dispatch.batch_rows,
            linger_s=dispatch.linger_ms / 1000, grace_s=dispatch.unknown_grace_s,
        )  # fmt: skip
        self.closer = Closer(
            self.store, metrics=self.metrics, log=logging_.unit_logger("gateway.closing"), utcnow=self.now,
            receipt_window_s=dispatch.receipt_window_s, leads=self._leads,
            zone=self.settings.compose.time_zone,
        )  # fmt: skip

    async def _build_dispatch(self) -> None:
        dispatch = self.settings.dispatch
        voice = self.settings.voice
        self.gates = Gates(
            self.store, max_starts_per_minute=voice.max_starts_per_minute, prefixes=voice.prefix_starts_per_minute,
            trunks=self.settings.trunk_ceilings(), monotonic=time.monotonic,
        )  # fmt: skip
        await self.gates.open()
        fence = Fence(boottime, dispatch.lease_s)
        self.outlets = Outlets(
            self.settings, self.store, metrics=self.metrics, gates=self.gates, fence=fence, utcnow=self.now,
            nodes=lambda: self.presence.among(Role.DISPATCH),
        )  # fmt: skip
        self.channels = self.outlets.open() if Role.DISPATCH in self.roles else []
        self.binds = await self.outlets.lease_binds(
            self.number, Fence(boottime, dispatch.lease_s), self.now, leads=self._leads, named=self.presence.holds_name
        )
        await self.outlets.heed_restores(self._leads)
        self.outlets.watch_operators(self._leads)
        self.outlets.recall_stopped(self._leads)
        self.outlets.keep_books(self._leads, self.now)
        lanes = self.outlets.lanes(self.tracking, self.number)
        self._parts += self.outlets.parts
        self.dispatcher = Dispatcher(
            store=self.store, tracking=self.tracking, lanes=lanes, channels=self.channels, fence=fence, clock=self.now,
            node=self.number, lease_s=dispatch.lease_s, heartbeat_s=dispatch.heartbeat_s,
            grace_s=dispatch.unknown_grace_s, longest_wait_s=self.settings.retry.longest_s(),
            log=logging_.unit_logger("gateway.dispatch"),
        )  # fmt: skip
        self.planner = Planner(
            self.store, chunk_rows={c: dispatch.chunk.of(c) for c in ChannelName}, sliced=self.dispatcher.wake.set,
            log=logging_.unit_logger("gateway.planning"),
        )  # fmt: skip
        self.escalator = Escalator(
            self.store, chunk_rows=dispatch.chunk.voice, leads=self._leads,
            called=self._news, log=logging_.unit_logger("gateway.escalating"),
        )  # fmt: skip
        self.forgetter = Forgetter(
            self.store, self.settings.retention, leads=self._leads, log=logging_.unit_logger("gateway.forgetting"),
        )  # fmt: skip
        self.adopter = Adopter(self.store, self.outlets.adopters(), node=self.number, leads=self._leads, log=self.log)
        if Role.DISPATCH in self.roles:
            reminder = Reminder(self.store, leads=self._leads, log=logging_.unit_logger("gateway.reminding"))
            self._parts.append(reminder.run)
            sending = (self.planner, self.closer, self.escalator, self.forgetter, self.adopter, self.dispatcher)
            self._parts += [part.run for part in sending]
        self._wakes += [self.dispatcher.wake, self.planner.wake, self.binds.wake]

    def _leads(self) -> bool:
        return Role.DISPATCH in self.presence.leads

    async def _build_web(self, stack: AsyncExitStack) -> None:
        http, support = self.settings.http, self.settings.support
        app = web.Application(client_max_size=http.max_body_bytes, middlewares=[problem.middleware(support.said())])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
        self.api: Api | None = None
        self.mailboxes: Mailboxes | None = None
        self.health = Health(self)
        self._metrics_app = app if self.settings.metrics.address is None else web.Application()
        self._metrics_app.add_routes(self.health.metrics_routes())
        app.add_routes(self.health.routes())
        self._sockets = await listen(http.host, http.port)
        self.url = http.public_url or f"http://{http.host}:{self._sockets.getsockname()[1]}"
        await self._routes(app, stack)
        self.served = frozenset(
            (route.method, route.resource.canonical) for route in app.router.routes() if route.resource
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, self._sockets).start()
        if self.settings.metrics.address is not None:
            beside = web.AppRunner(self._metrics_app, access_log=None)
            await beside.setup()
            stack.push_async_callback(beside.cleanup)
            await web.TCPSite(beside, *self.settings.metrics.address).start()

    async def _routes(self, app: web.Application, stack: AsyncExitStack) -> None:
        """What this node serves, by its roles."""
        app.add_routes(Docs().routes())
        feed = self.settings.feed
        sender = urlsplit(self.url).hostname or "gateway"
        self.publisher = Publisher(
            self.store, self.checker, url=self.url, log=logging_.unit_logger("gateway.feed"), utcnow=self.now,
            pulse=Pulse(period_s=feed.heartbeat_s, sender=sender) if feed.heartbeat_s else None,
            sign=sealer(feed.pairs(), self.metrics, self.now),
        )  # fmt: skip
        self._wakes.append(self.publisher.wake)
        if Role.FEED in self.roles:
            await self._feeds(app, stack)
        if Role.CALLBACKS in self.roles:
            heard = self.tracking.emit, self.outlets.call_settled, self.outlets.call_answered_by_machine
            app.add_routes(voice_callbacks(self.settings.voice, *heard).routes())
            if (returns := noter(self.store, self.settings)) is not None:
                app.add_routes(UnsubscribePages(returns.unsubscribe).routes())
        if {Role.API, Role.MAILBOX} & self.roles:
            self.intake = Intake(
                self.store, self.checker, intake_rules(self.settings, self.url), metrics=self.metrics,
                log=logging_.unit_logger("gateway.intake"), utcnow=self.now, accepted=self._news,
            )  # fmt: skip
        if self.settings.citizens.enabled:
            self._citizens(app)
        inviting = inviter(self.settings, self.store, url=self.url)
        if inviting is not None and Role.DISPATCH in self.roles:
            self._parts.append(inviting.run)
            self._wakes.append(inviting.wake)
        if Role.MAILBOX in self.roles and self.settings.mailbox.boxes:
            self.mailboxes = Mailboxes(
                self.settings, self.store, self.intake, self.checker, counted=self.metrics.mail, utcnow=self.now,
                leads=lambda: Role.MAILBOX in self.presence.leads,
            )  # fmt: skip
            self._parts.append(self.mailboxes.run)
        if Role.API in self.roles:
            proxies = self.settings.citizens.networks()
            self.access = Access(self.store, self.url, proxies)
            self.api = self._api()
            doors = self.store, self.campaigns.agreeing, self.access
            app.add_routes(authority_routes(*doors, utcnow=self.now, mails=inviting is not None))
            signing_in = identity_routes(self.store, self.access, self.url, self.settings.sign_in, proxies)
            app.add_routes(await stack.enter_async_context(signing_in))
            opened_ = Upstream.opened(
                self.settings, self.store, self.intake, self.checker, url=self.url, known=self.api.known,
                utcnow=self.now,
            )  # fmt: skip
            upstream = await stack.enter_async_context(opened_)
            self._parts.append(upstream.run)
            opening = webhooks_opened(self.settings, self.store, self.access, url=self.url, utcnow=self.now)
            hooks = await stack.enter_async_context(opening)
            self._parts.append(hooks.run)
            self._wakes.append(hooks.wake)
            app.add_routes([*self.api.routes(), *upstream.routes(), *hooks.routes])

    def _citizens(self, app: web.Application) -> None:
        citizens = Citizens(self.settings, self.store, url=self.url)
        if Role.API in self.roles:
            app.add_routes(citizens.routes())
        if Role.DISPATCH in self.roles:
            courier = citizens.courier(self.outlets.code_sender(), self.outlets.sms_able)
            self._parts.append(courier.run)
            self._wakes.append(courier.wake)

    async def _feeds(self, app: web.Application, stack: AsyncExitStack) -> None:
        """The public side: feeds, their hub, the validator."""
        feed, hub = self.settings.feed, self.settings.hub
        pages = FeedPages(
            self.publisher, public_url=self.url, title=feed.title, author=feed.author, max_age_s=feed.max_age_s,
            hub=hub.enabled, counted=self.metrics.feed_request,
        )  # fmt: skip
        examiner = Examiner()
        stack.callback(examiner.close)
        app.add_routes([*pages.routes(), *ValidatePages(examiner.examine, utcnow=self.now).routes()])
        if not hub.enabled:
            return
        guard = Guard(allowed=networks(hub.allowed_networks), refused=networks(hub.refused_networks))
        way = Outward(guard, agent=f"cap-alert-gateway (+{self.url})", timeout_s=hub.timeout_s)
        outward = await stack.enter_async_context(way)
        hub_ = Hub(
            self.store, self.publisher, page_of=pages.content, fetch=outward.fetch, url=f"{self.url}/cap/hub",
            rules=hub.rules(), workers=hub.workers, utcnow=self.now, log=logging_.unit_logger("gateway.hub"),
        )  # fmt: skip
        self._parts.append(hub_.run)
        self._wakes += [hub_.asking.wake, hub_.telling.wake]
        app.add_routes(HubPages(take=hub_.take, topic=pages.topic, refusal=guard.refusal, rules=hub.rules()).routes())

    def _api(self) -> Api:
        most = min(self.settings.intake.max_bytes, self.settings.http.max_body_bytes)
        self.campaigns = Campaigns(self.store, public_url=self.url, utcnow=self.now, changed=self._news)
        zone, capacity = self.settings.compose.time_zone, self.outlets.capacity
        self.forecasting = Forecasting(self.store, self.intake, capacity=capacity, utcnow=self.now, zone=zone)
        sender = self.settings.mailbox.sender or urlsplit(self.url).hostname or "gateway"
        doors = (self.store, self.intake, self.campaigns, self.forecasting)
        return Api(*doors, access=self.access, max_bytes=most, utcnow=self.now, sender=sender)

    def channel_states(self) -> tuple[dict[str, bool], dict[ChannelName, int]]:
        """Links and whether they are up; deliveries in flight by channel."""
        return self.outlets.states()

    def mailboxes_up(self) -> dict[str, bool]:
        """Mailboxes and whether this node watches them now."""
        return self.mailboxes.up() if self.mailboxes else {}

    def call_starts_last_minute(self) -> int:
        """Call starts in the sliding minute, on this node."""
        return self.gates.whole.starts_in_last_minute()

    def agreed_rates(self) -> dict[ChannelName, float]:
        """What the lanes are paced to."""
        return dict(self.settings.rates())

    def _news(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _work(self) -> None:
        """Everything that runs; the first part that fails ends the node."""
        self.tracker = asyncio.create_task(self.tracking.run())
        self.tracker.add_done_callback(self._tracker_ended)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.presence.run())
                tasks.create_task(self.publisher.run())
                for run in self._parts:
                    tasks.create_task(run())
        except* Exception as failures:
            self.failed = failures
            self.log.error("node_failed", error=failures.exceptions[0])
            self._stop.set()

    def _tracker_ended(self, tracker: asyncio.Task[None]) -> None:
        if not tracker.cancelled() and (error := tracker.exception()) is not None:
            self.failed = error
            self.log.error("tracking_failed", error=error)
            self._stop.set()

    async def _wind_down(self, tasks: asyncio.Task[None]) -> None:
        """Nothing new, finish what left, record it, give the leases back; in `drain_s` and ten seconds more."""
        until = time.monotonic() + self.settings.dispatch.drain_s + 10
        self.health.stopping = True
        if self.api is not None:
            self.api.close_streams()
        drained = await self.dispatcher.drain(self.settings.dispatch.drain_s)
        for patience_s in (8.0, 1.0):  # channels and their good-byes; then whoever still waits for the store
            tasks.cancel()
            if (await asyncio.wait([tasks], timeout=patience_s))[0]:
                break
        await self.binds.leave()
        self.tracking.finish()
        if not await within(max(1.0, until - time.monotonic()), self._write_the_rest()):
            self.tracker.cancel()
        self.log.event("node_stopped", drained=drained)

    async def _write_the_rest(self) -> None:
        await self.tracker
        await self.dispatcher.release()


async def _serve(settings: Settings, roles: frozenset[str]) -> int:
    async with opened(settings.database) as dsn, Gateway.running(settings, roles, dsn) as node:
        node.heed_signals()
        gc.freeze()  # what was built lives as long as the process: no collection needs to look at it again
        gc.set_threshold(10_000)  # nor often: thousands of messages in flight are none, hardly any is ever cyclic
        sys.stdout.write(f"Gateway ready: {node.url}\n")
        sys.stdout.flush()
        await node.until_stopped()
    return 1 if node.failed else 0


def serve(settings: Settings, roles: frozenset[str]) -> int:
    """One node until SIGTERM or Ctrl-C; the exit code. Raises SettingsError, StoreUnavailable, SchemaError."""
    logging_.setup(settings.log.level, settings.log.format)
    os.environ.setdefault("TZ", "UTC")
    return uvloop.run(_serve(settings, roles))
