"""Intake over a real store: what is accepted, refused, repeated, held, silent; and what is written down of it."""

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from gateway.cap.area import Ring
from gateway.cap.model import CapAlert, MsgType, Polygon, Scope, Severity, Status, Urgency
from gateway.errors import StoreUnavailable
from gateway.flows.answers import Answer
from gateway.model import ChannelName, EntityKind, MessageClass, Mode, Realm
from gateway.policy.report import as_text
from gateway.policy.rights import Refusal
from gateway.policy.weighing import weigh
from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.scene import (
    HELP,
    URL,
    Entity,
    Scene,
    a_scene,
    an_alert,
    area,
    asking,
    citizen,
    document,
    follow_up,
    put_token,
    square,
    with_infos,
)

AWAY = area(square(5.5, 50.5))
ACROSS = area(square(4.4, 50.8, 0.02))


def ids(answer: Answer) -> list[str]:
    return [finding["id"] for finding in answer.body["findings"]]


async def feed(scene: Scene) -> int:
    return len(await scene.rows("SELECT FROM campaign WHERE released_at IS NOT NULL"))


# Accepted -------------------------------------------------------------------------------------------------------


async def test_an_accepted_alert_is_stored_with_its_campaign_before_the_answer(scene: Scene) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now)
    answer = await scene.post(alert, commune)
    assert answer.status == 201
    assert answer.body["state"] == "planned"
    assert answer.body["mode"] == "live"
    assert answer.body["class"] == "urgent"
    assert answer.body["links"]["campaign"] == f"{URL}/v1/campaigns/{answer.body['campaign']}"
    (row,) = await scene.rows("SELECT * FROM alert")
    assert row["raw"] == document(alert)
    assert row["sha256"] == hashlib.sha256(document(alert)).digest()
    assert (row["sender"], row["identifier"], row["sent"]) == alert.identity
    assert row["accepted"]
    assert row["answer"] == answer.body
    campaign = await scene.campaign(answer)
    assert (campaign["state"], campaign["mode"], campaign["purpose"]) == ("planned", "live", "emergency")
    assert campaign["released_at"] is not None
    events = await scene.rows("SELECT event, state FROM campaign_event")
    assert [tuple(event) for event in events] == [("accepted", "planned")]
    assert scene.news == ["accepted"]


async def test_every_language_and_channel_has_its_text(scene: Scene) -> None:
    await scene.post(an_alert(at=scene.clock.now), await scene.entity())
    texts = await scene.rows("SELECT channel, language FROM text ORDER BY key")
    languages = ("fr", "nl", "de", "en")  # the entity's order
    assert [(row["channel"], row["language"]) for row in texts] == list(product((1, 2, 3), languages))


async def test_what_was_cut_in_a_text_is_said(scene: Scene) -> None:
    answer = await scene.post(an_alert(at=scene.clock.now), await scene.entity())
    notes = [f for f in answer.body["findings"] if f["id"] == "G5"]
    assert notes
    assert all(note["severity"] == "warning" and note["element"].startswith("text/sms/") for note in notes)


async def test_without_wishes_the_entity_s_policy_decides(scene: Scene) -> None:
    commune = await scene.entity(policy={"channels": {"prevention": ["email"]}})
    alert = with_infos(asking(an_alert(at=scene.clock.now)), severity=Severity.MINOR, urgency=Urgency.FUTURE)
    answer = await scene.post(alert, commune)
    assert (answer.body["class"], answer.body["channels"]) == ("prevention", ["email"])
    usual = await scene.entity("other")
    answer = await scene.post(alert, usual)
    assert (answer.body["class"], answer.body["channels"]) == ("prevention", ["sms", "email"])


async def test_citizens_in_the_area_and_groups_are_united(scene: Scene) -> None:
    commune = await scene.entity(groups={"key actors": 2, "others": 3})
    await scene.citizens(citizen(1), citizen(2, lon=4.25, lat=50.85), citizen(3, lon=5.5, lat=50.5))
    answer = await scene.post(asking(an_alert(at=scene.clock.now, addresses=("key actors",)), channels="sms"), commune)
    await scene.plan()
    people = await scene.addresses(answer)
    assert "+32470000001" in people
    assert len(people) == 3


