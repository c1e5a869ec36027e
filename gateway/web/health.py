"""Health and metrics: is the process alive, can it do its work, what are its numbers.

Knows: the node it belongs to, as a few questions. Never knows: thresholds (config/prometheus/rules.yml has them).
"""

import asyncio
from typing import Protocol

from aiohttp import web

from gateway.errors import StoreUnavailable
from gateway.metrics import Metrics
from gateway.model import ChannelName
from gateway.store.pool import Store


class Node(Protocol):
    """What health asks of a node."""

    store: Store
    metrics: Metrics

    def channel_states(self) -> tuple[dict[str, bool], dict[ChannelName, int]]:
        """Links and whether they are up; deliveries in flight by channel."""
        ...

    def mailboxes_up(self) -> dict[str, bool]:
        """Mailboxes and whether this node watches them now."""
        ...

    def call_starts_last_minute(self) -> int:
        """Call starts in the sliding minute."""
        ...

    def agreed_rates(self) -> dict[ChannelName, float]:
        """What the lanes are paced to, per second."""
        ...


class Health:
    """/healthz without the database, /readyz with it, /metrics."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.stopping = False

    def routes(self) -> list[web.RouteDef]:
        """On the main port."""
        return [web.get("/healthz", self.healthz), web.get("/readyz", self.readyz)]

    def metrics_routes(self) -> list[web.RouteDef]:
        """On the main port, or on their own."""
        return [web.get("/metrics", self.metrics)]

    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        """It can store, and at least one way out is up (a node without dispatch needs none)."""
        problems = ["stopping"] if self.stopping else []
        try:
            async with asyncio.timeout(5), self._node.store.connection() as connection:
                await connection.fetchval("SELECT 1", timeout=2)
        except (StoreUnavailable, TimeoutError):
            problems.append("the database does not answer")
        if self._node.store.full:
            problems.append("the database has no room")
        links, _flight = self._node.channel_states()
        if links and not any(links.values()):
            problems.append("no bind, relay or trunk is up")
        body = {"ready": not problems, "problems": problems, "links": links}
        return web.json_response(body, status=503 if problems else 200)

    async def metrics(self, _: web.Request) -> web.Response:
        """The Prometheus exposition."""
        metrics = self._node.metrics
        links, in_flight = self._node.channel_states()
        for link, up in links.items():
            metrics.set_bind_up(link, up)
        for mailbox, up in self._node.mailboxes_up().items():
            metrics.set_mailbox_up(mailbox, up)
        for channel, n in in_flight.items():
            metrics.set_in_flight(channel, n)
        for channel, per_s in self._node.agreed_rates().items():
            metrics.set_rate_limit(channel, per_s)
        metrics.set_call_starts(self._node.call_starts_last_minute())
        body, content_type = metrics.render()
        return web.Response(body=body, headers={"Content-Type": content_type})
