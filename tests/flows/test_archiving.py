"""An entity as a file and back, in one transaction each."""

import io
from datetime import UTC, datetime

import pytest

from gateway.flows import archiving
from gateway.policy.archive import BadArchive
from gateway.store.persons import Grant
from tests.support.scene import Scene


async def test_an_entity_goes_into_a_file_and_comes_back_under_another_name(scene: Scene) -> None:
    zone = await scene.entity("zone", groups={"g": 3})
    async with scene.connected() as connection, connection.transaction():
        with await archiving.export(connection, zone.id, "zone", datetime(2026, 11, 22, tzinfo=UTC)) as file:
            made = await archiving.restore(connection, file, Grant(), "zone-2")
        assert made is not None
        assert made.slug == "zone-2"
        counts = "SELECT count(*) FROM group_member WHERE entity_id = $1"
        assert await connection.fetchval(counts, made.id) == 3
    with pytest.raises(BadArchive):
        async with scene.connected() as connection:
            await archiving.restore(connection, io.BytesIO(b"no zip"), Grant())
