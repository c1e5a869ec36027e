"""Tracking: who waits for whom. Receipts are written beside outcomes, behind those that came before them; what a
count row holds up holds up nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.model import DeliveryState, Outcome, OutcomeKind
from gateway.store import deliveries
from tests.flows.test_tracking import accepted, arrived, counted, taken
from tests.support.scene import Scene
from tests.support.sending import Ticks, a_campaign, a_lane, a_tracking, fill, going, states
from tests.support.waiting import until


@asynccontextmanager
async def held(scene: Scene, campaign: int, shard: int) -> AsyncIterator[None]:
    """Nobody else changes this count row meanwhile."""
    async with scene.connected() as holder, holder.transaction():
        count = "SELECT FROM progress WHERE campaign_id = $1 AND shard = $2 FOR UPDATE"
        await holder.execute(count, campaign, shard)
        yield


async def waiting_for_a_row(scene: Scene) -> bool:
    """Whether a session stands before a row that another one holds."""
    here = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    blocked = f"SELECT FROM ({here}) a WHERE cardinality(pg_blocking_pids(pid)) > 0"
    return bool(await scene.rows(blocked))


async def test_an_answer_is_durable_while_receipts_are_being_written(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (first, second) = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([accepted(first, "m1")])
        async with held(scene, number, deliveries.RECEIPT_SHARD):
            receipt = asyncio.ensure_future(tracking.emit([arrived("m1")]))
            await until(lambda: waiting_for_a_row(scene))
            await tracking.emit([accepted(second, "m2")])
            assert (receipt.done(), tracking.unrecorded) == (False, 1)
        await receipt
    assert await counted(scene, number) == {"delivered": 1, "submitted": 1}


async def test_a_receipt_is_not_written_before_the_answers_that_came_before_it(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (row,) = await taken(scene, tracking, 1)
    async with going(tracking.run()):
        async with held(scene, number, deliveries.OUTCOME_SHARD):
            answer = asyncio.ensure_future(tracking.emit([accepted(row, "m1")]))
            receipt = asyncio.ensure_future(tracking.emit([arrived("m1")]))
            await until(lambda: waiting_for_a_row(scene))
            await asyncio.sleep(0.1)
            assert (answer.done(), receipt.done()) == (False, False)
            assert await scene.rows("SELECT FROM receipt_orphan") == []
        await receipt
        assert answer.done()
    assert await states(scene, number) == {DeliveryState.DELIVERED: 1}


async def test_a_receipt_waits_for_no_answer_that_came_after_it(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (first, second) = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([accepted(first, "m1")])
        async with held(scene, number, deliveries.OUTCOME_SHARD):
            receipt = asyncio.ensure_future(tracking.emit([arrived("m1")]))
            answer = asyncio.ensure_future(tracking.emit([accepted(second, "m2")]))
            await receipt
            assert not answer.done()
        await answer
    assert await counted(scene, number) == {"delivered": 1, "submitted": 1}


async def test_both_at_once_are_durable_when_both_are(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (first, second) = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([accepted(first, "m1")])
        async with held(scene, number, deliveries.RECEIPT_SHARD):
            both = asyncio.ensure_future(tracking.emit([arrived("m1"), accepted(second, "m2")]))
            await until(lambda: waiting_for_a_row(scene))
            await until(lambda: tracking.unrecorded == 1)
            assert not both.done()
        await both


async def test_a_mark_waits_for_no_count_of_answers_and_receipts(scene: Scene) -> None:
    """And the other way round: each writer has a count row of its own."""
    tracking = a_tracking(scene.store)
    number = await a_campaign(scene, await scene.entity(), 20)
    lane = a_lane(scene.store, tracking, ticks=Ticks(), mark_ahead=10)
    lane.opened({number: 0})
    async with held(scene, number, deliveries.OUTCOME_SHARD), held(scene, number, deliveries.RECEIPT_SHARD):
        await fill(lane)
    rows = lane.take(10)
    assert len(rows) == 10
    async with going(tracking.run()), held(scene, number, deliveries.LANE_SHARD):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
        await tracking.emit([arrived(f"m{row.seq}") for row in rows])
    assert await counted(scene, number) == {"queued": 10, "delivered": 10}


async def test_what_is_left_at_the_end_is_written_in_its_order(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 5)
    emitted = [tracking.emit([accepted(row, f"m{row.seq}"), arrived(f"m{row.seq}")]) for row in rows[:4]]
    emitted.append(tracking.emit([Outcome(rows[4], OutcomeKind.UNSENT, "")]))
    tracking.finish()
    await tracking.run()
    assert all(asyncio.ensure_future(one).done() for one in emitted)
    assert tracking.unrecorded == 0
    assert await counted(scene, number) == {"delivered": 4, "queued": 1}
