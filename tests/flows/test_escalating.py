"""Who is called because an SMS did not arrive, and by which node."""

from gateway.flows.escalating import Escalator
from gateway.log import unit_logger
from gateway.store import deliveries
from tests.support.scene import Scene, an_alert, asking, citizen


async def a_done_campaign(scene: Scene, *, minutes: float) -> int:
    """Three people; the SMS of the first arrived, that of the second was refused, of the third nothing is known."""
    entity = await scene.entity(policy={"escalation_minutes": {"urgent": minutes}})
    await scene.citizens(*(citizen(number) for number in range(3)))
    answer = await scene.post(asking(an_alert("A-1"), channels="sms", **{"class": "urgent"}), entity)
    assert answer.status == 201, answer.body
    await scene.plan()
    number = int((await scene.campaign(answer))["id"])
    for seq, state in ((1, 3), (2, 4), (3, 8)):
        await scene.rows("UPDATE delivery SET state = $3 WHERE campaign_id = $1 AND seq = $2", number, seq, state)
    await scene.rows(
        "UPDATE chunk SET state = 2, lease_until = now() - interval '1 minute' WHERE campaign_id = $1", number
    )
    return number


def an_escalator(scene: Scene, called: list[bool]) -> Escalator:
    return Escalator(
        scene.store, chunk_rows=10, leads=lambda: True, called=lambda: called.append(True), log=unit_logger("test")
    )


async def test_each_of_them_is_called_once_however_often_somebody_looks(scene: Scene) -> None:
    number, called = await a_done_campaign(scene, minutes=0.5), list[bool]()
    escalator = an_escalator(scene, called)
    assert [await escalator.once(), await escalator.once()] == [2, 0]
    assert called == [True]
    rows = await scene.rows("SELECT seq, flags, state FROM delivery WHERE campaign_id = $1 AND channel = 2", number)
    assert sorted((row["seq"], row["flags"], row["state"]) for row in rows) == [(4, 16, 0), (5, 16, 0)]
    (chunk,) = await scene.rows("SELECT lo, hi, state FROM chunk WHERE campaign_id = $1 AND channel = 2", number)
    assert (chunk["lo"], chunk["hi"], chunk["state"]) == (4, 5, 0)
    (counts,) = await scene.rows(
        "SELECT sum(planned) AS p, sum(queued) AS q FROM progress WHERE campaign_id = $1 AND channel = 2", number
    )
    assert (counts["p"], counts["q"]) == (2, 2)


async def test_nobody_is_called_before_the_time_or_of_a_campaign_that_was_stopped(scene: Scene) -> None:
    number, called = await a_done_campaign(scene, minutes=30), list[bool]()
    escalator = an_escalator(scene, called)
    assert await escalator.once() == 0
    await scene.rows("UPDATE campaign SET state = 'closing', escalate_after = interval '1 s' WHERE id = $1", number)
    assert await escalator.once() == 0
    async with scene.store.queue.acquire() as connection:
        assert await deliveries.due_retries(connection, 10) == 0
