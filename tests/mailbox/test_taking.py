"""One mail from its bytes to its stored verdict, with the real intake."""

from collections.abc import AsyncIterator

import pytest

from gateway.cap.check import check
from gateway.errors import StoreUnavailable
from gateway.mailbox.proving import Later
from gateway.mailbox.taking import Outcome
from gateway.model import Realm
from gateway.policy.mailproof import MailRefusal, MailSource, Reason
from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.store.mailbox import Spot
from tests.mailbox.mails import ADDRESS, alert, mail, signed
from tests.mailbox.stand import BOX_NAME, CAP_SENDER, Stand, stand
from tests.support.line import SENDER
from tests.support.scene import a_scene


@pytest.fixture
async def ground(pg: Cluster) -> AsyncIterator[Stand]:
    async with a_scene(pg) as scene:
        yield stand(scene, await scene.entity(), answers_per_hour=3)


def spot(uid: int) -> Spot:
    return Spot(BOX_NAME, 77, uid)


async def take(ground: Stand, source: MailSource, raw: bytes, uid: int = 1) -> Outcome | Later:
    return await ground.taker.take(spot(uid), raw, source)


async def test_the_claimed_source_is_found_by_the_one_address_in_from(ground: Stand) -> None:
    source = await ground.source()
    assert await ground.taker.claimed(BOX_NAME, mail()) == source
    other = await ground.taker.claimed("another-box", mail())
    assert other == MailRefusal(reason=Reason.UNKNOWN_SENDER)
    nobody = await ground.taker.claimed(BOX_NAME, b"To: x\r\n\r\n")
    assert nobody == MailRefusal(reason=Reason.NO_SENDER)
    twice = await ground.taker.claimed(BOX_NAME, b"From: a@b.example\r\n" + mail())
    assert isinstance(twice, MailRefusal)
    assert twice.reason is Reason.UNREADABLE


async def test_an_alert_is_accepted_and_acknowledged_to_the_registered_address(ground: Stand) -> None:
    source = await ground.source(reply_address="desk@commune.example")
    assert await take(ground, source, signed(mail(alert("A-1")))) == Outcome("taken", "", 1, 1)
    [answer] = await ground.answers()
    assert (answer["in_reply_to"], answer["source_id"]) == ("<one@commune.example>", source.id)
    verdict = check(answer["document"])
    assert verdict.valid, verdict.findings
    assert verdict.alert is not None
    ack = verdict.alert
    assert (ack.msg_type, ack.sender, ack.references[0].identifier) == ("Ack", CAP_SENDER, "A-1")
    [row] = await ground.scene.rows("SELECT public_id FROM campaign")
    assert row["public_id"] in ack.note
    assert row["public_id"] in answer["subject"]


async def test_a_refused_alert_is_stored_and_answered_with_its_findings(ground: Stand) -> None:
    source = await ground.source()
    wrong = alert("A-1").replace(b"Immediate", b"Whenever")
    assert await take(ground, source, signed(mail(wrong))) == Outcome("taken", "", 1, 1)
    [answer] = await ground.answers()
    verdict = check(answer["document"])
    assert verdict.alert is not None, verdict.findings
    assert (verdict.alert.msg_type, verdict.alert.references[0].sender) == ("Error", SENDER)
    assert "urgency" in verdict.alert.note
    [stored] = await ground.scene.rows("SELECT accepted, source, raw FROM alert")
    assert (stored["accepted"], stored["source"], stored["raw"]) == (False, "mailbox", wrong)


async def test_what_has_no_identity_is_answered_in_words_only(ground: Stand) -> None:
    source = await ground.source()
    await take(ground, source, signed(mail(b"<alert>no CAP</alert>")))
    [answer] = await ground.answers()
    assert answer["document"] is None
    assert answer["body"].startswith("Refused")


