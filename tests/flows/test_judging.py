"""Judging before anything is stored: what decides, in which order, and that it leaves no trace."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.cap.area import Ring
from gateway.cap.check import check
from gateway.cap.model import CapAlert, MsgType, Status
from gateway.cap.parse import Limits
from gateway.flows.checking import Read
from gateway.flows.judging import FEW_CORNERS, GEOCODES_AT_ONCE, Draft, judge
from gateway.model import ChannelName, MessageClass, Mode, Purpose
from gateway.policy.outlines import Outline
from gateway.policy.rights import Refusal
from gateway.store import admin
from tests.support.scene import (
    Entity,
    InlineChecker,
    Scene,
    an_alert,
    area,
    asking,
    document,
    follow_up,
    square,
    with_infos,
)

HOURS = timedelta(hours=24)


async def judged(scene: Scene, alert: CapAlert, entity: Entity) -> Draft | Refusal:
    verdict = check(document(alert), received_at=scene.clock.now)
    return await judge(scene.store, scene.checker, verdict, await scene.authority(entity), scene.clock.now, HOURS)


async def drafted(scene: Scene, alert: CapAlert, entity: Entity) -> Draft:
    draft = await judged(scene, alert, entity)
    assert isinstance(draft, Draft), draft
    return draft


async def refused(scene: Scene, alert: CapAlert, entity: Entity) -> Refusal:
    refusal = await judged(scene, alert, entity)
    assert isinstance(refusal, Refusal), refusal
    return refusal


async def test_a_draft_has_everything_that_a_campaign_needs(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1, "other": 1})
    draft = await drafted(scene, an_alert(at=scene.clock.now, addresses=("g",)), commune)
    assert draft.mode is Mode.LIVE
    assert draft.channels == tuple(ChannelName)
    assert draft.wishes.purpose is Purpose.EMERGENCY
    assert [group.slug for group in draft.groups] == ["g"]
    assert [len(variant.shapes) for variant in draft.variants] == [2]  # a polygon and a circle, once for all languages
    assert draft.expires_at == draft.alert.info[0].expires


async def test_judging_writes_nothing(scene: Scene) -> None:
    commune = await scene.entity()
    await drafted(scene, an_alert(at=scene.clock.now), commune)
    await refused(scene, with_infos(an_alert(at=scene.clock.now), area=()), commune)
    assert await scene.rows("SELECT FROM alert") == []


async def test_every_problem_is_named_at_once(scene: Scene) -> None:
    commune = await scene.entity()
    alert = asking(an_alert(at=scene.clock.now, addresses=("x", "y")), channels="fax", purpose="fun")
    alert = with_infos(alert, area=(area(geocodes=[("NIS", "1")]),))
    found = await refused(scene, alert, commune)
    errors = [finding.id for finding in found.findings if finding.severity == "error"]
    assert set(errors) == {"G1", "G3", "S36"}
    assert errors.count("G3") == 2


async def test_findings_of_the_document_are_kept_in_a_refusal(scene: Scene) -> None:
    commune = await scene.entity(rings=())
    alert = an_alert(at=datetime(2025, 1, 1, tzinfo=UTC))
    found = await refused(scene, alert, commune)
    assert found.reason == "no-territory"
    assert "S3" in {finding.id for finding in found.findings}


async def test_geocodes_are_looked_up_however_many_there_are(scene: Scene) -> None:
    commune = await scene.entity()
    count = 2 * GEOCODES_AT_ONCE + 3
    outlines = []
    for number in range(count):
        points = tuple((lon, lat) for lat, lon in square(4.21 + number * 0.005, 50.8, 0.002))
        outlines.append(Outline(value=str(number), rings=(Ring(points),)))
    async with scene.connected() as connection:
        await admin.put_geocodes(connection, "TEST", outlines)
    codes = [("TEST", str(number)) for number in range(count)]
    draft = await drafted(scene, with_infos(an_alert(at=scene.clock.now), area=(area(geocodes=codes),)), commune)
    assert [len(variant.shapes) for variant in draft.variants] == [count]


async def test_a_cancel_is_of_the_class_and_the_channels_of_what_it_ends(scene: Scene) -> None:
    commune = await scene.entity()
    alert = asking(an_alert(at=scene.clock.now), channels="voice", **{"class": "prevention"})
    await scene.post(alert, commune)
    draft = await drafted(scene, follow_up(MsgType.CANCEL, alert, info=()), commune)
    assert draft.wishes.message_class is MessageClass.PREVENTION
    assert draft.channels == (ChannelName.VOICE,)
    said = await drafted(scene, asking(follow_up(MsgType.CANCEL, alert), **{"class": "news"}), commune)
    assert said.wishes.message_class is MessageClass.NEWS


async def test_a_cancel_needs_the_mandate_of_what_it_ends_and_no_territory(scene: Scene) -> None:
    commune = await scene.entity()
    alert = an_alert(at=scene.clock.now)
    await scene.post(alert, commune)
    authority = replace(await scene.authority(commune), rings=())
    verdict = check(document(follow_up(MsgType.CANCEL, alert)))
    assert isinstance(await judge(scene.store, scene.checker, verdict, authority, scene.clock.now, HOURS), Draft)
    bare = replace(authority, mandates=frozenset({(MessageClass.OTHER, ChannelName.EMAIL)}))
    found = await judge(scene.store, scene.checker, verdict, bare, scene.clock.now, HOURS)
    assert isinstance(found, Refusal)
    assert found.reason == "no-mandate"


async def test_what_is_only_recorded_is_for_nobody(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1})
    for alert in (
        an_alert(at=scene.clock.now, status=Status.DRAFT, addresses=("g",)),
        follow_up(MsgType.ACK, an_alert("B-1", at=scene.clock.now), addresses=("g",)),
    ):
        draft = await drafted(scene, alert, commune)
        assert (draft.variants, draft.groups) == ((), ())


class Elsewhere(InlineChecker):
    """Counts what is worked out in a worker, or says that the worker broke."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(workers=1, limits=Limits())
        self.asked, self.broken = 0, broken

    async def apart(self, broken: Callable[[str], Read], work: Callable[..., Read], *arguments: object) -> Read:
        self.asked += 1
        return broken("it took too long") if self.broken else work(*arguments)


async def test_geometry_of_some_size_is_worked_out_away_from_the_binds(scene: Scene) -> None:
    authority = await scene.authority(await scene.entity())
    turn = math.tau / FEW_CORNERS
    ring = [(50.8 + 0.01 * math.sin(i * turn), 4.3 + 0.01 * math.cos(i * turn)) for i in range(FEW_CORNERS)]
    small = an_alert(at=scene.clock.now)
    large = with_infos(small, area=(area((*ring, ring[0])),))
    for alert, asked, answer in ((small, 0, Draft), (large, 1, Draft), (large, 1, Refusal)):
        checker = Elsewhere(broken=answer is Refusal)
        verdict = check(document(alert), received_at=scene.clock.now)
        found = await judge(scene.store, checker, verdict, authority, scene.clock.now, HOURS)
        checker.close()
        assert (type(found), checker.asked) == (answer, asked)
    assert isinstance(found, Refusal)
    assert "too much to work out: it took too long" in found.message
