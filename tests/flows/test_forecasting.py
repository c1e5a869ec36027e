"""What an alert would reach, take and cost, asked of the whole line before anything is stored."""

from dataclasses import replace
from datetime import date, timedelta

from gateway.cap.model import MsgType, Scope, Status
from gateway.model import ChannelName, EntityKind, Realm
from gateway.store import costs
from tests.flows.test_campaigns import by_sms, posted
from tests.support.scene import RATES, Scene, an_alert, area, asking, citizen, follow_up, square, with_infos


async def test_a_forecast_counts_messages_parts_cost_and_seconds(scene: Scene) -> None:
    commune = await scene.entity()
    people = [citizen(n, "fr" if n < 30 else "nl", email=None if n % 2 else f"c{n}@x.example") for n in range(50)]
    await scene.citizens(*people, citizen(99, lon=4.25, lat=50.75))
    answer = await scene.forecast(by_sms(at=scene.clock.now), commune)
    assert answer.status == 200
    body = answer.body
    assert (body["dry_run"], body["recipients"], body["mode"], body["class"]) == (True, 50, "live", "urgent")
    (sms,) = body["channels"]
    parts = {text["language"]: text["parts"] for text in body["texts"]}
    units = 30 * parts["fr"] + 20 * parts["nl"]
    assert (sms["messages"], sms["units"], sms["seconds"]) == (50, units, round(units / 500, 1))
    assert body["cost_eur"] == sms["cost_eur"] == f"{units * 0.055:.3f}"
    assert [(one["language"], one["messages"], one["units_each"]) for one in sms["languages"]] == [
        ("fr", 30, parts["fr"]), ("nl", 20, parts["nl"]),
    ]  # fmt: skip


