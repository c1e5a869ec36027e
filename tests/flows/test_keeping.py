"""What is kept of what a source brings."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from gateway.cap.check import check
from gateway.cap.feed_read import read_feed
from gateway.cap.model import MsgType
from gateway.cap.write import write
from gateway.flows.keeping import Kept, row_of
from gateway.policy.polling import KeepRules
from gateway.store.embedded import Cluster
from tests.flows.feed_server import atom, holding, linked
from tests.flows.source_scene import SourceScene, a_source_scene
from tests.support.scene import an_alert, document


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[SourceScene]:
    async with a_source_scene(pg) as found:
        yield found


async def test_the_same_alert_in_other_words_of_xml_is_the_same(scene: SourceScene) -> None:
    source, raw = await scene.leased(), scene.document()
    spaced = raw.replace(b"<status>", b"\n\n  <status>")
    prefixed = raw.replace(b"<alert xmlns=", b"<alert xmlns:x='http://x.example' xmlns=")
    assert await scene.keeper.alert(source, raw) == Kept(alerts=1, fresh=1)
    for again in (raw, spaced, prefixed):
        assert await scene.keeper.alert(source, again) == Kept(alerts=1, fresh=0)
    assert len(await scene.alerts()) == 1


async def test_another_alert_of_the_same_identity_is_kept_and_flagged(scene: SourceScene) -> None:
    source = await scene.leased()
    await scene.keeper.alert(source, scene.document())
    await scene.keeper.alert(source, scene.document(note="changed"))
    assert [row["conflict"] for row in await scene.alerts()] == [False, True]


async def test_an_update_of_an_alert_is_no_conflict(scene: SourceScene) -> None:
    source, first = await scene.leased(), scene.document()
    scene.scene.clock.on(60)
    await scene.keeper.alert(source, first)
    await scene.keeper.alert(source, scene.document(msg_type=MsgType.UPDATE))
    assert [row["conflict"] for row in await scene.alerts()] == [False, False]


async def test_a_source_that_floods_is_cut_off_for_a_day(pg: Cluster) -> None:
    async with a_source_scene(pg, keep=KeepRules(alerts_per_day=3)) as scene:
        source = await scene.leased()
        feed = read_feed(atom(*(holding(scene.document(f"U-{n}")) for n in range(6))).encode())
        kept = await scene.keeper.feed(source, feed)
        assert (kept.alerts, kept.fresh, kept.problem) == (6, 3, "more than 3 new alerts in a day")
        scene.scene.clock.on(86_401)
        assert (await scene.keeper.feed(source, feed)).fresh == 3


async def test_names_of_any_length_are_kept(scene: SourceScene) -> None:
    source = await scene.leased()
    odd = "".join(chr(0x10000 + n * 7) for n in range(9_000))
    for identifier, sender in (("é" * 300_000, "x"), (odd, odd[::-1])):
        raw = write(replace(scene.alert(), identifier=identifier, sender=sender))
        assert (await scene.keeper.alert(source, raw)).fresh == 1
    assert all(len(row["identifier"]) == 300 for row in await scene.alerts())


async def test_the_same_feed_again_changes_nothing(scene: SourceScene) -> None:
    source = await scene.leased()
    feed = read_feed(atom(holding(scene.document()), linked(1), linked(2)).encode(), url=scene.server.url)
    assert await scene.keeper.feed(source, feed) == Kept(alerts=1, fresh=1, links=2)
    assert await scene.keeper.feed(source, feed) == Kept(alerts=1)


async def test_every_real_feed_can_be_kept(scene: SourceScene, shared: Path) -> None:
    source = await scene.leased()
    seen: set[bytes] = set()
    for path in sorted((shared / "cap" / "real" / "feeds").iterdir()):
        if path.stat().st_size > 1_000_000:  # 469 alerts of one kind, twice
            continue
        feed = read_feed(path.read_bytes(), url=f"https://feeds.example/{path.name}")
        kept = await scene.keeper.feed(source, feed)
        assert (kept.problem, kept.alerts) == ("", sum(bool(entry.alert) for entry in feed.entries))
        rows = [row_of(entry.alert, check(entry.alert, lenient=True), "") for entry in feed.entries if entry.alert]
        fresh = {row.content for row in rows} - seen
        assert kept.fresh == len(fresh)
        seen |= fresh


def test_an_alert_expires_when_its_last_info_does() -> None:
    alert = an_alert()
    early, late = alert.sent + timedelta(hours=1), alert.sent + timedelta(hours=2)
    ends = ((early, late), late), ((late, early), late), ((early, None), None), ((), None)
    for given, expected in ends:
        infos = tuple(replace(info, expires=end) for info, end in zip(alert.info, given, strict=False))
        verdict = replace(check(document(alert)), alert=replace(alert, info=infos))
        assert row_of(b"", verdict, "").expires_at == expected


def test_what_can_not_be_read_is_kept_with_its_reason() -> None:
    row = row_of(b"<alert", check(b"<alert", lenient=True), "Exercise")
    assert (row.valid, row.sender, row.headline, row.envelope) == (False, None, "", "Exercise")
    assert row.findings[0]["id"] == "XML"
