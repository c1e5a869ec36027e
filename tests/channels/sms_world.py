"""Work, a store and providers for tests of the SMS channel."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from gateway.channels.base import Said
from gateway.channels.sms import SmsChannel, SmsProviderSettings
from gateway.model import (
    Belated,
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
from gateway.simulators.recorder import Outcomes
from gateway.simulators.smsc import SmscSimulator
from gateway.simulators.smsc_behaviour import Behaviour

EXPIRES = datetime.now(UTC) + timedelta(hours=2)


def words(
    body: str = "Brand in Antwerpen", *, campaign: int = 1, key: int = 1, mode: Mode = Mode.TEST, **more: object
) -> Text:
    return Text(
        campaign=campaign,
        key=key,
        channel=ChannelName.SMS,
        language="nl",
        body=body,
        mode=mode,
        reference="r",
        **{"message_class": MessageClass.URGENT, "expires_at": EXPIRES, **more},  # type: ignore[arg-type]
    )


def deliveries(
    text: Text, many: int, *, transport: Transport = Transport.SIMULATED, exercise_group: bool = False, first: int = 0
) -> list[Delivery]:
    lease = Lease(
        campaign=text.campaign,
        channel=ChannelName.SMS,
        transport=transport,
        lo=0,
        epoch=1,
        remaining=many,
        exercise_group=exercise_group,
    )
    return [Delivery(lease, n, f"+3247{n:07d}", text) for n in range(first, first + many)]


class Given:
    """Work that is there at once, or comes later by `add`."""

    def __init__(self, *given: Delivery) -> None:
        self.left = list(given)
        self.asked: list[int] = []
        self._more = asyncio.Event()

    def add(self, more: Sequence[Delivery]) -> None:
        self.left += more
        self._more.set()

    def take(self, limit: int) -> list[Delivery]:
        self.asked.append(limit)
        taken, self.left = self.left[:limit], self.left[limit:]
        return taken

    async def ready(self) -> None:
        while not self.left:
            self._more.clear()
            await self._more.wait()


class Store:
    """Collects what the channel emits; durable at once, or when told."""

    def __init__(self) -> None:
        self.batches: list[list[Said]] = []
        self.durable = asyncio.Event()
        self.durable.set()

    async def emit(self, batch: Sequence[Said]) -> None:
        self.batches.append(list(batch))
        await self.durable.wait()

    @property
    def outcomes(self) -> list[Outcome]:
        return [item for batch in self.batches for item in batch if isinstance(item, Outcome)]

    @property
    def belated(self) -> list[Outcome]:
        return [item.outcome for batch in self.batches for item in batch if isinstance(item, Belated)]

    @property
    def receipts(self) -> list[Receipt]:
        return [item for batch in self.batches for item in batch if isinstance(item, Receipt)]

    def kinds(self) -> Counter[OutcomeKind]:
        return Counter(outcome.kind for outcome in self.outcomes)


@contextlib.asynccontextmanager
async def simulated(outcomes: Outcomes | None = None, **behaviour: object) -> AsyncIterator[SmscSimulator]:
    simulator = SmscSimulator(outcomes=outcomes, behaviour=Behaviour(**behaviour))  # type: ignore[arg-type]
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


def provider(port: int, **more: object) -> SmsProviderSettings:
    given = {"name": "sim", "host": "127.0.0.1", "port": port, "system_id": "gateway", "password": "secret"}
    quick = {"reconnect_first_s": 0.01, "reconnect_refused_s": 30.0, "announce_mode": True, "source_addr": "BE-Alert"}
    return SmsProviderSettings.model_validate({**given, **quick, **more})


@contextlib.asynccontextmanager
async def running(channel: SmsChannel, work: Given, store: Store) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(channel.run(work, store.emit))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
