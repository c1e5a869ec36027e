"""Checking: a CAP document is judged in a process of its own, so that no parser can take the binds down.

Knows: gateway.cap.check, time limits, that a worker may die. Never knows: rights, the store.
"""

import asyncio
import multiprocessing
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from datetime import datetime

from gateway.cap.check import Verdict, check
from gateway.cap.findings import Finding
from gateway.cap.parse import Limits

_WARM = b"<alert/>"


class Checker:
    """Judges documents; a document that kills or hangs its worker is refused and the worker replaced."""

    def __init__(self, *, workers: int, limits: Limits, deadline_s: float = 5.0) -> None:
        self._workers = workers
        self._limits = limits
        self._deadline_s = deadline_s
        self._pool = self._make()

    def _make(self) -> ProcessPoolExecutor:
        # forked from a clean server process: no socket or lock of this one is inherited
        return ProcessPoolExecutor(self._workers, mp_context=multiprocessing.get_context("forkserver"))

    async def warm(self) -> None:
        """Start the worker now, so that the first alert does not wait for it."""
        await self._run(_WARM, None)

    def close(self) -> None:
        """End the workers."""
        self._kill()

    async def check(self, raw: bytes, received_at: datetime) -> Verdict:
        """The verdict on these bytes; one that says so when they broke their worker."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._run(raw, received_at)
        except BrokenExecutor:
            self._renew()
            return _broken("the document broke the parser that read it, and is refused")
        except TimeoutError:
            self._renew()
            return _broken(f"the document took longer than {self._deadline_s:g} s to read, and is refused")

    async def _run(self, raw: bytes, received_at: datetime | None) -> Verdict:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _judge, raw, self._limits, received_at)

    def _renew(self) -> None:
        self._kill()
        self._pool = self._make()

    def _kill(self) -> None:
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _judge(raw: bytes, limits: Limits, received_at: datetime | None) -> Verdict:
    return check(raw, limits=limits, received_at=received_at)


def _broken(message: str) -> Verdict:
    finding = Finding("XML", "error", None, "alert", message, "XML 1.0 §2.1")
    return Verdict(
        valid=False, well_formed=False, readable=False, version=None, identifier=None, sender=None, sent=None,
        signed=False, alert=None, findings=(finding,),
    )  # fmt: skip
