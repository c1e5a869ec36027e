"""A lane: what is marked before it may leave, in which order it leaves, and when nothing leaves."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from gateway.flows.lane import SAMPLE_EVERY, UNABLE_S, Held
from gateway.model import ChannelName, Delivery, DeliveryState, Lease, OutcomeKind, Transport
from gateway.policy.allowance import Allowance
from gateway.store import deliveries
from gateway.store.deliveries import Leased
from tests.support.scene import Scene
from tests.support.sending import LEASE_S, Ticks, a_campaign, a_lane, a_tracking, fill, going, marked, states


def test_a_held_lease_knows_its_rows() -> None:
    lease = Lease(campaign=1, channel=ChannelName.SMS, transport=Transport.LIVE, lo=1, epoch=3, remaining=10)
    held = Held(Leased(lease, False, list(range(1, 11)), [], []))
    assert (held.unmarked, held.in_flight, held.key) == (10, 0, (1, 1, 3))
    held.marked, lease.remaining = 6, 8
    assert (held.unmarked, held.in_flight) == (4, 4)
    held.gone = True
    assert (held.unmarked, held.in_flight) == (0, 4)


async def a_sending(scene: Scene, people: int = 250, **more: Any) -> tuple[int, Any, Any, Ticks]:
    """A campaign, a lane that knows of it, tracking that remembers, and the clock."""
    number = await a_campaign(scene, await scene.entity(), people)
    ticks = Ticks()
    tracking = a_tracking(scene.store)
    lane = a_lane(scene.store, tracking, ticks=ticks, **more)
    lane.opened({number: 0})
    return number, lane, tracking, ticks


async def test_a_delivery_is_marked_before_it_can_be_taken(scene: Scene) -> None:
    number, lane, _, _ = await a_sending(scene)
    assert lane.take(10) == []
    await fill(lane)
    taken = lane.take(10)
    assert len(taken) == 10
    highest = max(delivery.seq for delivery in taken)
    assert await marked(scene, number) >= highest


async def test_no_more_is_marked_ahead_than_told(scene: Scene) -> None:
    """The bound on what a crash leaves unknown without having been sent."""
    number, lane, _, _ = await a_sending(scene, mark_ahead=50)
    for taken in range(0, 200, 25):
        await fill(lane)
        assert await marked(scene, number) - taken <= 50
        assert len(lane.take(25)) == 25


async def test_everybody_is_handed_out_once_in_order(scene: Scene) -> None:
    number, lane, _, _ = await a_sending(scene, 250)
    seen: list[Delivery] = []
    while True:
        await fill(lane)
        if not (taken := lane.take(37)):
            break
        seen += taken
    assert [delivery.seq for delivery in seen] == list(range(1, 251))
    assert {delivery.lease.campaign for delivery in seen} == {number}
    assert len({delivery.address for delivery in seen}) == 250
    assert {delivery.text.channel for delivery in seen} == {ChannelName.SMS}


async def test_nothing_leaves_after_a_clock_that_jumped_past_the_lease(scene: Scene) -> None:
    """A process that was stopped (SIGSTOP, a snapshot, a laptop's lid) wakes up with rows in hand: they stay there."""
    _, lane, _, ticks = await a_sending(scene)
    await fill(lane)
    assert len(lane.take(5)) == 5
    ticks.now += LEASE_S
    assert lane.take(5) == []
    lane._fence.renewed(lane._fence.starts())
    assert len(lane.take(5)) == 5


async def test_the_urgent_goes_first_whatever_waits(scene: Scene) -> None:
    entity = await scene.entity()
    news = await a_campaign(scene, entity, 250, identifier="N", kind="news")
    ticks = Ticks()
    lane = a_lane(scene.store, a_tracking(scene.store), ticks=ticks, mark_ahead=50)
    lane.opened({news: 7})
    await fill(lane)
    urgent = await a_campaign(scene, entity, 250, identifier="U")
    lane.opened({news: 7, urgent: 0})
    await fill(lane)
    order = []
    while taken := lane.take(7):
        order += [delivery.lease.campaign for delivery in taken]
        await fill(lane)
    assert order == [urgent] * 250 + [news] * 250


async def test_a_full_lane_still_takes_in_the_more_urgent(scene: Scene) -> None:
    """What was marked ahead for the newsletter does not use up the room of the alert."""
    entity = await scene.entity()
    news = await a_campaign(scene, entity, 200, identifier="N", kind="news")
    lane = a_lane(scene.store, a_tracking(scene.store), ticks=Ticks(), mark_ahead=40)
    lane.opened({news: 7})
    await fill(lane)
    urgent = await a_campaign(scene, entity, 100, identifier="U")
    lane.opened({news: 7, urgent: 0})
    await fill(lane)
    assert await marked(scene, urgent) == 40
    assert await marked(scene, news) == 40


async def test_equals_share_the_lane(scene: Scene) -> None:
    """Neither waits for the other's end; one that comes later is not given what it missed."""
    entity = await scene.entity()
    one = await a_campaign(scene, entity, 300, identifier="A")
    two = await a_campaign(scene, entity, 300, identifier="B")
    lane = a_lane(scene.store, a_tracking(scene.store), ticks=Ticks(), mark_ahead=20)
    lane.opened({one: 0})
    served: Counter[int] = Counter()
    for _ in range(10):
        await fill(lane)
        served.update(delivery.lease.campaign for delivery in lane.take(10))
    assert served == {one: 100}
    lane.opened({one: 0, two: 0})
    for _ in range(20):
        await fill(lane)
        served.update(delivery.lease.campaign for delivery in lane.take(10))
    assert abs(served[one] - 100 - served[two]) <= 60  # a step each, and what was marked before


async def test_a_halted_campaign_gives_back_what_is_ready_and_marks_no_more(scene: Scene) -> None:
    number, lane, tracking, _ = await a_sending(scene, mark_ahead=50)
    await fill(lane)
    assert len(lane.take(20)) == 20
    lane.halt(number)
    assert tracking.kinds() == [OutcomeKind.UNSENT] * 30
    assert lane.take(10) == []
    lane._campaigns[number].open = False
    await fill(lane)
    assert await marked(scene, number) == 50


async def test_what_the_store_marks_while_the_lane_is_closed_is_given_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in a queue that nobody takes from would be in flight for ever."""
    number, lane, tracking, _ = await a_sending(scene, mark_ahead=50)
    real = deliveries.mark_range

    async def closing(*arguments: Any, **more: Any) -> bool:
        done = await real(*arguments, **more)
        lane.close()
        return done

    monkeypatch.setattr(deliveries, "mark_range", closing)
    await fill(lane)
    assert tracking.kinds() == [OutcomeKind.UNSENT] * 50
    assert await marked(scene, number) == 50
    assert lane.take(1) == []


@pytest.mark.parametrize("state", ["paused", "closing"])
async def test_a_refused_mark_leases_no_further_chunk(scene: Scene, state: str) -> None:
    """Until the dispatcher has looked again."""
    number, lane, _, _ = await a_sending(scene, 250)
    await scene.rows("UPDATE campaign SET state = $2 WHERE id = $1", number, state)
    await fill(lane)
    leased = await scene.rows("SELECT count(*) AS n FROM chunk WHERE campaign_id = $1 AND state = 1", number)
    assert leased[0]["n"] == 1
    assert lane.take(1) == []
    assert await marked(scene, number) == 0


async def test_an_expired_campaign_marks_nothing(scene: Scene) -> None:
    number, lane, _, _ = await a_sending(scene, 10)
    await scene.rows("UPDATE campaign SET expires_at = now() - interval '1 second' WHERE id = $1", number)
    await fill(lane)
    assert await marked(scene, number) == 0


async def test_a_lease_that_another_node_took_marks_nothing(scene: Scene) -> None:
    number, lane, _, _ = await a_sending(scene, 250, mark_ahead=20)
    await fill(lane)
    assert len(lane.take(20)) == 20
    await scene.rows("UPDATE chunk SET epoch = epoch + 1 WHERE campaign_id = $1 AND state = 1", number)
    await lane._feed_once()
    assert lane.take(20) == []
    (held,) = lane.held()
    assert held.gone


async def test_the_ready_rows_of_a_forgotten_lease_do_not_leave(scene: Scene) -> None:
    _, lane, _, _ = await a_sending(scene)
    await fill(lane)
    (held,) = lane.held()
    lane.forget(held)
    assert lane.take(10) == []
    assert lane.held() == []


async def test_a_retry_chunk_hands_out_only_rows_that_still_wait(scene: Scene) -> None:
    """With the attempts made, and who was sent it twice already; a chunk whose rows all found their end is done."""
    number, lane, _, _ = await a_sending(scene, 6)
    await scene.rows(
        "UPDATE delivery SET state = CASE WHEN seq <= 2 THEN 7 WHEN seq = 3 THEN 8 ELSE 3 END, attempt = seq, "
        "flags = CASE WHEN seq = 3 THEN 1 ELSE 0 END WHERE campaign_id = $1",
        number,
    )
    await scene.rows("UPDATE chunk SET state = 2 WHERE campaign_id = $1", number)
    await scene.rows(
        "INSERT INTO retry SELECT campaign_id, seq, entity_id, channel, transport, now() FROM delivery "
        "WHERE campaign_id = $1 AND seq <= 4",
        number,
    )
    async with scene.connected() as connection:
        assert await deliveries.due_retries(connection, 100) == 1
    await fill(lane)
    taken = lane.take(10)
    assert [delivery.seq for delivery in taken] == [1, 2, 3]
    lease = taken[0].lease
    assert lease.lo < 0
    assert dict(lease.attempts) == {1: 1, 2: 2, 3: 3}
    assert lease.resent == {3}
    assert lease.remaining == 3
    assert (await states(scene, number))[DeliveryState.SUBMITTING] == 3


async def test_a_row_that_was_answered_before_it_was_marked_is_left_out(scene: Scene) -> None:
    number, lane, _, _ = await a_sending(scene, 4)
    await scene.rows("UPDATE delivery SET state = 7 WHERE campaign_id = $1", number)
    await scene.rows("UPDATE chunk SET state = 2 WHERE campaign_id = $1", number)
    await scene.rows(
        "INSERT INTO retry SELECT campaign_id, seq, entity_id, channel, transport, now() FROM delivery "
        "WHERE campaign_id = $1",
        number,
    )
    async with scene.connected() as connection:
        await deliveries.due_retries(connection, 100)
    held = await lane._lease(lane._campaigns[number])
    await scene.rows("UPDATE delivery SET state = 3 WHERE campaign_id = $1 AND seq IN (1, 4)", number)
    await lane._mark(lane._campaigns[number], held, 10)
    taken = lane.take(10)
    assert [delivery.seq for delivery in taken] == [2, 3]
    assert held.lease.remaining == 2
    assert held.in_flight == 2


async def test_the_pacer_counts_parts(scene: Scene) -> None:
    """Ten parts a second: five messages of two parts each."""
    _, lane, _, ticks = await a_sending(scene, 100, rate_per_s=10)
    await fill(lane)
    queue = lane._ready[0]
    words = replace(queue[0].text, parts=2)
    lane._ready[0] = type(queue)(delivery._replace(text=words) for delivery in queue)
    taken = 0
    for _ in range(200):
        ticks.now += 0.05
        taken += len(lane.take(10))
        await fill(lane)
        if ticks.now >= 1004.99:
            break
    assert 24 <= taken <= 27


async def test_nothing_is_marked_while_nobody_can_take_it(scene: Scene) -> None:
    """After a crash it would be unknown, although no byte of it could have left."""
    ways: list[str] = []
    number, lane, _, _ = await a_sending(scene, able=lambda: bool(ways))
    await fill(lane)
    assert (await marked(scene, number), lane.held()) == (0, [])
    ways.append("a bind")
    await fill(lane)
    assert await marked(scene, number) == 50


async def test_what_nobody_can_take_for_a_while_is_unsent(scene: Scene) -> None:
    ways = ["a bind"]
    number, lane, tracking, ticks = await a_sending(scene, able=lambda: bool(ways))
    await fill(lane)
    assert len(lane.take(10)) == 10
    ways.clear()
    for waited_s, given_back in ((UNABLE_S - 0.1, 0), (0.2, 40), (5.0, 40)):
        ticks.now += waited_s
        lane.opened({number: 0})
        assert tracking.kinds() == [OutcomeKind.UNSENT] * given_back


async def test_without_a_grant_it_waits_and_asks(scene: Scene) -> None:
    """The rate of all nodes gives nothing until the store has answered."""
    _, lane, _, ticks = await a_sending(scene)
    lane._pacer = Allowance(100.0, shared=True)
    asked = asyncio.Event()
    lane._pacer.hungry = asked.set
    await fill(lane)
    waiting = asyncio.create_task(lane.ready())
    async with asyncio.timeout(60):
        await asked.wait()
        assert not waiting.done()
        lane._pacer.granted(ticks.now, 4)
        await waiting
    ticks.now += 0.045
    assert len(lane.take(10)) == 2  # of two parts each


async def test_one_delivery_in_some_is_timed(scene: Scene) -> None:
    _, lane, tracking, _ = await a_sending(scene, 250, mark_ahead=200)
    for _ in range(5):
        await fill(lane)
        lane.take(50)
    assert len(tracking._sampled) in range(250 // SAMPLE_EVERY - 1, 250 // SAMPLE_EVERY + 1)


async def test_ready_ends_when_there_is_something_to_take(scene: Scene) -> None:
    _, lane, _, _ = await a_sending(scene)
    waiting = asyncio.create_task(lane.ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    async with going(lane.feed()):
        await waiting
    assert lane.take(1)


async def test_a_closed_lane_gives_nothing_and_is_never_ready(scene: Scene) -> None:
    _, lane, tracking, _ = await a_sending(scene)
    await fill(lane)
    lane.close()
    assert lane.take(10) == []
    assert set(tracking.kinds()) == {OutcomeKind.UNSENT}
    waiting = asyncio.create_task(lane.ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_feed_goes_on_after_the_store_was_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    _, lane, _, _ = await a_sending(scene, 20)
    real, failures = deliveries.lease_chunks, iter([1])

    async def away(*arguments: Any, **more: Any) -> Any:
        if next(failures, None):
            raise ConnectionResetError
        return await real(*arguments, **more)

    monkeypatch.setattr(deliveries, "lease_chunks", away)
    async with going(lane.feed()):
        await lane.ready()
    assert len(lane.take(100)) == 20