async def test_restricted_reaches_its_group_and_no_citizen_of_the_area(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 2})
    await scene.citizens(citizen(1))
    alert = an_alert(at=scene.clock.now, scope=Scope.RESTRICTED, restriction="us", addresses=("g",))
    answer = await scene.post(alert, commune)
    await scene.plan()
    assert "+32470000001" not in await scene.addresses(answer)
    assert len(await scene.addresses(answer)) == 4
    assert (await scene.campaign(answer))["released_at"] is None


async def test_a_target_partly_outside_reaches_only_those_inside_both(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1, lon=4.39, lat=50.8), citizen(2, lon=4.41, lat=50.8))
    answer = await scene.post(with_infos(an_alert(at=scene.clock.now), area=(ACROSS,)), commune)
    assert answer.status == 201
    (finding,) = [f for f in answer.body["findings"] if f["id"] == "G4"]
    assert "% of the area lies outside the territory of Authority commune" in finding["message"]
    await scene.plan()
    assert await scene.addresses(answer) == {"+32470000001", "c1@citizens.example"}


async def test_the_most_severe_of_two_texts_for_a_place_is_sent_once(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1, "nl", lon=4.3, lat=50.8), citizen(2, "fr", lon=4.35, lat=50.85))
    base = asking(an_alert(at=scene.clock.now), channels="email")
    nl, fr = base.info[0], base.info[1]
    wide = (area(square(4.32, 50.82, 0.07)),)
    infos = (
        replace(nl, area=wide, severity=Severity.MINOR, headline="mild"),
        replace(nl, area=(area(square(4.3, 50.8)),), severity=Severity.EXTREME, headline="hevig"),
        replace(fr, area=wide, severity=Severity.MINOR, headline="doux"),
    )
    answer = await scene.post(replace(base, info=infos), commune)
    await scene.plan()
    number = (await scene.campaign(answer))["id"]
    said = await scene.rows(
        "SELECT d.address, t.subject FROM delivery d "
        "JOIN text t ON t.campaign_id = d.campaign_id AND t.key = d.text_key WHERE d.campaign_id = $1",
        number,
    )
    words = {row["address"]: row["subject"] for row in said}
    assert "hevig" in words["c1@citizens.example"]
    assert "doux" in words["c2@citizens.example"]
    assert len(words) == 2


# Again ----------------------------------------------------------------------------------------------------------


async def test_a_hundred_posts_of_one_alert_at_once_make_one_campaign(scene: Scene) -> None:
    commune = await scene.entity()
    alert = document(an_alert(at=scene.clock.now))
    authority = await scene.authority(commune)
    answers = await asyncio.gather(*(scene.intake.accept(alert, authority, "token:1") for _ in range(100)))
    assert sorted(answer.status for answer in answers) == [200] * 99 + [201]
    assert len({json.dumps(answer.body, sort_keys=True) for answer in answers}) == 1
    assert len(await scene.rows("SELECT FROM campaign")) == len(await scene.rows("SELECT FROM alert")) == 1
    assert scene.news == ["accepted"]


async def test_posts_of_one_alert_to_two_nodes_make_one_campaign(scene: Scene, pg: Cluster) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now)
    async with a_scene(pg) as other:
        answers = await asyncio.gather(*(node.post(alert, commune) for node in (scene, other) * 10))
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({json.dumps(answer.body, sort_keys=True) for answer in answers}) == 1
    assert len(await scene.rows("SELECT FROM campaign")) == 1


async def test_the_stored_answer_is_that_of_acceptance(scene: Scene) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now)
    first = await scene.post(alert, commune)
    await scene.plan()
    await scene.closer.once()
    again = await scene.post(alert, commune)
    assert (again.status, again.body) == (200, first.body)
    assert again.body["state"] == "planned"


