"""Of two who change one thing the second waits for the first."""

import asyncio

from gateway.store import changes
from tests.support.scene import Scene


async def test_a_turn_is_waited_for_and_another_thing_is_not(scene: Scene) -> None:
    order: list[str] = []
    async with scene.store.transaction() as first:
        await changes.turn(first, 1, "group plp")

        async def second() -> None:
            async with scene.store.transaction() as connection:
                await changes.turn(connection, 1, "group plp")
                order.append("second")

        waiting = asyncio.create_task(second())
        async with scene.store.transaction() as other:
            await changes.turn(other, 2, "group plp")
            order.append("other")
        order.append("first")
    await waiting
    assert order == ["other", "first", "second"]
