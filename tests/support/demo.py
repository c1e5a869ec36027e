"""A running `gateway demo` for tests that look at it from outside."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.store.home import pointer

READY_S = 120
STOP_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Where it answers, its data folder, and what it wrote into demo.json."""

    url: str
    folder: Path
    facts: dict[str, Any]

    def get(self, path: str) -> bytes:
        """The body of a page of the gateway."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            body: bytes = answer.read()
            return body


@contextmanager
def running_demo(folder: Path, recipients: int) -> Iterator[Demo]:
    """A demo on a port of its own that goes on after its report, stopped and deleted at the end of the with block."""
    words = ["demo", "--recipients", str(recipients), "--port", "0", "--data", str(folder)]
    log = folder.with_suffix(".out")
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "gateway", *words], stdout=output, stderr=subprocess.STDOUT)
    try:
        url = _ready(process, log)
        yield Demo(url=url, folder=folder, facts=json.loads((folder / "demo.json").read_text()))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        remove_data(folder)


def remove_data(folder: Path) -> None:
    """Delete a data folder, and its cluster where root's lies."""
    if os.geteuid() == 0 and pointer(folder).exists():
        shutil.rmtree(pointer(folder).read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("Gateway ready: "):
                return line.removeprefix("Gateway ready: ").strip()
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the demo is not ready:\n{log.read_text(errors='replace')[-2000:]}")
