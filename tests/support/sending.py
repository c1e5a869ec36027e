"""Campaigns that are planned and ready to be sent, and lanes, tracking and channels to send them with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from gateway.channels.base import Emit, Work
from gateway.flows.fence import Fence
from gateway.flows.lane import Lane
from gateway.flows.texts import Texts
from gateway.flows.tracking import Event, Tracking
from gateway.log import unit_logger
from gateway.metrics import Metrics
from gateway.model import ChannelName, Delivery, Outcome, OutcomeKind, Transport
from gateway.policy.allowance import Allowance
from gateway.policy.retry import RetryRules
from gateway.store.pool import Store
from tests.support.scene import Entity, Scene, an_alert, asking, citizen

LEASE_S = 8.0
RULES = dict.fromkeys(ChannelName, RetryRules(first_s=1.0, factor=1.0, max_s=1.0, attempts=3))


class Ticks:
    """A monotonic clock that moves when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Heard(Tracking):
    """Tracking that also remembers what it was told."""

    heard: list[Event]

    def emit(self, events: Sequence[Event]) -> Awaitable[None]:
        self.heard = [*getattr(self, "heard", []), *events]
        return super().emit(events)

    def kinds(self) -> list[OutcomeKind]:
        """The kinds of the outcomes heard."""
        return [event.kind for event in getattr(self, "heard", []) if isinstance(event, Outcome)]


def a_tracking(store: Store, metrics: Metrics | None = None, ticks: Ticks | None = None, **more: float) -> Heard:
    """Tracking with quick rules, not running yet."""
    return Heard(
        store,
        rules=RULES,
        metrics=metrics or Metrics(),
        log=unit_logger("test.tracking"),
        utcnow=lambda: datetime.now(UTC),
        monotonic=ticks or Ticks(),
        linger_s=more.get("linger_s", 0.001),
        grace_s=more.get("grace_s", 0.0),
        batch_rows=int(more.get("batch_rows", 500)),
    )


def a_lane(
    store: Store,
    tracking: Tracking,
    *,
    ticks: Ticks,
    fence: Fence | None = None,
    channel: ChannelName = ChannelName.SMS,
    transport: Transport = Transport.LIVE,
    mark_ahead: int = 50,
    rate_per_s: float | None = None,
    node: int = 1,
    able: Callable[[], bool] = lambda: True,
) -> Lane:
    """A lane whose leases are fresh; unpaced unless told otherwise."""
    if fence is None:
        fence = Fence(ticks, LEASE_S)
        fence.renewed(fence.starts())
    return Lane(
        channel=channel, transport=transport, store=store, texts=Texts(store), tracking=tracking, fence=fence,
        node=node, mark_ahead=mark_ahead, lease_s=LEASE_S, monotonic=ticks,
        pacer=Allowance(rate_per_s) if rate_per_s else None, able=able,
    )  # fmt: skip


async def fill(lane: Lane) -> None:
    """Do what `feed` does until there is nothing to do."""
    while await lane._feed_once():
        pass


async def a_campaign(
    scene: Scene, entity: Entity, people: int, *, identifier: str = "A-1", channels: str = "sms", kind: str = "urgent"
) -> int:
    """A planned campaign to `people` citizens, in chunks of 100; its number."""
    await scene.citizens(*(citizen(number) for number in range(people)))
    alert = asking(an_alert(identifier), **{"channels": channels, "class": kind})
    answer = await scene.post(alert, entity)
    assert answer.status == 201, answer.body
    await scene.plan()
    row = await scene.campaign(answer)
    return int(row["id"])


async def states(scene: Scene, campaign: int) -> dict[int, int]:
    """delivery.state -> how many."""
    rows = await scene.rows("SELECT state, count(*) FROM delivery WHERE campaign_id = $1 GROUP BY 1", campaign)
    return {row["state"]: row["count"] for row in rows}


async def marked(scene: Scene, campaign: int) -> int:
    """How many rows of range chunks are at or below their chunk's mark."""
    rows = await scene.rows(
        "SELECT coalesce(sum(marked_to - lo + 1) FILTER (WHERE marked_to >= lo), 0) AS n FROM chunk "
        "WHERE campaign_id = $1 AND lo > 0",
        campaign,
    )
    return int(rows[0]["n"])


@asynccontextmanager
async def going(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Something that runs beside the test until the end of the block; if it fails, so does the test."""
    task = asyncio.create_task(work)
    try:
        async with asyncio.timeout(20):
            yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class FakeChannel:
    """A channel that answers at once with `kind`; while `held` is set it takes up to `window` and says nothing."""

    def __init__(
        self, name: ChannelName = ChannelName.SMS, transport: Transport = Transport.LIVE, *, at_once: int = 20
    ) -> None:
        self.name = name
        self.transport = transport
        self.kind = OutcomeKind.ACCEPTED
        self.held = False
        self.window = 1_000_000
        self.settled = True
        self.sent: list[Delivery] = []
        self.withdrawn: list[int] = []
        self._at_once = at_once

    async def run(self, work: Work, emit: Emit) -> None:
        """Take, answer, and again."""
        while True:
            await work.ready()
            room = self.window - len(self.sent) if self.held else self._at_once
            taken = work.take(min(self._at_once, room)) if room > 0 else []
            self.sent += taken
            if taken and not self.held:
                await emit([Outcome(d, self.kind, "fake", settled=self.settled) for d in taken])
            else:
                await asyncio.sleep(0)

    def able(self) -> bool:
        """Always."""
        return True

    async def withdraw(self, campaign: int) -> None:
        """Remember that it was asked."""
        self.withdrawn.append(campaign)