async def test_the_same_identity_with_other_content_is_a_conflict_and_stored(scene: Scene) -> None:
    commune = await scene.entity()
    first = await scene.post(an_alert(at=scene.clock.now), commune)
    other = await scene.post(an_alert(at=scene.clock.now, note="other"), commune)
    assert (other.status, other.body["reason"]) == (409, "conflict")
    assert first.body["alert"] in other.body["detail"]
    assert len(await scene.rows("SELECT FROM campaign")) == 1
    assert [row["http_status"] for row in await scene.rows("SELECT http_status FROM alert ORDER BY id")] == [201, 409]


async def test_a_conflict_is_flagged_on_both_in_the_events_and_in_the_metrics(scene: Scene) -> None:
    commune = await scene.entity()
    authority = await scene.authority(commune)
    first = await scene.post(an_alert(at=scene.clock.now), commune)
    contrary = an_alert(at=scene.clock.now, note="other")
    answers = [await scene.post(contrary, commune) for _ in range(2)]
    seen = await scene.campaigns.alert(first.body["alert"], authority)
    other = await scene.campaigns.alert(answers[0].body["alert"], authority)
    assert seen is not None and other is not None
    assert seen["conflicts"] == [answer.body["alert"] for answer in answers]
    assert (other["conflict_with"], other["state"], seen["conflict_with"]) == (first.body["alert"], "refused", None)
    assert 'gateway_alerts_total{verdict="conflict"} 2.0' in scene.metrics.render()[0].decode()
    report = as_text(await scene.campaigns.report(first.body["campaign"], authority) or {})
    assert report.count("contradicted (token:1)") == 1  # the same content again is nothing new
    assert (await scene.post(an_alert(at=scene.clock.now), commune)).status == 200


async def test_a_rehearsal_never_answers_for_the_live_post_nor_blocks_it(scene: Scene) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now)
    rehearsed = await scene.post(alert, commune, Realm.TEST)
    live = await scene.post(alert, commune)
    assert (rehearsed.status, rehearsed.body["mode"]) == (201, "test")
    assert (live.status, live.body["mode"]) == (201, "live")
    assert live.body["campaign"] != rehearsed.body["campaign"]
    other = an_alert(at=scene.clock.now, note="other")
    assert (await scene.post(other, commune, Realm.TEST)).status == 409
    assert (await scene.post(alert, commune)).status == 200


async def test_two_entities_may_use_one_sender_and_identifier(scene: Scene) -> None:
    alert = an_alert(at=scene.clock.now)
    for slug in ("one", "two"):
        assert (await scene.post(alert, await scene.entity(slug))).status == 201


async def test_a_refused_alert_may_be_posted_again_when_it_is_right(scene: Scene) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now, addresses=("g",))
    assert (await scene.post(alert, commune)).status == 422
    async with scene.connected() as connection:
        await admin.create_group(connection, entity_id=commune.id, slug="g", name="g")
    assert (await scene.post(alert, commune)).status == 201


# Refused --------------------------------------------------------------------------------------------------------

BOW: Polygon = ((50.8, 4.3), (50.81, 4.31), (50.81, 4.3), (50.8, 4.31), (50.8, 4.3))
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "wholly outside": ({"info": {"area": (AWAY,)}}, 403, "outside-territory"),
    "no area": ({"info": {"area": ()}}, 422, "nobody"),
    "an area of words": ({"info": {"area": (area(called="everywhere"),)}}, 422, "nobody"),
    "a geocode nobody knows": ({"info": {"area": (area(geocodes=[("NIS", "1")]),)}}, 422, "invalid"),
    "a polygon that crosses itself": ({"info": {"area": (area(BOW),)}}, 422, "invalid"),
    "an unknown group": ({"addresses": ("g", "strangers")}, 422, "invalid"),
    "restricted without a group": ({"scope": Scope.RESTRICTED, "restriction": "us"}, 422, "nobody"),
    "an unknown channel": ({"wishes": {"channels": "sms fax"}}, 422, "invalid"),
    "two classes": ({"wishes": {"class": "dire"}}, 422, "invalid"),
    "nothing to say": ({"info": None}, 422, "no-text"),
    "an endless identifier": ({"identifier": "x" * 501}, 422, "invalid"),
    "an endless sender": ({"sender": "é" * 251}, 422, "invalid"),
}


