"""What the tests of the voice line share: deliveries, a work queue, an emit that remembers, a served application."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from gateway.channels.base import Said
from gateway.channels.voice import VoiceChannel
from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_trunks import RestTrunk
from gateway.model import (
    ChannelName,
    Delivery,
    Lease,
    MessageClass,
    Mode,
    Outcome,
    OutcomeKind,
    Receipt,
    Text,
    Transport,
)

BODY = "Alarm. Sluit ramen en deuren en blijf binnen."


def delivery(
    address: str = "+3222345670",
    *,
    seq: int = 1,
    campaign: int = 7,
    mode: Mode = Mode.TEST,
    transport: Transport = Transport.SIMULATED,
    body: str = BODY,
    language: str = "nl",
    expires_in_s: float = 3600,
    exercise_group: bool = False,
) -> Delivery:
    """One delivery of a text."""
    text = Text(
        campaign=campaign,
        key=1,
        channel=ChannelName.VOICE,
        language=language,
        body=body,
        mode=mode,
        message_class=MessageClass.URGENT,
        expires_at=datetime.now(UTC) + timedelta(seconds=expires_in_s),
        reference="r",
    )
    lease = Lease(
        campaign=campaign,
        channel=ChannelName.VOICE,
        transport=transport,
        lo=0,
        epoch=1,
        remaining=100,
        exercise_group=exercise_group,
    )
    return Delivery(lease, seq, address, text)


class Queue:
    """Work from a list; more can be put in."""

    def __init__(self, deliveries: Sequence[Delivery] = ()) -> None:
        self.waiting = list(deliveries)
        self.taken: list[Delivery] = []
        self._more = asyncio.Event()

    def put(self, *deliveries: Delivery) -> None:
        self.waiting += deliveries
        self._more.set()

    def take(self, limit: int) -> list[Delivery]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        self.taken += taken
        return taken

    async def ready(self) -> None:
        if not self.waiting:
            self._more.clear()
            await self._more.wait()


class Tracking:
    """Remembers what is emitted and lets a test wait for it."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.receipts: list[Receipt] = []
        self._changed = asyncio.Event()

    async def emit(self, batch: Sequence[Said]) -> None:
        for item in batch:
            if isinstance(item, Outcome):
                self.outcomes.append(item)
            else:
                assert isinstance(item, Receipt)
                self.receipts.append(item)
        self._changed.set()

    async def until(self, *, outcomes: int = 0, receipts: int = 0) -> None:
        async with asyncio.timeout(60):
            while len(self.outcomes) < outcomes or len(self.receipts) < receipts:
                self._changed.clear()
                await self._changed.wait()

    def kinds(self) -> list[OutcomeKind]:
        return [outcome.kind for outcome in self.outcomes]

    def details(self) -> dict[str, str]:
        """Address -> the receipt's word."""
        to = {outcome.message_ids[0]: outcome.delivery.address for outcome in self.outcomes if outcome.message_ids}
        return {to[receipt.message_id]: receipt.detail for receipt in self.receipts}


def trunk(base_url: str, public_url: str = "", **changes: object) -> RestTrunk:
    """A trunk of the simulator's account."""
    return RestTrunk.model_validate(
        {
            "name": "sim",
            "base_url": base_url,
            "account_sid": "ACsimulated",
            "auth_token": "simulated",
            "caller_id": "+3221234567",
            "public_url": public_url,
            "poll_interval_s": 0.05,
            **changes,
        }
    )


def voice(**changes: object) -> VoiceSettings:
    """Settings of a channel."""
    return VoiceSettings.model_validate({"drain_s": 2.0, **changes})


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """The URL of a served application."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(channel: VoiceChannel, work: Queue, tracking: Tracking) -> AsyncIterator[None]:
    """A channel at work, cancelled at the end; anything but that ends the test."""
    task = asyncio.create_task(channel.run(work, tracking.emit))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
