"""Launching: what was shown is kept before the alert goes, whatever the intake says to it."""

from gateway.flows.launching import Launching, Wish
from gateway.model import EntityKind, Realm
from gateway.store import templates
from tests.policy.test_template import BODY, VALUES
from tests.support.scene import Entity, Scene


def launching(scene: Scene) -> Launching:
    return Launching(scene.store, scene.intake, sender_domain="gateway.example", utcnow=scene.clock)


async def prepared(scene: Scene, kind: EntityKind = EntityKind.TYPE1) -> Entity:
    entity = await scene.entity(kind=kind, languages=("nl", "fr"))
    async with scene.store.tenant(entity.id) as connection:
        assert await templates.put(connection, entity.id, "fire", BODY, "test") == 1
    return entity


async def test_a_launch_is_accepted_with_its_version_and_sender(scene: Scene) -> None:
    entity = await prepared(scene)
    answer = await launching(scene).launch("fire", await scene.authority(entity), Wish(values=VALUES))
    assert (answer.status, answer.body["version"]) == (201, 1)
    (alert,) = await scene.rows("SELECT sender, source FROM alert")
    assert tuple(alert) == ("commune@gateway.example", "template:fire/1")
    (row,) = await scene.rows("SELECT alert, waived FROM template_launch")
    assert tuple(row) == (answer.body["alert"], [])


async def test_a_rehearsal_is_launched_with_a_test_token_and_an_exercise_with_a_live_one(scene: Scene) -> None:
    entity = await prepared(scene)
    test = await launching(scene).launch("fire", await scene.authority(entity, Realm.TEST), Wish(values=VALUES))
    stamped = await launching(scene).launch("fire", await scene.authority(entity), Wish(values=VALUES, exercise=True))
    assert (test.body["mode"], stamped.body["mode"]) == ("test", "exercise")


async def test_what_the_intake_refuses_is_refused_and_stays_on_record(scene: Scene) -> None:
    entity = await prepared(scene, EntityKind.TYPE2)
    answer = await launching(scene).launch("fire", await scene.authority(entity), Wish(values=VALUES))
    assert (answer.status, answer.body["reason"]) == (403, "groups-only")
    (row,) = await scene.rows("SELECT l.alert, a.accepted FROM template_launch l JOIN alert a ON a.public_id = l.alert")
    assert row["accepted"] is False


async def test_texts_that_do_not_say_who_and_where_at_once_are_told(scene: Scene) -> None:
    entity = await prepared(scene)
    text = {"nl": {"headline": "Let op", "instruction": "Sluit ramen", "sms": "Let op! Sluit ramen."}}
    async with scene.store.tenant(entity.id) as connection:
        await templates.put(connection, entity.id, "fire", BODY | {"texts": text}, "test")
    answer = await launching(scene).preview("fire", await scene.authority(entity), Wish())
    (warned,) = [one for one in answer.body["warnings"] if one["id"] == "unclear"]
    assert (warned["where"], "who" in warned["message"], "where" in warned["message"]) == ("texts/nl/sms", True, True)