def changed(alert: CapAlert, changes: dict[str, Any]) -> CapAlert:
    rest = dict(changes)
    info, wished = rest.pop("info", {}), rest.pop("wishes", {})
    alert = asking(alert, **wished) if wished else alert
    return replace(replace(alert, info=()) if info is None else with_infos(alert, **info), **rest)


async def test_what_is_not_certain_is_refused_and_stored(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1})
    for case, (changes, status, reason) in REFUSED.items():
        answer = await scene.post(changed(an_alert(at=scene.clock.now), changes), commune)
        assert (answer.status, answer.body["reason"]) == (status, reason), case
        assert answer.body["help"] == HELP
        assert answer.body["type"] == f"{URL}/docs#{reason}"
        assert answer.body["detail"]
        if reason == "invalid":
            assert "error" in {finding["severity"] for finding in answer.body["findings"]}, case
        (row,) = await scene.rows("SELECT * FROM alert WHERE public_id = $1", answer.body["alert"])
        assert (row["accepted"], row["http_status"]) == (False, status)
        assert row["findings"] == answer.body["findings"]
    assert not await scene.rows("SELECT FROM campaign")
    assert scene.news == []


UNREADABLE = [
    (b"", 400),
    (b"<alert>", 400),
    (b"\x00\xff\xfe", 400),
    (b'<!DOCTYPE a [<!ENTITY b "c">]><alert>&b;</alert>', 400),
    (b"<feed xmlns='http://www.w3.org/2005/Atom'/>", 422),
    (b"<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>", 422),
    (b"<alert>" + b" " * 1_200_000 + b"</alert>", 413),
]


async def test_what_can_not_be_read_is_refused_with_every_finding(scene: Scene) -> None:
    commune = await scene.entity()
    for raw, status in UNREADABLE:
        answer = await scene.post(raw, commune)
        assert answer.status == status, raw[:60]
        assert answer.body["findings"]
        assert set(answer.body["findings"][0]) == {"id", "severity", "line", "element", "message", "clause"}
        (row,) = await scene.rows("SELECT * FROM alert WHERE public_id = $1", answer.body["alert"])
        assert (row["raw"], row["http_status"]) == (raw, status)


async def test_findings_name_line_and_element(scene: Scene) -> None:
    alert = document(an_alert(at=scene.clock.now)).replace(b"<severity>Severe<", b"<severity>Dire<")
    answer = await scene.post(alert, await scene.entity())
    assert answer.status == 422
    errors = [finding for finding in answer.body["findings"] if finding["severity"] == "error"]
    assert len(errors) == 4  # one for each language
    lines = document(an_alert(at=scene.clock.now)).splitlines()
    assert all(b"<severity>" in lines[finding["line"] - 1] for finding in errors)
    assert errors[0]["element"].startswith("alert/info[1]/severity")
    assert answer.body["detail"].startswith("4 error(s) in the document; the first: ")


async def test_type_2_never_reaches_anybody_by_place(scene: Scene) -> None:
    police = await scene.entity("police", kind=EntityKind.TYPE2, rings=(), groups={"g": 1})
    for realm in Realm:
        answer = await scene.post(an_alert(at=scene.clock.now, addresses=("g",)), police, realm)
        assert (answer.status, answer.body["reason"]) == (403, "groups-only")
    alert = an_alert(at=scene.clock.now, scope=Scope.RESTRICTED, restriction="us", addresses=("g",))
    assert (await scene.post(alert, police)).status == 201


async def test_a_type_2_entity_that_got_a_territory_by_mistake_still_reaches_nobody_by_place(scene: Scene) -> None:
    police = await scene.entity("police", kind=EntityKind.TYPE2)
    assert (await scene.post(an_alert(at=scene.clock.now), police)).body["reason"] == "groups-only"


async def test_a_group_of_another_entity_is_unknown(scene: Scene) -> None:
    await scene.entity("other", groups={"theirs": 3})
    alert = an_alert(at=scene.clock.now, addresses=("theirs",))
    answer = await scene.post(alert, await scene.entity())
    assert (answer.status, ids(answer)[-1]) == (422, "G3")


