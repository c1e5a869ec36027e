"""What an alert does to those before it: Updates, Cancels, their order, whose they are, and who must approve."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway.cap.model import CapAlert, CapReference, MsgType, Status
from gateway.flows import lineage
from gateway.flows.answers import Answer
from gateway.model import CampaignState, DeliveryState, Realm
from gateway.store import fan_out
from gateway.store.fan_out import PlanReached
from tests.support.scene import Entity, Scene, an_alert, area, asking, citizen, follow_up, square, with_infos

FIRST, SECOND, THIRD = "+32470000001", "+32470000002", "+32470000003"
HERE = area(square(4.325, 50.815))
THERE = area(square(4.25, 50.75))


async def states(scene: Scene) -> list[tuple[str, str | None]]:
    return [
        (row["state"], row["closure"]) for row in await scene.rows("SELECT state, closure FROM campaign ORDER BY id")
    ]


async def told(scene: Scene, answer: Answer) -> Any:
    return (await scene.campaign(answer))["plan"]["told"]


def findings(answer: Answer) -> dict[str, str]:
    return {finding["id"]: finding["message"] for finding in answer.body["findings"]}


async def reached(scene: Scene, entity: Entity, alert: Any, state: DeliveryState = DeliveryState.DELIVERED) -> Answer:
    """An alert whose every delivery has come to this state."""
    answer = await scene.post(alert, entity)
    assert answer.status == 201
    await scene.plan()
    await scene.end(answer, state)
    return answer


def by_sms(identifier: str = "A-1", **changes: Any) -> Any:
    return with_infos(asking(an_alert(identifier, **changes), channels="sms"), area=(HERE,))


def late(scene: Scene, kind: MsgType, alert: CapAlert) -> CapAlert:
    """An Update or Cancel that comes a second after its end."""
    begun = follow_up(kind, alert, at=scene.clock.now - timedelta(minutes=30))
    return with_infos(begun, expires=scene.clock.now.replace(microsecond=0) - timedelta(seconds=1))


# Cancel ---------------------------------------------------------------------------------------------------------


async def test_a_cancel_stops_what_is_queued_and_tells_nobody_who_was_not_told(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1), citizen(2))
    alert = by_sms()
    first = await scene.post(alert, commune)
    await scene.plan()
    cancel = await scene.post(follow_up(MsgType.CANCEL, alert, info=()), commune)
    await scene.plan()
    assert (await states(scene))[0] == ("closing", "stopped")
    assert await scene.addresses(cancel) == set()
    await scene.closer.once()
    await scene.closer.once()
    assert (await states(scene))[0] == ("closed", "stopped")
    number = (await scene.campaign(first))["id"]
    rows = await scene.rows("SELECT DISTINCT state FROM delivery WHERE campaign_id = $1", number)
    assert [row["state"] for row in rows] == [DeliveryState.CANCELLED]


@pytest.mark.parametrize("state", [DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.UNKNOWN])
async def test_a_cancel_tells_those_reached_or_perhaps_reached_on_the_channels_used(
    scene: Scene, state: DeliveryState
) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1), citizen(2, "fr"))
    alert = by_sms()
    await reached(scene, commune, alert, state)
    await scene.citizens(citizen(3))  # moved in since
    cancel = await scene.post(follow_up(MsgType.CANCEL, alert, info=()), commune)
    await scene.plan()
    assert await scene.addresses(cancel) == {FIRST, SECOND}
    row = await scene.campaign(cancel)
    assert (row["message_class"], row["channels"], row["priority"]) == ("urgent", ["sms"], 0)
    texts = await scene.rows("SELECT language, body FROM text WHERE campaign_id = $1 ORDER BY key", row["id"])
    assert [text["language"] for text in texts] == ["fr", "nl", "de", "en"]
    assert "Incendie dans un entrep" in texts[0]["body"]  # the old headline, in its language
    counts = await scene.rows("SELECT sum(planned) AS n FROM progress WHERE campaign_id = $1", row["id"])
    assert counts[0]["n"] == 2


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.EXPIRED])
async def test_a_cancel_does_not_tell_those_who_were_not_reached(scene: Scene, state: DeliveryState) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = by_sms()
    await reached(scene, commune, alert, state)
    cancel = await scene.post(follow_up(MsgType.CANCEL, alert), commune)
    await scene.plan()
    assert await scene.addresses(cancel) == set()


async def test_a_cancel_widens_nothing_whatever_it_names(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 3})
    await scene.citizens(citizen(1), citizen(2, lon=4.25, lat=50.75))
    alert = by_sms()
    await reached(scene, commune, alert)
    cancel = follow_up(MsgType.CANCEL, alert, addresses=("g", "strangers"))
    answer = await scene.post(with_infos(cancel, area=(THERE, area(square(5.5, 50.5)))), commune)
    await scene.plan()
    assert answer.status == 201
    assert await scene.addresses(answer) == {FIRST}


async def test_a_cancel_naming_several_alerts_ends_them_all_and_tells_each_endpoint_once(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1), citizen(2, lon=4.25, lat=50.75))
    one, two = by_sms(), with_infos(by_sms("B-1"), area=(HERE, THERE))
    await reached(scene, commune, one)
    await reached(scene, commune, two)
    cancel = await scene.post(follow_up(MsgType.CANCEL, one, two, one, info=()), commune)
    await scene.plan()
    assert await scene.addresses(cancel) == {FIRST, SECOND}
    assert [state for state, _ in await states(scene)] == ["closing", "closing", "sending"]
    assert len(await told(scene, cancel)) == 2


async def test_a_cancel_that_expired_on_arrival_still_ends_what_it_names(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = by_sms(at=scene.clock.now - timedelta(hours=1))
    await reached(scene, commune, alert)
    cancel = late(scene, MsgType.CANCEL, alert)
    answer = await scene.post(cancel, commune)
    assert answer.body["state"] == "closed"
    assert "G6" in findings(answer)
    assert await states(scene) == [("closing", "stopped"), ("closed", "expired")]
    await scene.plan()
    assert await scene.addresses(answer) == set()


async def test_a_cancel_of_nothing_known_is_kept_and_says_so(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await scene.post(follow_up(MsgType.CANCEL, by_sms(), by_sms("B-1")), commune)
    assert (answer.status, answer.body["state"]) == (201, "planned")
    assert findings(answer)["S11"].startswith("2 referenced alert(s) are not known")
    assert len(await scene.rows("SELECT FROM alert_reference")) == 2


async def test_an_alert_that_comes_after_its_own_cancel_tells_nobody(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = by_sms()
    await scene.post(follow_up(MsgType.CANCEL, alert, info=()), commune)
    answer = await scene.post(alert, commune)
    assert (answer.status, answer.body["state"]) == (201, "closed")
    assert "G7" in findings(answer)
    row = await scene.campaign(answer)
    assert (row["closure"], row["released_at"]) == ("stopped", None)
    await scene.plan()
    assert await scene.addresses(answer) == set()


# Update ---------------------------------------------------------------------------------------------------------


async def test_an_update_stops_the_old_text_and_goes_to_the_old_and_the_new(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1), citizen(2, lon=4.25, lat=50.75))
    alert = by_sms()
    await reached(scene, commune, alert)
    update = asking(with_infos(follow_up(MsgType.UPDATE, alert), area=(THERE,)), channels="email")
    answer = await scene.post(update, commune)
    await scene.plan()
    assert (await states(scene))[0] == ("closing", "stopped")
    # those reached before on their channel, the new ones on the channels of the Update
    assert await scene.addresses(answer) == {FIRST, "c2@citizens.example"}
    counts = await scene.rows(
        "SELECT channel, sum(planned) AS n FROM progress WHERE campaign_id = $1 GROUP BY 1 ORDER BY 1",
        (await scene.campaign(answer))["id"],
    )
    assert {row["channel"]: row["n"] for row in counts if row["n"]} == {1: 1, 3: 1}


async def test_an_update_that_comes_before_its_alert_stands(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = by_sms()
    update = await scene.post(with_infos(follow_up(MsgType.UPDATE, alert), area=(HERE,)), commune)
    late = await scene.post(alert, commune)
    await scene.plan()
    assert findings(update)["S11"].startswith("1 referenced alert(s)")
    assert "G7" in findings(late)
    assert FIRST in await scene.addresses(update)
    assert await scene.addresses(late) == set()


async def test_an_update_that_was_overtaken_still_ends_what_it_replaced(scene: Scene) -> None:
    commune = await scene.entity()
    alert = by_sms()
    await scene.post(alert, commune)
    one = follow_up(MsgType.UPDATE, alert, identifier="U-1")
    await scene.post(follow_up(MsgType.UPDATE, one, identifier="U-2"), commune)
    await scene.post(one, commune)
    assert await states(scene) == [("closing", "stopped"), ("planned", None), ("closed", "stopped")]


async def test_an_update_that_expired_on_arrival_leaves_the_old_text_running(scene: Scene) -> None:
    commune = await scene.entity()
    alert = by_sms(at=scene.clock.now - timedelta(hours=1))
    await scene.post(alert, commune)
    update = late(scene, MsgType.UPDATE, alert)
    await scene.post(update, commune)
    assert await states(scene) == [("planned", None), ("closed", "expired")]


async def test_an_update_that_expired_before_its_alert_came_leaves_that_running_as_well(scene: Scene) -> None:
    commune = await scene.entity()
    alert = by_sms(at=scene.clock.now - timedelta(hours=1))
    assert (await scene.post(late(scene, MsgType.UPDATE, alert), commune)).body["state"] == "closed"
    assert (await scene.post(alert, commune)).body["state"] == "planned"


async def test_an_update_naming_several_alerts_replaces_them_all(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1), citizen(2, lon=4.25, lat=50.75))
    one, two = by_sms(), with_infos(by_sms("B-1"), area=(THERE,))
    for alert in (one, two):
        await reached(scene, commune, alert)
    update = await scene.post(with_infos(follow_up(MsgType.UPDATE, one, two), area=(HERE,)), commune)
    await scene.plan()
    assert [state for state, _ in await states(scene)] == ["closing", "closing", "sending"]
    assert await scene.addresses(update) >= {FIRST, SECOND}


async def test_a_chain_ends_as_a_whole_in_whatever_order_it_comes(scene: Scene) -> None:
    commune = await scene.entity()
    for order in itertools.permutations(range(4)):
        name = "".join(map(str, order))
        first = by_sms(f"A-{name}")
        second = with_infos(follow_up(MsgType.UPDATE, first, identifier=f"U-{name}"), area=(HERE,))
        third = with_infos(follow_up(MsgType.UPDATE, second, identifier=f"V-{name}"), area=(HERE,))
        end = follow_up(MsgType.CANCEL, third, identifier=f"C-{name}", info=())
        chain = (first, second, third, end)
        for number in order:
            assert (await scene.post(chain[number], commune)).status == 201
        rows = await scene.rows(
            "SELECT a.identifier FROM campaign c JOIN alert a ON a.id = c.alert_id WHERE a.identifier LIKE '%-' || $1 "
            "AND c.state NOT IN ('closing', 'closed')",
            name,
        )
        assert [row["identifier"] for row in rows] == [f"C-{name}"]


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
async def test_a_replayed_update_or_cancel_changes_nothing(scene: Scene, kind: MsgType) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = by_sms()
    await reached(scene, commune, alert)
    later = with_infos(follow_up(kind, alert), area=(HERE,))
    answer = await scene.post(later, commune)
    before = [await states(scene), await scene.rows("SELECT * FROM campaign_event"), await told(scene, answer)]
    for _ in range(3):
        again = await scene.post(later, commune)
        assert (again.status, again.body) == (200, answer.body)
    after = [await states(scene), await scene.rows("SELECT * FROM campaign_event"), await told(scene, answer)]
    assert before == after


async def test_a_dangling_reference_is_kept_and_joined_when_the_alert_arrives(scene: Scene) -> None:
    commune = await scene.entity()
    authority, alert = await scene.authority(commune), by_sms()
    update = await scene.post(with_infos(follow_up(MsgType.UPDATE, alert), area=(HERE,)), commune)
    seen = await scene.campaigns.alert(update.body["alert"], authority)
    assert seen is not None
    assert [(one["identifier"], one["alert"]) for one in seen["references"]] == [("A-1", None)]
    first = await scene.post(alert, commune)
    seen = await scene.campaigns.alert(update.body["alert"], authority)
    other = await scene.campaigns.alert(first.body["alert"], authority)
    assert seen is not None and other is not None
    assert [one["alert"] for one in seen["references"]] == [first.body["alert"]]
    assert other["referenced_by"] == [update.body["alert"]]


async def test_a_reference_is_never_joined_to_the_alert_of_another(scene: Scene) -> None:
    one, two = await scene.entity("one"), await scene.entity("two")
    alert = by_sms()
    cancel = await scene.post(follow_up(MsgType.CANCEL, alert, info=()), one)  # nobody has sent it yet
    assert cancel.status == 201
    answer = await scene.post(alert, two)
    assert answer.body["state"] == "planned"
    seen = await scene.campaigns.alert(cancel.body["alert"], await scene.authority(one))
    assert seen is not None and seen["references"][0]["alert"] is None


async def test_those_whom_a_replaced_alert_reached_hear_of_the_end_as_well(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = by_sms()
    await reached(scene, commune, alert)
    update = with_infos(follow_up(MsgType.UPDATE, alert), area=(HERE,))
    await scene.post(update, commune)  # nothing of it has left when the Cancel comes, which names the Update only
    cancel = await scene.post(follow_up(MsgType.CANCEL, update, identifier="A-3", info=()), commune)
    await scene.plan()
    assert FIRST in await scene.addresses(cancel)
    assert [campaign for campaign, _ in await told(scene, cancel)] == [2, 1]


# Whose, and in which mode ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
async def test_nobody_changes_the_alert_of_another(scene: Scene, kind: MsgType) -> None:
    one, two = await scene.entity("one"), await scene.entity("two")
    alert = by_sms()
    await scene.post(alert, one)
    answer = await scene.post(follow_up(kind, alert), two)
    assert (answer.status, answer.body["reason"]) == (403, "not-yours")
    assert await states(scene) == [("planned", None)]


async def test_one_s_own_alert_of_the_same_name_is_meant(scene: Scene) -> None:
    one, two = await scene.entity("one"), await scene.entity("two")
    alert = by_sms()
    for entity in (one, two):
        await scene.post(alert, entity)
    assert (await scene.post(follow_up(MsgType.CANCEL, alert, info=()), two)).status == 201
    assert await states(scene) == [("planned", None), ("closing", "stopped"), ("planned", None)]


async def test_a_rehearsed_cancel_ends_only_the_rehearsal(scene: Scene) -> None:
    commune = await scene.entity()
    alert = by_sms()
    await scene.post(alert, commune)
    await scene.post(alert, commune, Realm.TEST)
    assert (await scene.post(follow_up(MsgType.CANCEL, alert, info=()), commune, Realm.TEST)).status == 201
    assert await states(scene) == [("planned", None), ("closing", "stopped"), ("planned", None)]


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
async def test_an_exercise_never_ends_what_was_sent_in_earnest(scene: Scene, kind: MsgType) -> None:
    commune = await scene.entity()
    alert = by_sms()
    await scene.post(alert, commune)
    answer = await scene.post(follow_up(kind, alert, status=Status.EXERCISE, note="Drill"), commune)
    assert (answer.status, answer.body["reason"]) == (422, "other-mode")
    assert await states(scene) == [("planned", None)]


@pytest.mark.parametrize("status", [Status.TEST, Status.SYSTEM, Status.DRAFT])
async def test_a_drafted_cancel_ends_nothing_and_keeps_no_alert_from_leaving(scene: Scene, status: Status) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    running, coming = by_sms(), by_sms("B-1")
    await scene.post(running, commune)
    draft = follow_up(MsgType.CANCEL, running, coming, status=status, info=())
    assert (await scene.post(draft, commune)).body["state"] == "closed"
    answer = await scene.post(coming, commune)
    assert answer.body["state"] == "planned"
    assert await states(scene) == [("planned", None), ("closed", "complete"), ("planned", None)]


async def test_an_alert_in_earnest_leaves_an_exercise_as_it_is_and_says_so(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1}, marked=["g"])
    drill = by_sms(status=Status.EXERCISE, note="Drill", addresses=("g",))
    await reached(scene, commune, drill)
    answer = await scene.post(follow_up(MsgType.CANCEL, drill), commune)
    assert (answer.status, answer.body["mode"]) == (201, "live")
    assert "were sent in another mode" in findings(answer)["S11"]
    await scene.plan()
    assert await scene.addresses(answer) == set()
    assert (await states(scene))[0] == ("sending", None)


async def test_an_exercise_is_cancelled_by_an_exercise(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1}, marked=["g"])
    drill = by_sms(status=Status.EXERCISE, note="Drill", addresses=("g",))
    await reached(scene, commune, drill)
    answer = await scene.post(follow_up(MsgType.CANCEL, drill, status=Status.EXERCISE, note="Drill", info=()), commune)
    await scene.plan()
    assert len(await scene.addresses(answer)) == 1
    transports = await scene.rows("SELECT DISTINCT transport FROM delivery")
    assert [row["transport"] for row in transports] == [1]


# Approval -------------------------------------------------------------------------------------------------------

APPROVAL = {"approval": ["urgent"]}


async def test_a_held_update_leaves_the_old_campaign_running_until_it_is_approved(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    await scene.citizens(citizen(1), citizen(2))
    alert = by_sms()
    await approved(scene, await scene.post(alert, commune), commune)
    update = await scene.post(with_infos(follow_up(MsgType.UPDATE, alert), area=(HERE,)), commune)
    assert await states(scene) == [("planned", None), ("held", None)]
    await scene.plan()  # the old campaign goes on: those whom it reaches meanwhile are told, too
    number = (await scene.campaign(update))["id"] - 1
    await scene.rows("UPDATE delivery SET state = 3 WHERE campaign_id = $1 RETURNING seq", number)
    await approved(scene, update, commune)
    assert await states(scene) == [("closing", "stopped"), ("planned", None)]
    assert (await told(scene, update))[0][1] == 3
    await scene.plan()
    assert {FIRST, SECOND} <= await scene.addresses(update)


async def test_a_held_cancel_pauses_at_once_and_stops_when_it_is_approved(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    alert = by_sms()
    await approved(scene, await scene.post(alert, commune), commune)
    await scene.plan()
    cancel = await scene.post(follow_up(MsgType.CANCEL, alert, info=()), commune)
    assert (cancel.body["state"], cancel.body["class"]) == ("held", "urgent")
    assert await states(scene) == [("paused", None), ("held", None)]
    await approved(scene, cancel, commune)
    assert await states(scene) == [("closing", "stopped"), ("planned", None)]


async def test_when_a_held_cancel_is_refused_a_human_resumes(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    alert = by_sms()
    first = await scene.post(alert, commune)
    await approved(scene, first, commune)
    cancel = await scene.post(follow_up(MsgType.CANCEL, alert, info=()), commune)
    authority = await scene.authority(commune.second)
    assert (await scene.campaigns.act("stop", cancel.body["campaign"], authority)).status == 200
    assert await states(scene) == [("paused", None), ("closing", "stopped")]
    resumed = await scene.campaigns.act("resume", first.body["campaign"], authority)
    assert resumed.body["state"] == "sending"


async def test_a_late_cancel_of_a_class_that_needs_approval_only_pauses(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    alert = by_sms(at=scene.clock.now - timedelta(hours=1))
    await approved(scene, await scene.post(alert, commune), commune)
    cancel = late(scene, MsgType.CANCEL, alert)
    await scene.post(cancel, commune)
    assert await states(scene) == [("paused", None), ("closed", "expired")]


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
async def test_what_waits_for_a_second_person_swallows_no_alert_that_comes_after_it(
    scene: Scene, kind: MsgType
) -> None:
    commune = await scene.entity(policy={"approval": ["prevention"]})
    await scene.citizens(citizen(1))
    alert = by_sms()
    later = await scene.post(asking(follow_up(kind, alert, info=alert.info), **{"class": "prevention"}), commune)
    assert later.body["state"] == "held"
    first = await scene.post(alert, commune)
    assert "waits for a second person" in findings(first)["G7"]
    assert await states(scene) == [("held", None), ("paused" if kind is MsgType.CANCEL else "planned", None)]
    await scene.plan()
    await approved(scene, later, commune)
    assert await states(scene) == [("planned", None), ("closing", "stopped")]
    assert [campaign for campaign, _ in await told(scene, later)] == [(await scene.campaign(first))["id"]]


@pytest.mark.parametrize("kind", [MsgType.UPDATE, MsgType.CANCEL])
async def test_what_a_second_person_refused_swallows_no_alert_that_comes_after_it(scene: Scene, kind: MsgType) -> None:
    commune = await scene.entity(policy={"approval": ["prevention"]})
    alert = by_sms()
    later = await scene.post(asking(follow_up(kind, alert, info=alert.info), **{"class": "prevention"}), commune)
    authority = await scene.authority(commune.second)
    assert (await scene.campaigns.act("stop", later.body["campaign"], authority)).status == 200
    first = await scene.post(alert, commune)
    assert (first.body["state"], "G7" in findings(first)) == ("planned", False)


async def approved(scene: Scene, answer: Answer, entity: Entity) -> None:
    authority = await scene.authority(entity.second)
    found = await scene.campaigns.act("approve", answer.body["campaign"], authority)
    assert found.status == 200, found


# At the same moment ---------------------------------------------------------------------------------------------


async def test_an_alert_and_its_cancel_at_the_same_moment_never_leave_it_running(scene: Scene) -> None:
    commune = await scene.entity()
    for number in range(6):
        alert = by_sms(f"A-{number}")
        cancel = follow_up(MsgType.CANCEL, alert, identifier=f"C-{number}", info=())
        pair: Sequence[Any] = (alert, cancel) if number % 2 else (cancel, alert)
        answers = await asyncio.gather(*(scene.post(one, commune) for one in pair))
        assert [answer.status for answer in answers] == [201, 201]
        row = await scene.campaign(answers[pair.index(alert)])
        assert row["state"] in ("closing", "closed"), number
        assert row["closure"] == "stopped"


async def test_a_stop_is_never_lost_to_a_planner_that_starts_at_that_moment(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    answer = await scene.post(by_sms(), commune)
    number = (await scene.campaign(answer))["id"]
    async with scene.store.transaction() as planner:
        assert await fan_out.campaign_to_plan(planner)  # a slice is being written
        assert await _stopped(scene, number, commune.id) is CampaignState.CLOSING
        kept = await fan_out.slice_done(planner, number, before=0, reached=PlanReached(1, 1), planned=True)
        assert not kept
    assert await states(scene) == [("closing", "stopped")]


async def _stopped(scene: Scene, number: int, entity_id: int) -> CampaignState | None:
    async with scene.store.transaction() as connection:
        return await lineage.stop(connection, number, entity_id, "token:1")


async def test_a_closed_campaign_can_be_neither_stopped_paused_nor_resumed(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await scene.post(an_alert(status=Status.TEST), commune)
    number = (await scene.campaign(answer))["id"]
    async with scene.store.transaction() as connection:
        for act in (lineage.stop, lineage.pause, lineage.resume, lineage.approve):
            assert await act(connection, number, commune.id, "token:1") is None
    assert [row["event"] for row in await scene.rows("SELECT event FROM campaign_event")] == ["accepted"]


async def test_every_change_has_its_event(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    answer = await scene.post(by_sms(), commune)
    authority = await scene.authority(commune.second)
    for act in ("approve", "pause", "resume", "stop"):
        await scene.campaigns.act(act, answer.body["campaign"], authority)
    events = await scene.rows("SELECT event, state, actor FROM campaign_event ORDER BY id")
    assert [(row["event"], row["state"]) for row in events] == [
        ("accepted", "held"), ("approved", "planned"), ("paused", "paused"), ("resumed", "sending"),
        ("stopped", "closing"),
    ]  # fmt: skip
    assert {row["actor"] for row in events[1:]} == {f"token:{authority.token_id}"}


async def test_more_references_than_any_update_needs_are_refused(scene: Scene) -> None:
    commune = await scene.entity()
    alert = by_sms()
    many = tuple(
        CapReference(sender=alert.sender, identifier=f"X-{n}", sent=alert.sent, sent_text=alert.sent_text)
        for n in range(101)
    )
    answer = await scene.post(an_alert("B-1", msg_type=MsgType.UPDATE, references=many), commune)
    assert (answer.status, answer.body["reason"]) == (422, "invalid")
    assert "G8" in findings(answer)
    assert (await scene.post(an_alert("B-1", msg_type=MsgType.UPDATE, references=many[:100]), commune)).status == 201


async def test_a_reference_with_an_endless_name_is_refused(scene: Scene) -> None:
    commune = await scene.entity()
    alert = by_sms()
    endless = CapReference(sender="x" * 3000, identifier="y" * 3000, sent=alert.sent, sent_text=alert.sent_text)
    answer = await scene.post(an_alert("B-1", msg_type=MsgType.UPDATE, references=(endless,)), commune)
    assert answer.status == 422
    assert "G8" in findings(answer)
