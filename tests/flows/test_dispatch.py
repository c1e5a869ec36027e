"""Dispatch: lanes find their campaigns, leases live and are lost, the dead are succeeded, and all of it stops."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.flows.dispatch import Dispatcher
from gateway.flows.fence import Fence
from gateway.flows.lane import UNABLE_S, Lane
from gateway.log import unit_logger
from gateway.model import ChannelName, DeliveryState, Outcome, OutcomeKind, Transport
from gateway.store import deliveries, progress
from gateway.store.clock import StoreClock
from tests.support.scene import Scene
from tests.support.sending import (
    LEASE_S,
    FakeChannel,
    Heard,
    Ticks,
    a_campaign,
    a_lane,
    a_tracking,
    fill,
    going,
    states,
)
from tests.support.waiting import until

LIVE_SMS = (ChannelName.SMS, Transport.LIVE)


class Steady:
    """A clock that runs, so much ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


class Rig:
    """A dispatcher with one lane and one fake channel for SMS."""

    def __init__(self, scene: Scene, *, node: int = 1, mark_ahead: int = 50, grace_s: float = 0.0) -> None:
        self.ticks = Ticks()
        self.fence = Fence(self.ticks, LEASE_S)
        self.tracking: Heard = a_tracking(scene.store)
        self.channel = FakeChannel()
        self.clock = StoreClock(scene.store, time.monotonic)
        self.lane: Lane = a_lane(
            scene.store, self.tracking, ticks=self.ticks, fence=self.fence, mark_ahead=mark_ahead, node=node
        )
        self.dispatcher = Dispatcher(
            store=scene.store, tracking=self.tracking, lanes={LIVE_SMS: self.lane}, channels=[self.channel],
            fence=self.fence, clock=self.clock, node=node, lease_s=LEASE_S, heartbeat_s=0.05, grace_s=grace_s,
            longest_wait_s=900.0, log=unit_logger("test.dispatch"),
        )  # fmt: skip

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Dispatching and recording until the end of the block."""
        await self.clock.read()
        async with going(self.tracking.run()), going(self.dispatcher.run()):
            yield

    async def leased(self, number: int) -> None:
        """The lane holds a lease of the campaign with rows ready, as if the dispatcher had looked."""
        self.fence.renewed(self.fence.starts())
        self.lane.opened({number: 0})
        await fill(self.lane)


async def eventually(scene: Scene, number: int, expected: dict[DeliveryState, int]) -> None:
    """Look until a campaign's deliveries are so; `going` bounds the time."""
    while await states(scene, number) != expected:
        pass


async def chunks(scene: Scene, number: int) -> list[Any]:
    return await scene.rows("SELECT * FROM chunk WHERE campaign_id = $1 ORDER BY lo", number)


async def a_sms_campaign(scene: Scene, people: int = 250, **more: str) -> int:
    return await a_campaign(scene, await scene.entity(), people, **more)


