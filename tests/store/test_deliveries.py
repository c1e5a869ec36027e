"""The work queue on real servers: as a model, and the single rules that a model can not say well."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from gateway.model import CampaignState, ChannelName, DeliveryState, Lease, Mode, Transport
from gateway.store import alerts, deliveries
from gateway.store.columns import OutcomeColumns, Recorded
from gateway.store.deliveries import Leased
from gateway.store.embedded import Cluster
from gateway.store.pool import PINNED, Connection, Store
from tests.store import made
from tests.store.queue_model import QueueMachine, SecondTries

D = DeliveryState
SMS, VOICE = ChannelName.SMS, ChannelName.VOICE


@pytest.mark.both_servers
@pytest.mark.parametrize("machine", [QueueMachine, SecondTries])
def test_no_order_of_the_queues_statements_breaks_its_rules(
    pg: Cluster, server_kind: str, machine: type[QueueMachine]
) -> None:
    loop = asyncio.new_event_loop()

    class Machine(machine):  # type: ignore[misc, valid-type]
        pass

    async def ground() -> None:
        store = await Store.open(pg.app_dsn)
        async with store.ask.acquire() as connection:
            Machine.entity_id = await made.entity(connection)
        await store.close()
        Machine.connection = await asyncpg.connect(pg.app_dsn, server_settings=PINNED)
        await Machine.connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    loop.run_until_complete(ground())
    Machine.loop = loop
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=40 if server_kind == "embedded" else 8,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(Machine.connection.close())
        loop.close()


@pytest.fixture
async def store(pg: Cluster) -> AsyncIterator[Store]:
    store = await Store.open(pg.app_dsn)
    yield store
    await store.close()


@pytest.fixture
async def queue(store: Store) -> AsyncIterator[Connection]:
    async with store.queue.acquire() as connection:
        yield connection


@pytest.fixture
async def entity_id(queue: Connection) -> int:
    return await made.entity(queue)


async def a_campaign(queue: Connection, entity_id: int, channel: ChannelName = SMS, rows: int = 4, **more: Any) -> int:
    number = await made.campaign(queue, entity_id, channels=[channel], **more)
    await made.rows(queue, number, entity_id, channel, lo=1, hi=rows, size=4)
    return number


async def lease(
    queue: Connection, campaign: int, channel: ChannelName = SMS, node: int = 1, limit: int = 9
) -> list[Leased]:
    return await deliveries.lease_chunks(
        queue, campaign=campaign, channel=channel, transport=Transport.LIVE, node=node, limit=limit, lease_s=60
    )


async def marked(queue: Connection, campaign: int, channel: ChannelName = SMS) -> Lease:
    """The next chunk, leased and marked to its end."""
    (leased,) = await lease(queue, campaign, channel, limit=1)
    if leased.listed:
        assert await deliveries.mark_listed(queue, leased.lease, leased.seqs, lease_s=60) == set(leased.seqs)
    else:
        assert await deliveries.mark_range(queue, leased.lease, leased.seqs[-1], len(leased.seqs), lease_s=60)
    return leased.lease


def outcomes(
    lease: Lease, states: dict[int, D], *, ids: dict[int, str] | None = None, done: bool = False, **more: Any
) -> OutcomeColumns:
    now = datetime.now(UTC)
    given = ids or {}
    return OutcomeColumns(
        campaign=lease.campaign,
        channel=lease.channel,
        chunks={(lease.lo, lease.epoch): done},
        seq=list(states),
        lo=[lease.lo] * len(states),
        due=[now if s is D.RETRY_WAIT else None for s in states.values()],
        state=[int(s) for s in states.values()],
        flag=[0] * len(states),
        code=more.get("code", [0] * len(states)),
        detail=more.get("detail", [None] * len(states)),
        ids_provider=["peer"] * len(given),
        ids_mask=[1] * len(given),
        ids_seq=list(given),
        ids_parts=[1] * len(given),
        ids_text=list(given.values()),
    )


async def receipts(queue: Connection, *news: tuple[str, D], due: datetime | None = None, most: int = 9) -> None:
    await deliveries.record_receipts(
        queue,
        1,
        [text for text, _ in news],
        [kind for _, kind in news],
        [0 for _ in news],
        [(due or datetime.now(UTC)) if kind is D.RETRY_WAIT else None for _, kind in news],
        max_attempts=most,
    )


async def record(queue: Connection, batch: OutcomeColumns) -> Recorded:
    """What the peer with the number 1 answered."""
    return await deliveries.record_outcomes(queue, batch, {"peer": 1})


async def states(queue: Connection, campaign: int) -> list[D]:
    return [
        D(r["state"])
        for r in await queue.fetch("SELECT state FROM delivery WHERE campaign_id = $1 ORDER BY seq", campaign)
    ]


async def everything(queue: Connection) -> list[Any]:
    """All that the queue's statements write, but for the ends of leases and repeated ids."""
    return [
        [tuple(row) for row in await queue.fetch(statement)]
        for statement in (
            "SELECT d.* FROM delivery d ORDER BY campaign_id, seq",
            "SELECT campaign_id, lo, hi, state, node, epoch, marked_to, seqs FROM chunk ORDER BY campaign_id, lo",
            "SELECT campaign_id, seq FROM retry ORDER BY 1, 2",
            "SELECT p.* FROM progress p ORDER BY campaign_id, channel, shard",
            "SELECT DISTINCT provider, mask, campaign_id, seq, parts, msg_id FROM msgref ORDER BY 4, 6",
        )
    ]


