"""Checking: what others wrote is read in a process of its own, so that no parser can take the binds down.

Knows: the readers of gateway.cap (alerts, signatures, feeds), time limits, that a worker may die.
Never knows: rights, the store.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from datetime import datetime
from typing import TypeVar

from gateway.cap.check import Verdict, check
from gateway.cap.feed_read import ReadFeed, read_feed
from gateway.cap.findings import Finding
from gateway.cap.parse import Limits
from gateway.cap.signature import SignatureVerdict, verify
from gateway.cap.trust import Trust
from gateway.ending import before
from gateway.processes import kill, worker_pool

Read = TypeVar("Read")

WORK = (__name__, "xmlschema")
"""What a worker has to have read when a document comes."""

START_S = 60.0
"""A fresh worker may take so long to be there on a busy machine: no part of any document's time."""


class Checker:
    """Reads documents; one that kills or hangs its worker is refused and the worker replaced.

    Each worker reads one document at a time, so that it is certain which one harmed it: those that wait, and those in
    the other workers, never suffer for it. `lenient` is for feeds of others, as gateway.cap.check has it.
    """

    def __init__(self, *, workers: int, limits: Limits, lenient: bool = False, deadline_s: float = 5.0) -> None:
        self._limits = limits
        self._lenient = lenient
        self._deadline_s = deadline_s
        self._workers = [_Worker() for _ in range(workers)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def warm(self) -> None:
        """Start the workers now, so that the first alert does not wait for one."""
        await asyncio.gather(*(worker.ready() for worker in self._workers))

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.end()

    async def check(self, raw: bytes, received_at: datetime) -> Verdict:
        """The verdict on these bytes; one that says so when they broke their worker."""
        return await self.apart(_broken, check_in, raw, self._limits, received_at, self._lenient)

    async def verify(self, raw: bytes, trust: Trust, at: datetime, *, allow_sha1: bool = False) -> SignatureVerdict:
        """What the signatures in these bytes are worth; not readable when they broke their worker."""
        return await self.apart(_unverified, verify_in, raw, self._limits, trust, at, allow_sha1)

    async def read_feed(self, raw: bytes, url: str) -> ReadFeed:
        """What is in a feed that came from `url`; nothing, with the reason, when it broke its worker."""
        return await self.apart(_no_feed, read_feed_in, raw, url)

    async def apart(self, broken: Callable[[str], Read], work: Callable[..., Read], *arguments: object) -> Read:
        """What `work` finds in a worker that is free; what `broken` makes of the reason why there is no answer."""
        worker = await self._free.get()
        try:
            for _ in range(2):  # a worker may have died before this document came: only the second death is its doing
                try:
                    await worker.ready()
                    return await before(self._deadline_s, worker.run(work, *arguments))
                except BrokenExecutor:
                    continue
                except TimeoutError:
                    return broken(f"the document took longer than {self._deadline_s:g} s to read, and is refused")
            return broken("the document broke the parser that read it, and is refused")
        finally:
            self._free.put_nowait(worker)


class _Worker:
    """One process; a fresh one takes its place when it died, hangs, or nobody waits for its answer any more."""

    def __init__(self) -> None:
        self._process = worker_pool(1, preload=WORK)
        self._fresh = True
        self._ended = False

    async def ready(self) -> None:
        """Wait until the process is there. Raises BrokenExecutor when it dies, TimeoutError when it does not come."""
        if self._fresh:
            async with asyncio.timeout(START_S):
                await self.run(check_in, b"", Limits(), None, False)
            self._fresh = False

    async def run(self, work: Callable[..., Read], *arguments: object) -> Read:
        """What `work` returns. Raises BrokenExecutor when the process is gone."""
        answered = False
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._process, work, *arguments)
            answered = True
            return found
        finally:
            if not answered and not self._ended:
                kill(self._process)
                self._process = worker_pool(1, preload=WORK)
                self._fresh = True

    def end(self) -> None:
        """Kill it for good."""
        self._ended = True
        kill(self._process)


def check_in(raw: bytes, limits: Limits, received_at: datetime | None, lenient: bool) -> Verdict:
    """What a worker runs for check."""
    return check(raw, limits=limits, received_at=received_at, lenient=lenient)


def verify_in(raw: bytes, limits: Limits, trust: Trust, at: datetime, allow_sha1: bool) -> SignatureVerdict:
    """What a worker runs for verify."""
    return verify(raw, trust=trust, at=at, allow_sha1=allow_sha1, limits=limits)


def read_feed_in(raw: bytes, url: str) -> ReadFeed:
    """What a worker runs for read_feed."""
    return read_feed(raw, url=url)


def _fault(message: str) -> Finding:
    return Finding("XML", "error", None, "alert", message, "XML 1.0 §2.1")


def _broken(message: str) -> Verdict:
    return Verdict(valid=False, well_formed=False, readable=False, findings=(_fault(message),))


def _unverified(message: str) -> SignatureVerdict:
    return SignatureVerdict(readable=False, refusals=(_fault(message),))


def _no_feed(message: str) -> ReadFeed:
    return ReadFeed(kind=None, problems=(message,))
