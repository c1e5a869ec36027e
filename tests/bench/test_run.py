"""What gateway.bench does with a bench: its answer, its failure, its end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import bench
from gateway.bench.rig import Refused
from gateway.bench.terminal import Line
from gateway.bench.usage import family, processes
from gateway.errors import StoreUnavailable
from tests.bench.living import living

FOUND = {"bench": "sms", "messages": 3}


def fake(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    async def measure(wanted: bench.Wanted, line: Line) -> Mapping[str, Any]:
        assert wanted == bench.Wanted()
        line.step("working")
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return FOUND

    monkeypatch.setattr(bench, "BENCHES", {"sms": measure})


def test_json_is_one_object_on_stdout_and_progress_is_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch)
    assert bench.run("sms", as_json=True) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (FOUND, "working\n")


def test_people_read_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch)
    assert bench.run("sms", as_json=False) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines() if line] == [
        ["bench", "sms"],
        ["messages", "3"],
    ]


def test_a_run_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, Refused("403: no right"))
    assert bench.run("sms", as_json=True) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == ("", "gateway bench: 403: no right")


def test_a_database_that_does_not_start_is_the_commands_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, StoreUnavailable("no"))
    with pytest.raises(StoreUnavailable):
        bench.run("sms", as_json=True)


def test_a_run_that_is_told_to_end_ends_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tidied = []

    async def measure(_: bench.Wanted, __: Line) -> Mapping[str, Any]:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            tidied.append(True)
        return FOUND

    monkeypatch.setattr(bench, "BENCHES", {"sms": measure})
    assert bench.run("sms", as_json=True) == 130
    assert (tidied, capsys.readouterr().out) == ([True], "")


def test_every_kind_is_measured_by_something() -> None:
    assert bench.BENCHES.keys() == bench.KINDS.keys()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
def test_a_run_that_is_interrupted_ends_all_that_it_started(public_path: Path) -> None:
    words = [sys.executable, "-m", "gateway", "bench", "voice", "--seconds", "60"]
    environment = {**os.environ, "TMPDIR": str(public_path)}
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment,
        # what is started in the background ignores it, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("registering"):
                break
        below = family(process.pid, processes())
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert len(below) > 1
    deadline = time.monotonic() + 10
    while living(below) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(below) == set()
    assert list(public_path.iterdir()) == []
