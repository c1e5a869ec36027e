"""The gateway's side of the playing process: it is started, told what to play, and started again when it dies.

Knows: JSON lines over two pipes (voice_player is the other end). Never knows: RTP, SIP, deliveries.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from gateway.channels.voice_outcomes import Heard
from gateway.ending import before, within

OPEN_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 3.0
LINE_MAX_BYTES = 65_536


class MediaDown(Exception):
    """There is no process that could play, or it has no port left."""


Over = Callable[[str], None]


class MediaProcess:
    """Ports and playout for calls, by the caller's own keys. `over` is told of a call that has said everything, and of
    one whose process died."""

    def __init__(self, over: Over) -> None:
        self._over = over
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ports: dict[str, asyncio.Future[int]] = {}
        self._ends: dict[str, asyncio.Future[Heard]] = {}
        self._figures: asyncio.Future[Mapping[str, float]] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the process, if it does not run."""
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.channels.voice_player",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
                limit=LINE_MAX_BYTES,
            )  # fmt: skip
            self._reading = asyncio.create_task(self._read(self._process))

    async def stop(self) -> None:
        """End the process; calls without an end get an empty one."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            if not await within(STOP_TIMEOUT_S, process.wait()):
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._reading is not None:
            await self._reading
            self._reading = None

    @property
    def pid(self) -> int | None:
        """The process's number, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def open(self, key: str, host: str, ports: tuple[int, int]) -> int:
        """A port for a call's audio. Raises MediaDown."""
        await self.start()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ports[key] = port
        self._ends[key] = asyncio.get_running_loop().create_future()
        try:
            self._tell({"do": "open", "id": key, "host": host, "first": ports[0], "last": ports[1]})
            return await before(OPEN_TIMEOUT_S, port)
        except (TimeoutError, MediaDown) as error:
            self._ends.pop(key, None)
            raise MediaDown(str(error) or "no answer") from error
        finally:
            self._ports.pop(key, None)

    def play(self, key: str, to: tuple[str, int], what: Mapping[str, Any]) -> None:
        """Begin: `what` names the files by their part, the law, the key's payload type and the rules for machines."""
        self._quietly({"do": "play", "id": key, "host": to[0], "port": to[1], **what})

    def move(self, key: str, to: tuple[str, int]) -> None:
        """Send to another address from now on."""
        self._quietly({"do": "move", "id": key, "host": to[0], "port": to[1]})

    def pressed(self, key: str, digit: str) -> None:
        """A key that came in another way than by RTP."""
        self._quietly({"do": "key", "id": key, "digit": digit})

    async def close(self, key: str) -> Heard:
        """End a call's audio; what became of it."""
        end = self._ends.get(key)
        if end is None:
            return Heard()
        self._quietly({"do": "close", "id": key})
        try:
            return await before(OPEN_TIMEOUT_S, end)
        except TimeoutError:
            return Heard()
        finally:
            self._ends.pop(key, None)

    async def figures(self) -> Mapping[str, float]:
        """How the playing goes: see voice_player.Player.figures. Raises MediaDown."""
        self._figures = asyncio.get_running_loop().create_future()
        self._tell({"do": "figures"})
        return await before(OPEN_TIMEOUT_S, self._figures)

    def _tell(self, what: Mapping[str, Any]) -> None:
        process = self._process
        if process is None or process.returncode is not None or process.stdin is None or process.stdin.is_closing():
            raise MediaDown("the playing process does not run")
        process.stdin.write(json.dumps(what).encode() + b"\n")

    def _quietly(self, what: Mapping[str, Any]) -> None:
        with contextlib.suppress(MediaDown):  # its end tells every call
            self._tell(what)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._said(json.loads(line))
        await process.wait()
        for port in self._ports.values():
            if not port.done():
                port.set_exception(MediaDown("the playing process ended"))
        for key, end in list(self._ends.items()):
            if not end.done():
                end.set_result(Heard())
                self._over(key)

    def _said(self, said: Mapping[str, Any]) -> None:
        key = str(said.get("id", ""))
        port, end = self._ports.get(key), self._ends.get(key)
        if "figures" in said and self._figures is not None:
            self._figures.set_result(said["figures"])
        elif "port" in said and port is not None and not port.done():
            port.set_result(int(said["port"]))
        elif "error" in said and port is not None and not port.done():
            port.set_exception(MediaDown(str(said["error"])))
        elif "closed" in said and end is not None and not end.done():
            end.set_result(Heard(*(said[name] for name in Heard._fields)))
        elif "over" in said or "error" in said:
            self._over(key)
