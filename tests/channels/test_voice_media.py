"""The playing process from the gateway's side: ports, playout that arrives whole, keys, and its death."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.channels.voice_media import MediaDown, MediaProcess
from gateway.channels.voice_outcomes import Heard
from gateway.sip import rtp
from gateway.sip.sdp import PCMA

PORTS = (20000, 32000)
FRAMES = 25


@pytest.fixture
async def over() -> list[str]:
    return []


@pytest.fixture
async def media(over: list[str]) -> AsyncIterator[MediaProcess]:
    media = MediaProcess(over.append)
    await media.start()
    yield media
    await media.stop()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Frames that can be told apart."""
    file = tmp_path / "text.al"
    file.write_bytes(b"".join(bytes([n]) * 160 for n in range(FRAMES)))
    return file


async def until(condition: object, over: list[str]) -> None:
    async with asyncio.timeout(60):
        while condition not in over:
            await asyncio.sleep(0.02)


def received(sock: socket.socket) -> list[rtp.Packet]:
    found: list[rtp.Packet] = []
    while True:
        try:
            packet = rtp.read(sock.recv(2048))
        except BlockingIOError:
            return found
        assert packet is not None
        found.append(packet)


async def test_a_text_arrives_whole_in_order_and_on_one_clock(
    media: MediaProcess, over: list[str], peer: socket.socket, sound: Path
) -> None:
    port = await media.open("a", "127.0.0.1", PORTS)
    assert port % 2 == 0 and PORTS[0] <= port <= PORTS[1]
    media.play("a", peer.getsockname(), {"law": PCMA, "event": 101, "text": str(sound), "repeat": 1})
    await until("a", over)
    packets = received(peer)
    assert [packet.payload[0] for packet in packets] == list(range(FRAMES))
    assert {packet.payload_type for packet in packets} == {PCMA}
    first = packets[0]
    assert [(p.sequence - first.sequence) % 65536 for p in packets] == list(range(FRAMES))
    assert [(p.timestamp - first.timestamp) % 2**32 for p in packets] == [160 * n for n in range(FRAMES)]
    heard = await media.close("a")
    assert (heard.readings, heard.packets) == (1, FRAMES)
    assert await media.close("a") == Heard()


async def test_what_was_heard_is_known_also_when_this_process_stood_still_at_the_end(
    media: MediaProcess, over: list[str], peer: socket.socket, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise whoever heard all of it would be called again."""
    monkeypatch.setattr("gateway.channels.voice_media.OPEN_TIMEOUT_S", 0.5)
    asyncio.get_running_loop().call_soon(time.sleep, 1.0)
    await media.open("a", "127.0.0.1", PORTS)
    media.play("a", peer.getsockname(), {"law": PCMA, "event": 101, "text": str(sound), "repeat": 1})
    await until("a", over)
    asyncio.get_running_loop().call_soon(time.sleep, 1.0)
    assert (await media.close("a")).readings == 1


async def test_a_key_in_the_audio_and_one_by_signalling_both_count(
    media: MediaProcess, over: list[str], peer: socket.socket, tmp_path: Path
) -> None:
    minute = tmp_path / "minute.al"
    minute.write_bytes(bytes(160) * 3000)
    what = {"law": PCMA, "event": 101, "text": str(minute), "repeat": 1}
    for key in ("rtp", "info"):
        port = await media.open(key, "127.0.0.1", PORTS)
        media.play(key, peer.getsockname(), what)
        if key == "info":
            media.pressed(key, "1")
        else:
            heard_of = 0
            while heard_of < 2:  # it is attached behind the first packet
                heard_of += len(received(peer))
                await asyncio.sleep(0.01)
            noise = rtp.pack_header(0x80, PCMA, 1, 1, 1) + bytes(160)
            event = rtp.pack_header(0x80, 0x80 | 101, 2, 2, 1) + bytes((1, 0x8A, 1, 64))
            for data in (noise, event, event):
                peer.sendto(data, ("127.0.0.1", port))
        await until(key, over)
        heard = await media.close(key)
        assert (heard.digits, heard.answered_by, heard.readings) == ("1", "human", 0)


async def test_ports_are_given_until_there_are_none(media: MediaProcess) -> None:
    first = await media.open("a", "127.0.0.1", PORTS)
    only = (first + 2, first + 2)
    await media.open("b", "127.0.0.1", only)
    with pytest.raises(MediaDown, match="no port"):
        await media.open("c", "127.0.0.1", only)
    await media.close("b")
    assert await media.open("d", "127.0.0.1", only) == first + 2


async def test_when_the_process_dies_every_call_is_told_and_the_next_one_has_a_new_process(
    media: MediaProcess, over: list[str]
) -> None:
    await media.open("a", "127.0.0.1", PORTS)
    before = media.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await until("a", over)
    assert await media.close("a") == Heard()
    await media.open("b", "127.0.0.1", PORTS)
    assert media.pid not in (None, before)


async def test_figures_say_how_it_goes(media: MediaProcess) -> None:
    figures = await media.figures()
    assert figures.keys() == {"packets", "streams", "p50", "p99", "max", "cpu_s"}


async def test_a_stopped_process_plays_nothing() -> None:
    media = MediaProcess(lambda _: None)
    media.pressed("x", "1")
    with pytest.raises(MediaDown):
        await media.figures()
    await media.stop()