async def test_an_entity_may_refuse_what_is_partly_outside(scene: Scene) -> None:
    commune = await scene.entity(policy={"partly_outside": "refuse"})
    answer = await scene.post(with_infos(an_alert(at=scene.clock.now), area=(ACROSS,)), commune)
    assert (answer.status, answer.body["reason"]) == (403, "partly-outside")


async def test_an_entity_without_territory_targets_no_place(scene: Scene) -> None:
    answer = await scene.post(an_alert(at=scene.clock.now), await scene.entity(rings=()))
    assert (answer.status, answer.body["reason"]) == (403, "no-territory")


async def test_an_entity_that_is_not_live_or_suspended_sends_nothing(scene: Scene) -> None:
    young = await scene.entity("young", live=False)
    alert = an_alert(at=scene.clock.now)
    assert (await scene.post(alert, young)).body["reason"] == "not-live"
    assert (await scene.post(alert, young, Realm.TEST)).status == 201
    async with scene.connected() as connection:
        await admin.change_entity(connection, "young", live=True, suspended=True)
    assert (await scene.post(alert, young)).body["reason"] == "suspended"


async def test_a_token_without_the_mandate_is_refused(scene: Scene) -> None:
    commune = await scene.entity()
    async with scene.connected() as connection:
        token = await put_token(
            connection, commune.id, Realm.LIVE, classes=[MessageClass.URGENT], channels=[ChannelName.SMS]
        )
    alert = an_alert(at=scene.clock.now)
    assert (await scene.post(alert, token)).body["reason"] == "no-mandate"
    assert (await scene.post(asking(alert, channels="sms"), token)).status == 201


async def test_an_entity_whose_policy_names_no_channel_is_told(scene: Scene) -> None:
    commune = await scene.entity(policy={"channels": {"urgent": []}})
    answer = await scene.post(asking(an_alert(at=scene.clock.now)), commune)
    assert (answer.status, answer.body["reason"]) == (422, "no-channel")


async def test_what_was_not_even_read_is_stored_with_its_reason(scene: Scene) -> None:
    authority = await scene.authority(await scene.entity())
    refusal = Refusal(reason="too-large", message="Too many bytes.", status=413)
    answer = await scene.intake.refuse_unread(refusal, authority, "token:1")
    assert (answer.status, answer.body["reason"], answer.body["help"]) == (413, "too-large", HELP)
    (row,) = await scene.rows("SELECT raw, http_status, answer FROM alert")
    assert (row["raw"], row["http_status"], row["answer"]["reason"]) == (b"", 413, "too-large")


# Modes, silence, time, approval ---------------------------------------------------------------------------------

SILENT = (Status.TEST, Status.SYSTEM, Status.DRAFT)


def table() -> Iterator[tuple[Realm, Status, Scope, Mode, str, bool]]:
    """The interface's table: token, status, scope -> mode, state, in a public feed."""
    for realm, status, scope in product(Realm, Status, Scope):
        live = realm is Realm.LIVE
        mode = {Status.ACTUAL: Mode.LIVE, Status.EXERCISE: Mode.EXERCISE}.get(status, Mode.TEST) if live else Mode.TEST
        state = "closed" if status in SILENT else "planned"
        yield realm, status, scope, mode, state, mode is not Mode.TEST and scope is Scope.PUBLIC


async def test_token_status_and_scope_decide_mode_state_and_feed(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1})
    for number, (realm, status, scope, mode, state, public) in enumerate(table()):
        alert = an_alert(
            f"A-{number}", at=scene.clock.now, status=status, scope=scope, addresses=("g",),
            restriction="us" if scope is Scope.RESTRICTED else "",
        )  # fmt: skip
        answer = await scene.post(alert, commune, realm)
        said = (answer.status, answer.body["mode"], answer.body["state"])
        assert said == (201, mode.value, state), (realm, status, scope)
        row = await scene.campaign(answer)
        assert (row["mode"], row["released_at"] is not None) == (mode.value, public), (realm, status, scope)
    await scene.plan()
    transports = await scene.rows(
        "SELECT DISTINCT c.mode, d.transport FROM delivery d JOIN campaign c ON c.id = d.campaign_id ORDER BY 1, 2"
    )
    assert [tuple(row) for row in transports] == [("exercise", 0), ("live", 1), ("test", 0)]


