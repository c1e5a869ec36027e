"""Whom a Cancel tells of those who were called: everybody who may have heard something, whatever is recorded first."""

import pytest

from gateway.cap.model import MsgType
from gateway.channels.voice_outcomes import BUSY, CANCELED, HUNG_UP, INTERRUPTED, NO_ANSWER, Verdict
from gateway.model import ChannelName, Delivery, Outcome, OutcomeKind, Receipt
from gateway.policy.reasons import ON_THE_LINE
from tests.support.scene import Scene, an_alert, asking, citizen, follow_up
from tests.support.sending import Ticks, a_lane, a_tracking, fill, going

NUMBER = "+3222000001"


async def called(scene: Scene, verdict: Verdict, *, stopped_first: bool) -> set[str]:
    """Whom a Cancel calls when the one call of its alert ended so, before or after the fan-out of the Cancel began."""
    commune, tracking = await scene.entity(), a_tracking(scene.store)
    await scene.citizens(citizen(1)._replace(mobile=None, email=None, landline=NUMBER))
    alert = asking(an_alert(), channels="voice", **{"class": "urgent"})
    first = await scene.post(alert, commune)
    await scene.plan()
    lane = a_lane(scene.store, tracking, ticks=Ticks(), channel=ChannelName.VOICE)
    lane.opened({(await scene.campaign(first))["id"]: 0})
    await fill(lane)
    (delivery,) = lane.take(10)
    async with going(tracking.run()):
        await tracking.emit([placed(delivery)])
        if not stopped_first:
            await tracking.emit([ended(verdict)])
        cancel = await scene.post(asking(follow_up(MsgType.CANCEL, alert), channels="voice"), commune)
        if stopped_first:
            await tracking.emit([ended(verdict)])
    await scene.closer.once()  # sweeps what was stopped
    await scene.plan()
    return await scene.addresses(cancel)


def placed(delivery: Delivery) -> Outcome:
    return Outcome(delivery, OutcomeKind.ACCEPTED, "trunk", message_ids=("call",))


def ended(verdict: Verdict) -> Receipt:
    return Receipt("trunk", "call", verdict.kind, 0, verdict.detail)


@pytest.mark.parametrize("stopped_first", [True, False])
@pytest.mark.parametrize("verdict", [HUNG_UP, CANCELED, INTERRUPTED])
async def test_who_was_on_the_line_is_told(scene: Scene, verdict: Verdict, *, stopped_first: bool) -> None:
    assert await called(scene, verdict, stopped_first=stopped_first) == {NUMBER}


@pytest.mark.parametrize("verdict", [BUSY, NO_ANSWER])
async def test_who_heard_nothing_is_not(scene: Scene, verdict: Verdict) -> None:
    assert await called(scene, verdict, stopped_first=False) == set()


def test_the_words_are_those_of_the_verdicts() -> None:
    assert {HUNG_UP.detail, CANCELED.detail, INTERRUPTED.detail} == ON_THE_LINE
