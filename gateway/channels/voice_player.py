"""The process that plays: one UDP socket a call, frames on an absolute grid, keys and loudness coming back.

Knows: RTP, the course of a call, JSON lines on stdin and stdout. Never knows: SIP, deliveries, who is called.
A process of its own, so that nothing else that the gateway does is ever audible: `python -m` this module.
"""

import asyncio
import contextlib
import gc
import json
import os
import random
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import uvloop

from gateway.channels.voice_course import Course, Script
from gateway.sip import g711, rtp, sieve
from gateway.sip.lateness import Lateness
from gateway.sip.listening import Rules
from gateway.sip.sdp import PCMA

SLOTS = 4
"""A frame's 20 ms are cut into so many slots, so that the packets of 600 calls do not leave in one burst."""
SLOT_S = rtp.FRAME_S / SLOTS
RESYNC_S = 0.1
RECEIVED_AT_ONCE = 8
PRIORITY = -10
REAL_TIME_PRIORITY = 1


class Stream:
    """One call's audio."""

    def __init__(self, sock: socket.socket, key: str) -> None:
        self.sock = sock
        self.key = key
        self.peer = ("", 0)
        self.course: Course | None = None
        self.law = PCMA
        self.event: int | None = None
        self.keys = rtp.KeyReader()
        self.sequence = random.getrandbits(16)
        self.timestamp = random.getrandbits(32)
        self.source = random.getrandbits(32)
        self.marker = 0x80  # RFC 3551 §4.1: the first packet of a talkspurt
        self.packets = 0
        self.filtered = False

    def send(self) -> bool:
        """The next frame; False when the course is over."""
        assert self.course is not None
        frame = self.course.frame()
        if frame is None:
            return False
        head = rtp.pack_header(0x80, self.marker | self.law, self.sequence, self.timestamp, self.source)
        with contextlib.suppress(OSError):  # full, or nobody listens there: the next frame has its own luck
            self.sock.sendto(head + frame, self.peer)
        self.packets += 1
        self.marker = 0
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + rtp.FRAME_BYTES) & 0xFFFFFFFF
        if not self.filtered and not self.course.talk.listening:
            self.only_keys()
        return True

    def receive(self) -> str:
        """Take what has come; a key, or ""."""
        found = ""
        for _ in range(RECEIVED_AT_ONCE):
            try:
                data, source = self.sock.recvfrom(rtp.PACKET_MAX_BYTES)
            except OSError:
                break
            # RFC 4961 §4 only recommends that audio comes from the port where ours goes; the host has to be the same
            packet = rtp.read(data) if source[0] == self.peer[0] else None
            if packet is None or self.course is None:
                continue
            if packet.payload_type == self.event:
                found = self.keys.take(packet) or found
            elif packet.payload_type == self.law and self.course.talk.listening:
                self.course.heard(g711.level(packet.payload, self.law))
        return found

    def only_keys(self) -> None:
        """Once nobody listens, the kernel drops their audio: 50 packets a second and call that cost us nothing."""
        self.filtered = True
        with contextlib.suppress(OSError):  # another system: then they are read and thrown away
            sieve.attach(self.sock.setsockopt, sieve.only_keys(self.event))


@lru_cache(maxsize=256)
def frames(file: str, law: int) -> tuple[bytes, ...]:
    """A file of G.711 bytes in frames, the last one filled up; all calls share them."""
    data = Path(file).read_bytes() if file else b""
    size = rtp.FRAME_BYTES
    return tuple(data[at : at + size].ljust(size, g711.SILENCE[law]) for at in range(0, len(data), size))


def script(wanted: Mapping[str, Any], law: int) -> Script:
    """What `play` asks for."""
    rules = wanted.get("listen")
    return Script(
        text=frames(wanted["text"], law),
        silence=g711.SILENCE[law] * rtp.FRAME_BYTES,
        repeat=int(wanted.get("repeat", 1)),
        prompt=frames(wanted.get("prompt", ""), law),
        thanks=frames(wanted.get("thanks", ""), law),
        machine=frames(wanted.get("machine", ""), law),
        key_frames=int(wanted.get("key_s", 5) / rtp.FRAME_S),
        listen=Rules(**rules) if rules else None,
    )