async def called_twice(queue: Connection, entity_id: int) -> tuple[int, Lease]:
    """A call was placed, ended busy, and its second try is in flight."""
    campaign = await a_campaign(queue, entity_id, VOICE, rows=1)
    first = await marked(queue, campaign, VOICE)
    await record(queue, outcomes(first, {1: D.SUBMITTED}, ids={1: "call-1"}, done=True))
    await receipts(queue, ("call-1", D.RETRY_WAIT))
    assert await deliveries.due_retries(queue, 9) == 1
    return campaign, await marked(queue, campaign, VOICE)


@pytest.mark.both_servers
async def test_a_holder_whose_chunk_was_taken_over_records_nothing(queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id, rows=8)
    (leased, other) = await lease(queue, campaign)
    assert await deliveries.mark_range(queue, leased.lease, 2, 2, lease_s=60)
    for lo in (1, 5):
        assert await deliveries.recover_chunk(queue, campaign, lo, node=1, own=True, urgent=False, grace_s=0)
    before = await everything(queue)
    late = await record(queue, outcomes(leased.lease, dict.fromkeys((1, 2, 3), D.SUBMITTED)))
    nothing_left = await record(queue, outcomes(other.lease, {}, done=True))
    assert (late.total, nothing_left.total) == (0, 0)
    assert not await deliveries.mark_range(queue, leased.lease, 3, 1, lease_s=60)
    await deliveries.give_back(queue, leased.lease)
    assert await deliveries.keep_leases(queue, [leased.lease], lease_s=60) == {}
    assert await everything(queue) == before
    taken = await lease(queue, campaign, node=2)
    assert [one.seqs for one in taken] == [[3, 4], [5, 6, 7, 8]], "marked rows are unknown, the others still to send"
    for lost in (leased.lease, other.lease):
        await record(queue, outcomes(lost, {3: D.SUBMITTED, 5: D.FAILED}, done=True))
    assert await deliveries.mark_range(queue, taken[1].lease, 8, 4, lease_s=60), "its new holder was disturbed"
    assert (await states(queue, campaign))[2:] == [D.QUEUED] * 6


@pytest.mark.both_servers
async def test_a_fenced_holders_message_id_lets_the_receipt_resolve_what_is_unknown(
    queue: Connection, entity_id: int
) -> None:
    campaign = await a_campaign(queue, entity_id, rows=1)
    dead = await marked(queue, campaign)
    await deliveries.recover_chunk(queue, campaign, 1, node=1, own=True, urgent=True, grace_s=60)
    await record(queue, outcomes(dead, {1: D.SUBMITTED}, ids={1: "late"}, done=True))
    assert await states(queue, campaign) == [D.UNKNOWN]
    await receipts(queue, ("late", D.DELIVERED))
    assert await states(queue, campaign) == [D.DELIVERED]
    assert await queue.fetchval("SELECT count(*) FROM retry") == 0, "it would have been sent again"


