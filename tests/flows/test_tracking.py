"""Tracking: what is handed in is written once, in order, whatever happens to the store in between."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.metrics import Metrics
from gateway.model import Belated, Delivery, DeliveryState, Outcome, OutcomeKind, Receipt, ReceiptKind
from gateway.policy.report import as_text
from gateway.store import deliveries, progress
from tests.support.scene import Entity, Scene
from tests.support.sending import Heard, Ticks, a_campaign, a_lane, a_tracking, fill, going, states

COUNTS = ("queued", "in_flight", "submitted", "delivered", "failed", "cancelled", "expired", "unknown")


def accepted(delivery: Delivery, message_id: str = "", *, settled: bool = False) -> Outcome:
    """The peer took it."""
    ids = (message_id,) if message_id else ()
    return Outcome(delivery, OutcomeKind.ACCEPTED, "smsc", message_ids=ids, settled=settled)


def arrived(message_id: str, kind: ReceiptKind = ReceiptKind.DELIVERED) -> Receipt:
    """The network says so."""
    return Receipt("smsc", message_id, kind)


async def taken(scene: Scene, tracking: Heard, people: int, **more: str) -> tuple[int, list[Delivery]]:
    """A campaign all of whose deliveries are marked and in a channel's hands."""
    return await taken_by(scene, await scene.entity(), tracking, people, **more)


async def taken_by(
    scene: Scene, entity: Entity, tracking: Heard, people: int, **more: str
) -> tuple[int, list[Delivery]]:
    """The same, of this entity."""
    number = await a_campaign(scene, entity, people, **more)
    lane = a_lane(scene.store, tracking, ticks=Ticks(), mark_ahead=1000)
    lane.opened({number: 0})
    await fill(lane)
    return number, lane.take(1000)


async def counted(scene: Scene, number: int) -> dict[str, int]:
    """The live counts over all channels, those that are not zero; their sum has to be what was planned."""
    async with scene.connected() as connection:
        by_channel = (await progress.counts(connection, [number]))[number]
    found = {name: sum(of[name] for of in by_channel.values()) for name in (*COUNTS, "planned")}
    assert sum(found[name] for name in COUNTS) == found.pop("planned")
    return {name: n for name, n in found.items() if n}


async def chunk_states(scene: Scene, number: int) -> set[int]:
    rows = await scene.rows("SELECT DISTINCT state FROM chunk WHERE campaign_id = $1", number)
    return {row["state"] for row in rows}


async def test_what_was_emitted_is_durable_when_its_awaitable_ends(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 30)
    async with going(tracking.run()):
        done = asyncio.ensure_future(tracking.emit([accepted(row, f"m{row.seq}") for row in rows[:10]]))
        assert not done.done()
        assert tracking.unrecorded == 10
        await done
        assert await states(scene, number) == {DeliveryState.QUEUED: 20, DeliveryState.SUBMITTED: 10}
        assert await counted(scene, number) == {"in_flight": 20, "submitted": 10}
        assert tracking.unrecorded == 0
        assert await chunk_states(scene, number) == {1}
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows[10:]])
        assert await chunk_states(scene, number) == {2}


async def test_nothing_emitted_is_durable_at_once(scene: Scene) -> None:
    await a_tracking(scene.store).emit([])


async def test_a_receipt_in_the_same_batch_as_its_submission_finds_it(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 3)
    async with going(tracking.run()):
        ends = (ReceiptKind.DELIVERED, ReceiptKind.FAILED, ReceiptKind.EXPIRED)
        receipts = [arrived(f"m{row.seq}", kind) for row, kind in zip(rows, ends, strict=True)]
        await tracking.emit([*receipts, *(accepted(row, f"m{row.seq}") for row in rows)])
    assert await counted(scene, number) == {"delivered": 1, "failed": 1, "expired": 1}