class Player:
    """All streams; `say` takes what is to be told to the gateway."""

    def __init__(self, say: Callable[[Mapping[str, Any]], None]) -> None:
        self._say = say
        self._streams: dict[str, Stream] = {}
        self._slots: list[dict[str, Stream]] = [{} for _ in range(SLOTS)]
        self._next_port = 0
        self._packets = 0
        self._late = Lateness()

    def command(self, wanted: Mapping[str, Any]) -> None:
        """One line from the gateway."""
        key = str(wanted.get("id", ""))
        try:
            match wanted.get("do"):
                case "open":
                    self._open(key, str(wanted["host"]), int(wanted["first"]), int(wanted["last"]))
                case "play":
                    self._play(self._streams[key], wanted)
                case "move":
                    self._streams[key].peer = (str(wanted["host"]), int(wanted["port"]))
                case "key":
                    self._pressed(self._streams[key], str(wanted["digit"]))
                case "close":
                    self._close(key)
                case "figures":
                    self._say({"figures": self.figures()})
        except (KeyError, OSError, ValueError) as error:
            self._say({"id": key, "error": f"{type(error).__name__}: {error}"})

    async def run(self) -> None:
        """Send on the grid until cancelled."""
        due = time.monotonic() + SLOT_S
        tick = 0
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late_s = time.monotonic() - due
            slot = self._slots[tick % SLOTS]
            for stream in [stream for stream in slot.values() if not stream.send()]:
                self._over(stream, slot)
            if slot:
                self._packets += len(slot)
                self._late.note(time.monotonic() - due, len(slot))  # of the slot's last packet: no other is later
            tick += 1
            # a stop of the whole machine is not caught up with: a burst would fill every jitter buffer
            due += SLOT_S if late_s < RESYNC_S else late_s

    def figures(self) -> Mapping[str, float]:
        """How it goes: packets and processor seconds since the start, lateness in milliseconds since last asked."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        late = self._late.figures()
        self._late.forget()
        return {
            "packets": self._packets,
            "streams": len(self._streams),
            **late,
            "cpu_s": used.ru_utime + used.ru_stime,
        }

    def close(self) -> None:
        """Close every socket."""
        for key in list(self._streams):
            self._close(key)

    def _open(self, key: str, host: str, first: int, last: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            port = self._bound(sock, host, first, last)
        except OSError:
            sock.close()
            raise
        self._streams[key] = stream = Stream(sock, key)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable, stream)
        self._say({"id": key, "port": port})

    def _bound(self, sock: socket.socket, host: str, first: int, last: int) -> int:
        """The next free even port: RFC 3550 §11 leaves the odd one to RTCP."""
        count = (last - first) // 2 + 1
        for turn in range(count):
            port = first + first % 2 + 2 * ((self._next_port + turn) % count)
            try:
                sock.bind((host, port))
            except OSError:
                continue
            self._next_port += turn + 1
            return port
        raise OSError("no port for audio is free")

    def _play(self, stream: Stream, wanted: Mapping[str, Any]) -> None:
        stream.peer = (str(wanted["host"]), int(wanted["port"]))
        stream.law, stream.event = int(wanted["law"]), wanted.get("event")
        stream.course = Course(script(wanted, stream.law))
        min(self._slots, key=len)[stream.key] = stream

    def _readable(self, stream: Stream) -> None:
        if key := stream.receive():
            self._pressed(stream, key)

    def _pressed(self, stream: Stream, key: str) -> None:
        if stream.course is not None:
            stream.course.talk.pressed(key)

    def _over(self, stream: Stream, slot: dict[str, Stream]) -> None:
        slot.pop(stream.key, None)
        self._say({"id": stream.key, "over": True})

    def _close(self, key: str) -> None:
        stream = self._streams.pop(key, None)
        if stream is None:
            return
        asyncio.get_running_loop().remove_reader(stream.sock.fileno())
        stream.sock.close()
        for slot in self._slots:
            slot.pop(key, None)
        course = stream.course
        self._say(
            {
                "id": key,
                "closed": True,
                "readings": course.talk.readings if course else 0,
                "digits": course.talk.digits if course else "",
                "answered_by": course.talk.answered_by.value if course else "",
                "seconds": round(course.duration_s, 2) if course else 0.0,
                "packets": stream.packets,
            }
        )


def before_others() -> None:
    """Run before what can wait, where the service may: a late packet is heard, a late mail is not. 600 calls need a
    quarter of a core, and the kernel never leaves a whole core to such a process."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(REAL_TIME_PRIORITY))
    except (OSError, AttributeError):  # AttributeError: a system without these classes
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


async def main() -> None:
    """Serve the gateway that started this process, until it closes our stdin."""
    before_others()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    out = sys.stdout.buffer

    def say(what: Mapping[str, Any]) -> None:
        out.write(json.dumps(what).encode() + b"\n")
        out.flush()

    player = Player(say)
    # what was loaded lives as long as the process, and calls make no circles: a collection would only be a pause
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    playing = asyncio.create_task(player.run())
    try:
        while line := await reader.readline():
            player.command(json.loads(line))
    finally:
        playing.cancel()
        player.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        uvloop.run(main())
