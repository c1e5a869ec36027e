"""The feeds' questions to the store: cheap to ask, and blind to what is not public. What they show is flows' test."""

from collections.abc import AsyncIterator

import pytest

from gateway.store import feeds
from gateway.store.embedded import Cluster
from tests.support.scene import Scene, a_scene, an_alert


@pytest.fixture
async def scene(pg: Cluster) -> AsyncIterator[Scene]:
    async with a_scene(pg) as found:
        yield found


async def test_an_empty_store_shows_nothing(scene: Scene) -> None:
    async with scene.connected() as connection:
        assert await feeds.shown_alerts(connection, "Actual") == []
        assert (await feeds.shown_version(connection, "Actual")).entries == 0
        assert await feeds.shown_alert(connection, "nothing") is None
        assert await feeds.shown_ids(connection, "nothing") == []
        assert await feeds.publishing_entities(connection) == {}


async def test_a_row_names_the_authority_and_when_the_alert_came(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    async with scene.connected() as connection:
        (row,) = await feeds.shown_alerts(connection, "Actual")
        assert row["slug"] == "one" and row["received_at"] <= row["released_at"]
        assert await feeds.shown_alerts(connection, "Exercise") == []
        assert await feeds.shown_ids(connection, "A-1") == [row["public_id"]]
        assert await feeds.shown_alert(connection, row["public_id"]) == (row["raw"], False)
        (again,) = await feeds.shown_alerts(connection, "Actual", {row["public_id"]})
        assert again["public_id"] == row["public_id"] and again["raw"] is None


async def test_only_live_authorities_publish(scene: Scene) -> None:
    await scene.entity("one")
    await scene.entity("two", live=False)
    async with scene.connected() as connection:
        assert await feeds.publishing_entities(connection) == {"one": "Authority one"}


async def test_a_held_alert_is_not_shown_until_it_is_released(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    await scene.rows("UPDATE campaign SET released_at = NULL RETURNING id")
    async with scene.connected() as connection:
        assert await feeds.shown_alerts(connection, "Actual") == []
        before = await feeds.shown_version(connection, "Actual")
    await scene.rows("UPDATE campaign SET released_at = now() RETURNING id")
    async with scene.connected() as connection:
        assert len(await feeds.shown_alerts(connection, "Actual")) == 1
        assert await feeds.shown_version(connection, "Actual") != before
