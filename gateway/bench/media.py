"""What the playing process costs, and how late its packets leave, with many calls at once.

Knows: the playing process as the SIP driver starts it, one socket that takes everything. Never knows: SIP, alerts.
"""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.bench.result import Number
from gateway.channels.voice_media import MediaProcess
from gateway.sip.rtp import FRAME_BYTES, FRAME_S
from gateway.sip.sdp import PCMA

STREAMS = 600
SECONDS = 10.0
PORTS = (20000, 60998)
HOST = "127.0.0.1"


async def streams(count: int = STREAMS, seconds: float = SECONDS) -> Mapping[str, Any]:
    """Play to `count` calls for so long: packets sent, lateness in milliseconds, percent of one core."""
    media = MediaProcess(lambda _: None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, tempfile.TemporaryDirectory() as folder:
        sink.bind((HOST, 0))  # nobody reads: what the kernel drops at its end has left at ours
        text = Path(folder) / "text.al"
        text.write_bytes(os.urandom(FRAME_BYTES * int(2 * (seconds + count / 100) / FRAME_S)))
        try:
            await media.start()
            for n in range(count):
                await media.open(str(n), HOST, PORTS)
                media.play(str(n), sink.getsockname(), {"law": PCMA, "event": 101, "text": str(text)})
            await asyncio.sleep(1.0)
            began, before = time.monotonic(), await media.figures()
            await asyncio.sleep(seconds)
            after, took_s = await media.figures(), time.monotonic() - began
        finally:
            await media.stop()
    return _result(count, before, after, took_s)


def _result(count: int, before: Mapping[str, float], after: Mapping[str, float], took_s: float) -> Mapping[str, Any]:
    lateness: dict[str, Number] = {name: round(after[name], 2) for name in ("p50", "p99", "max")}
    return {
        "streams": count,
        "packets_per_s": round((after["packets"] - before["packets"]) / took_s),
        "cpu_percent_of_a_core": round(100 * (after["cpu_s"] - before["cpu_s"]) / took_s, 1),
        "packet_lateness_ms": lateness,
    }
