"""What goes out besides the list of alerts: editions that nodes agree on, beats, and alerts in their published form."""

import base64
import subprocess
from pathlib import Path

import feedparser
import pytest

from gateway.cap.check import check
from gateway.cap.model import CapAlert, CapResource
from gateway.cap.signature import verify
from gateway.cap.signing import key_pair, sign
from gateway.cap.trust import Trust
from gateway.cap.write import write
from gateway.flows.publishing import HEARTBEAT, PUBLIC, FeedKind, FeedName, Publisher, Sign
from gateway.flows.sealing import Sealer
from gateway.log import unit_logger
from gateway.policy.heartbeat import Pulse
from gateway.web.feed import FeedPages
from tests.cap.signed import rsa_key
from tests.support.keys import pin, signer
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


async def test_the_gateway_signs_what_it_publishes(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    feed = publisher(scene, sign=lambda raw: raw + b"<!-- signed -->")
    raw = await feed.alert_xml(await public_id(scene))
    assert raw is not None and raw.endswith(b"<!-- signed -->")


def xmlsec_says(tmp_path: Path, document: bytes, certificate: bytes) -> bool:
    """Whether xmlsec1 finds the first signature right: an oracle that shares nothing with us."""
    (tmp_path / "alert.xml").write_bytes(document)
    (tmp_path / "trusted.pem").write_bytes(certificate)
    words = [
        "xmlsec1",
        "--verify",
        "--enabled-reference-uris",
        "empty",
        "--pubkey-cert-pem",
        "trusted.pem",
        "alert.xml",
    ]
    return subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=20).returncode == 0


@pytest.mark.peer("xmlsec1")
async def test_what_is_published_verifies_here_and_elsewhere(scene: Scene, tmp_path: Path) -> None:
    own = signer("Gateway", rsa_key(15))
    seal = Sealer([key_pair(own.key_pem, own.pem)], utcnow=scene.clock, log=unit_logger("test.seal"))
    feed, entity = publisher(scene, sign=seal), await scene.entity("one")
    for alert in (an_alert("A-1"), with_content(an_alert("A-2"), b"\x89PNG...")):
        await scene.post(alert, entity)
        raw = await feed.alert_xml(await public_id(scene))
        assert raw is not None and b"derefUri" not in raw
        assert verify(raw, trust=Trust.from_pem(own.pem), at=scene.clock()).trusted
        assert xmlsec_says(tmp_path, raw, own.pem)
        assert not xmlsec_says(tmp_path, raw.replace(b"A-", b"B-"), own.pem)
        assert check(raw, received_at=scene.clock()).valid


@pytest.mark.peer("xmlsec1")
async def test_a_trusted_signature_of_the_authority_stays_and_the_gateway_s_covers_it(
    scene: Scene, tmp_path: Path
) -> None:
    own, theirs = signer("Gateway", rsa_key(15)), signer("Commune")
    seal = Sealer([key_pair(own.key_pem, own.pem)], utcnow=scene.clock, log=unit_logger("test.seal"))
    feed, entity = publisher(scene, sign=seal), await scene.entity("one")
    signed = sign(write(an_alert("A-1")), theirs.key_pem, theirs.pem).document
    assert signed is not None
    async with scene.connected() as connection:
        await pin(connection, entity.id, theirs)
    await scene.post(signed, entity)
    raw = await feed.alert_xml(await public_id(scene))
    assert raw is not None and raw.count(b"</ds:Signature>") == 2
    for trusted in (own, theirs):
        assert verify(raw, trust=Trust.from_pem(trusted.pem), at=scene.clock()).trusted
    assert xmlsec_says(tmp_path, raw, own.pem)
    assert await publisher(scene).alert_xml(await public_id(scene)) == signed


async def test_a_signature_that_nobody_vouches_for_is_not_passed_on_under_ours(scene: Scene) -> None:
    own, theirs = signer("Gateway", rsa_key(15)), signer("Commune")
    seal = Sealer([key_pair(own.key_pem, own.pem)], utcnow=scene.clock, log=unit_logger("test.seal"))
    feed, entity = publisher(scene, sign=seal), await scene.entity("one")
    signed = sign(write(an_alert("A-1")), theirs.key_pem, theirs.pem).document
    assert signed is not None
    await scene.post(signed.replace(b"A-1", b"A-2"), entity)
    raw = await feed.alert_xml(await public_id(scene))
    assert raw is not None
    verdict = verify(raw, trust=Trust.from_pem(own.pem), at=scene.clock())
    assert (verdict.trusted, len(verdict.signatures)) == (True, 1)


async def test_the_heartbeat_is_signed_as_well(scene: Scene) -> None:
    own = signer("Gateway", rsa_key(15))
    seal = Sealer([key_pair(own.key_pem, own.pem)], utcnow=scene.clock, log=unit_logger("test.seal"))
    feed = publisher(scene, pulse=PULSE, sign=seal)
    await feed.look()
    (entry,) = await feed.entries(HEARTBEAT) or ()
    raw = await feed.alert_xml(entry.cap_url.rpartition("/")[2].removesuffix(".xml"))
    assert raw is not None and verify(raw, trust=Trust.from_pem(own.pem), at=scene.clock()).trusted


async def test_an_identifier_leads_to_our_ids(scene: Scene) -> None:
    await scene.post(an_alert("A-1"), await scene.entity("one"))
    feed = publisher(scene)
    assert await feed.public_ids("A-1") == [await public_id(scene)]
    assert await feed.public_ids("A-2") == []