async def test_a_receipt_before_its_submission_is_kept_and_matched(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([arrived("m1"), arrived("nobody's")])
        assert await tracking.match_orphans() == 0
        await tracking.emit([accepted(rows[0], "m1"), accepted(rows[1], "m2")])
        assert await tracking.match_orphans() == 1
        assert await tracking.match_orphans() == 0
    assert await counted(scene, number) == {"delivered": 1, "submitted": 1}


async def test_a_receipt_of_every_part_is_needed(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (row,) = await taken(scene, tracking, 1)
    async with going(tracking.run()):
        await tracking.emit([Outcome(row, OutcomeKind.ACCEPTED, "smsc", message_ids=("a", "b", "c"))])
        for message_id, expected in (("a", "submitted"), ("a", "submitted"), ("c", "submitted"), ("b", "delivered")):
            await tracking.emit([arrived(message_id)])
            assert await counted(scene, number) == {expected: 1}


async def test_how_long_a_call_lasted_is_kept_once_and_before_its_end_is(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
        await tracking.emit([arrived("m1")._replace(seconds=61.2), arrived("m2"), arrived("early")._replace(seconds=3)])
        await tracking.emit([arrived("m1")._replace(seconds=99), arrived("m2\0")._replace(seconds=1e12)])
    kept = await scene.rows("SELECT call_id, seconds FROM call_length ORDER BY call_id")
    assert [tuple(row) for row in kept] == [("early", 3), ("m1", 62), ("m2", 86_400)]
    assert await counted(scene, number) == {"delivered": 2}


async def test_a_second_receipt_changes_nothing(scene: Scene) -> None:
    """Final states never change."""
    tracking = a_tracking(scene.store)
    number, (row,) = await taken(scene, tracking, 1)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, "m")])
        await tracking.emit([arrived("m"), arrived("m")])
        await tracking.emit([arrived("m", ReceiptKind.FAILED)])
    assert await counted(scene, number) == {"delivered": 1}


@pytest.mark.parametrize("which", ["record_outcomes", "record_receipts"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_store_that_goes_away_is_asked_again_without_double_effect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, which: str, moment: str
) -> None:
    """Also when the statement was committed and only its answer was lost."""
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 5)
    real: Callable[..., Any] = getattr(deliveries, which)
    failures = iter([1, 2])

    async def away(*arguments: Any, **more: Any) -> Any:
        fails = next(failures, None)
        if fails and moment == "before":
            raise ConnectionResetError
        result = await real(*arguments, **more)
        if fails:
            raise TimeoutError
        return result

    monkeypatch.setattr(deliveries, which, away)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
        await tracking.emit([arrived(f"m{row.seq}") for row in rows[:2]])
    assert await counted(scene, number) == {"delivered": 2, "submitted": 3}
    assert await chunk_states(scene, number) == {2}
    attempts = await scene.rows("SELECT DISTINCT attempt FROM delivery WHERE campaign_id = $1", number)
    assert [row["attempt"] for row in attempts] == [1]


async def test_an_outcome_under_an_old_epoch_is_not_recorded(scene: Scene) -> None:
    """Another node has taken the chunk: what this one still hears is void, and it says so."""
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 5)
    await scene.rows("UPDATE chunk SET epoch = epoch + 1 WHERE campaign_id = $1", number)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
    assert await states(scene, number) == {DeliveryState.QUEUED: 5}
    assert await counted(scene, number) == {"in_flight": 5}


# what an outcome leads to -> state, attempts, flags, whether it will be tried again
LEADS_TO = {
    ("urgent", OutcomeKind.FAILED): (DeliveryState.FAILED, 1, 0, False),
    ("urgent", OutcomeKind.RETRY): (DeliveryState.RETRY_WAIT, 1, 0, True),
    ("urgent", OutcomeKind.UNSENT): (DeliveryState.RETRY_WAIT, 0, 0, True),
    ("urgent", OutcomeKind.UNKNOWN): (DeliveryState.UNKNOWN, 1, 1, True),
    ("news", OutcomeKind.UNKNOWN): (DeliveryState.UNKNOWN, 1, 0, False),
    ("news", OutcomeKind.RETRY): (DeliveryState.RETRY_WAIT, 1, 0, True),
}


