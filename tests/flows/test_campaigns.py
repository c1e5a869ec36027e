"""What an entity sees and does with what it sent: forecasts, progress, reports, deliveries, and the acts of people."""

import csv
import io
import json
from typing import Any

import pytest

from gateway.cap.model import Status
from gateway.flows.answers import Answer
from gateway.flows.campaigns import masked
from gateway.model import ChannelName, DeliveryState, MessageClass, Realm
from gateway.policy import report as reports
from gateway.store import admin
from tests.support.scene import Entity, Scene, an_alert, area, asking, citizen, put_token, square, with_infos

APPROVAL = {"approval": ["urgent"]}
HERE = area(square(4.325, 50.815))


def by_sms(identifier: str = "A-1", **changes: Any) -> Any:
    return with_infos(asking(an_alert(identifier, **changes), channels="sms"), area=(HERE,))


async def posted(scene: Scene, entity: Entity, people: int = 3, **changes: Any) -> Answer:
    await scene.citizens(*(citizen(number) for number in range(people)))
    answer = await scene.post(by_sms(**changes), entity)
    await scene.plan()
    return answer


async def act(scene: Scene, what: str, answer: Answer, token: str) -> Answer:
    return await scene.campaigns.act(what, answer.body["campaign"], await scene.authority(token))


# Seeing ---------------------------------------------------------------------------------------------------------


