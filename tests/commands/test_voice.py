"""gateway voice preview."""

import asyncio
import json
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.simulators.sip import SipSimulator
from gateway.simulators.sip_party import Timing
from gateway.store.embedded import Cluster
from tests.channels.voice_sound import AUDIO
from tests.commands.conftest import Command


@contextmanager
def called_parties() -> Iterator[int]:
    """Called parties in a thread of their own, as a command has its own loop; their port."""
    started, ended = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        async with SipSimulator(timing=Timing(ring_s=0.05)) as simulator:
            found["port"], found["loop"] = simulator.port, asyncio.get_running_loop()
            started.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield found["port"]
    finally:
        found["loop"].call_soon_threadsafe(ended.set)
        thread.join(10)


def configured(folder: Path, dsn: str, trunk: str = "") -> None:
    speak = json.dumps(list(AUDIO["speak"]))
    (folder / "gateway.toml").write_text(
        f'[database]\ndsn = "{dsn}"\n[voice]\nrepeat = 1\nkey_timeout_s = 1\n[voice.prompts]\n[voice.machine]\n'
        f"detect = false\n[voice.audio]\nconvert = []\nspeak = {speak}\n{trunk}"
    )


def test_a_text_becomes_a_file(command: Command, tmp_path: Path) -> None:
    configured(tmp_path, "postgresql:///x")
    ran = command("voice", "preview", "--language", "nl", "--output", "a.wav", "x" * 50)
    assert (ran.code, ran.out) == (0, "a.wav: 0.5 s\n")
    with wave.open(str(tmp_path / "a.wav")) as opened:
        assert (opened.getframerate(), opened.getnframes()) == (8000, 4000)


@pytest.mark.parametrize(("words", "code", "reason"), [
    (["--language", "xx", "text"], 1, "no voice for the language"),
    (["--language", "nl", " "], 2, "1 to 10000 characters"),
    (["--language", "nl", "--call", "022345678", "text"], 2, "is no number"),
    (["--language", "nl", "--call", "+3222345678", "text"], 2, "voice.trunk is missing"),
])  # fmt: skip
def test_what_can_not_be_done_is_said(
    words: list[str], code: int, reason: str, command: Command, tmp_path: Path
) -> None:
    configured(tmp_path, "postgresql:///x")
    ran = command("voice", "preview", *words)
    assert ran.code == code
    assert reason in ran.err


@pytest.mark.parametrize(("digit", "code", "word"), [("0", 0, "played"), ("6", 1, "busy")])
def test_ones_own_telephone_rings(
    digit: str, code: int, word: str, command: Command, pg: Cluster, tmp_path: Path
) -> None:
    with called_parties() as port:
        configured(
            tmp_path, pg.app_dsn,
            '[voice.trunk]\ndriver = "sip"\nname = "own"\ncaller_id = "+3225550100"\n'
            f'servers = [{{ host = "127.0.0.1", port = {port} }}]\n',
        )  # fmt: skip
        ran = command("voice", "preview", "--language", "nl", "--call", f"+3222000000{digit}", "x" * 20)
    assert (ran.code, ran.out.splitlines()[-1]) == (code, f"own: {word}")
