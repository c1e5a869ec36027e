"""Whose calls are watched again, and when."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.flows.adopting import Adopter
from gateway.log import unit_logger
from gateway.store import calls
from gateway.store.calls import OpenCall
from tests.support.scene import Scene
from tests.support.waiting import until


async def test_its_own_at_once_and_those_of_others_only_as_leader(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []
    adopted: list[tuple[str, int, str]] = []

    async def without_end(
        _connection: object, trunks: Sequence[str], *, node: int | None, **_: float
    ) -> list[OpenCall]:
        asked.append(node)
        return [OpenCall(trunks[0], f"call-{len(asked)}", 7, "words")] if len(asked) < 3 else []

    monkeypatch.setattr(calls, "without_end", without_end)
    leads = False
    adopter = Adopter(
        scene.store, {"trunk": lambda *call: adopted.append(call)}, node=5, leads=lambda: leads,
        log=unit_logger("test"), every_s=0.01,
    )  # fmt: skip
    task = asyncio.create_task(adopter.run())
    await until(lambda: adopted)
    await asyncio.sleep(0.1)
    assert (asked, adopted) == ([5], [("call-1", 7, "words")])
    leads = True
    await until(lambda: len(asked) >= 3)
    task.cancel()
    assert asked[1] is None
    assert adopted[1:] == [("call-2", 7, "words")]


async def test_without_a_trunk_nobody_looks(scene: Scene) -> None:
    await Adopter(scene.store, {}, node=5, leads=lambda: True, log=unit_logger("test")).run()