@pytest.mark.both_servers
async def test_every_statement_said_twice_is_as_said_once(queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id, rows=8)

    async def twice(call: Callable[[], Awaitable[object]]) -> None:
        await call()
        before = await everything(queue)
        await call()
        assert await everything(queue) == before

    one, two = [leased.lease for leased in await lease(queue, campaign)]
    await twice(lambda: deliveries.mark_range(queue, one, 4, 4, lease_s=60))
    await twice(lambda: deliveries.mark_range(queue, two, 6, 2, lease_s=60))
    ends = {1: D.SUBMITTED, 2: D.FAILED, 3: D.RETRY_WAIT, 4: D.SUBMITTED}
    await twice(lambda: record(queue, outcomes(one, ends, ids={1: "a", 4: "d"}, done=True)))
    await twice(lambda: receipts(queue, ("a", D.DELIVERED), ("d", D.RETRY_WAIT)))
    await twice(lambda: deliveries.recover_chunk(queue, campaign, 5, node=1, own=True, urgent=True, grace_s=0))
    await twice(lambda: deliveries.due_retries(queue, 9))
    again = next(leased.lease for leased in await lease(queue, campaign) if leased.listed)
    await twice(lambda: deliveries.mark_listed(queue, again, [3, 4, 5, 6], lease_s=60))
    await twice(lambda: record(queue, outcomes(again, {3: D.SUBMITTED, 5: D.RETRY_WAIT})))
    await twice(lambda: alerts.set_state(queue, campaign, CampaignState.SENDING, CampaignState.CLOSING))
    await twice(lambda: deliveries.withdraw_chunks(queue, campaign, expired=False))
    await twice(lambda: deliveries.sweep(queue, campaign, expired=False))
    await queue.execute("UPDATE chunk SET lease_until = now() - interval '1 s'")
    while await deliveries.sweep(queue, campaign, expired=False):
        pass
    await twice(lambda: deliveries.sweep(queue, campaign, expired=False))
    assert await states(queue, campaign) == [
        D.DELIVERED, D.FAILED, D.SUBMITTED, D.UNKNOWN, D.CANCELLED, D.UNKNOWN, D.CANCELLED, D.CANCELLED,
    ]  # fmt: skip


async def test_bad_news_of_the_first_call_do_not_end_the_second(queue: Connection, entity_id: int) -> None:
    campaign, second = await called_twice(queue, entity_id)
    await receipts(queue, ("call-1", D.RETRY_WAIT))
    await receipts(queue, ("call-1", D.FAILED))
    assert await states(queue, campaign) == [D.SUBMITTING]
    await record(queue, outcomes(second, {1: D.SUBMITTED}, ids={1: "call-2"}, done=True))
    await receipts(queue, ("call-1", D.RETRY_WAIT))
    assert await states(queue, campaign) == [D.SUBMITTED], "the first call's end, told again, starts a third call"
    await receipts(queue, ("call-2", D.RETRY_WAIT))
    assert await states(queue, campaign) == [D.RETRY_WAIT]


async def test_an_arrival_outweighs_what_else_a_batch_says(queue: Connection, entity_id: int) -> None:
    campaign, second = await called_twice(queue, entity_id)
    await record(queue, outcomes(second, {1: D.SUBMITTED}, ids={1: "call-2"}, done=True))
    await receipts(queue, ("call-1", D.FAILED), ("call-2", D.DELIVERED))
    assert await states(queue, campaign) == [D.DELIVERED]


async def test_a_busy_call_of_an_unknown_row_is_planned_in_one_place_only(queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id, VOICE, rows=1)
    dead = await marked(queue, campaign, VOICE)
    await deliveries.recover_chunk(queue, campaign, 1, node=1, own=True, urgent=True, grace_s=0)
    await record(queue, outcomes(dead, {1: D.SUBMITTED}, ids={1: "call-1"}))
    assert await deliveries.due_retries(queue, 9) == 1
    await receipts(queue, ("call-1", D.RETRY_WAIT))
    assert await states(queue, campaign) == [D.RETRY_WAIT]
    assert await deliveries.due_retries(queue, 9) == 0, "its second call would be two"


@pytest.mark.parametrize(
    ("most", "due_s", "campaign_state", "end"),
    [
        (9, 0, "sending", D.RETRY_WAIT),
        (1, 0, "sending", D.FAILED),
        (9, 7200, "sending", D.EXPIRED),
        (9, 0, "closed", D.FAILED),
    ],
)
async def test_a_busy_call_is_the_end_when_no_other_may_follow(
    queue: Connection, entity_id: int, most: int, due_s: int, campaign_state: str, end: D
) -> None:
    campaign = await a_campaign(queue, entity_id, VOICE, rows=1)
    call = await marked(queue, campaign, VOICE)
    await record(queue, outcomes(call, {1: D.SUBMITTED}, ids={1: "call-1"}, done=True))
    await queue.execute("UPDATE campaign SET state = $1", campaign_state)
    await receipts(queue, ("call-1", D.RETRY_WAIT), due=datetime.now(UTC) + timedelta(seconds=due_s), most=most)
    assert await states(queue, campaign) == [end]


