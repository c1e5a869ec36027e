"""The player inside its process: frames shared, slots level, damaged commands survived, the grid kept after a stop."""

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.voice_player import PRIORITY, SLOTS, Player, before_others, frames, script
from gateway.sip import g711
from gateway.sip.sdp import PCMA, PCMU


@pytest.fixture
def said() -> list[Mapping[str, Any]]:
    return []


@pytest.fixture
def player(said: list[Mapping[str, Any]]) -> Player:
    return Player(said.append)


def opened(player: Player, key: str, said: list[Mapping[str, Any]]) -> int:
    player.command({"do": "open", "id": key, "host": "127.0.0.1", "first": 20000, "last": 32000})
    return int(said[-1]["port"])


def test_a_file_is_cut_into_frames_that_all_calls_share(tmp_path: Path) -> None:
    file = tmp_path / "a.al"
    file.write_bytes(b"x" * 200)
    cut = frames(str(file), PCMA)
    assert cut == (b"x" * 160, b"x" * 40 + g711.SILENCE[PCMA] * 120)
    assert frames(str(file), PCMA) is cut
    assert frames("", PCMU) == ()


def test_what_is_to_be_played_comes_from_the_command(tmp_path: Path) -> None:
    file = tmp_path / "a.al"
    file.write_bytes(b"x" * 320)
    made = script({"text": str(file), "repeat": 3, "key_s": 2, "listen": {"words": 1}}, PCMA)
    assert (len(made.text), made.repeat, made.key_frames, made.prompt) == (2, 3, 100, ())
    assert made.listen is not None and made.listen.words == 1
    assert script({"text": str(file)}, PCMA).listen is None


async def test_calls_are_spread_over_the_slots(player: Player, said: list[Mapping[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "a.al"
    file.write_bytes(bytes(160))
    for n in range(2 * SLOTS):
        opened(player, str(n), said)
        player.command({"do": "play", "id": str(n), "host": "127.0.0.1", "port": 9, "law": PCMA, "text": str(file)})
    assert [len(slot) for slot in player._slots] == [2] * SLOTS
    player.close()
    assert [len(slot) for slot in player._slots] == [0] * SLOTS


@pytest.mark.parametrize("command", [
    {"do": "play", "id": "unknown"}, {"do": "key", "id": "unknown", "digit": "1"}, {"do": "open", "id": "x"},
    {"do": "open", "id": "x", "host": "192.0.2.1", "first": 20000, "last": 20002},
])  # fmt: skip
async def test_a_command_that_can_not_be_done_is_answered_with_an_error(
    player: Player, said: list[Mapping[str, Any]], command: dict[str, object]
) -> None:
    player.command(command)
    assert "error" in said[-1] and said[-1]["id"] == command["id"]
    player.command({"do": "close", "id": "unknown"})
    player.command({"do": "dance"})
    assert len(said) == 1


async def test_after_a_stop_of_the_machine_nothing_is_caught_up_with(
    player: Player, said: list[Mapping[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is the test's: two seconds are lost between two ticks."""
    file = tmp_path / "a.al"
    file.write_bytes(bytes(160 * 500))
    opened(player, "a", said)
    now, ticks = 100.0, 0

    async def sleep(seconds: float) -> None:
        nonlocal now, ticks
        ticks += 1
        now += seconds + (2.0 if ticks == 40 else 0.0)
        if ticks == 120:
            raise asyncio.CancelledError

    monkeypatch.setattr("gateway.channels.voice_player.time.monotonic", lambda: now)
    monkeypatch.setattr("gateway.channels.voice_player.asyncio.sleep", sleep)
    player.command({"do": "play", "id": "a", "host": "127.0.0.1", "port": 9, "law": PCMA, "text": str(file)})
    with pytest.raises(asyncio.CancelledError):
        await player.run()
    assert player.figures()["packets"] == 30  # 119 slots are 30 frames, not 130
    monkeypatch.undo()
    player.close()


async def test_once_the_text_is_read_the_kernel_passes_keys_only(player: Player, said: list[Mapping[str, Any]]) -> None:
    port = opened(player, "a", said)
    stream = player._streams["a"]
    stream.event = 101
    stream.only_keys()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for kind in (PCMA, 101, 0x80 | 101, PCMU):
            peer.sendto(bytes((0x80, kind)) + bytes(14), ("127.0.0.1", port))
    kinds = []  # loopback delivers at once; the loop's own reader has had no turn
    while True:
        try:
            kinds.append(stream.sock.recv(100)[1] & 0x7F)
        except BlockingIOError:
            break
    assert set(kinds) == {101}
    player.close()


def test_late_by_less_than_a_slot_is_told_once(player: Player) -> None:
    player._late.note(0.0031, 4)
    assert player.figures()["max"] == pytest.approx(3.1)
    assert player.figures()["max"] == 0.0


@pytest.mark.parametrize(("allowed", "done"), [
    (("real time", "nice"), ["real time"]), (("nice",), ["nice"]), ((), []),
])  # fmt: skip
def test_it_goes_before_others_as_far_as_it_may(
    allowed: tuple[str, ...], done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def asking(what: str) -> None:
        if what not in allowed:
            raise PermissionError(what)
        asked.append(what)

    def scheduler(_pid: int, kind: int, parameter: os.sched_param) -> None:
        assert kind & os.SCHED_RR and parameter.sched_priority == 1
        asking("real time")

    def priority(_which: int, _who: int, value: int) -> None:
        assert value == PRIORITY
        asking("nice")

    monkeypatch.setattr("gateway.channels.voice_player.os.sched_setscheduler", scheduler)
    monkeypatch.setattr("gateway.channels.voice_player.os.setpriority", priority)
    before_others()
    assert asked == done
