"""What the public feed shows: released alerts and no others, read once, and gone when they end."""

import asyncio
from datetime import datetime, timedelta

from gateway.cap.check import Verdict
from gateway.cap.model import MsgType, Scope, Status
from gateway.cap.parse import Limits
from gateway.flows.checking import Checker
from gateway.flows.publishing import PUBLIC, FeedKind, FeedName, Publisher
from gateway.log import unit_logger
from gateway.model import Realm
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.scene import URL, InlineChecker, Scene, an_alert, follow_up, with_infos
from tests.support.waiting import until


class CountingChecker(InlineChecker):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(workers=1, limits=Limits())
        self.asked = 0

    async def check(self, raw: bytes, received_at: datetime) -> Verdict:
        self.asked += 1
        return await super().check(raw, received_at)


def publisher(scene: Scene, checker: Checker | None = None, store: Store | None = None) -> Publisher:
    return Publisher(store or scene.store, checker or scene.checker, url=URL, log=unit_logger("test.feed"))


async def shown(found: Publisher, kind: FeedKind = FeedKind.PUBLIC, authority: str = "") -> list[str]:
    return [entry.identifier for entry in await found.entries(FeedName(kind, authority)) or ()]


async def test_a_released_public_alert_is_shown_with_its_own_address(scene: Scene) -> None:
    answer = await scene.post(an_alert(), await scene.entity())
    found = publisher(scene)
    assert await shown(found) == []
    await found.look()
    (entry,) = await found.entries(PUBLIC) or ()
    assert entry.id == f"{URL}/cap/alerts/{answer.body['alert']}"
    assert entry.cap_url == f"{entry.id}.xml"
    assert (entry.identifier, entry.status, len(entry.texts)) == ("A-1", "Actual", 4)
    xml = await found.alert_xml(answer.body["alert"])
    assert xml is not None
    assert b"<identifier>A-1</identifier>" in xml
    assert await found.public_ids("A-1") == [answer.body["alert"]]
    assert await shown(found, FeedKind.EXERCISE) == []


async def test_only_what_may_be_public_is_shown(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 1}, policy={"approval": ["urgent"]})
    alert = an_alert("live")
    held = await scene.post(alert, commune)
    await scene.post(an_alert("rehearsal"), commune, Realm.TEST)
    await scene.post(an_alert("test", status=Status.TEST), commune)
    await scene.post(an_alert("drill", status=Status.EXERCISE, note="Drill"), commune)
    await scene.post(an_alert("group", scope=Scope.RESTRICTED, restriction="us", addresses=("g",)), commune)
    await scene.post(follow_up(MsgType.ACK, alert, identifier="ack"), commune)
    await scene.post(an_alert("late", at=scene.clock.now - timedelta(hours=5)), commune)
    await scene.post(b"<alert/>", commune)
    found = publisher(scene)
    await found.look()
    assert await shown(found) == []
    assert await shown(found, FeedKind.EXERCISE) == ["drill"]
    assert await found.alert_xml(held.body["alert"]) is None
    assert await found.public_ids("live") == []
    await scene.campaigns.act("approve", held.body["campaign"], await scene.authority(commune.second))
    await found.look()
    assert await shown(found) == ["live"]


async def test_the_newest_comes_first_and_each_is_read_once(scene: Scene) -> None:
    commune, checker = await scene.entity(), CountingChecker()
    found = publisher(scene, checker)
    for number in range(3):
        await scene.post(an_alert(f"A-{number}"), commune)
        await found.look()
    assert await shown(found) == ["A-2", "A-1", "A-0"]
    version = found.version
    assert checker.asked == 3
    await found.look()
    assert (checker.asked, found.version) == (3, version)


async def test_an_alert_that_has_ended_is_gone(scene: Scene) -> None:
    commune = await scene.entity()
    await scene.post(an_alert("A-1"), commune)
    found = publisher(scene)
    await found.look()
    version = found.version
    await scene.rows("UPDATE campaign SET expires_at = now() - interval '1 second' RETURNING id")
    await found.look()
    assert await shown(found) == []
    assert found.version > version


async def test_what_was_replaced_or_ended_is_not_shown_any_more(scene: Scene) -> None:
    commune = await scene.entity()
    old = scene.clock.now - timedelta(hours=1)
    one, two, three = an_alert("A-1", at=old), an_alert("B-1", at=old), an_alert("C-1", at=old)
    for alert in (one, two, three):
        await scene.post(alert, commune)
    ended = scene.clock.now.replace(microsecond=0) - timedelta(seconds=1)
    await scene.post(follow_up(MsgType.UPDATE, one, identifier="A-2"), commune)
    await scene.post(with_infos(follow_up(MsgType.CANCEL, two, identifier="B-2", at=old), expires=ended), commune)
    await scene.post(with_infos(follow_up(MsgType.UPDATE, three, identifier="C-2", at=old), expires=ended), commune)
    found = publisher(scene)
    await found.look()
    assert await shown(found) == ["A-2", "C-1"]  # the Cancel came too late to be told, and still ends its alert


async def test_each_authority_has_a_feed_of_its_own(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    await scene.post(an_alert("B-1"), await scene.entity("two"))
    found = publisher(scene)
    await found.look()
    assert await shown(found) == ["B-1", "A-1"]
    assert await shown(found, authority="one") == ["A-1"]
    assert await found.entries(FeedName(FeedKind.PUBLIC, "nobody")) is None


async def test_it_looks_when_it_is_woken_and_by_itself(scene: Scene) -> None:
    commune = await scene.entity()
    found = publisher(scene)
    running = asyncio.create_task(found.run())
    try:
        await scene.post(an_alert("A-1"), commune)
        found.wake.set()
        await until(lambda: len(found.editions()) == 2)  # of all authorities, and of this one
        edition = found.edition(PUBLIC)
        await scene.post(an_alert("A-2"), commune)
        await until(lambda: found.edition(PUBLIC) != edition)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await shown(found) == ["A-2", "A-1"]


async def test_what_was_shown_stays_while_the_store_is_away(scene: Scene, pg: Cluster) -> None:
    await scene.post(an_alert(), await scene.entity())
    store = await Store.open(pg.app_dsn, name="feed")
    found = publisher(scene, store=store)
    await found.look()
    await store.close()
    running = asyncio.create_task(found.run())
    await asyncio.sleep(0.05)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await shown(found) == ["A-1"]
