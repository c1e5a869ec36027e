"""Declarations in the store: who may not write what."""

import asyncpg
import pytest

from tests.support.scene import Scene, an_alert


async def test_an_entity_reads_its_declarations_and_writes_no_breach(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.post(an_alert(), commune)
    async with scene.store.tenant(commune.id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM declaration") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO breach (entity_id, campaign_id, reason, suspended, found_by) "
                "SELECT entity_id, campaign_id, 'nothing to see', 'nobody', 'x' FROM declaration"
            )
