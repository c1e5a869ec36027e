"""Ack and Error for what the real intake said: valid, referring to what they answer, the same bytes each time."""

from dataclasses import replace

import pytest

from gateway.cap.check import check
from gateway.cap.model import MsgType, Scope, Status
from gateway.flows.acknowledging import CapAnswers, Worded
from gateway.flows.answers import Answer
from tests.support.scene import Entity, Scene, an_alert, document, follow_up


def said(worded: Worded | None) -> tuple[str, str, str]:
    """msgType, note and references of a CAP answer that is valid."""
    assert worded is not None and worded.document is not None
    verdict = check(worded.document)
    assert verdict.alert is not None, verdict.findings
    alert = verdict.alert
    assert (alert.scope, alert.sender) == (Scope.PRIVATE, "alerts.example")
    (reference,) = alert.references
    assert alert.addresses == (reference.sender,)
    return alert.msg_type.value, alert.note, f"{reference.sender},{reference.identifier},{reference.sent_text}"


async def answered(scene: Scene, raw: bytes, entity: Entity) -> tuple[Answer, Worded | None]:
    told = await scene.post(raw, entity)
    return told, await CapAnswers(scene.store, sender="alerts.example").worded(raw, told, entity.id)


async def test_an_accepted_alert_is_acknowledged_with_its_campaign(scene: Scene) -> None:
    alert = an_alert()
    told, worded = await answered(scene, document(alert), await scene.entity())
    kind, note, reference = said(worded)
    assert kind == "Ack"
    assert told.body["campaign"] in note and told.body["alert"] in note and "planned" in note
    assert reference == f"{alert.sender},{alert.identifier},{alert.sent_text}"


async def test_a_refused_alert_gets_an_error_that_lists_the_findings_and_who_can_help(scene: Scene) -> None:
    bad = document(an_alert()).replace(b"<severity>Severe</severity>", b"<severity>Bad</severity>")
    told, worded = await answered(scene, bad, await scene.entity())
    assert told.status == 422
    kind, note, _ = said(worded)
    assert kind == "Error"
    assert "invalid" in note and "+32 2 555 00 00" in note
    assert all(finding["id"] in note for finding in told.body["findings"] if finding["severity"] == "error")


async def test_the_same_alert_is_answered_by_the_same_bytes(scene: Scene) -> None:
    commune, raw = await scene.entity(), document(an_alert())
    _, first = await answered(scene, raw, commune)
    scene.clock.on(100)
    told, again = await answered(scene, raw, commune)
    assert told.status == 200
    assert first == again


async def test_a_conflict_is_an_error_of_its_own(scene: Scene) -> None:
    commune = await scene.entity()
    _, first = await answered(scene, document(an_alert()), commune)
    told, second = await answered(scene, document(an_alert(note="other")), commune)
    assert told.status == 409
    assert said(second)[0] == "Error" and said(first)[0] == "Ack"
    assert first is not None and second is not None and first.document != second.document


@pytest.mark.parametrize("kind", [MsgType.ACK, MsgType.ERROR])
async def test_answers_are_not_answered(scene: Scene, kind: MsgType) -> None:
    commune, alert = await scene.entity(), an_alert()
    raw = document(follow_up(kind, alert, info=(), note="seen"))
    assert (await answered(scene, raw, commune))[1] is None
    broken = raw.replace(b"<status>Actual</status>", b"<status>Real</status>")
    assert (await answered(scene, broken, commune))[1] is None


async def test_what_has_no_name_is_answered_in_words_only(scene: Scene) -> None:
    _, worded = await answered(scene, b"<alert>", await scene.entity())
    assert worded is not None and worded.document is None
    assert "Refused" in worded.subject and worded.note


async def test_what_is_another_s_is_not_spoken_of(scene: Scene) -> None:
    one, two = await scene.entity("one"), await scene.entity("two")
    raw = document(replace(an_alert(), status=Status.ACTUAL))
    told = await scene.post(raw, one)
    assert await CapAnswers(scene.store, sender="alerts.example").worded(raw, told, two.id) is None
