"""Backlog: what was handed in and is not written yet, oldest first. A write takes a batch, or what came in a moment.

Knows: batches of events and who waits for each. Never knows: what events are, the store.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

E = TypeVar("E")


class Entry(NamedTuple, Generic[E]):
    """Events that were handed in together. `done` ends when they are durable. They are written behind the first `after`
    batches of another backlog."""

    events: Sequence[E]
    done: asyncio.Future[None] | None
    after: int = 0


class Backlog(Generic[E]):
    """Gathers for `linger_s`, or until `batch_rows` wait. `put_in` counts the entries that ever came."""

    def __init__(self, *, batch_rows: int, linger_s: float) -> None:
        self._batch_rows = batch_rows
        self._linger_s = linger_s
        self._entries: deque[Entry[E]] = deque()
        self._rows = 0
        self._full = asyncio.Event()
        self._some = asyncio.Event()
        self._finishing = False
        self.put_in = 0

    @property
    def over(self) -> bool:
        """Nobody puts anything in any more, and nothing is left."""
        return self._finishing and not self._entries

    def put(self, entry: Entry[E]) -> None:
        """Behind all others."""
        self._entries.append(entry)
        self.put_in += 1
        self._rows += len(entry.events)
        self._some.set()
        if self._rows >= self._batch_rows:
            self._full.set()

    def finish(self) -> None:
        """Nobody puts anything in any more: nothing is waited for."""
        self._finishing = True
        self._some.set()

    async def gather(self) -> None:
        """Return when there is a batch to write, or nothing will come any more."""
        await self._some.wait()
        if not self._full.is_set() and not self._finishing:
            try:
                async with asyncio.timeout(self._linger_s):
                    await self._full.wait()
            except TimeoutError:
                pass

    def first_after(self) -> int:
        """What the oldest entry has to wait for."""
        return self._entries[0].after if self._entries else 0

    def take(self, ready: Callable[[Entry[E]], bool] = lambda _: True) -> list[Entry[E]]:
        """The oldest entries, as many as make a batch, up to the first that is not ready."""
        taken: list[Entry[E]] = []
        rows = 0
        while self._entries and rows < self._batch_rows and ready(self._entries[0]):
            entry = self._entries.popleft()
            taken.append(entry)
            rows += len(entry.events)
        self._rows -= rows
        if not self._entries and not self._finishing:
            self._some.clear()
        if self._rows < self._batch_rows:
            self._full.clear()
        return taken
