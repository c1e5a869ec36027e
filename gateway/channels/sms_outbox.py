"""What the SMS channel hands on: one batch per loop turn, and the peer's acknowledgements once a batch is durable.

Knows: outcomes, receipts, which link waits for which acknowledgement. Never knows: what they mean.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.channels.base import Emit, Said
from gateway.model import Receipt
from gateway.smpp.events import Handle
from gateway.smpp.link import Link
from gateway.smpp.session import Session


class _Owed(NamedTuple):
    """Messages of a peer to acknowledge once the batch that they came with is durable."""

    link: Link
    session: Session
    handles: list[Handle]


class Outbox:
    """Collects during a loop turn and emits at its end. `recorded` is called after durable batches: once for all that
    became durable in the same turn.

    `broken` fails when emit does: whoever serves has to end then, because nothing can be made durable.
    """

    def __init__(self, emit: Emit, recorded: Callable[[], None]) -> None:
        self.items: list[Said] = []
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._emit = emit
        self._recorded = recorded
        self._owed: list[_Owed] = []
        self._receipts = 0  # among the items
        self._emitted = 0
        self._due = False
        self._durable: list[_Owed] = []
        self._untold = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def unrecorded(self) -> int:
        """How many answers are not durable yet. A receipt that is not is none of them: without our acknowledgement the
        peer says it again, and what it keeps for that has a bound of its own."""
        return len(self.items) - self._receipts + self._emitted

    def receive(self, receipts: Sequence[Receipt]) -> None:
        """Receipts, to be handed on in their place among the answers."""
        self.items += receipts
        self._receipts += len(receipts)

    def owe(self, link: Link, handles: list[Handle]) -> None:
        """These are acknowledged when everything collected so far is durable."""
        if link.session is not None and handles:
            self._owed.append(_Owed(link, link.session, handles))

    def hand_on_soon(self) -> None:
        """At the end of this loop turn, once."""
        if (self.items or self._owed) and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self.hand_on)

    def hand_on(self) -> None:
        """One batch of everything collected; batches are emitted in their order."""
        self._due = False
        if not self.items and not self._owed:
            return
        batch, self.items = self.items, []
        owed, self._owed = self._owed, []
        answers, self._receipts = len(batch) - self._receipts, 0
        self._emitted += answers
        task = asyncio.create_task(self._record(batch, answers, owed))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def settled(self, within_s: float | None = None) -> None:
        """Hand on what is there and wait until it is durable, or for so long."""
        self.hand_on()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def _record(self, batch: list[Said], answers: int, owed: list[_Owed]) -> None:
        """Durable first; only then is the peer told that we have it, and room is made for more."""
        if batch:
            await self._emit(batch)
        self._emitted -= answers
        self._durable += owed
        self._untold = True
        await asyncio.sleep(0)  # whatever was durable by the same commit is told by whoever is the first to come back
        if self._untold:
            self._untold = False
            self._tell()

    def _tell(self) -> None:
        """One write for each link, however many batches its messages came in."""
        durable, self._durable = self._durable, []
        together: dict[tuple[Link, Session], list[Handle]] = {}
        for link, session, handles in durable:
            together.setdefault((link, session), []).extend(handles)
        for (link, session), handles in together.items():
            link.acknowledge(session, handles)
        self._recorded()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        failed = None if task.cancelled() else task.exception()
        if failed is not None and not self.broken.done():
            self.broken.set_exception(failed)
