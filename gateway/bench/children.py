"""Programs that a bench starts and surely ends: by their number, in sessions of their own.

Knows: processes, the line on stdout that says a program is ready. Never knows: what they do.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import GatewayError

READY_S = 60.0
STOP_S = 30.0
FAILED_STOP_S = 5.0
TAIL_CHARACTERS = 1_500


class NotReady(GatewayError):
    """A program of the bench ended or said nothing before it was ready."""


class Child:
    """One running program; what it writes to stdout after its ready line is kept for `stop`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process

    async def says(self, pattern: str, within_s: float = READY_S) -> re.Match[str]:
        """The first line of its output that matches. Raises NotReady."""
        assert self._process.stdout is not None
        heard: list[str] = []
        try:
            async with asyncio.timeout(within_s):
                while line := (await self._process.stdout.readline()).decode(errors="replace"):
                    heard.append(line)
                    if found := re.search(pattern, line):
                        return found
        except TimeoutError:
            heard.append(f"(nothing more within {within_s:g} s)")
        raise NotReady(f"{self.name} is not ready: {''.join(heard).strip()[-TAIL_CHARACTERS:] or 'it ended'}")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.returncode

    async def stop(self, within_s: float = STOP_S) -> str:
        """Ask it to end, insist after `within_s`; the rest of its output."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            async with asyncio.timeout(within_s):
                rest, _ = await self._process.communicate()
        except TimeoutError:
            self.kill()
            rest, _ = await self._process.communicate()
        return rest.decode(errors="replace") if rest else ""

    def kill(self) -> None:
        """End it and everything that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # it leads its own session, so only its own children are hit


@asynccontextmanager
async def started(name: str, words: Sequence[str | Path], *, log: Path) -> AsyncIterator[Child]:
    """Run a program while the block runs. Its stderr goes to `log`; Ctrl-C at the terminal does not reach it.

    After a failure in the block it gets less time, and what it started and left behind is ended with it.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    child = Child(name, process)
    try:
        yield child
    except BaseException:
        await asyncio.shield(child.stop(FAILED_STOP_S))
        child.kill()
        raise
    await asyncio.shield(child.stop())
