"""What becomes of campaigns when the database came back from a backup."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.flows.restoring import ACTOR, Restoring, is_restored
from gateway.log import unit_logger
from gateway.store.restoring import Seen
from tests.support.scene import Scene, an_alert, area, asking, citizen, square, with_infos

FAILOVER_S = 300.0
OLD = "UPDATE database_home SET seen_at = now() - interval '1 hour'"


@pytest.mark.parametrize(
    ("seen", "restored"),
    [
        (None, False),  # a new one
        (Seen(same_place=True, same_timeline=True, silent_s=1e6), False),  # nobody was at work for days
        (Seen(same_place=True, same_timeline=False, silent_s=20), False),  # a standby took over
        (Seen(same_place=True, same_timeline=False, silent_s=301), True),  # a recovery to a point in time
        (Seen(same_place=False, same_timeline=True, silent_s=0), True),  # a dump
        (Seen(same_place=False, same_timeline=False, silent_s=0), True),
    ],
)
def test_a_dump_and_a_late_recovery_are_told_from_a_failover(seen: Seen | None, *, restored: bool) -> None:
    assert is_restored(seen, failover_s=FAILOVER_S) is restored


def by_sms(identifier: str = "A-1") -> Any:
    return with_infos(asking(an_alert(identifier), channels="sms"), area=(area(square(4.325, 50.815)),))


def looking(scene: Scene) -> Restoring:
    return Restoring(scene.store, failover_s=FAILOVER_S, leads=lambda: True, log=unit_logger("test"))


async def states(scene: Scene) -> list[str]:
    return [row["state"] for row in await scene.rows("SELECT state FROM campaign ORDER BY id")]


async def told(scene: Scene, statement: str) -> None:
    async with scene.connected() as connection:
        await connection.execute(statement)


@pytest.mark.parametrize("change", ["place = 'another'", "timeline = '000000FF', seen_at = now() - interval '1 hour'"])
async def test_everything_is_paused_once_and_goes_on_when_somebody_says_so(scene: Scene, change: str) -> None:
    restoring = looking(scene)
    await restoring.once()
    commune = await scene.entity()
    await scene.citizens(citizen(1))
    sending = await scene.post(by_sms(), commune)
    await scene.plan()
    await scene.post(by_sms("B-1"), commune)
    await told(scene, OLD)
    await restoring.once()
    assert await states(scene) == ["sending", "planned"]
    await told(scene, f"UPDATE database_home SET {change}")
    await restoring.once()
    assert await states(scene) == ["paused", "paused"]
    actors = await scene.rows("SELECT actor FROM campaign_event WHERE event = 'paused'")
    assert [row["actor"] for row in actors] == [ACTOR, ACTOR]
    await scene.campaigns.act("resume", sending.body["campaign"], await scene.authority(commune))
    await restoring.once()
    assert await states(scene) == ["sending", "paused"]


async def test_what_was_sent_before_the_restoration_waits_and_what_comes_after_it_does_not(scene: Scene) -> None:
    restoring = looking(scene)
    await restoring.once()
    await told(scene, "UPDATE database_home SET place = 'another'")
    await restoring.once()
    commune = await scene.entity()
    restored_at = (await scene.rows("SELECT restored_at FROM database_home"))[0]["restored_at"]
    before = await scene.post(replace(by_sms(), sent=restored_at - timedelta(seconds=2)), commune)
    after = await scene.post(replace(by_sms("B-1"), sent=restored_at + timedelta(seconds=2)), commune)
    assert (before.body["state"], after.body["state"]) == ("paused", "planned")
    (finding,) = [f for f in before.body["findings"] if f["element"] == "alert/sent"]
    assert "backup" in finding["message"]
