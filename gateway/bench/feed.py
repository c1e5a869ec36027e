"""How fast the public feed is read: whole from memory, and "not modified".

Knows: wrk where it is installed, else the client beside. Never knows: how the feed is made.
"""

import asyncio
import os
import re
import shutil
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from gateway.bench import quantiles
from gateway.bench.http_load import read_again
from gateway.bench.people import Tokens
from gateway.bench.result import Number, Result
from gateway.bench.rig import Ground, Node, Refused, ground, metered, node
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted, duration_s
from gateway.simulators.sample import sample_alert

PATH = "/cap/feed.atom"
ALERTS = 20
MOST_CONNECTIONS = 32
_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Load(NamedTuple):
    """What a client saw: answers, over how long, their latency, and its own CPU time if it is known."""

    answers: int
    seconds: float
    p50_ms: Number
    p99_ms: Number


async def measure(wanted: Wanted, line: Line) -> dict[str, Any]:
    """The cached feed of a few alerts, read by many at once: answers 200, then answers 304."""
    seconds, connections = duration_s("feed", wanted) / 2, min(wanted.connections, MOST_CONNECTIONS)
    async with ground(line) as floor, node(floor, {}, roles=["api", "feed"]) as gateway:
        line.step(f"publishing {ALERTS} alerts")
        await _publish(gateway, floor.tokens)
        etag, size = await _published(gateway)
        whole = await _read(floor, gateway, connections, seconds, HTTPStatus.OK, {})
        held = {"If-None-Match": etag}
        unchanged = await _read(floor, gateway, connections, seconds, HTTPStatus.NOT_MODIFIED, held)
        settings = {"client": _client(), "connections": connections, "feed_bytes": size, "alerts": ALERTS}
        found, other = (_result(load, cpu_s, rss_mb, settings) for load, cpu_s, rss_mb in (whole, unchanged))
        more = {name: other[name] for name in ("messages", "seconds", "rate_per_s", "cpu_ms_per_1000", "latency_ms")}
        return {"machine": floor.machine} | found | {"not_modified": more}


async def _publish(gateway: Node, tokens: Tokens) -> None:
    for number in range(ALERTS):
        raw = sample_alert(sent=datetime.now(UTC).replace(microsecond=0), identifier=f"BENCH-FEED-{number}")
        await gateway.post(raw, tokens.live)


async def _published(gateway: Node) -> tuple[str, int]:
    """The feed's ETag and size, once it shows every alert."""
    for _ in range(100):
        _, etag, body = await gateway.page(PATH)
        if body.count(b"<entry") == ALERTS:
            return etag, len(body)
        await asyncio.sleep(0.1)
    raise Refused("the feed does not show what was published")


async def _read(
    floor: Ground, gateway: Node, connections: int, seconds: float, expected: HTTPStatus, headers: dict[str, str]
) -> tuple[Load, dict[str, Number], Number]:
    status, _, _ = await gateway.page(PATH, headers)
    if status != expected:
        raise Refused(f"{PATH} answers {status} instead of {expected}")
    floor.line.step(f"reading the feed for {seconds:g} s")
    client = _wrk if _client() == "wrk" else _own
    async with metered(floor, gateway, {}) as meter:
        load = await client(f"{gateway.url}{PATH}", connections, seconds, headers)
    return load, {name: meter.cpu_s(name) for name in ("gateway", "postgres")}, meter.rss_mb("gateway")


def _result(load: Load, cpu_s: dict[str, Number], rss_mb: Number, settings: dict[str, Any]) -> dict[str, Any]:
    return Result(
        bench="feed",
        messages=load.answers,
        seconds=load.seconds,
        cpu_s=cpu_s,
        latency_ms={"p50": load.p50_ms, "p99": load.p99_ms},
        rss_mb=rss_mb,
        settings=settings,
    ).as_dict()


def _client() -> str:
    return "wrk" if shutil.which("wrk") else "own"


async def _own(url: str, connections: int, seconds: float, headers: dict[str, str]) -> Load:
    took_s, elapsed_s = await read_again(url, connections=connections, seconds=seconds, headers=headers)
    p50, p99 = (quantiles.milliseconds(quantiles.nearest_rank(took_s, share)) for share in (0.5, 0.99))
    return Load(len(took_s), elapsed_s, p50, p99)


async def _wrk(url: str, connections: int, seconds: float, headers: dict[str, str]) -> Load:
    words = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    process = await asyncio.create_subprocess_exec(
        "wrk", *words, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ}
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return read_wrk(said.decode(errors="replace"))


def read_wrk(said: str) -> Load:
    """The figures of a wrk run; ValueError when it says none."""
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", said)
    if total is None:
        raise ValueError(f"wrk said: {said[:500]}")
    at = {
        share: float(value) * _UNITS_S[unit]
        for share, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)\b", said)
    }
    p50, p99 = (quantiles.milliseconds(at.get(share)) for share in ("50", "99"))
    return Load(int(total[1]), float(total[2]) * _UNITS_S[total[3]], p50, p99)
