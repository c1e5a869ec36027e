"""Canaries: sent by the leader when due, shown with their ages, alarming when none ever left."""

import asyncio
import contextlib
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.flows.canaries import Canaries, due
from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.store.canaries import CanaryState
from gateway.store.embedded import Cluster
from gateway.store.pool import Store


@dataclass(frozen=True)
class One:
    name: str
    interval_s: float


def test_a_canary_is_due_when_its_time_is_over_or_none_ever_left() -> None:
    states = {"fresh": CanaryState(59.0, 1.0, 1.0), "old": CanaryState(60.0, 1.0, 1.0)}
    assert due({"fresh": 60.0, "old": 60.0, "new": 60.0}, states) == ["old", "new"]


def shown(metrics: Metrics) -> dict[str, float]:
    body, _ = metrics.render()
    families = text_string_to_metric_families(body.decode())
    return {
        sample.labels["canary"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "gateway_sms_canary_age_seconds"
    }


async def test_the_leader_sends_what_is_due_once_and_shows_every_age(pg: Cluster) -> None:
    store, metrics, now, leads, asked = await Store.open(pg.app_dsn, name="canaries"), Metrics(), [0.0], [True], []

    async def send(name: str) -> tuple[str, str]:
        asked.append(name)
        return ("smsc", "id-1") if name == "works" else ("", "")

    watch = Canaries(
        store, [One("works", 60), One("fails", 60)], send, leads=lambda: leads[0], metrics=metrics,
        log=UnitLogger("test"), monotonic=lambda: now[0],
    )  # fmt: skip
    try:
        await watch.look()
        now[0] = 500.0
        await watch.look()
        assert asked == ["works", "fails", "fails"]
        ages = shown(metrics)
        assert ages["works"] < 30
        assert ages["fails"] == 500
        leads[0] = False
        await watch.look()
        assert shown(metrics) == {}
        assert len(asked) == 3
    finally:
        await store.close()


async def test_it_looks_again_and_again_also_when_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    async def look(_self: object) -> None:
        looks.append(1)
        raise OSError("away")

    monkeypatch.setattr(Canaries, "look", look)
    nothing: Store = None  # type: ignore[assignment]

    async def send(_name: str) -> tuple[str, str]:
        return "", ""

    watch = Canaries(
        nothing, [], send, leads=lambda: True, metrics=Metrics(), log=UnitLogger("test"), monotonic=lambda: 0.0,
        look_s=0.001,
    )  # fmt: skip
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(60):
        while len(looks) < 3:
            await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
