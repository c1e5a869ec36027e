"""Forgetting: whole partitions of old campaigns go, whatever is open or young keeps its neighbours, reports stay."""

import pytest

from gateway.flows.forgetting import DAY_S, Forgetter, RetentionSettings
from gateway.log import unit_logger
from gateway.model import ChannelName
from gateway.store import deliveries, progress
from tests.store import made
from tests.support.scene import Scene


def a_forgetter(scene: Scene, days: float = 10) -> Forgetter:
    rules = RetentionSettings(deliveries_days=days, orphan_receipts_days=2)
    return Forgetter(scene.store, rules, leads=lambda: True, log=unit_logger("test.forgetting"))


async def campaigns(scene: Scene) -> tuple[int, int]:
    """One in the first partition, one in a later one, each with two rows, a chunk, and a message id."""
    numbers = []
    entity_id = (await scene.entity()).id
    for _ in range(2):
        async with scene.connected() as connection:
            number = await made.campaign(connection, entity_id, channels=[ChannelName.SMS])
            await made.rows(connection, number, entity_id, ChannelName.SMS, lo=1, hi=2, size=2)
            provider = await progress.provider_id(connection, "smsc")
            await connection.execute("INSERT INTO msgref VALUES ($1, 1, $2, 1, 1, 'm')", provider, number)
            await connection.execute(
                "SELECT nextval(pg_get_serial_sequence('campaign', 'id')) FROM generate_series(1, 60)"
            )
            numbers.append(number)
    return numbers[0], numbers[1]


async def close(scene: Scene, campaign: int, days_ago: int) -> None:
    await scene.rows(
        "UPDATE campaign SET state = 'closed', closed_at = now() - make_interval(days => $2) WHERE id = $1",
        campaign,
        days_ago,
    )


async def left(scene: Scene, campaign: int) -> dict[str, int]:
    rows = {
        table: await scene.rows(f"SELECT count(*) AS n FROM {table} WHERE campaign_id = $1", campaign)
        for table in ("delivery", "chunk", "msgref", "progress")
    }
    return {table: found[0]["n"] for table, found in rows.items()}


async def test_deliveries_of_campaigns_that_are_old_enough_go_and_their_counts_stay(scene: Scene) -> None:
    old, last = await campaigns(scene)
    await close(scene, old, 11)
    await close(scene, last, 11)
    await a_forgetter(scene).once()
    assert await left(scene, old) == {"delivery": 0, "chunk": 0, "msgref": 0, "progress": 4}
    assert await left(scene, last) == {"delivery": 2, "chunk": 1, "msgref": 1, "progress": 4}, "its numbers go on"
    tables = [f"delivery_{number // 50 * 50}" for number in (old, last)]
    there = await scene.rows("SELECT to_regclass(t) IS NOT NULL AS there FROM unnest($1::text[]) t", tables)
    assert [row["there"] for row in there] == [False, True], "a partition is dropped, not emptied"


@pytest.mark.parametrize("state", ["open", "young"])
async def test_what_is_open_or_young_stays(scene: Scene, state: str) -> None:
    old, _ = await campaigns(scene)
    if state == "young":
        await close(scene, old, 9)
    await a_forgetter(scene).once()
    assert (await left(scene, old))["delivery"] == 2


async def test_somebody_who_reads_is_not_kept_waiting(scene: Scene) -> None:
    """Dropping waits for a moment only, and is done the next time."""
    old, _ = await campaigns(scene)
    await close(scene, old, 11)
    async with scene.connected() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM delivery")
        await a_forgetter(scene).once()
        assert (await left(scene, old))["delivery"] == 2
    await a_forgetter(scene).once()
    assert (await left(scene, old))["delivery"] == 0


async def test_receipts_that_nobody_asks_for_go(scene: Scene) -> None:
    async with scene.connected() as connection:
        for days in (1, 3):
            await connection.execute(
                "INSERT INTO receipt_orphan VALUES (1, 3, 0, now() - make_interval(days => $1), 'm')", days
            )
        assert await deliveries.forget_orphans(connection, 2 * DAY_S) == 1
        assert await deliveries.forget_orphans(connection, 2 * DAY_S) == 0