@pytest.mark.parametrize(
    "raw",
    [
        mail(alert(), more={"Auto-Submitted": "auto-generated"}),
        mail(alert(), more={"Precedence": "bulk"}),
        mail(alert(msg_type="Ack", references=f"{CAP_SENDER},x,2026-11-21T10:00:00-00:00")),
        mail(alert(msg_type="Error", references="broken")),
    ],
)
async def test_machines_and_answers_are_not_answered(ground: Stand, raw: bytes) -> None:
    source = await ground.source()
    outcome = await take(ground, source, signed(raw))
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, outcome.answers) == ("taken", 0)
    assert await ground.answers() == []


async def test_nobody_is_answered_who_did_not_ask_or_was_not_proven(ground: Stand) -> None:
    quiet = await ground.source(address="quiet@commune.example", answers=False)
    await take(ground, quiet, signed(mail(alert("A-1"), sender="quiet@commune.example")), 1)
    source = await ground.source()
    assert await take(ground, source, mail(alert("A-2")), 2) == Outcome("refused", "no-proof")
    assert await ground.answers() == []


async def test_answers_to_one_source_are_limited_by_the_hour(ground: Stand) -> None:
    source = await ground.source()
    for number in range(5):
        await take(ground, source, signed(mail(alert(f"n-{number}"))), number + 1)
    assert len(await ground.accepted()) == 5
    assert len(await ground.answers()) == 3


async def test_the_realm_is_that_of_the_sources_credential(ground: Stand) -> None:
    source = await ground.source(realm=Realm.TEST)
    await take(ground, source, signed(mail(alert("A-1"))))
    [row] = await ground.scene.rows(
        "SELECT c.mode, a.realm, a.token_id FROM campaign c JOIN alert a ON a.id = c.alert_id"
    )
    assert (row["mode"], row["realm"]) == ("test", "test")


async def test_a_revoked_credential_takes_nothing(ground: Stand) -> None:
    source = await ground.source()
    async with ground.scene.connected() as connection:
        [row] = await connection.fetch("SELECT token_id FROM mail_source WHERE id = $1", source.id)
        assert await admin.revoke_token(connection, row["token_id"])
    assert await take(ground, source, signed(mail(alert()))) == Outcome("refused", "no-right")


async def test_the_very_same_mail_again_is_only_noted(ground: Stand) -> None:
    source = await ground.source()
    raw = signed(mail(alert("A-1")))
    await take(ground, source, raw, 1)
    assert await take(ground, source, raw, 2) == Outcome("repeated")
    assert len(await ground.answers()) == 1


async def test_the_same_alert_in_another_mail_gets_its_first_answer_again(ground: Stand) -> None:
    source = await ground.source()
    await take(ground, source, signed(mail(alert("A-1"))), 1)
    await take(ground, source, signed(mail(alert("A-1"), body="again\n")), 2)
    assert await ground.accepted() == ["A-1"]
    first, second = await ground.answers()
    assert first["body"] == second["body"]


async def test_a_key_that_can_not_be_looked_up_settles_nothing(ground: Stand) -> None:
    source = await ground.source()
    ground.zone.down = True
    assert isinstance(await take(ground, source, signed(mail(alert()))), Later)
    assert await ground.mails() == []


async def test_without_the_store_nothing_is_settled(ground: Stand) -> None:
    source = await ground.source()
    await ground.scene.store.close()
    with pytest.raises(StoreUnavailable):
        await take(ground, source, signed(mail(alert())))


async def test_refusals_are_kept_with_their_reason_and_none_of_the_mails_words(ground: Stand) -> None:
    await ground.taker.refuse(spot(1), b"header", 99, MailRefusal(reason=Reason.UNKNOWN_SENDER))
    [row] = await ground.mails()
    assert (row["verdict"], row["reason"], row["bytes"]) == ("refused", "unknown-sender", 99)
    assert "registered" in row["detail"]
    assert ADDRESS not in str(dict(row))