async def test_a_retry_made_into_a_chunk_while_its_campaign_stops_is_swept(queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id, rows=1)
    tried = await marked(queue, campaign)
    await record(queue, outcomes(tried, {1: D.RETRY_WAIT}, done=True))
    await deliveries.withdraw_chunks(queue, campaign, expired=False)
    await deliveries.due_retries(queue, 9)
    await alerts.set_state(queue, campaign, CampaignState.SENDING, CampaignState.CLOSING)
    assert await deliveries.sweep(queue, campaign, expired=False) == 1
    assert await states(queue, campaign) == [D.CANCELLED]


async def test_what_a_holder_who_is_gone_had_marked_is_swept_also_after_the_clock_was_set_back(
    queue: Connection, entity_id: int
) -> None:
    campaign = await a_campaign(queue, entity_id, rows=1)
    await marked(queue, campaign)
    await deliveries.withdraw_chunks(queue, campaign, expired=False)
    assert await deliveries.sweep(queue, campaign, expired=False) == 0, "its answer may still come"
    await queue.execute("UPDATE chunk SET lease_until = now() + interval '1 hour'")
    assert await deliveries.sweep(queue, campaign, expired=False) == 1
    assert await states(queue, campaign) == [D.UNKNOWN]


async def test_many_nodes_lease_every_chunk_once(store: Store, queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id, rows=200)

    async def worker(node: int) -> list[int]:
        seqs: list[int] = []
        async with store.queue.acquire() as connection:
            while taken := await lease(connection, campaign, node=node, limit=3):
                seqs += [seq for one in taken for seq in one.seqs]
        return seqs

    found = await asyncio.gather(*(worker(node) for node in range(8)))
    assert sorted(seq for seqs in found for seq in seqs) == list(range(1, 201))


async def test_many_nodes_reserve_every_start_once(store: Store, queue: Connection) -> None:
    await deliveries.open_gate(queue, "trunk", 10.0)

    async def reserve() -> tuple[float, float]:
        async with store.queue.acquire() as connection:
            wait_s, _ = await deliveries.reserve_starts(connection, "trunk", 2)
            return wait_s, asyncio.get_running_loop().time()

    waits = sorted(wait_s + asked_at for wait_s, asked_at in await asyncio.gather(*(reserve() for _ in range(20))))
    total_s = await queue.fetchval("SELECT extract(epoch FROM next_at - clock_timestamp())::float8 FROM rate_gate")
    assert total_s > 20 * 2 * 10.0 - 15.0, "slots were given twice"
    assert waits[-1] - waits[0] > 19 * 2 * 10.0 - 15.0


async def test_slots_that_nobody_took_are_given_out_while_they_are_young_enough(queue: Connection) -> None:
    await deliveries.open_gate(queue, "lane", 0.1)
    await queue.execute("UPDATE rate_gate SET next_at = clock_timestamp() - interval '1 hour'")
    wait_s, period_s = await deliveries.reserve_starts(queue, "lane", 1_000, 1_000.0)
    assert (-1_001 < wait_s <= -1_000.0, period_s) == (True, 0.1)
    wait_s, _ = await deliveries.reserve_starts(queue, "lane", 1_000, 1_000.0)
    assert -1_000 < wait_s <= -900.0 + 1e-3, "a slot is given out once"
    wait_s, _ = await deliveries.reserve_starts(queue, "lane", 1)
    assert -1.0 < wait_s <= 0.0


async def test_a_clock_that_was_set_back_holds_up_no_start_and_gives_no_slot_twice(queue: Connection) -> None:
    """What was given out ahead stays ahead; the next ones follow at once, not when the clock has caught up."""
    await deliveries.open_gate(queue, "voice", 0.1)
    before_s, _ = await deliveries.reserve_starts(queue, "voice", 20)
    await queue.execute("UPDATE rate_gate SET next_at = next_at + $1, asked_at = asked_at + $1", timedelta(hours=1))
    wait_s, _ = await deliveries.reserve_starts(queue, "voice", 5)
    assert before_s + 20 * 0.1 - 1e-3 <= wait_s < before_s + 20 * 0.1 + 1.0
    later_s, _ = await deliveries.reserve_starts(queue, "voice", 5)
    assert later_s <= wait_s + 5 * 0.1
    await queue.execute(
        "UPDATE rate_gate SET next_at = now() + interval '1 minute', asked_at = now() + interval '1 hour'"
    )
    wait_s, _ = await deliveries.reserve_starts(queue, "voice", 5)
    assert -1.0 <= wait_s <= 0.1, "what was given out has passed since, whatever the clock says"