async def test_every_delivery_goes_to_the_channel_once(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    async with rig.at_work():
        await eventually(scene, number, {DeliveryState.SUBMITTED: 250})
    assert set(Counter(delivery.address for delivery in rig.channel.sent).values()) == {1}
    assert {chunk["state"] for chunk in await chunks(scene, number)} == {2}


async def test_a_new_campaign_is_found_at_once_when_somebody_wakes_it(scene: Scene) -> None:
    rig = Rig(scene)
    async with rig.at_work():
        number = await a_sms_campaign(scene, 10)
        rig.dispatcher.wake.set()
        await eventually(scene, number, {DeliveryState.SUBMITTED: 10})


@pytest.mark.parametrize("state", ["paused", "closing", "held"])
async def test_a_campaign_that_may_not_send_is_halted_and_withdrawn(scene: Scene, state: str) -> None:
    """What was ready comes back unsent; the channel is asked to drop what it has."""
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    await scene.rows("UPDATE campaign SET state = $2 WHERE id = $1", number, state)
    await rig.dispatcher._look()
    assert rig.channel.withdrawn == [number]
    assert rig.tracking.kinds() == [OutcomeKind.UNSENT] * 50
    assert rig.lane.take(10) == []


async def test_a_paused_campaign_gives_its_leases_back_and_goes_on_when_resumed(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    rig.channel.held, rig.channel.window = True, 50
    async with rig.at_work():
        while len(rig.channel.sent) < 50:
            await asyncio.sleep(0)
        await scene.rows("UPDATE campaign SET state = 'paused' WHERE id = $1", number)
        rig.dispatcher.wake.set()
        while not rig.channel.withdrawn:
            await asyncio.sleep(0)
        rig.channel.held = False
        await rig.tracking.emit(_answers(rig.channel))
        while any(chunk["state"] == 1 for chunk in await chunks(scene, number)):
            pass
        sent = len(rig.channel.sent)
        await scene.rows("UPDATE campaign SET state = 'sending' WHERE id = $1", number)
        rig.dispatcher.wake.set()
        await eventually(scene, number, {DeliveryState.SUBMITTED: 250})
    assert sent < 250
    assert set(Counter(delivery.address for delivery in rig.channel.sent).values()) == {1}


def _answers(channel: FakeChannel) -> list[Any]:
    """The answers that a held channel owes."""
    return [Outcome(delivery, OutcomeKind.ACCEPTED, "fake", settled=True) for delivery in channel.sent]


# leases -----------------------------------------------------------------------------------------------------------


async def test_a_heartbeat_prolongs_every_lease_and_the_fence(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    await scene.rows("UPDATE chunk SET lease_until = now() + interval '1 second' WHERE state = 1")
    rig.ticks.now += LEASE_S
    assert not rig.fence.holds()
    await rig.dispatcher.beat_once()
    assert rig.fence.holds()
    left = await scene.rows("SELECT extract(epoch FROM lease_until - now())::float8 AS s FROM chunk WHERE state = 1")
    assert [row["s"] > LEASE_S - 2 for row in left] == [True]


async def test_a_lease_that_another_node_has_is_let_go(scene: Scene) -> None:
    """Its ready rows are not ours any more."""
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    await scene.rows("UPDATE chunk SET epoch = epoch + 1, node = 9 WHERE state = 1")
    await rig.dispatcher.beat_once()
    assert rig.lane.held() == []
    assert rig.lane.take(10) == []


async def test_a_finished_lease_is_forgotten(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene, 40), Rig(scene)
    await rig.leased(number)
    rig.channel.sent = rig.lane.take(100)
    async with going(rig.tracking.run()):
        await rig.tracking.emit(_answers(rig.channel))
        await rig.dispatcher.beat_once()
    assert rig.lane.held() == []


async def test_a_withdrawn_chunk_is_halted_at_the_next_heartbeat(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    await scene.rows("UPDATE chunk SET state = 9 WHERE campaign_id = $1", number)
    await rig.dispatcher.beat_once()
    assert rig.channel.withdrawn == [number]
    assert set(rig.tracking.kinds()) == {OutcomeKind.UNSENT}
    async with going(rig.tracking.run()):
        await until(lambda: not rig.tracking.unrecorded)
    await rig.dispatcher.beat_once()
    assert rig.lane.held() == [], "the sweep ends it, and nobody keeps its lease"


async def test_release_gives_back_what_is_not_in_flight(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    async with going(rig.tracking.run()):
        rig.lane.close()
        await rig.tracking.emit([])
        while rig.tracking.unrecorded:
            await asyncio.sleep(0)
        await rig.dispatcher.release()
    assert {chunk["state"] for chunk in await chunks(scene, number)} == {0}
    async with scene.connected() as connection:
        assert await deliveries.due_retries(connection, 100) == 1


# what the dead leave behind ---------------------------------------------------------------------------------------


async def test_a_restarted_node_takes_back_its_own_chunks_at_once(scene: Scene) -> None:
    """Urgent rows that were marked are sent once more, flagged; the rest goes on; nobody else is sent it twice."""
    number, dead = await a_sms_campaign(scene), Rig(scene)
    await dead.leased(number)
    alive = Rig(scene)
    async with alive.at_work():
        await eventually(scene, number, {DeliveryState.SUBMITTED: 250})
    flagged = await scene.rows("SELECT seq FROM delivery WHERE campaign_id = $1 AND flags & 1 = 1 ORDER BY seq", number)
    assert [row["seq"] for row in flagged] == list(range(1, 51))
    assert set(Counter(delivery.seq for delivery in alive.channel.sent).values()) == {1}
    async with scene.connected() as connection:
        counts = (await progress.counts(connection, [number]))[number][ChannelName.SMS]
    assert (counts["submitted"], counts["unknown"], counts["in_flight"], counts["queued"]) == (250, 0, 0, 0)


async def test_what_a_dead_node_left_of_a_newsletter_stays_unknown(scene: Scene) -> None:
    number, dead = await a_sms_campaign(scene, kind="news"), Rig(scene)
    await dead.leased(number)
    async with Rig(scene).at_work():
        await eventually(scene, number, {DeliveryState.SUBMITTED: 200, DeliveryState.UNKNOWN: 50})


async def test_a_chunk_of_another_node_is_taken_when_its_lease_has_ended_and_not_before(scene: Scene) -> None:
    number, dead = await a_sms_campaign(scene), Rig(scene, node=7)
    await dead.leased(number)
    alive = Rig(scene, node=1)
    await alive.clock.read()
    await alive.dispatcher._recover(own=True)
    assert [chunk["node"] for chunk in await chunks(scene, number) if chunk["state"] == 1] == [7]
    await scene.rows("UPDATE chunk SET lease_until = now() - interval '1 millisecond' WHERE state = 1")
    await alive.dispatcher._recover(own=False)
    assert {chunk["state"] for chunk in await chunks(scene, number)} == {0}


@pytest.mark.parametrize("ends", ["-1 hour", "1 hour"])
async def test_what_looks_ended_or_endless_since_the_databases_clock_was_set_is_taken_a_lease_later(
    scene: Scene, ends: str
) -> None:
    """By then whoever lives has renewed it by the new time."""
    number, dead = await a_sms_campaign(scene), Rig(scene, node=7)
    await dead.leased(number)
    await scene.rows("UPDATE chunk SET lease_until = now() + $1::text::interval WHERE state = 1", ends)
    alive = Rig(scene, node=1)
    steady = Steady()
    alive.dispatcher._clock = clock = StoreClock(scene.store, steady)
    steady.ahead_s = 3600.0
    await clock.read()
    steady.ahead_s = 0.0  # an hour less has passed than the database says
    await alive.dispatcher._recover(own=False)
    assert [chunk["node"] for chunk in await chunks(scene, number) if chunk["state"] == 1] == [7], "not looked at yet"
    await clock.read()
    await alive.dispatcher._recover(own=False)
    assert [chunk["node"] for chunk in await chunks(scene, number) if chunk["state"] == 1] == [7]
    clock._set_at -= LEASE_S
    await alive.dispatcher._recover(own=False)
    assert {chunk["state"] for chunk in await chunks(scene, number)} == {0}


async def test_what_waits_by_a_clock_that_was_ahead_is_due_when_it_is_set_right(scene: Scene) -> None:
    number, dead = await a_sms_campaign(scene, 10), Rig(scene)
    await dead.leased(number)
    alive = Rig(scene)
    await alive.dispatcher._recover(own=True)
    await scene.rows("UPDATE retry SET not_before = now() + interval '1 hour'")
    alive.clock._set_at = time.monotonic()
    async with alive.at_work():
        await eventually(scene, number, {DeliveryState.SUBMITTED: 10})


async def test_a_row_that_was_sent_again_and_lost_again_stays_unknown(scene: Scene) -> None:
    """Once more, never twice more."""
    number = await a_sms_campaign(scene, 10)
    for _ in range(2):
        dead = Rig(scene)
        await dead.leased(number)
        alive = Rig(scene)
        await alive.dispatcher._recover(own=True)
        async with scene.connected() as connection:
            await deliveries.due_retries(connection, 100)
    third = Rig(scene)
    await third.leased(number)
    assert third.lane.take(100) == []
    assert await states(scene, number) == {DeliveryState.UNKNOWN: 10}


async def test_a_refusal_for_now_is_tried_again_until_the_attempts_are_used_up(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene, 5), Rig(scene)
    rig.channel.kind = OutcomeKind.RETRY
    async with rig.at_work():
        await eventually(scene, number, {DeliveryState.FAILED: 5})
    assert set(Counter(delivery.seq for delivery in rig.channel.sent).values()) == {3}


# the end, and a store that comes and goes -------------------------------------------------------------------------


async def test_drain_waits_for_the_answers_and_for_their_record(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    rig.channel.sent = rig.lane.take(20)
    async with going(rig.tracking.run()):
        draining = asyncio.create_task(rig.dispatcher.drain(15))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not draining.done()
        await rig.tracking.emit(_answers(rig.channel))
        assert await draining
    assert await states(scene, number) == {
        DeliveryState.QUEUED: 200,
        DeliveryState.SUBMITTED: 20,
        DeliveryState.RETRY_WAIT: 30,
    }


async def test_a_node_from_which_nothing_can_leave_keeps_no_chunk_from_those_that_can(scene: Scene) -> None:
    """Its last bind is gone: what it has leased goes to others, the ready rows and those that were not marked yet."""
    number, rig, other = await a_sms_campaign(scene), Rig(scene), Rig(scene, node=2)
    await rig.leased(number)
    rig.lane._able = lambda: False

    async def given_back() -> bool:
        await rig.dispatcher.beat_once()
        return {chunk["state"] for chunk in await chunks(scene, number)} == {0}

    async with going(rig.tracking.run()):
        assert not await given_back()
        rig.ticks.now += UNABLE_S
        await rig.dispatcher._look()
        await until(given_back)
    async with other.at_work():
        await eventually(scene, number, {DeliveryState.SUBMITTED: 250})
    assert len({delivery.address for delivery in other.channel.sent}) == 250


async def test_a_chunk_whose_rows_are_still_being_written_is_given_back_when_they_are(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would wait for the end of its lease."""
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    rig.lane._able = lambda: False
    rig.ticks.now += UNABLE_S
    real, asked, slow = deliveries.record_outcomes, asyncio.Event(), asyncio.Event()

    async def recorded(*arguments: Any) -> Any:
        asked.set()
        await slow.wait()
        return await real(*arguments)

    monkeypatch.setattr(deliveries, "record_outcomes", recorded)
    async with going(rig.tracking.run()):
        await rig.dispatcher._look()
        await asked.wait()
        await rig.dispatcher.beat_once()
        assert 1 in {chunk["state"] for chunk in await chunks(scene, number)}
        slow.set()
        await until(lambda: not rig.tracking.unrecorded)
        await rig.dispatcher.beat_once()
    assert {chunk["state"] for chunk in await chunks(scene, number)} == {0}


async def test_drain_waits_for_what_the_store_is_leasing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nobody would give it back, and the other nodes would wait for its end."""
    number, rig = await a_sms_campaign(scene), Rig(scene)
    real, slow, asked = deliveries.lease_chunks, asyncio.Event(), asyncio.Event()

    async def leased(*arguments: Any, **more: Any) -> Any:
        asked.set()
        await slow.wait()
        return await real(*arguments, **more)

    monkeypatch.setattr(deliveries, "lease_chunks", leased)
    await rig.dispatcher._look()
    async with going(rig.tracking.run()), going(rig.lane.feed()):
        await asked.wait()
        draining = asyncio.create_task(rig.dispatcher.drain(15))
        await asyncio.sleep(0.2)
        assert not draining.done()
        slow.set()
        assert await draining
        await rig.dispatcher.release()
    held = await scene.rows("SELECT count(*) AS n FROM chunk WHERE campaign_id = $1 AND state <> 0", number)
    assert held[0]["n"] == 0


async def test_drain_says_when_an_answer_did_not_come_in_time(scene: Scene) -> None:
    number, rig = await a_sms_campaign(scene), Rig(scene)
    await rig.leased(number)
    rig.channel.sent = rig.lane.take(20)
    async with going(rig.tracking.run()):
        assert not await rig.dispatcher.drain(0.05)


@pytest.mark.parametrize("which", ["lanes_open", "keep_leases", "due_retries"])
async def test_dispatch_goes_on_after_the_store_was_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    number, rig = await a_sms_campaign(scene, 30), Rig(scene)
    real, failures = getattr(deliveries, which), [ConnectionResetError(), TimeoutError()]

    async def away(*arguments: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(*arguments, **more)

    monkeypatch.setattr(deliveries, which, away)
    async with rig.at_work():
        await eventually(scene, number, {DeliveryState.SUBMITTED: 30})
        while failures:
            await asyncio.sleep(0)
