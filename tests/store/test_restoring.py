"""What is noted of a database, and what it is held against."""

from datetime import timedelta

from gateway.store import restoring
from gateway.store.restoring import Seen
from tests.support.scene import Scene


async def test_what_was_noted_is_compared_with_what_is_there(scene: Scene) -> None:
    async with scene.connected() as connection:
        assert await restoring.look(connection) is None
        await restoring.note(connection, restored=False)
        await connection.execute("UPDATE database_home SET seen_at = now() - interval '90 seconds'")
        seen = await restoring.look(connection)
        assert seen is not None
        assert seen[:2] == (True, True)
        assert 90 <= seen.silent_s < 150
        await connection.execute("UPDATE database_home SET timeline = '000000FF', place = 'elsewhere'")
        assert Seen(False, False, 0.0)[:2] == (await restoring.look(connection) or ())[:2]
        await restoring.note(connection, restored=False)
        assert ((await restoring.look(connection)) or ())[:2] == (True, True)


async def test_a_restoration_is_remembered_when_others_note_the_place(scene: Scene) -> None:
    async with scene.connected() as connection:
        now = await connection.fetchval("SELECT now()")
        before, after = now - timedelta(minutes=1), now + timedelta(minutes=1)
        await restoring.note(connection, restored=False)
        assert not await restoring.restored_after(connection, before)
        await restoring.note(connection, restored=True)
        await restoring.note(connection, restored=False)
        assert await restoring.restored_after(connection, before)
        assert not await restoring.restored_after(connection, after)
