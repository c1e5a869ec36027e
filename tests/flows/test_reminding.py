"""Reminders: who did not practise for a month, whose training ends; once a month, and nobody else."""

from datetime import UTC, datetime, timedelta

from gateway.flows.reminding import Reminder
from gateway.log import unit_logger
from tests.support.people import everything, put_person
from tests.support.scene import Scene, an_alert


async def told(scene: Scene) -> list[tuple[str, str]]:
    await Reminder(scene.store, leads=lambda: True, log=unit_logger("test")).once()
    rows = await scene.rows("SELECT p.email, n.word FROM notice n JOIN person p ON p.id = n.person_id ORDER BY n.id")
    return [(row["email"], row["word"]) for row in rows]


async def test_who_may_send_and_did_not_for_a_month_is_reminded_once_a_month(scene: Scene) -> None:
    commune = await scene.entity()
    async with scene.connected() as connection:
        for email in ("idle@x.example", "busy@x.example", "away@x.example"):
            token = await put_person(connection, commune.id, email=email, mandate=everything())
            if email.startswith("busy"):
                await scene.post(an_alert(), token)
        await put_person(connection, commune.id, email="watching@x.example")
    assert await told(scene) == []  # their mandates are new
    await scene.rows("UPDATE mandate SET not_before = now() - interval '2 months'")
    await scene.rows(
        "UPDATE membership SET suspended_at = now() WHERE person_id = (SELECT id FROM person WHERE email LIKE 'away%')"
    )
    assert await told(scene) == await told(scene) == [("idle@x.example", "practice")]
    await scene.rows("UPDATE notice SET at = at - interval '32 days'")
    await scene.rows("UPDATE campaign SET created_at = created_at - interval '32 days'")
    assert sorted(await told(scene)) == [
        ("busy@x.example", "practice"), ("idle@x.example", "practice"), ("idle@x.example", "practice")
    ]  # fmt: skip


async def test_whose_training_ends_soon_is_told_where_training_is_asked_for(scene: Scene) -> None:
    asking = await scene.entity("asking", policy={"training_required": True})
    other = await scene.entity("other")
    today = datetime.now(UTC).date()
    async with scene.connected() as connection:
        for entity, days in ((asking, 10), (asking, 60), (asking, -10), (other, 10)):
            email = f"{entity.slug}{days}@x.example"
            await put_person(connection, entity.id, email=email)
            until = today + timedelta(days=days)
            await connection.execute(
                "UPDATE membership m SET trained_until = $2 FROM person p WHERE p.id = m.person_id AND p.email = $1",
                email, until,
            )  # fmt: skip
    assert await told(scene) == await told(scene) == [("asking10@x.example", "training")]
