"""The end of campaigns: when nothing is open, when they were stopped, when they expire; one report, once, in words."""

import asyncio
from typing import Any

import pytest

from gateway.flows.answers import Answer
from gateway.flows.closing import Closer, is_done
from gateway.log import unit_logger
from gateway.model import CampaignState, ChannelName, DeliveryState
from gateway.policy.report import COUNTS, as_text
from gateway.store import progress
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.scene import Entity, Scene, an_alert, area, asking, citizen, square, with_infos


async def planned(scene: Scene, people: int = 3, **changes: Any) -> tuple[Entity, Answer]:
    commune = await scene.entity(**changes)
    await scene.citizens(*(citizen(number) for number in range(people)))
    alert = with_infos(asking(an_alert(), channels="sms"), area=(area(square(4.325, 50.815)),))
    answer = await scene.post(alert, commune)
    await scene.plan()
    return commune, answer


async def state(scene: Scene, answer: Answer) -> tuple[str, str | None]:
    row = await scene.campaign(answer)
    return row["state"], row["closure"]


async def reports(scene: Scene) -> list[Any]:
    return [row["body"] for row in await scene.rows("SELECT body FROM report ORDER BY campaign_id")]


async def late(scene: Scene) -> None:
    await scene.rows("UPDATE campaign SET expires_at = now() - interval '1 second' RETURNING id")


async def test_a_campaign_closes_when_nothing_is_open_and_its_report_is_kept(scene: Scene) -> None:
    _, answer = await planned(scene)
    await scene.closer.once()
    assert await state(scene, answer) == ("sending", None)
    assert await reports(scene) == []
    await scene.end(answer)
    await scene.closer.once()
    assert await state(scene, answer) == ("closed", "complete")
    (report,) = await reports(scene)
    assert (report["final"], report["closure"], report["totals"]["delivered"]) == (True, "complete", 3)
    assert (await scene.campaign(answer))["closed_at"] is not None
    events = await scene.rows("SELECT event, state, actor FROM campaign_event ORDER BY id")
    assert tuple(events[-1]) == ("closed", "closed", "gateway")


async def test_a_closed_campaign_is_left_alone(scene: Scene) -> None:
    _, answer = await planned(scene)
    await scene.end(answer)
    for _ in range(3):
        await scene.closer.once()
    assert len(await reports(scene)) == 1
    assert len(await scene.rows("SELECT FROM campaign_event WHERE event = 'closed'")) == 1


async def test_a_campaign_that_reaches_nobody_closes_with_a_report(scene: Scene) -> None:
    _, answer = await planned(scene, people=0)
    await scene.closer.once()
    assert await state(scene, answer) == ("closed", "complete")
    assert (await reports(scene))[0]["totals"]["planned"] == 0


async def test_a_campaign_is_not_done_before_it_is_planned(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await scene.post(an_alert(), commune)
    await scene.closer.once()
    assert await state(scene, answer) == ("planned", None)
    await scene.plan()
    await scene.closer.once()
    assert await state(scene, answer) == ("closed", "complete")


async def test_a_paused_campaign_stays_open(scene: Scene) -> None:
    commune, answer = await planned(scene)
    await scene.end(answer)
    await scene.campaigns.act("pause", answer.body["campaign"], await scene.authority(commune.second))
    await scene.closer.once()
    assert await state(scene, answer) == ("paused", None)


@pytest.mark.parametrize("how", ["held", "planned", "sending", "paused"])
async def test_nothing_stays_open_after_its_end(scene: Scene, how: str) -> None:
    commune = await scene.entity(policy={"approval": ["urgent"]} if how == "held" else {})
    await scene.citizens(citizen(1))
    answer = await scene.post(asking(an_alert(), channels="sms"), commune)
    if how in ("sending", "paused"):
        await scene.plan()
    if how == "paused":
        await scene.campaigns.act("pause", answer.body["campaign"], await scene.authority(commune.second))
    assert (await state(scene, answer))[0] == how
    await late(scene)
    for _ in range(3):
        await scene.closer.once()
    assert await state(scene, answer) == ("closed", "expired")
    left = await scene.rows("SELECT DISTINCT state FROM delivery")
    assert [row["state"] for row in left] == ([DeliveryState.EXPIRED] if how in ("sending", "paused") else [])
    (report,) = await reports(scene)
    assert report["closure"] == "expired"
    assert report["totals"]["expired"] == report["totals"]["planned"]


async def test_the_sum_of_the_states_is_what_was_planned_at_every_step(scene: Scene) -> None:
    commune, answer = await planned(scene, people=7)
    number = (await scene.campaign(answer))["id"]
    steps = ("pause", "resume", "stop")
    for step in (*steps, None, None):
        if step:
            await scene.campaigns.act(step, answer.body["campaign"], await scene.authority(commune.second))
        await scene.closer.once()
        async with scene.connected() as connection:
            counted = (await progress.counts(connection, [number]))[number][ChannelName.SMS]
        assert counted["planned"] == sum(counted[name] for name in COUNTS if name != "planned") == 7
    assert await state(scene, answer) == ("closed", "stopped")


async def test_receipts_that_are_expected_are_waited_for_until_the_window_ends(pg: Cluster, scene: Scene) -> None:
    _, answer = await planned(scene)
    await scene.end(answer, DeliveryState.SUBMITTED)
    number = (await scene.campaign(answer))["id"]
    await scene.rows("UPDATE progress SET awaiting = submitted RETURNING shard")
    await scene.rows("UPDATE campaign SET last_submit_at = now() - interval '100 s' WHERE id = $1 RETURNING id", number)
    await scene.closer.once()
    assert await state(scene, answer) == ("sending", None)
    short = Closer(
        scene.store, metrics=scene.metrics, log=unit_logger("test"), receipt_window_s=99, utcnow=scene.clock,
        leads=lambda: False,
    )  # fmt: skip
    await short.once()
    assert await state(scene, answer) == ("closed", "complete")
    (report,) = await reports(scene)
    assert (report["totals"]["submitted"], report["channels"]["sms"]["no_receipt"]) == (3, 3)


async def test_a_delivery_that_waits_for_its_retry_keeps_the_campaign_open(scene: Scene) -> None:
    _, answer = await planned(scene)
    await scene.end(answer)
    number = (await scene.campaign(answer))["id"]
    await scene.rows(
        "INSERT INTO retry SELECT campaign_id, seq, entity_id, channel, transport, now() + interval '1 hour' "
        "FROM delivery WHERE campaign_id = $1 AND seq = 1 RETURNING seq",
        number,
    )
    await scene.closer.once()
    assert await state(scene, answer) == ("sending", None)
    await scene.rows("DELETE FROM retry RETURNING seq")
    await scene.closer.once()
    assert await state(scene, answer) == ("closed", "complete")


async def test_milestones_are_noted_once_when_a_share_has_left(scene: Scene) -> None:
    _, answer = await planned(scene, people=10)
    await scene.rows("UPDATE progress SET queued = 4, delivered = 6 WHERE queued = 10 RETURNING shard")
    await scene.closer.once()
    await scene.closer.once()
    assert [row["percent"] for row in await scene.rows("SELECT percent FROM milestone")] == [50]
    await scene.end(answer)
    await scene.closer.once()
    assert [row["percent"] for row in await scene.rows("SELECT percent FROM milestone ORDER BY 1")] == [50, 90, 99]
    (report,) = await reports(scene)
    told = [entry["what"] for minute in report["ledger"] for entry in minute["entries"]]
    assert {"sms: 50 % had left", "sms: 90 % had left", "sms: 99 % had left"} <= set(told)


async def test_the_part_of_the_area_that_was_left_out_is_in_the_report(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1, lon=4.39, lat=50.8))
    answer = await scene.post(with_infos(an_alert(), area=(area(square(4.4, 50.8, 0.02)),)), commune)
    await scene.plan()
    await scene.end(answer)
    await scene.closer.once()
    (report,) = await reports(scene)
    (left_out,) = report["area_left_out"]
    assert left_out.endswith("of the area lies outside the territory of Authority commune: nobody is alerted there")
    text = as_text(await scene.campaigns.report(answer.body["campaign"], await scene.authority(commune)) or {})
    assert text is not None
    assert "Area left out" in text


