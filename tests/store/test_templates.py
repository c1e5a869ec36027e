"""Templates as they are stored: versions count up, none is changed, each entity has its own."""

import asyncpg
import pytest

from gateway.store import admin, templates
from gateway.store.embedded import Cluster
from tests.store import made


async def test_versions_count_up_for_each_entity(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        ours, theirs = await made.entity(connection, "ours"), await made.entity(connection, "theirs")
        assert [await templates.put(connection, ours, "fire", {"n": n}, "me") for n in (1, 2)] == [1, 2]
        assert await templates.put(connection, theirs, "fire", {"n": 9}, "me") == 1
        assert (await templates.find(connection, ours, "fire"))["body"] == {"n": 2}
        assert (await templates.find(connection, ours, "fire", 1))["body"] == {"n": 1}
        assert await templates.find(connection, ours, "none") is None
        assert [row["version"] for row in await templates.page(connection, ours, "", 10)] == [2]
        assert await templates.page(connection, ours, "fire", 10) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE template SET body = '{}'")


async def test_a_launch_keeps_what_was_shown_and_a_waiver_its_reason(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        entity = await made.entity(connection)
        await templates.put(connection, entity, "fire", {}, "me")
        number = (await templates.find(connection, entity, "fire"))["id"]
        shown = {"preview": {"texts": []}, "document": b"<alert/>", "launched_by": "token:1"}
        launch = await templates.put_launch(connection, entity, number, waived=[], reason="", **shown)  # type: ignore[arg-type]
        await templates.note_launch(connection, launch, "al_1")
        (row,) = await templates.launches(connection, entity, "fire")
        assert (row["alert"], row["version"], row["preview"]) == ("al_1", 1, {"texts": []})
        with pytest.raises(asyncpg.CheckViolationError):
            await templates.put_launch(connection, entity, number, waived=["x"], reason="", **shown)  # type: ignore[arg-type]
