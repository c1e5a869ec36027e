"""Examining: documents of strangers, checked one at a time in a process of their own.

Apart from flows.checking on purpose: whatever is handed in here takes nothing from the alerts of authorities.
Knows: gateway.cap.feed_check, how long it may take, how many may wait. Never knows: HTTP.
"""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from datetime import datetime

from gateway.cap.feed_check import Examination, examine
from gateway.cap.findings import error
from gateway.ending import before

MOST_WAITING = 8


class Examiner:
    """One worker, started when it is first needed; one that dies or hangs is replaced."""

    def __init__(self, *, deadline_s: float = 10.0, work: Callable[..., Examination] = examine) -> None:
        self._deadline_s = deadline_s
        self._work = work
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._worker: ProcessPoolExecutor | None = None

    async def examine(
        self, raw: bytes, *, lenient: bool, profile: str | None, received_at: datetime
    ) -> Examination | None:
        """What is to be said of these bytes; None when too many wait already."""
        if self._waiting >= MOST_WAITING:
            return None
        self._waiting += 1
        try:
            async with self._turn:
                return await self._judged(raw, lenient, profile, received_at)
        finally:
            self._waiting -= 1

    async def _judged(self, raw: bytes, lenient: bool, profile: str | None, received_at: datetime) -> Examination:
        if self._worker is None:
            self._worker = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver"))
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._worker, _run, self._work, raw, lenient, profile, received_at)
        ended = False
        try:
            found = await before(self._deadline_s, job)
            ended = True
            return found
        except BrokenExecutor:
            return _broken("the document broke the parser that read it")
        except TimeoutError:
            return _broken(f"the document took longer than {self._deadline_s:g} s to read")
        finally:
            if not ended:
                self.close()

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            for process in list((self._worker._processes or {}).values()):
                process.kill()
            self._worker.shutdown(wait=True, cancel_futures=True)
            self._worker = None


def _run(
    work: Callable[..., Examination], raw: bytes, lenient: bool, profile: str | None, received_at: datetime
) -> Examination:
    """What the worker runs."""
    return work(raw, lenient=lenient, profile=profile, received_at=received_at)


def _broken(message: str) -> Examination:
    return Examination(kind="unknown", findings=(error("XML", message, "XML 1.0 §2.1", element=""),))
