"""What the tests of the e-mail channel share: deliveries, a work queue, an emit that remembers, a running channel."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.channels.base import Said
from gateway.channels.email import EmailChannel, EmailSettings, RelaySettings, Security
from gateway.model import (
    ChannelName,
    Delivery,
    Lease,
    MessageClass,
    Mode,
    Outcome,
    OutcomeKind,
    Text,
    Transport,
)

DEADLINE_S = 60.0
BODY = "Incendie à Gand.\n.Fermez portes et fenêtres.\n"


def text(**changes: Any) -> Text:
    """A text in French for a rehearsal."""
    values: dict[str, Any] = {
        "campaign": 7,
        "key": 1,
        "channel": ChannelName.EMAIL,
        "language": "fr",
        "body": BODY,
        "html": "<p>Incendie à Gand.</p>",
        "subject": "Alerte: incendie à Gand",
        "mode": Mode.TEST,
        "message_class": MessageClass.URGENT,
        "expires_at": datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=1),
        "reference": "cmp-4f",
    }
    return Text(**{**values, **changes})


def lease(transport: Transport = Transport.SIMULATED, *, exercise_group: bool = False) -> Lease:
    """A lease that lets deliveries leave by this transport."""
    return Lease(
        campaign=7,
        channel=ChannelName.EMAIL,
        transport=transport,
        lo=0,
        epoch=1,
        remaining=100,
        exercise_group=exercise_group,
    )


def deliveries(addresses: Iterable[str], **changes: Any) -> list[Delivery]:
    """One delivery per address, numbered from 1, of one text."""
    shared, held = text(**changes), lease()
    return [Delivery(held, seq, address, shared) for seq, address in enumerate(addresses, 1)]


def people(count: int) -> list[str]:
    """Addresses."""
    return [f"user{number}@example.net" for number in range(count)]


def relay(port: int, name: str = "sink", **changes: Any) -> RelaySettings:
    """A relay on loopback, without TLS, that is tried again at once."""
    values: dict[str, Any] = {
        "security": Security.NONE,
        "connections": 4,
        "backoff_first_s": 0.01,
        "backoff_max_s": 0.05,
    }
    return RelaySettings(name=name, host="127.0.0.1", port=port, **{**values, **changes})


def email_settings(*relays: RelaySettings, **changes: Any) -> EmailSettings:
    """An identity with these relays."""
    values: dict[str, Any] = {
        "from_address": "no-reply@alerts.example",
        "envelope_address": "bounce@alerts.example",
        "message_id_domain": "alerts.example",
        "drain_s": 30.0,
    }
    return EmailSettings(relays=relays, **{**values, **changes})


class Queue:
    """Work for a channel: what is put in comes out in order; what comes back unsent is handed out again."""

    def __init__(self, items: Iterable[Delivery] = ()) -> None:
        self.items = deque(items)
        self.taken = 0
        self._filled = asyncio.Event()
        if self.items:
            self._filled.set()

    def put(self, items: Iterable[Delivery]) -> None:
        """More work."""
        self.items.extend(items)
        self._filled.set()

    def take(self, limit: int) -> list[Delivery]:
        """As the contract says."""
        found = [self.items.popleft() for _ in range(min(limit, len(self.items)))]
        self.taken += len(found)
        if not self.items:
            self._filled.clear()
        return found

    async def ready(self) -> None:
        """As the contract says."""
        await self._filled.wait()


class Ledger:
    """An emit that remembers; `again` puts unsent deliveries back into the queue."""

    def __init__(self, queue: Queue, *, again: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        self.batches = 0
        self.accepted: dict[str, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self._queue = queue
        self._again = again

    async def emit(self, batch: Sequence[Said]) -> None:
        """As the contract says; durable when the gate is open."""
        await self.gate.wait()
        self.batches += 1
        for item in batch:
            assert isinstance(item, Outcome)
            if self._again and item.kind is OutcomeKind.UNSENT:
                self._queue.put([item.delivery])
            else:
                self.outcomes.append(item)

    def count(self, name: str, number: int) -> None:
        """The metric."""
        self.accepted[name] = self.accepted.get(name, 0) + number

    @property
    def by_address(self) -> dict[str, list[OutcomeKind]]:
        """What was said of each address."""
        found: dict[str, list[OutcomeKind]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.delivery.address, []).append(outcome.kind)
        return found


@asynccontextmanager
async def running(
    settings: EmailSettings, queue: Queue, ledger: Ledger, transport: Transport = Transport.SIMULATED
) -> AsyncIterator[EmailChannel]:
    """A channel that runs inside the block."""
    channel = EmailChannel(transport=transport, settings=settings, accepted=ledger.count)
    task = asyncio.create_task(channel.run(queue, ledger.emit))
    try:
        yield channel
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


SILENCE = "no answer to this line"


class Script:
    """A relay that answers by a function of the line, which may wait; "" closes the connection."""

    def __init__(self, answer: Callable[[str], Awaitable[str]]) -> None:
        self.port = 0
        self.lines: list[str] = []
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Script":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 script\r\n")
        while line := (await reader.readline()).decode():
            self.lines.append(line.rstrip("\r\n"))
            answer = await self._answer(self.lines[-1])
            if not answer:
                return
            if answer is not SILENCE:
                writer.write(answer.encode())