async def test_an_exercise_is_stamped_and_live_only_for_marked_groups(scene: Scene) -> None:
    commune = await scene.entity(groups={"drill": 2, "usual": 2}, marked=["drill"])
    await scene.citizens(citizen(1))
    alert = an_alert(at=scene.clock.now, status=Status.EXERCISE, note="Drill", addresses=("drill", "usual"))
    answer = await scene.post(alert, commune)
    await scene.plan()
    number = (await scene.campaign(answer))["id"]
    rows = await scene.rows(
        "SELECT d.address, d.transport, k.exercise_group FROM delivery d JOIN chunk k ON k.campaign_id = d.campaign_id "
        "AND d.seq BETWEEN k.lo AND k.hi WHERE d.campaign_id = $1",
        number,
    )
    marked = await scene.rows(
        "SELECT c.mobile, c.email FROM contact c JOIN group_member m ON m.contact_id = c.id "
        "JOIN contact_group g ON g.id = m.group_id WHERE g.slug = 'drill'"
    )
    drilled = {address for row in marked for address in row}
    assert {row["address"] for row in rows if row["transport"] == 1} == drilled
    assert all(row["exercise_group"] == (row["transport"] == 1) for row in rows)
    texts = await scene.rows("SELECT body FROM text WHERE campaign_id = $1", number)
    assert texts
    assert all(any(stamp in t["body"] for stamp in ("EXERCICE", "OEFENING", "ÜBUNG", "EXERCISE")) for t in texts)


async def test_what_nobody_is_told_needs_no_right_to_reach_anybody(scene: Scene) -> None:
    police = await scene.entity("police", kind=EntityKind.TYPE2, rings=())
    async with scene.connected() as connection:
        token = await put_token(connection, police.id, Realm.LIVE, classes=[], channels=[])
    for status in SILENT:
        alert = an_alert(status.value, at=scene.clock.now, status=status, addresses=("strangers",))
        answer = await scene.post(alert, token)
        assert (answer.status, answer.body["state"], answer.body["mode"]) == (201, "closed", "test")
        row = await scene.campaign(answer)
        assert (row["closure"], row["planned"]) == ("complete", True)
        await scene.plan()
        assert await scene.addresses(answer) == set()
        assert await scene.rows("SELECT FROM report WHERE campaign_id = $1", row["id"])


async def test_a_test_must_still_be_valid(scene: Scene) -> None:
    commune = await scene.entity()
    alert = asking(an_alert(at=scene.clock.now, status=Status.TEST), channels="fax")
    assert (await scene.post(alert, commune)).status == 422
    broken = document(an_alert(at=scene.clock.now, status=Status.TEST)).replace(b"<urgency>Immediate", b"<urgency>Soon")
    assert (await scene.post(broken, commune)).status == 422