@pytest.mark.parametrize(("kind", "outcome"), LEADS_TO)
async def test_every_outcome_leads_where_the_policy_says(scene: Scene, kind: str, outcome: OutcomeKind) -> None:
    tracking = a_tracking(scene.store)
    number, (row,) = await taken(scene, tracking, 1, kind=kind)
    async with going(tracking.run()):
        await tracking.emit([Outcome(row, outcome, "smsc", code=8, detail="why")])
    (stored,) = await scene.rows(
        "SELECT d.state, d.attempt, d.flags, d.code, d.detail, r.seq IS NOT NULL AS again FROM delivery d "
        "LEFT JOIN retry r ON r.campaign_id = d.campaign_id AND r.seq = d.seq WHERE d.campaign_id = $1",
        number,
    )
    expected = LEADS_TO[kind, outcome]
    assert (stored["state"], stored["attempt"], stored["flags"], stored["again"]) == expected
    assert (stored["code"], stored["detail"]) == (8, "why")
    await counted(scene, number)


async def test_a_delivery_that_is_settled_at_once_waits_for_no_receipt(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([accepted(rows[0], settled=True), accepted(rows[1], "m")])
    async with scene.connected() as connection:
        found = (await progress.counts(connection, [number]))[number]
    assert [of["awaiting"] for of in found.values()] == [1]


async def test_a_late_receipt_resolves_what_was_unknown_and_stops_its_second_try(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (row,) = await taken(scene, tracking, 1)
    async with going(tracking.run()):
        unknown = Outcome(row, OutcomeKind.UNKNOWN, "smsc", message_ids=("m",))
        await tracking.emit([unknown])
        assert await counted(scene, number) == {"unknown": 1}
        await tracking.emit([arrived("m")])
    assert await counted(scene, number) == {"delivered": 1}
    assert await scene.rows("SELECT * FROM retry") == []


def unanswered(delivery: Delivery) -> Outcome:
    return Outcome(delivery, OutcomeKind.UNKNOWN, "smsc", detail="no answer in time")


async def tried_again(scene: Scene, tracking: Heard, number: int) -> list[Delivery]:
    """What is due, leased and marked once more."""
    async with scene.connected() as connection:
        await deliveries.due_retries(connection, 100)
    lane = a_lane(scene.store, tracking, ticks=Ticks(), mark_ahead=1000)
    lane.opened({number: 0})
    await fill(lane)
    return lane.take(1000)


async def flags(scene: Scene) -> set[int]:
    return {row["flags"] for row in await scene.rows("SELECT flags FROM delivery")}


@pytest.mark.parametrize("kind", ["urgent", "news"])
async def test_a_late_answer_makes_unknown_submitted_and_spares_the_second_try(scene: Scene, kind: str) -> None:
    """Whether that waits for its time or stands in a chunk that somebody holds already; its receipt finds it."""
    metrics = Metrics()
    tracking = a_tracking(scene.store, metrics)
    number, (one, two) = await taken(scene, tracking, 2, kind=kind)
    async with going(tracking.run()):
        await tracking.emit([unanswered(one), unanswered(two)])
        assert await counted(scene, number) == {"unknown": 2}
        assert await flags(scene) == {int(kind == "urgent")}
        await tracking.emit([Belated(accepted(one, "m1")), arrived("m1")])
        assert await counted(scene, number) == {"unknown": 1, "delivered": 1}
        async with scene.connected() as connection:
            await deliveries.due_retries(connection, 100)
        await tracking.emit([Belated(accepted(two, "m2"))])
        assert await counted(scene, number) == {"submitted": 1, "delivered": 1}
        assert await tried_again(scene, tracking, number) == []
        await tracking.emit([arrived("m2")])
        await tracking.emit([Belated(accepted(two, "m2"))])
    assert await counted(scene, number) == {"delivered": 2}
    assert await flags(scene) == {0}, "neither was sent twice"
    said = metrics.render()[0].decode()
    assert 'gateway_late_answers_total{channel="sms",found="resolved"} 2.0' in said
    assert 'gateway_late_answers_total{channel="sms",found="spare"} 1.0' in said


async def test_a_text_that_took_an_earlier_ones_place_is_the_one_that_arrives_though_answered_late(
    scene: Scene,
) -> None:
    tracking, entity = a_tracking(scene.store), await scene.entity()
    earlier, (old,) = await taken_by(scene, entity, tracking, 1)
    later, (new,) = await taken_by(scene, entity, tracking, 1, identifier="A-2")
    async with going(tracking.run()):
        await tracking.emit([accepted(old, "m1")])
        await tracking.emit([unanswered(new)])
        await tracking.emit([Belated(accepted(new, "m1")._replace(kind=OutcomeKind.REPLACED))])
        assert await counted(scene, earlier) == {"cancelled": 1}
        assert await counted(scene, later) == {"submitted": 1}
        assert await tried_again(scene, tracking, later) == []
        await tracking.emit([arrived("m1")])
    assert await counted(scene, earlier) == {"cancelled": 1}
    assert await counted(scene, later) == {"delivered": 1}


async def test_a_late_answer_does_not_hold_a_second_try_that_has_begun_and_says_so(scene: Scene) -> None:
    """It goes on, and is a possible duplicate whatever becomes of it; refused for now it is not sent a third time."""
    tracking = a_tracking(scene.store)
    number, (row,) = await taken(scene, tracking, 1)
    async with going(tracking.run()):
        await tracking.emit([unanswered(row)])
        (again,) = await tried_again(scene, tracking, number)
        await tracking.emit([Belated(accepted(row, "m1"))])
        assert await counted(scene, number) == {"in_flight": 1}
        await tracking.emit([Outcome(again, OutcomeKind.RETRY, "smsc", retry_after_s=0.0)])
        assert await counted(scene, number) == {"queued": 1}
        await tracking.emit([Belated(accepted(row, "m1"))])
        assert await counted(scene, number) == {"submitted": 1}
        assert await tried_again(scene, tracking, number) == []
        await tracking.emit([arrived("m1")])
    assert await counted(scene, number) == {"delivered": 1}
    assert await flags(scene) == {1}


@pytest.mark.parametrize(
    ("kind", "becomes"), [(OutcomeKind.FAILED, {"failed": 1}), (OutcomeKind.RETRY, {"queued": 1})], ids=str
)
async def test_a_late_refusal_is_a_refusal_while_no_other_try_was_recorded(
    scene: Scene, kind: OutcomeKind, becomes: dict[str, int]
) -> None:
    tracking = a_tracking(scene.store)
    number, (one, two) = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([unanswered(one), unanswered(two)])
        late = Outcome(one, kind, "smsc", 8, "ESME_RSYSERR", retry_after_s=0.0)
        await tracking.emit([Belated(late), Belated(late)])
        assert await counted(scene, number) == {"unknown": 1, **becomes}
        again = {row.seq: row for row in await tried_again(scene, tracking, number)}
        assert set(again) == ({one.seq, two.seq} if kind is OutcomeKind.RETRY else {two.seq})
        rows = await scene.rows("SELECT flags FROM delivery ORDER BY seq = $1 DESC", one.seq)
        assert [row["flags"] for row in rows] == [0, 1], "what was refused is no duplicate when it is sent"
        await tracking.emit([unanswered(again[two.seq])])
        await tracking.emit([Belated(late._replace(delivery=two))])  # the first try's: of the second nothing is known
        assert (await counted(scene, number))["unknown"] == 1


async def test_a_late_answer_after_the_receipt_or_the_end_changes_no_end(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    number, (one, two) = await taken(scene, tracking, 2)
    async with going(tracking.run()):
        await tracking.emit([accepted(one, "m1"), arrived("m1"), unanswered(two)])
        await tracking.emit([Belated(accepted(one, "m1"))])
        assert await counted(scene, number) == {"delivered": 1, "unknown": 1}
        await scene.rows("UPDATE campaign SET state = 'closed' RETURNING id")
        await tracking.emit([Belated(Outcome(two, OutcomeKind.RETRY, "smsc", 8, "ESME_RSYSERR"))])
    assert await counted(scene, number) == {"delivered": 1, "failed": 1}
    assert await scene.rows("SELECT * FROM retry") == []


async def test_what_a_peer_took_from_a_holder_who_lost_its_lease_is_not_sent_again(scene: Scene) -> None:
    """It was frozen while its peer answered. What was refused or is on its way again is the next holder's to decide."""
    tracking = a_tracking(scene.store)
    number, (one, two, three) = await taken(scene, tracking, 3)
    await scene.rows("UPDATE chunk SET lease_until = now() - interval '1 second' RETURNING lo")
    async with scene.connected() as connection:
        ((campaign, lo, urgent),) = await deliveries.expired_leases(connection, 99, own=False)
        await deliveries.recover_chunk(connection, campaign, lo, node=99, own=False, urgent=urgent, grace_s=0)
    assert await counted(scene, number) == {"unknown": 3}
    async with going(tracking.run()):
        refused = Outcome(two, OutcomeKind.FAILED, "smsc", 11, "ESME_RINVDSTADR")
        await tracking.emit([accepted(one, "m1"), refused])
        assert await counted(scene, number) == {"submitted": 1, "unknown": 2}
        assert {row.seq for row in await tried_again(scene, tracking, number)} == {two.seq, three.seq}
        await tracking.emit([accepted(three, "m3")])
        assert await counted(scene, number) == {"submitted": 1, "in_flight": 2}
        await tracking.emit([arrived("m1")])
        assert await counted(scene, number) == {"delivered": 1, "in_flight": 2}


async def test_what_is_timed_and_never_ends_is_forgotten(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    _, (row,) = await taken(scene, tracking, 1)
    for number in range(25_000):
        tracking.handed_out(row._replace(seq=number), 0.0)
    assert 0 < len(tracking._sampled) <= 10_000


async def test_a_receipt_after_the_report_is_an_addendum_to_it(scene: Scene) -> None:
    tracking = a_tracking(scene.store)
    commune = await scene.entity()
    _, rows = await taken_by(scene, commune, tracking, 3)
    authority = await scene.authority(commune)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
        await tracking.emit([arrived(f"m{rows[0].seq}")])
        await scene.rows("UPDATE campaign SET last_submit_at = now() - interval '1 day' RETURNING id")
        await scene.closer.once()
        name = (await scene.rows("SELECT public_id FROM campaign"))[0]["public_id"]
        before = await scene.campaigns.report(name, authority)
        await tracking.emit([arrived(f"m{rows[1].seq}"), arrived(f"m{rows[2].seq}", ReceiptKind.FAILED)])
    after = await scene.campaigns.report(name, authority)
    assert before is not None
    assert (before["final"], before["totals"]["delivered"], "addendum" in before) == (True, 1, False)
    late = [{"channel": "sms", "delivered": 1, "failed": 1, "expired": 0}]
    assert after == {**before, "addendum": {"late_receipts": late}}
    assert as_text(after).endswith("sms                 1 delivered        1 failed        0 expired\n")


async def test_finish_writes_all_that_was_handed_in(scene: Scene) -> None:
    """In batches no larger than told."""
    tracking = a_tracking(scene.store, batch_rows=7)
    number, rows = await taken(scene, tracking, 40)
    waiting = [asyncio.ensure_future(tracking.emit([accepted(row)])) for row in rows]
    tracking.finish()
    async with asyncio.timeout(60):
        await tracking.run()
    assert all(done.done() for done in waiting)
    assert await counted(scene, number) == {"submitted": 40}
    assert tracking.unrecorded == 0


async def test_a_full_batch_does_not_linger(scene: Scene) -> None:
    tracking = a_tracking(scene.store, batch_rows=5, linger_s=3600)
    number, rows = await taken(scene, tracking, 5)
    async with going(tracking.run()):
        await tracking.emit([accepted(row) for row in rows])
    assert await counted(scene, number) == {"submitted": 5}


async def test_the_metrics_count_what_was_recorded(scene: Scene) -> None:
    metrics, ticks = Metrics(), Ticks()
    tracking = a_tracking(scene.store, metrics, ticks)
    number, rows = await taken(scene, tracking, 4)
    tracking.handed_out(rows[0], ticks.now)
    ticks.now += 0.25
    async with going(tracking.run()):
        await tracking.emit([*(accepted(row, f"m{row.seq}") for row in rows), arrived("m1")])
    body, _ = metrics.render()
    lines = body.decode().splitlines()
    assert 'gateway_deliveries_total{channel="sms",outcome="submitted"} 4.0' in lines
    assert 'gateway_deliveries_total{channel="sms",outcome="delivered"} 1.0' in lines
    assert 'gateway_submit_seconds_sum{channel="sms"} 0.25' in lines
    assert "gateway_first_submit_seconds_count 1.0" in lines
    assert tracking._sampled == {}
    (row,) = await scene.rows("SELECT first_submit_at, last_submit_at FROM campaign WHERE id = $1", number)
    assert row["first_submit_at"] <= row["last_submit_at"] <= datetime.now(UTC)


async def test_a_value_that_the_store_never_takes_keeps_nobody_else_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out and said; its delivery stays marked, and is unknown when its lease ends."""
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 7)
    real: Callable[..., Any] = deliveries.record_outcomes

    async def refuses(connection: Any, batch: Any, providers: Any) -> Any:
        if 4 in batch.seq:
            raise ValueError("no such value")
        return await real(connection, batch, providers)

    async def not_ours(*_: Any) -> None:
        return None

    monkeypatch.setattr(deliveries, "record_outcomes", refuses)
    monkeypatch.setattr(deliveries, "record_accepted", not_ours)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
        assert await counted(scene, number) == {"submitted": 6, "in_flight": 1}
        assert await chunk_states(scene, number) == {1}, "not done: whoever takes it over finds what is unknown"
        await tracking.emit([arrived(f"m{row.seq}") for row in rows])
    assert await counted(scene, number) == {"delivered": 6, "in_flight": 1}


async def test_receipts_of_many_rows_are_settled_without_their_ids(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process recorded itself, it knows; only what is not in the usual state is asked of the store."""
    tracking = a_tracking(scene.store)
    number, rows = await taken(scene, tracking, 30)
    asked: list[int] = []
    real = deliveries.record_receipts

    async def counting(connection: Any, provider: int, ids: Any, *more: Any, **others: Any) -> Any:
        asked.append(len(ids))
        return await real(connection, provider, ids, *more, **others)

    monkeypatch.setattr(deliveries, "record_receipts", counting)
    async with going(tracking.run()):
        await tracking.emit([accepted(row, f"m{row.seq}") for row in rows])
        await scene.rows("UPDATE delivery SET state = 8 WHERE campaign_id = $1 AND seq = 3", number)
        await scene.rows(
            "UPDATE progress SET submitted = submitted - 1, awaiting = awaiting - 1, "
            "unknown = unknown + 1 WHERE campaign_id = $1 AND shard = 1",
            number,
        )
        await tracking.emit([arrived(f"m{row.seq}") for row in rows])
        await tracking.emit([arrived(f"m{row.seq}") for row in rows])
    assert asked == [1, 30]
    assert await counted(scene, number) == {"delivered": 30}
