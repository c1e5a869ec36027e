"""How fast people are found in an area, and how fast they become deliveries.

Knows: the planner, the count of a forecast, areas of three sizes. Never knows: how cells are searched.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway import log as logging_
from gateway.bench import quantiles
from gateway.bench.alert import capacity_alert
from gateway.bench.people import citizens
from gateway.bench.places import Area, areas, territory
from gateway.bench.result import Result
from gateway.bench.rig import Ground, Node, ground, metered, node
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted, amount
from gateway.cap.area import Ring
from gateway.cap.cells import Cell
from gateway.flows.planning import Planner, area_cells
from gateway.model import ChannelName, MessageClass
from gateway.policy.audience import shape_as_json
from gateway.store import registry
from gateway.store.pool import Connection, Store

COUNTS = 5
CHUNK_ROWS = 500


class Found(NamedTuple):
    """One area: recipients, milliseconds of each cover and each count, the fan-out's seconds to its first commit and
    to its last, and what it cost."""

    area: Area
    recipients: int
    cover_ms: list[float]
    count_ms: list[float]
    first_slice_s: float
    fan_out_s: float
    planner_cpu_s: float
    postgres_cpu_s: float | None

    def as_dict(self) -> dict[str, Any]:
        """For the JSON object."""
        return {
            "area": self.area.name,
            "vertices": self.area.vertices,
            "recipients": self.recipients,
            "cover_ms": quantiles.nearest_rank(self.cover_ms, 0.5),
            "count_ms": quantiles.nearest_rank(self.count_ms, 0.5),
            "first_slice_ms": quantiles.milliseconds(self.first_slice_s),
            "fan_out_s": round(self.fan_out_s, 3),
        }


async def measure(wanted: Wanted, line: Line) -> dict[str, Any]:
    """A million addresses (or as many as wanted): count and fan-out for a city, a municipality and the country."""
    count = amount("targeting", wanted)
    async with ground(line) as floor, node(floor, {}, roles=["api"]) as gateway:
        await _fill(floor, count)
        store = await Store.open(floor.cluster.app_dsn, name="bench")
        try:
            found = [await _measure(floor, gateway, store, area) for area in areas()]
        finally:
            await store.close()
        last = found[-1]
        counts = [ms for one in found for ms in one.count_ms]
        whole = Result(
            bench="targeting",
            messages=last.recipients,
            seconds=last.fan_out_s,
            cpu_s={"gateway": last.planner_cpu_s, "postgres": last.postgres_cpu_s},
            latency_ms={name: quantiles.nearest_rank(counts, share) for name, share in (("p50", 0.5), ("p99", 0.99))},
            settings={"addresses": count, "counts_each": COUNTS, "shared_buffers": floor.shared_buffers},
            more={"areas": [one.as_dict() for one in found]},
        )
        return {"machine": floor.machine} | whole.as_dict()


async def _fill(floor: Ground, count: int) -> None:
    have = 0

    def told(more: int) -> None:
        nonlocal have
        have += more
        floor.line.show(f"registering people: {have:,} of {count:,}")

    floor.line.step(f"registering {count:,} people")
    async with floor.filling() as connection:
        await citizens(connection, {ChannelName.SMS: count}, progress=told)
    await floor.settle()


async def _measure(floor: Ground, gateway: Node, store: Store, area: Area) -> Found:
    floor.line.step(f"{area.name}, {area.vertices} vertices")
    shapes, land = [shape_as_json(Ring(area.ring))], [shape_as_json(Ring(territory()))]
    cover_ms = [_timed(lambda: area_cells(shapes, land))[0] for _ in range(COUNTS)]
    cells = area_cells(shapes, land)
    async with store.connection() as connection:
        counted = [await _count(connection, cells) for _ in range(COUNTS)]
    await gateway.post(capacity_alert(area, ["sms"]), floor.tokens.live)
    async with metered(floor, gateway, {}) as meter:
        cpu_s, began = time.process_time(), time.monotonic()
        first_s = await _fan_out(store, began)
        fan_out_s, planner_cpu_s = time.monotonic() - began, time.process_time() - cpu_s
    return Found(
        area=area,
        recipients=counted[0][1],
        cover_ms=cover_ms,
        count_ms=[ms for ms, _ in counted],
        first_slice_s=first_s,
        fan_out_s=fan_out_s,
        planner_cpu_s=planner_cpu_s,
        postgres_cpu_s=meter.cpu_s("postgres"),
    )


async def _count(connection: Connection, cells: list[Cell]) -> tuple[float, int]:
    """Milliseconds, and how many people: the question that a forecast asks."""
    began = time.perf_counter()
    found = await registry.count_targets(
        connection, 0, MessageClass.URGENT, [ChannelName.SMS], registry.Target(cells=cells)
    )
    return round((time.perf_counter() - began) * 1000, 1), sum(found.values())


async def _fan_out(store: Store, began: float) -> float:
    """Plan the campaign to its end, as a node does; seconds until its first slice was committed."""
    planner = Planner(
        store, chunk_rows=dict.fromkeys(ChannelName, CHUNK_ROWS), sliced=lambda: None,
        log=logging_.unit_logger("gateway.bench"),
    )  # fmt: skip
    first_s = 0.0
    while await planner.slice():
        first_s = first_s or time.monotonic() - began
    return first_s


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    made = work()
    return round((time.perf_counter() - began) * 1000, 1), made