async def test_progress_counts_by_channel(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    seen = await scene.campaigns.progress(answer.body["campaign"], await scene.authority(commune))
    assert seen is not None
    sms = seen["channels"]["sms"]
    assert (sms["planned"], sms["queued"], sms["delivered"]) == (3, 3, 0)
    assert (seen["state"], seen["mode"], seen["class"], seen["closure"]) == ("sending", "live", "urgent", None)
    assert set(seen["links"]) == {"events", "report", "deliveries"}
    await scene.end(answer)
    seen = await scene.campaigns.progress(answer.body["campaign"], await scene.authority(commune))
    assert seen is not None
    assert (seen["channels"]["sms"]["queued"], seen["channels"]["sms"]["delivered"]) == (0, 3)


async def test_an_alert_shows_what_became_of_it(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    authority = await scene.authority(commune)
    seen = await scene.campaigns.alert(answer.body["alert"], authority)
    assert seen is not None
    assert (seen["accepted"], seen["state"], seen["campaign"]) == (True, "sending", answer.body["campaign"])
    assert (seen["status"], seen["msgType"], seen["scope"]) == ("Actual", "Alert", "Public")
    assert await scene.campaigns.alert_bytes(answer.body["alert"], authority)
    refused = await scene.post(b"<alert/>", commune)
    seen = await scene.campaigns.alert(refused.body["alert"], authority)
    assert seen is not None
    assert (seen["accepted"], seen["state"], seen["campaign"]) == (False, "refused", None)
    assert seen["findings"] == refused.body["findings"]


async def test_what_belongs_to_another_entity_is_not_there(scene: Scene) -> None:
    commune, other = await scene.entity(), await scene.entity("other")
    answer = await posted(scene, commune)
    alert, campaign = answer.body["alert"], answer.body["campaign"]
    stranger = await scene.authority(other)
    assert await scene.campaigns.alert(alert, stranger) is None
    assert await scene.campaigns.alert_bytes(alert, stranger) is None
    assert await scene.campaigns.progress(campaign, stranger) is None
    assert await scene.campaigns.report(campaign, stranger) is None
    assert await scene.campaigns.deliveries(campaign, stranger, 0, 10) is None
    assert (await scene.campaigns.page(stranger, 2**31 - 1))["campaigns"] == []
    for what in ("approve", "pause", "resume", "stop"):
        assert (await scene.campaigns.act(what, campaign, stranger)).status == 404


async def test_a_test_token_sees_rehearsals_only_and_a_live_one_sees_both(scene: Scene) -> None:
    commune = await scene.entity()
    live = await posted(scene, commune)
    rehearsal = await scene.post(by_sms("R-1"), commune, realm=Realm.TEST)
    trainee = await scene.authority(commune, Realm.TEST)
    assert await scene.campaigns.alert(live.body["alert"], trainee) is None
    assert await scene.campaigns.alert_bytes(live.body["alert"], trainee) is None
    assert await scene.campaigns.deliveries(live.body["campaign"], trainee, 0, 10) is None
    assert await scene.campaigns.progress(rehearsal.body["campaign"], trainee) is not None
    assert await scene.campaigns.progress(rehearsal.body["campaign"], await scene.authority(commune)) is not None
    seen = (await scene.campaigns.page(trainee, 2**31 - 1))["campaigns"]
    assert [row["campaign"] for row in seen] == [rehearsal.body["campaign"]]


async def test_campaigns_come_in_pages_the_newest_first(scene: Scene) -> None:
    commune = await scene.entity()
    for number in range(52):
        await scene.post(an_alert(f"A-{number}", status=Status.TEST), commune)
    authority = await scene.authority(commune)
    first = await scene.campaigns.page(authority, 2**31 - 1)
    assert len(first["campaigns"]) == 50
    rest = await scene.campaigns.page(authority, first["next"])
    assert (len(rest["campaigns"]), rest["next"]) == (2, None)
    names = [entry["campaign"] for entry in first["campaigns"] + rest["campaigns"]]
    assert len(set(names)) == 52
    assert first["campaigns"][0]["mode"] == "test"


async def test_citizens_are_masked_and_own_contacts_are_shown(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1})
    await scene.citizens(citizen(1))
    answer = await scene.post(asking(an_alert(addresses=("g",)), channels="sms email"), commune)
    await scene.plan()
    page = await scene.campaigns.deliveries(answer.body["campaign"], await scene.authority(commune), 0, 100)
    assert page is not None
    shown = {row["to"] for row in page["deliveries"]}
    own = await scene.rows("SELECT mobile, email FROM contact WHERE NOT registered")
    assert shown == {*own[0], "+32470******", "c***@***"}
    assert "0000001" not in json.dumps(page)
    assert "citizens.example" not in json.dumps(page)


async def test_a_citizen_who_was_erased_stays_masked(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune, 1)
    await scene.rows("DELETE FROM contact WHERE registered RETURNING id")
    page = await scene.campaigns.deliveries(answer.body["campaign"], await scene.authority(commune), 0, 100)
    assert page is not None
    assert [row["to"] for row in page["deliveries"]] == ["+32470******"]


async def test_deliveries_come_in_pages(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune, 5)
    authority = await scene.authority(commune)
    seen: list[Any] = []
    cursor = 0
    for _ in range(9):
        page = await scene.campaigns.deliveries(answer.body["campaign"], authority, cursor, 2)
        assert page is not None
        seen += page["deliveries"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [row["seq"] for row in seen] == [1, 2, 3, 4, 5]
    assert {"channel", "to", "language", "state", "attempts", "possible_duplicate"} <= set(seen[0])


@pytest.mark.parametrize(
    ("address", "shown"),
    [("+32470123456", "+32470******"), ("anna@x.example", "a***@***"), ("+3247", "+3247"), ("@x", "@***@***")],
)
def test_an_address_that_shows_no_person(address: str, shown: str) -> None:
    assert masked(address) == shown


@pytest.mark.parametrize("closed", [False, True])
async def test_a_report_comes_as_json_text_and_csv(scene: Scene, closed: bool) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    if closed:
        await scene.end(answer)
        await scene.closer.once()
    authority = await scene.authority(commune)
    body = await scene.campaigns.report(answer.body["campaign"], authority)
    assert body is not None
    forms = {"json": reports.as_json(body), "text": reports.as_text(body), "csv": reports.as_csv(body)}
    body = json.loads(forms["json"] or "")
    assert (body["final"], body["totals"]["planned"]) == (closed, 3)
    assert answer.body["campaign"] in (forms["text"] or "")
    rows = list(csv.DictReader(io.StringIO(forms["csv"] or "", newline="")))
    planned = [row["value"] for row in rows if row["section"] == "count" and row["item"] == "planned"]
    assert "3" in planned


# Acting ---------------------------------------------------------------------------------------------------------


async def test_the_author_can_not_approve_and_another_can(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    answer = await posted(scene, commune)
    own = await act(scene, "approve", answer, commune.tokens[Realm.LIVE])
    assert (own.status, own.body["reason"]) == (403, "own-alert")
    assert (await scene.campaign(answer))["state"] == "held"
    other = await act(scene, "approve", answer, commune.second)
    assert (other.status, other.body["state"]) == (200, "planned")
    row = await scene.campaign(answer)
    assert row["approved_by"] == (await scene.authority(commune.second)).token_id
    assert row["released_at"] is not None
    again = await act(scene, "approve", answer, commune.second)
    assert (again.status, again.body["state"]) == (409, "planned")


async def test_only_who_may_send_it_lets_it_go(scene: Scene) -> None:
    commune = await scene.entity(policy=APPROVAL)
    answer = await posted(scene, commune)
    async with scene.connected() as connection:
        news = await put_token(connection, commune.id, Realm.LIVE, classes=[MessageClass.NEWS])
        email = await put_token(connection, commune.id, Realm.LIVE, channels=[ChannelName.EMAIL])
        await admin.change_entity(connection, "commune", suspended=True)
    suspended = await act(scene, "approve", answer, commune.second)
    assert (suspended.status, suspended.body["reason"]) == (403, "suspended")
    async with scene.connected() as connection:
        await admin.change_entity(connection, "commune", suspended=False)
    for token in (news, email):
        assert (await act(scene, "approve", answer, token)).body["reason"] == "no-mandate"
    assert (await act(scene, "approve", answer, commune.second)).status == 200


async def test_everybody_of_the_entity_may_hold_it_back(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    async with scene.connected() as connection:
        token = await put_token(connection, commune.id, Realm.LIVE, classes=[], channels=[])
        await admin.change_entity(connection, "commune", suspended=True)
    assert (await act(scene, "pause", answer, token)).body["state"] == "paused"
    assert (await act(scene, "resume", answer, token)).status == 403
    assert (await act(scene, "stop", answer, token)).body["state"] == "closing"


async def test_a_test_token_moves_nothing_live(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    for what in ("approve", "pause", "resume", "stop"):
        assert (await act(scene, what, answer, commune.tokens[Realm.TEST])).status == 404
    assert (await scene.campaign(answer))["state"] == "sending"


async def test_pause_resume_and_stop(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    token = commune.tokens[Realm.LIVE]
    steps = [(await act(scene, what, answer, token)).body["state"] for what in ("pause", "resume", "pause", "stop")]
    assert steps == ["paused", "sending", "paused", "closing"]
    assert scene.news == ["accepted", *["changed"] * 4]
    number = (await scene.campaign(answer))["id"]
    assert {row["state"] for row in await scene.rows("SELECT state FROM chunk WHERE campaign_id = $1", number)} == {9}


@pytest.mark.parametrize("what", ["approve", "resume"])
async def test_what_the_state_does_not_allow_is_refused_with_the_state(scene: Scene, what: str) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    found = await act(scene, what, answer, commune.second)
    assert (found.status, found.body["reason"], found.body["state"]) == (409, "wrong-state", "sending")
    assert what in found.body["detail"]


async def test_a_stopped_campaign_ends_with_everything_cancelled(scene: Scene) -> None:
    commune = await scene.entity()
    answer = await posted(scene, commune)
    await act(scene, "stop", answer, commune.second)
    await scene.closer.once()
    await scene.closer.once()
    row = await scene.campaign(answer)
    assert (row["state"], row["closure"]) == ("closed", "stopped")
    states = await scene.rows("SELECT DISTINCT state FROM delivery")
    assert [r["state"] for r in states] == [DeliveryState.CANCELLED]