async def test_the_leader_shows_what_waits(scene: Scene) -> None:
    await planned(scene)
    await scene.closer.once()
    shown = scene.metrics.render()[0].decode()
    assert 'gateway_queue_depth{channel="sms",class="urgent"} 3.0' in shown
    follower = Closer(
        scene.store, metrics=scene.metrics, log=unit_logger("test"), receipt_window_s=9, utcnow=scene.clock,
        leads=lambda: False,
    )  # fmt: skip
    await follower.once()
    assert "gateway_queue_depth{" not in scene.metrics.render()[0].decode()


async def test_it_goes_on_when_the_store_comes_back(scene: Scene, pg: Cluster) -> None:
    _, answer = await planned(scene)
    await scene.end(answer)
    away = await Store.open(pg.app_dsn, name="away")
    await away.close()
    closer = Closer(
        away, metrics=scene.metrics, log=unit_logger("test"), receipt_window_s=9, utcnow=scene.clock,
        leads=lambda: False,
    )  # fmt: skip
    running = asyncio.create_task(closer.run())
    try:
        await asyncio.sleep(0.05)
        closer._store = scene.store
        async with asyncio.timeout(20):
            while (await state(scene, answer))[0] != "closed":
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# The decision alone ---------------------------------------------------------------------------------------------


def counted(**changes: int) -> dict[ChannelName, dict[str, int]]:
    return {ChannelName.SMS: dict.fromkeys((*COUNTS, "awaiting"), 0) | changes}


def row(**changes: Any) -> dict[str, Any]:
    usual = {"state": "sending", "planned": True, "withdrawn": False, "retries": False, "escalating": False}
    return usual | {"quiet_s": 10.0} | changes


@pytest.mark.parametrize(
    ("facts", "counts", "done"),
    [
        (row(), counted(delivered=5), True),
        (row(), counted(unknown=5), True),
        (row(), {}, True),
        (row(planned=False), counted(delivered=5), False),
        (row(state="closing", planned=False), counted(cancelled=5), True),
        (row(), counted(queued=1), False),
        (row(), counted(in_flight=1), False),
        (row(), counted(submitted=1, awaiting=1), False),
        (row(quiet_s=61.0), counted(submitted=1, awaiting=1), True),
        (row(quiet_s=61.0), counted(queued=1, awaiting=1), False),
        (row(retries=True), counted(delivered=5), False),
        (row(state="closing", withdrawn=True), counted(), False),
        (row(escalating=True), counted(planned=2, delivered=1), False),
        (row(escalating=True), counted(planned=2, delivered=2), True),
        (row(escalating=True, state="closing"), counted(planned=2, delivered=1), True),
        *((row(state=of.value), counted(), False) for of in CampaignState if of not in ("sending", "closing")),
    ],
)
def test_done_means_that_nothing_is_open(facts: dict[str, Any], counts: Any, done: bool) -> None:
    assert is_done(facts, counts, 60.0) is done
