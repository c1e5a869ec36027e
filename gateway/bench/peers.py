"""What stands on the other side in a bench: an SMSC, a relay, a voice provider, each a process of its own.

Knows: the fast SMSC of benchmarks/sink.c and how it is built, smtp-sink, `gateway simulate`, foreign peers by address.
Never knows: the gateway's settings, what is sent.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.bench.children import Child, NotReady, started
from gateway.bench.wanted import Peer, Wanted

HOST = "127.0.0.1"
SOURCE = Path(__file__).parents[2] / "benchmarks" / "sink.c"
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
ANSWERS_S = 10.0


class Other(NamedTuple):
    """A peer that is ready: what it is (for the settings of the result), where, its process if it is ours, and where
    what it received can be read (simulators only)."""

    words: str
    host: str
    port: int
    pid: int | None = None
    received: str = ""


async def sink_program(cache: Path | None = None) -> Path | None:
    """The built sink, compiled when it is not there yet; None without its source or a compiler."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None or not SOURCE.exists():
        return None
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cap-alert-gateway"
    program = folder / f"sink-{digest}"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{program.name}.{os.getpid()}"
    built = await asyncio.create_subprocess_exec(
        compiler, "-O2", "-o", half, SOURCE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    if await built.wait() != 0:
        return None
    half.replace(program)
    return program


@asynccontextmanager
async def smsc(wanted: Wanted, folder: Path) -> AsyncIterator[Other]:
    """The peer that was asked for, else the C sink, else the simulator."""
    if wanted.peer is not None:
        yield _foreign(wanted.peer)
        return
    program = await sink_program()
    if program is None:
        words = ["--delay-s", str(wanted.receipts_ms / 1000), "--outcome", "failed=0.05"]
        async with _simulator("smsc", words, folder) as other:
            yield other
        return
    async with started("sink", [program, "-d", str(wanted.receipts_ms)], log=folder / "sink.log") as child:
        port = int((await child.says(r"^listening (\d+)$"))[1])
        yield Other("benchmarks/sink.c", HOST, port, child.pid)


@asynccontextmanager
async def relay(wanted: Wanted, folder: Path) -> AsyncIterator[Other]:
    """The peer that was asked for, else Postfix's smtp-sink, else the simulator."""
    if wanted.peer is not None:
        yield _foreign(wanted.peer)
        return
    program = shutil.which("smtp-sink", path=SEARCH)
    if program is None:
        async with _simulator("smtp", [], folder) as other:
            yield other
        return
    port = free_port()
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    words = [program, *account, "-m", "2000", f"{HOST}:{port}", "1024"]
    async with started("smtp-sink", words, log=folder / "smtp-sink.log") as child:
        await _answers(child, port)
        yield Other("smtp-sink", HOST, port, child.pid)


@asynccontextmanager
async def voice(wanted: Wanted, folder: Path) -> AsyncIterator[Other]:
    """The simulator of a voice provider; its people answer after a tenth of the call's time, at most 4 s."""
    ring_s = min(4.0, wanted.call_s / 10)
    async with _simulator("voice", ["--behaviour", f"ring_s={ring_s}"], folder) as other:
        yield other


@asynccontextmanager
async def called(wanted: Wanted, folder: Path) -> AsyncIterator[Other]:
    """Called parties behind a SIP trunk; they answer as those of the provider do, and one call in 16 is listened to."""
    ring_s = min(4.0, wanted.call_s / 10)
    words = ["--behaviour", f"ring_s={ring_s}", "--behaviour", "listen_to=16", "--outcome", "answered=1"]
    async with _simulator("sip", words, folder) as other:
        yield other


@asynccontextmanager
async def _simulator(kind: str, words: list[str], folder: Path) -> AsyncIterator[Other]:
    command = [sys.executable, "-m", "gateway", "simulate", kind, "--host", HOST, *words]
    async with started(f"{kind} simulator", command, log=folder / f"{kind}.log") as child:
        port = int((await child.says(rf"^{kind} simulator: \S+:(\d+) "))[1])
        received = (await child.says(r"^received: (\S+)"))[1]
        yield Other(f"gateway simulate {kind}", HOST, port, child.pid, received)


def _foreign(peer: Peer) -> Other:
    return Other(str(peer), peer.host, peer.port)


async def _answers(child: Child, port: int) -> None:
    """Return when something listens; for programs that do not say so."""
    deadline = asyncio.get_running_loop().time() + ANSWERS_S
    while child.running and asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.05)
    raise NotReady(f"{child.name} does not answer on port {port}")


def free_port() -> int:
    """A port that was free a moment ago, for programs that must be told a number."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