async def test_a_forecast_leaves_no_trace(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.forecast(by_sms(), commune)
    await scene.forecast(b"<alert/>", commune)
    for table in ("alert", "campaign", "text", "delivery"):
        assert await scene.rows(f"SELECT FROM {table}") == []
    assert scene.news == []


async def test_a_small_number_is_blurred_in_a_forecast(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(*(citizen(number) for number in range(4)))
    answer = await scene.forecast(by_sms(), commune)
    assert answer.body["recipients"] == "<5"
    assert answer.body["channels"][0]["messages"] == "<5"
    await scene.citizens(citizen(5))
    assert (await scene.forecast(by_sms(), commune)).body["recipients"] == 5


async def test_a_forecast_counts_nobody_outside_the_territory(scene: Scene) -> None:
    commune = await scene.entity()
    inside = [citizen(n, lon=4.39, lat=50.8) for n in range(6)]
    outside = [citizen(n, lon=4.41, lat=50.8) for n in range(10, 20)]
    await scene.citizens(*inside, *outside)
    alert = with_infos(by_sms(), area=(area(square(4.4, 50.8, 0.02)),))
    answer = await scene.forecast(alert, commune)
    assert answer.body["recipients"] == 6
    assert "G4" in {finding["id"] for finding in answer.body["findings"]}


async def test_a_forecast_refuses_as_the_post_would(scene: Scene) -> None:
    police = await scene.entity("police", kind=EntityKind.TYPE2)
    answer = await scene.forecast(by_sms(), police)
    assert (answer.status, answer.body["reason"]) == (403, "groups-only")
    assert (await scene.forecast(b"<alert>", police)).status == 400
    other = await scene.entity("other")
    await scene.post(by_sms(), other)
    foreign = await scene.forecast(follow_up(MsgType.CANCEL, by_sms()), await scene.entity("third"))
    assert (foreign.status, foreign.body["reason"]) == (403, "not-yours")


async def test_a_forecast_shows_every_text_and_what_was_cut(scene: Scene) -> None:
    answer = await scene.forecast(asking(an_alert()), await scene.entity())
    texts = {(text["channel"], text["language"]): text for text in answer.body["texts"]}
    assert len(texts) == 12
    assert any("cut to fit" in note for note in texts["sms", "fr"]["notes"])
    assert "G5" in {finding["id"] for finding in answer.body["findings"]}


async def test_a_forecast_says_that_nobody_would_be_told(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(*(citizen(number) for number in range(9)))
    for alert, state in (
        (by_sms(status=Status.TEST), "closed"),
        (by_sms(at=scene.clock.now - timedelta(hours=3)), "closed"),
        (by_sms(), "planned"),
    ):
        answer = await scene.forecast(alert, commune)
        assert answer.body["state"] == state
        assert answer.body["recipients"] == (9 if state == "planned" else 0)


async def test_a_forecast_of_a_cancel_counts_those_told_before_and_nobody_new(scene: Scene) -> None:
    commune = await scene.entity()
    first = await posted(scene, commune, 7)
    await scene.end(first)
    answer = await scene.forecast(follow_up(MsgType.CANCEL, by_sms(), info=()), commune)
    assert (answer.body["recipients"], answer.body["told_before"]) == (0, 7)
    assert [channel["channel"] for channel in answer.body["channels"]] == ["sms"]


async def test_a_forecast_says_when_the_last_message_would_start_and_the_share_that_would_not(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(*(citizen(number) for number in range(10)))
    scene.forecasting._capacity = lambda: RATES | {ChannelName.SMS: 1.0}
    (sms,) = (await scene.forecast(by_sms(at=scene.clock.now), commune)).body["channels"]
    ends = scene.clock.now.replace(microsecond=0) + timedelta(seconds=sms["units"])
    assert (sms["finish"], sms["per_second"], sms["share_too_late"]) == (ends.isoformat(), 1.0, 0.0)
    short = with_infos(by_sms(at=scene.clock.now), expires=scene.clock.now + timedelta(seconds=sms["units"] / 2))
    (sms,) = (await scene.forecast(short, commune)).body["channels"]
    assert 0.4 < sms["share_too_late"] < 0.6
    scene.forecasting._capacity = lambda: RATES | {ChannelName.SMS: 0.0}
    (sms,) = (await scene.forecast(short, commune)).body["channels"]
    assert (sms["finish"], sms["seconds"], sms["share_too_late"]) == (None, None, 1.0)


async def test_what_waits_already_leaves_before(scene: Scene) -> None:
    commune = await scene.entity()
    scene.forecasting._capacity = lambda: RATES | {ChannelName.SMS: 1.0}
    await posted(scene, commune, 6)
    waiting = (await scene.rows("SELECT max(parts) AS n FROM text WHERE channel = 1"))[0]["n"] * 6
    (sms,) = (await scene.forecast(by_sms("A-9", at=scene.clock.now), commune)).body["channels"]
    ends = scene.clock.now.replace(microsecond=0) + timedelta(seconds=sms["units"] + waiting)
    assert sms["finish"] == ends.isoformat()


async def test_a_forecast_names_alerts_in_force_that_reach_the_same_people(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(*(citizen(number) for number in range(7)))
    first = await scene.post(by_sms(), commune)
    (seen,) = (await scene.forecast(by_sms("A-2"), commune)).body["overlap"]
    assert (seen["campaign"], seen["identifier"], seen["messages"]) == (first.body["campaign"], "A-1", 7)
    elsewhere = with_infos(by_sms("A-3"), area=(area(square(4.22, 50.72)),))
    assert (await scene.forecast(elsewhere, commune)).body["overlap"] == []
    assert (await scene.forecast(by_sms("A-2"), commune, Realm.TEST)).body["overlap"] == []
    other = await scene.entity("other")
    (theirs,) = (await scene.forecast(by_sms("B-1"), other)).body["overlap"]
    assert "campaign" not in theirs
    assert theirs["identifier"] == "A-1"
    await scene.campaigns.act("stop", first.body["campaign"], await scene.authority(commune))
    assert (await scene.forecast(by_sms("A-2"), commune)).body["overlap"] == []


async def test_a_shared_group_is_an_overlap_and_nobody_else_s_group_is_told(scene: Scene) -> None:
    zone = await scene.entity("zone", kind=EntityKind.TYPE2, groups={"plp": 6})
    alert = asking(an_alert("G-1", scope=Scope.RESTRICTED, addresses=("plp",), restriction="members"), channels="sms")
    first = await scene.post(with_infos(alert, area=()), zone)
    assert first.status == 201, first.body
    (seen,) = (await scene.forecast(with_infos(replace(alert, identifier="G-2"), area=()), zone)).body["overlap"]
    assert (seen["alert"], seen["messages"]) == (first.body["alert"], 6)


async def test_a_forecast_says_what_packs_still_hold(scene: Scene) -> None:
    commune = await scene.entity()
    async with scene.connected() as connection:
        await costs.put_pack(
            connection, commune.id, units=100, bought_on=date(2022, 9, 1), valid_until=date(2100, 1, 1)
        )
    assert (await scene.forecast(by_sms(), commune)).body["prepaid_units_left"] == 100