async def test_no_trigger_has_the_rows_of_the_hot_path_locked_before_they_change(queue: Connection) -> None:
    before_row_update = 1 | 2 | 16  # pg_trigger.tgtype: FOR EACH ROW, BEFORE, UPDATE
    found = await queue.fetch(
        "SELECT tgrelid::regclass::text AS at, tgname FROM pg_trigger WHERE tgtype & $1::smallint = $1 "
        "AND tgrelid = ANY (ARRAY['delivery', 'chunk', 'progress', 'msgref', 'campaign']::regclass[])",
        before_row_update,
    )
    assert [tuple(row) for row in found] == []


async def test_no_trigger_looks_at_the_deliveries_one_by_one(queue: Connection) -> None:
    await queue.execute("SELECT ensure_delivery_partition(1)")
    row_update = 1 | 16  # pg_trigger.tgtype: FOR EACH ROW, UPDATE
    deliveries_ = (
        "SELECT 'delivery'::regclass UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'delivery'::regclass"
    )
    triggers = f"SELECT tgname, tgtype & $1::smallint = $1 AS each FROM pg_trigger WHERE tgrelid IN ({deliveries_})"
    found = [tuple(row) for row in await queue.fetch(triggers, row_update)]
    assert found.count(("transport_is_fixed", False)) >= 2, "the table's, and its partition's"
    assert [name for name, each in found if each] == []


@pytest.mark.both_servers
async def test_a_peers_numbers_and_words_are_stored_whatever_they_are(queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id, rows=2)
    tried = await marked(queue, campaign)
    batch = outcomes(
        tried,
        {1: D.FAILED, 2: D.SUBMITTED},
        ids={2: "id\0\ud800"},
        code=[0xFFFF_FFFF, -(10**30)],
        detail=["\0no\udfff", "\n"],
    )
    assert (await record(queue, batch)).total == 2
    await deliveries.record_receipts(
        queue, 1, ["id\0\ud800", "\0"], [3, 3], [10**30, 0], [None, None], max_attempts=1, details=["\ud900\0", ""]
    )
    assert await states(queue, campaign) == [D.FAILED, D.DELIVERED]
    assert await queue.fetchval("SELECT code FROM delivery WHERE seq = 1") == 2**31 - 1


@pytest.mark.parametrize(
    "change", ["state = 'paused'", "state = 'closing'", "expires_at = now() - interval '1 s'"], ids=str.split
)
async def test_nothing_is_marked_in_a_campaign_that_may_not_send(
    queue: Connection, entity_id: int, change: str
) -> None:
    campaign = await a_campaign(queue, entity_id, rows=8)
    tried = await marked(queue, campaign)
    await record(queue, outcomes(tried, {1: D.RETRY_WAIT}))
    await deliveries.due_retries(queue, 9)
    listed, fresh = await lease(queue, campaign)
    await queue.execute(f"UPDATE campaign SET {change}")
    assert await deliveries.lanes_open(queue) == []
    assert await deliveries.still_sending(queue, [campaign]) == set()
    assert not await deliveries.mark_range(queue, fresh.lease, 8, 4, lease_s=60)
    assert await deliveries.mark_listed(queue, listed.lease, [1], lease_s=60) == set()
    assert (await states(queue, campaign))[0] is D.RETRY_WAIT


async def test_the_most_urgent_campaign_is_open_first(queue: Connection, entity_id: int) -> None:
    later = await a_campaign(queue, entity_id, priority=3)
    urgent = await a_campaign(queue, entity_id, VOICE, priority=0)
    found = await deliveries.lanes_open(queue)
    assert [(o.campaign, o.channel, o.transport) for o in found] == [
        (urgent, VOICE, Transport.LIVE),
        (later, SMS, Transport.LIVE),
    ]
    assert await deliveries.still_sending(queue, [later, 99]) == {later}


async def test_the_first_submission_is_noted_once(queue: Connection, entity_id: int) -> None:
    campaign = await a_campaign(queue, entity_id)
    first_after_s = await deliveries.note_submit(queue, campaign)
    assert first_after_s is not None
    assert first_after_s >= 0
    assert await deliveries.note_submit(queue, campaign) is None


@pytest.mark.parametrize(("mode", "kept"), [(Mode.EXERCISE, True), (Mode.LIVE, False)])
async def test_a_second_try_of_an_exercise_is_still_for_marked_groups_only(
    queue: Connection, entity_id: int, mode: Mode, kept: bool
) -> None:
    campaign = await a_campaign(queue, entity_id, rows=1, mode=mode)
    tried = await marked(queue, campaign)
    await record(queue, outcomes(tried, {1: D.RETRY_WAIT}, done=True))
    await deliveries.due_retries(queue, 9)
    (again,) = await lease(queue, campaign)
    assert again.lease.exercise_group is kept
    assert again.lease.attempts == {1: 1}
