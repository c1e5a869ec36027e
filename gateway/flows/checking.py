"""Checking: a CAP document is judged in a process of its own, so that no parser can take the binds down.

Knows: gateway.cap.check, time limits, that a worker may die. Never knows: rights, the store.
"""

import asyncio
import multiprocessing
import os
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from datetime import datetime

from gateway.cap.check import Verdict, check
from gateway.cap.findings import Finding
from gateway.cap.parse import Limits

_WARM = b"<alert/>"


class Checker:
    """Judges documents; a document that kills or hangs its worker is refused and the worker replaced.

    Each worker judges one document at a time, so that it is certain which one harmed it: those that wait, and those in
    the other workers, never suffer for it.
    """

    def __init__(self, *, workers: int, limits: Limits, deadline_s: float = 5.0) -> None:
        self._limits = limits
        self._deadline_s = deadline_s
        self._workers = [_Worker() for _ in range(workers)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def warm(self) -> None:
        """Start the workers now, so that the first alert does not wait for one."""
        await asyncio.gather(*(worker.judge(_WARM, self._limits, None) for worker in self._workers))

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.end()

    async def check(self, raw: bytes, received_at: datetime) -> Verdict:
        """The verdict on these bytes; one that says so when they broke their worker."""
        worker = await self._free.get()
        try:
            return await self._judged(worker, raw, received_at)
        finally:
            self._free.put_nowait(worker)

    async def _judged(self, worker: "_Worker", raw: bytes, received_at: datetime) -> Verdict:
        for _ in range(2):  # a worker may have died before this document came: only the second death is its doing
            try:
                async with asyncio.timeout(self._deadline_s):
                    return await worker.judge(raw, self._limits, received_at)
            except BrokenExecutor:
                continue
            except TimeoutError:
                return _broken(f"the document took longer than {self._deadline_s:g} s to read, and is refused")
        return _broken("the document broke the parser that read it, and is refused")


class _Worker:
    """One process; a fresh one takes its place when it died, hangs, or nobody waits for its answer any more."""

    def __init__(self) -> None:
        self._process = _one_process()
        self._ended = False

    async def judge(self, raw: bytes, limits: Limits, received_at: datetime | None) -> Verdict:
        """The verdict. Raises BrokenExecutor when the process is gone."""
        answered = False
        try:
            verdict = await asyncio.get_running_loop().run_in_executor(
                self._process, check_in, raw, limits, received_at
            )
            answered = True
            return verdict
        finally:
            if not answered and not self._ended:
                self._kill()
                self._process = _one_process()

    def end(self) -> None:
        """Kill it for good."""
        self._ended = True
        self._kill()

    def _kill(self) -> None:
        for process in list((self._process._processes or {}).values()):
            process.kill()
        self._process.shutdown(wait=True, cancel_futures=True)


def _one_process() -> ProcessPoolExecutor:
    # forked from a clean server process: no socket or lock of this one is inherited
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_die_with_parent)


def _die_with_parent() -> None:
    """End this worker when its node was killed: it holds both ends of the pipe that it waits on, so nothing else
    would tell it."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)


def check_in(raw: bytes, limits: Limits, received_at: datetime | None) -> Verdict:
    """What the worker runs."""
    return check(raw, limits=limits, received_at=received_at)


def _broken(message: str) -> Verdict:
    finding = Finding("XML", "error", None, "alert", message, "XML 1.0 §2.1")
    return Verdict(
        valid=False, well_formed=False, readable=False, version=None, identifier=None, sender=None, sent=None,
        signed=False, alert=None, findings=(finding,),
    )  # fmt: skip
