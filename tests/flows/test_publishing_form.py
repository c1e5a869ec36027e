"""What goes out besides the list of alerts: editions that nodes agree on, beats, and alerts in their published form."""

import base64

import feedparser

from gateway.cap.check import check
from gateway.cap.model import CapAlert, CapResource
from gateway.cap.write import write
from gateway.flows.publishing import HEARTBEAT, PUBLIC, FeedKind, FeedName, Publisher, Sign
from gateway.log import unit_logger
from gateway.policy.heartbeat import Pulse
from gateway.web.feed import FeedPages
from tests.support.scene import URL, Scene, an_alert, with_infos

EXERCISE = FeedName(FeedKind.EXERCISE)
PULSE = Pulse(period_s=60, sender="alerts.example")


def publisher(scene: Scene, *, pulse: Pulse | None = None, sign: Sign | None = None) -> Publisher:
    return Publisher(
        scene.store, scene.checker, url=URL, log=unit_logger("test.feed"), utcnow=scene.clock, pulse=pulse, sign=sign
    )


async def shown(found: Publisher, name: FeedName = PUBLIC) -> list[str]:
    await found.look()
    return [entry.identifier for entry in await found.entries(name) or ()]


async def public_id(scene: Scene) -> str:
    return str((await scene.rows("SELECT public_id FROM alert ORDER BY id DESC LIMIT 1"))[0]["public_id"])


async def test_two_nodes_agree_on_editions_and_nothing_new_is_no_new_version(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    here, there = publisher(scene), publisher(scene)
    await here.look()
    await there.look()
    assert here.editions() == there.editions()
    assert set(here.editions()) == {PUBLIC, FeedName(FeedKind.PUBLIC, "one")}
    version = here.version
    await here.look()
    assert here.version == version


async def test_an_expired_alert_makes_a_new_edition(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    feed = publisher(scene)
    assert await shown(feed) == ["A-1"]
    version, edition = feed.version, feed.edition(PUBLIC)
    await scene.rows("UPDATE campaign SET expires_at = now() - interval '1 s' RETURNING id")
    assert await shown(feed) == []
    assert feed.version > version and feed.edition(PUBLIC) != edition
    assert feed.editions() == {}


# heartbeat ----------------------------------------------------------------------------------------------------------


async def test_the_heartbeat_beats_in_its_own_feed_and_can_be_read(scene: Scene) -> None:
    feed = publisher(scene, pulse=PULSE)
    (first,) = await shown(feed, HEARTBEAT)
    assert await shown(feed) == [] and await shown(feed, EXERCISE) == []
    version = feed.version
    await feed.look()
    assert feed.version == version
    scene.clock.on(60)
    (second,) = await shown(feed, HEARTBEAT)
    assert second != first and feed.version > version
    for name in (first, second):
        raw = await feed.alert_xml(name)
        assert raw is not None
        found = check(raw, received_at=scene.clock()).alert
        assert found is not None and (found.identifier, found.status) == (name, "System")
    assert await feed.alert_xml("heartbeat-99999999999") is None


async def test_without_a_pulse_there_is_no_heartbeat(scene: Scene) -> None:
    feed = publisher(scene)
    assert await shown(feed, HEARTBEAT) == []
    assert await feed.alert_xml(f"heartbeat-{PULSE.number(scene.clock())}") is None


async def test_a_feed_reader_understands_the_heartbeat(scene: Scene) -> None:
    feed = publisher(scene, pulse=PULSE)
    await feed.look()
    content = await FeedPages(feed, public_url=URL, title="Alerts", author="Centre").content(
        f"{URL}/cap/heartbeat.atom"
    )
    assert content is not None
    found = feedparser.parse(content.body)
    assert not found.bozo and [entry.title for entry in found.entries] == ["SYSTEM - Heartbeat"]
    assert found.entries[0].cap_status == "System"


# the published form -------------------------------------------------------------------------------------------------


def with_content(alert: CapAlert, content: bytes) -> CapAlert:
    resource = CapResource(
        resource_desc="Map", mime_type="image/png", size=len(content), deref_uri=base64.b64encode(content).decode()
    )
    return with_infos(alert, alert.info[0].language, resource=(resource,))


async def test_an_alert_without_contents_is_published_byte_for_byte(scene: Scene) -> None:
    raw = write(an_alert("A-1"))
    await scene.post(raw, await scene.entity("one"))
    feed = publisher(scene)
    assert await feed.alert_xml(await public_id(scene)) == raw
    assert await feed.alert_xml("nothing") is None


async def test_contents_are_cut_out_and_served_beside_the_alert(scene: Scene) -> None:
    answer = await scene.post(with_content(an_alert("A-1"), b"\x89PNG..."), await scene.entity("one"))
    assert answer.status == 201, answer.body
    feed, name = publisher(scene), await public_id(scene)
    raw = await feed.alert_xml(name)
    assert raw is not None and b"derefUri" not in raw
    found = check(raw, received_at=scene.clock()).alert
    assert found is not None
    assert [resource.uri for resource in found.info[0].resource] == [f"{URL}/cap/alerts/{name}/resources/0"]
    assert await feed.attachment(name, 0) == ("image/png", b"\x89PNG...")
    assert await feed.attachment(name, 1) is None and await feed.attachment("nothing", 0) is None


async def test_the_gateway_signs_what_nobody_signed(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    feed = publisher(scene, sign=lambda raw: raw + b"<!-- signed -->")
    raw = await feed.alert_xml(await public_id(scene))
    assert raw is not None and raw.endswith(b"<!-- signed -->")


async def test_an_identifier_leads_to_our_ids(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    feed = publisher(scene)
    assert await feed.public_ids("A-1") == [await public_id(scene)]
    assert await feed.public_ids("A-2") == []
