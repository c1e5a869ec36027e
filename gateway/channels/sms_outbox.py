"""What the SMS channel hands on: answers and receipts of a loop turn, and acknowledgements once those are durable.

Knows: outcomes, receipts, which link waits for which acknowledgement. Never knows: what they mean.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
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
    """Collects during a loop turn and emits at its end. `recorded` is called after durable answers: once for all that
    became durable in the same turn. Answers do not wait for receipts.

    `broken` fails when emit does: whoever serves has to end then, because nothing can be made durable.
    """

    def __init__(self, emit: Emit, recorded: Callable[[], None]) -> None:
        self.items: list[Said] = []
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._emit = emit
        self._recorded = recorded
        self._owed: list[_Owed] = []
        self._receipts: list[Receipt] = []
        self._emitted = 0
        self._due = False
        self._durable: list[_Owed] = []
        self._roomier = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def unrecorded(self) -> int:
        """How many answers are not durable yet. A receipt that is not is none of them: without our acknowledgement the
        peer says it again, and what it keeps for that has a bound of its own."""
        return len(self.items) + self._emitted

    def receive(self, receipts: Sequence[Receipt]) -> None:
        """Receipts, to be handed on behind the answers of this turn."""
        self._receipts += receipts

    def owe(self, link: Link, handles: list[Handle]) -> None:
        """These are acknowledged when everything collected so far is durable."""
        if link.session is not None and handles:
            self._owed.append(_Owed(link, link.session, handles))

    def hand_on_soon(self) -> None:
        """At the end of this loop turn, once."""
        if (self.items or self._receipts or self._owed) and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self.hand_on)

    def hand_on(self) -> None:
        """What was collected, in its order: a batch of answers, and behind it one of receipts."""
        self._due = False
        if self.items:
            answers, self.items = self.items, []
            self._emitted += len(answers)
            self._start(self._answered(answers))
        if self._receipts or self._owed:
            receipts, self._receipts = self._receipts, []
            owed, self._owed = self._owed, []
            self._start(self._received(receipts, owed))

    def _start(self, recording: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(recording)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def settled(self, within_s: float | None = None) -> None:
        """Hand on what is there and wait until it is durable, or for so long."""
        self.hand_on()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def _answered(self, answers: list[Said]) -> None:
        """Durable first; only then is there room for more. What became durable in the same turn makes room once."""
        await self._emit(answers)
        self._emitted -= len(answers)
        self._roomier = True
        await asyncio.sleep(0)
        if self._roomier:
            self._roomier = False
            self._recorded()

    async def _received(self, receipts: list[Receipt], owed: list[_Owed]) -> None:
        """Durable first; only then is the peer told that we have it, by whoever comes back first in a turn."""
        if receipts:
            await self._emit(receipts)
        self._durable += owed
        await asyncio.sleep(0)
        self._tell()

    def _tell(self) -> None:
        """One write for each link, however many batches its messages came in."""
        durable, self._durable = self._durable, []
        together: dict[tuple[Link, Session], list[Handle]] = {}
        for link, session, handles in durable:
            together.setdefault((link, session), []).extend(handles)
        for (link, session), handles in together.items():
            link.acknowledge(session, handles)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        failed = None if task.cancelled() else task.exception()
        if failed is not None and not self.broken.done():
            self.broken.set_exception(failed)