async def test_ack_and_error_are_recorded_and_tell_nobody(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = an_alert(at=scene.clock.now)
    await scene.post(alert, commune)
    for kind in (MsgType.ACK, MsgType.ERROR):
        said = follow_up(kind, alert, identifier=kind.value, addresses=("strangers",), note="thanks")
        answer = await scene.post(said, commune)
        assert (answer.status, answer.body["state"]) == (201, "closed")
        await scene.plan()
        assert await scene.addresses(answer) == set()
    assert len(await scene.rows("SELECT FROM alert_reference")) == 2
    assert await feed(scene) == 1
    assert (await scene.rows("SELECT state FROM campaign ORDER BY id"))[0]["state"] == "sending"


async def test_an_alert_that_has_expired_on_arrival_is_recorded_and_tells_nobody(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    alert = an_alert(at=scene.clock.now - timedelta(hours=3))
    answer = await scene.post(alert, commune)
    assert (answer.status, answer.body["state"]) == (201, "closed")
    assert "G6" in ids(answer)
    row = await scene.campaign(answer)
    assert row["closure"] == "expired"
    await scene.plan()
    assert await scene.addresses(answer) == set()


async def test_an_alert_without_end_ends_by_the_default(scene: Scene) -> None:
    answer = await scene.post(with_infos(an_alert(at=scene.clock.now), expires=None), await scene.entity())
    assert answer.body["expires"] == (scene.clock.now + timedelta(hours=24)).isoformat()


async def test_a_class_that_needs_approval_is_held_and_not_published(scene: Scene) -> None:
    commune = await scene.entity(policy={"approval": ["urgent"]})
    answer = await scene.post(an_alert(at=scene.clock.now), commune)
    assert answer.body["state"] == "held"
    assert await feed(scene) == 0
    await scene.plan()
    assert await scene.addresses(answer) == set()
    rehearsal = await scene.post(an_alert(at=scene.clock.now), commune, Realm.TEST)
    exercise = await scene.post(an_alert("A-2", at=scene.clock.now, status=Status.EXERCISE), commune)
    other = await scene.post(asking(an_alert("A-3", at=scene.clock.now), **{"class": "news"}), commune)
    assert [a.body["state"] for a in (rehearsal, exercise, other)] == ["planned"] * 3


# Under strain ---------------------------------------------------------------------------------------------------


async def test_nothing_is_accepted_while_the_store_is_away(pg: Cluster) -> None:
    async with a_scene(pg) as scene:
        commune = await scene.entity()
        authority = await scene.authority(commune)
        away = await Store.open(pg.app_dsn, name="away")
        await away.close()
        scene.intake._store = away
        with pytest.raises(StoreUnavailable):
            await scene.intake.accept(document(an_alert(at=scene.clock.now)), authority, "token:1")
        assert await scene.rows("SELECT FROM alert") == []
        assert scene.news == []


async def test_a_failure_in_the_middle_leaves_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    commune = await scene.entity()

    async def broken(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr("gateway.flows.intake.alerts.insert_campaign", broken)
    with pytest.raises(StoreUnavailable):
        await scene.post(an_alert(at=scene.clock.now), commune)
    assert await scene.rows("SELECT FROM alert") == []
    monkeypatch.undo()
    assert (await scene.post(an_alert(at=scene.clock.now), commune)).status == 201


def many_places(count: int) -> tuple[Polygon, ...]:
    dice = random.Random(7)
    return tuple(square(4.21 + dice.random() * 0.18, 50.71 + dice.random() * 0.18, 0.005) for _ in range(count))


async def test_an_area_of_hostile_size_keeps_no_binds_waiting(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    commune = await scene.entity()
    alert = document(with_infos(an_alert(at=scene.clock.now), "en", area=(area(*many_places(500)),)))
    authority = await scene.authority(commune)
    apart, handed = scene.checker.apart, []

    async def watched(broken: Callable[[str], Any], work: Callable[..., Any], *arguments: object) -> Any:
        handed.append(work)
        return await apart(broken, work, *arguments)

    monkeypatch.setattr(scene.checker, "apart", watched)
    assert (await scene.intake.accept(alert, authority, "token:1")).status == 201
    assert handed == [weigh], "the cells are worked out beside the loop"


async def test_verdicts_are_counted(scene: Scene) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now)
    await scene.post(alert, commune)
    await scene.post(alert, commune)
    await scene.post(b"", commune)
    text = scene.metrics.render()[0].decode()
    for verdict in ("accepted", "repeated", "refused"):
        assert f'gateway_alerts_total{{verdict="{verdict}"}} 1.0' in text


async def test_a_territory_of_several_rings_is_their_union(scene: Scene) -> None:
    west = Ring(((4.20, 50.7), (4.30, 50.7), (4.30, 50.9), (4.20, 50.9), (4.20, 50.7)))
    east = Ring(((4.30, 50.7), (4.40, 50.7), (4.40, 50.9), (4.30, 50.9), (4.30, 50.7)))
    commune: Entity = await scene.entity(rings=(west, east))
    await scene.citizens(citizen(1, lon=4.295, lat=50.8), citizen(2, lon=4.305, lat=50.8))
    alert = with_infos(asking(an_alert(at=scene.clock.now), channels="sms"), area=(area(square(4.3, 50.8)),))
    answer = await scene.post(alert, commune)
    assert "G4" not in ids(answer)
    await scene.plan()
    assert len(await scene.addresses(answer)) == 2
