"""Programs that a bench starts and surely ends."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gateway.bench import children
from gateway.bench.children import NotReady, started
from tests.bench.living import living

STUBBORN = """
import signal, sys, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("ready", child.pid, flush=True)
time.sleep(60)
"""


async def test_a_program_runs_while_the_block_does_and_says_when_it_is_ready(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; print('starting'); print('port 7', flush=True); time.sleep(60)"]
    async with started("it", words, log=tmp_path / "log") as child:
        found = await child.says(r"^port (\d)$")
        assert found[1] == "7"
        assert child.running
        assert child.pid != os.getpgid(0)
    assert not child.running


async def test_what_it_says_at_its_end_is_kept(tmp_path: Path) -> None:
    polite = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')))"
    words = [sys.executable, "-c", f"{polite}; print('ready', flush=True); time.sleep(60)"]
    async with started("it", words, log=tmp_path / "log") as child:
        await child.says("ready")
        assert await child.stop() == "bye\n"


async def test_a_program_that_ends_early_is_named_with_its_words(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "print('no such port')"]
    async with started("the sink", words, log=tmp_path / "log") as child:
        with pytest.raises(NotReady, match=r"the sink is not ready: no such port"):
            await child.says("^ready")


async def test_a_program_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with started("it", [sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log") as child:
        with pytest.raises(NotReady, match="nothing more"):
            await child.says("^ready", within_s=0.05)


async def test_a_failure_inside_the_block_ends_even_a_stubborn_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FAILED_STOP_S", 0.1)
    below = 0
    with pytest.raises(asyncio.CancelledError):
        async with started("it", [sys.executable, "-c", STUBBORN], log=tmp_path / "log") as child:
            below = int((await child.says(r"^ready (\d+)"))[1])
            raise asyncio.CancelledError
    assert not child.running
    assert below
    async with asyncio.timeout(60):
        while living([below]):
            await asyncio.sleep(0.01)


async def test_errors_go_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = [sys.executable, "-c", "import sys; sys.stderr.write('oh\\n'); print('ready', flush=True)"]
    async with started("it", words, log=log) as child:
        await child.says("ready")
        await child.stop()
    assert log.read_text() == "oh\n"
