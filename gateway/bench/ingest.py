"""How fast alerts are taken: the whole way from the request to the committed answer, and the check alone.

Knows: the sample alert, the API. Never knows: what the check looks for.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from gateway.bench import quantiles
from gateway.bench.result import Result
from gateway.bench.rig import Ground, Node, ground, metered, node
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted, amount
from gateway.cap.check import check
from gateway.cap.parse import Limits
from gateway.flows.checking import Checker
from gateway.simulators.sample import sample_alert

ALONE_SHARE = 5  # one alert in so many goes alone, the others many at a time
MOST_CONNECTIONS = 16
CHECK_S = 3.0
WARM = 5


async def measure(wanted: Wanted, line: Line) -> dict[str, Any]:
    """Distinct alerts for citizens by place, in earnest: checked, judged, worded and stored; on a node that only takes
    alerts, so that nothing is planned or sent."""
    count, connections = amount("ingest", wanted), min(wanted.connections, MOST_CONNECTIONS)
    alone, together = max(1, count // ALONE_SHARE), max(1, count - count // ALONE_SHARE)
    async with ground(line) as floor, node(floor, {}, roles=["api"]) as gateway:
        line.step(f"posting {count:,} alerts")
        await _post(floor, gateway, WARM, 1)
        one_by_one = await _post(floor, gateway, alone, 1)
        async with metered(floor, gateway, {}) as meter:
            cpu_s, began = time.process_time(), time.monotonic()
            many = await _post(floor, gateway, together, connections)
            seconds, client_cpu_s = time.monotonic() - began, time.process_time() - cpu_s
        found = Result(
            bench="ingest",
            messages=together,
            seconds=seconds,
            cpu_s={"gateway": meter.cpu_s("gateway"), "postgres": meter.cpu_s("postgres"), "peer": client_cpu_s},
            latency_ms=_percentiles(one_by_one),
            rss_mb=meter.rss_mb("gateway"),
            settings={
                "connections": connections,
                "alert_bytes": len(_alert(0)),
                "checked_bytes": len(in_languages(_alert(0), 2)),
                "shared_buffers": floor.shared_buffers,
            },
            more={
                "latency_ms_at_full_rate": _percentiles(many),
                "checks_per_s": round(await _checks_per_s(line, in_languages(_alert(0), 2)), 1),
                "checks_per_s_four_languages": round(await _checks_per_s(line, _alert(0)), 1),
            },
        )
        return {"machine": floor.machine} | found.as_dict()


def _alert(number: int) -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    return sample_alert(sent=now, identifier=f"BENCH-{time.time_ns()}-{number}", status="Actual")


async def _post(floor: Ground, gateway: Node, count: int, connections: int) -> list[float]:
    """Seconds from the request to the answer, for each alert; so many are under way at any time."""
    numbers, took = iter(range(count)), []

    async def one_after_the_other() -> None:
        for number in numbers:
            raw, began = _alert(number), time.perf_counter()
            await gateway.post(raw, floor.tokens.live)
            took.append(time.perf_counter() - began)
            floor.line.show(f"{len(took):,} of {count:,} alerts")

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one_after_the_other())
    return took


def in_languages(raw: bytes, count: int) -> bytes:
    """The alert with its first infos only. Two languages are as many bytes as the middle one of real alerts has."""
    head, *infos = raw.split(b"<info>")
    return b"<info>".join([head, *infos[:count]]).removesuffix(b"</alert>\n") + b"</alert>\n"


async def _checks_per_s(line: Line, raw: bytes) -> float:
    """Full checks of an alert on one core, in a process like those that the gateway checks in."""
    line.step("checking on one core")
    checker = Checker(workers=1, limits=Limits(), deadline_s=CHECK_S + 60)
    try:
        return await checker.apart(_not_measured, checks_in, raw, datetime.now(UTC), CHECK_S)
    finally:
        checker.close()


def _not_measured(reason: str) -> float:
    raise RuntimeError(reason)


def checks_in(raw: bytes, now: datetime, for_s: float) -> float:
    """What the worker runs: checks a second, for so long."""
    assert check(raw, received_at=now).valid
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < for_s or not done:
        check(raw, received_at=now)
        done += 1
    return done / elapsed if elapsed else 0.0


def _percentiles(took_s: list[float]) -> dict[str, float | None]:
    return {
        "p50": quantiles.milliseconds(quantiles.nearest_rank(took_s, 0.5)),
        "p99": quantiles.milliseconds(quantiles.nearest_rank(took_s, 0.99)),
    }
