"""From an alert of a source to a draft, and from the draft to a campaign of the entity's own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest_asyncio

from gateway.cap.check import check
from gateway.cap.model import CapAlert, CapReference, MsgType, Scope
from gateway.flows.relaying import Drafted
from gateway.model import Realm
from gateway.policy.rights import Refusal
from gateway.store import identity
from gateway.store.embedded import Cluster
from tests.flows.feed_server import atom, holding
from tests.flows.source_scene import SourceScene, a_source_scene
from tests.support.scene import area, square, with_infos


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[SourceScene]:
    async with a_source_scene(pg) as found:
        yield found


async def brought(scene: SourceScene, identifier: str = "U-1", **changes: Any) -> str:
    """The public id of an alert that the source has just brought."""
    scene.server.put("/feed", atom(holding(scene.document(identifier, **changes))))
    await scene.poll(301)
    return str((await scene.alerts())[-1]["public_id"])


async def drafted(scene: SourceScene, alert: str, realm: Realm = Realm.LIVE) -> CapAlert:
    found = await scene.relaying.draft(await scene.scene.authority(scene.entity, realm), scene.source, alert)
    assert isinstance(found, Drafted)
    draft = check(found.document).alert
    assert draft is not None
    assert draft.identifier == found.identifier
    return draft


async def refused(scene: SourceScene, alert: str) -> str:
    found = await scene.relaying.draft(await scene.scene.authority(scene.entity), scene.source, alert)
    assert isinstance(found, Refusal)
    assert found.message
    return found.reason


async def test_nothing_leaves_quarantine_before_the_source_is_trusted(scene: SourceScene) -> None:
    alert = await brought(scene)
    assert await refused(scene, alert) == "held-source-not-trusted"
    await scene.trust()
    draft = await drafted(scene, alert)
    assert (draft.sender, draft.scope) == ("commune@alerts.example", Scope.PUBLIC)
    assert draft.source == "kmi@upstream.example (Upstream)"


async def test_a_draft_is_of_the_first_sender_that_the_entity_registered(scene: SourceScene) -> None:
    await scene.trust()
    async with scene.scene.connected() as connection:
        await identity.add_senders(connection, scene.entity.id, ["crisis@commune.example", "police@commune.example"])
    draft = await drafted(scene, await brought(scene))
    assert draft.sender == "crisis@commune.example"
    assert (await scene.scene.post(draft, scene.entity)).status == 201


async def test_a_draft_can_be_posted_as_it_is_and_the_area_is_cut_to_the_territory(scene: SourceScene) -> None:
    await scene.trust()
    wide = with_infos(scene.alert(), area=(area(square(4.4, 50.8, 0.05)),))
    draft = await drafted(scene, await brought(scene, info=wide.info))
    answer = await scene.scene.post(draft, scene.entity)
    assert answer.status == 201
    assert any("territory" in finding["message"] for finding in answer.body["findings"])


async def test_an_update_and_a_cancel_of_the_source_follow_what_was_posted(scene: SourceScene) -> None:
    await scene.trust()
    first = scene.alert()
    draft = await drafted(scene, await brought(scene))
    assert (await scene.scene.post(draft, scene.entity)).status == 201
    theirs = CapReference(
        sender=first.sender, identifier="U-1", sent=first.sent, sent_text=first.sent.strftime("%Y-%m-%dT%H:%M:%S-00:00")
    )
    for kind, name in ((MsgType.UPDATE, "U-2"), (MsgType.CANCEL, "U-3")):
        following = await drafted(scene, await brought(scene, name, msg_type=kind, references=(theirs,)))
        assert following.msg_type is kind
        assert [one.identifier for one in following.references] == [draft.identifier]
    # in the realm of tests nothing was posted: the update is a first alert there
    update = str((await scene.alerts())[1]["public_id"])
    assert (await drafted(scene, update, Realm.TEST)).msg_type is MsgType.ALERT


async def test_a_cancel_of_what_was_never_posted_makes_no_draft(scene: SourceScene) -> None:
    await scene.trust()
    first = scene.alert()
    await drafted(scene, await brought(scene))
    theirs = CapReference(sender=first.sender, identifier="U-1", sent=first.sent)
    assert (
        await refused(scene, await brought(scene, "U-2", msg_type=MsgType.CANCEL, references=(theirs,))) == "no-draft"
    )


async def test_what_is_held_says_why(scene: SourceScene) -> None:
    await scene.trust()
    sent = scene.alert().sent
    alert = await brought(scene, sent=sent)
    assert await refused(scene, await brought(scene, sent=sent, note="changed")) == "held-conflict"
    restricted: Mapping[str, Any] = {"scope": Scope.RESTRICTED, "restriction": "staff"}
    assert await refused(scene, await brought(scene, "U-2", **restricted)) == "held-not-public"
    scene.scene.clock.on(7 * 86_400)
    assert await refused(scene, alert) == "held-expired"


async def test_an_alert_of_nobody_or_of_another_entity_is_not_there(scene: SourceScene) -> None:
    await scene.trust()
    alert = await brought(scene)
    other = await scene.scene.entity("other")
    assert await scene.relaying.draft(await scene.scene.authority(other), scene.source, alert) is None
    own = await scene.scene.authority(scene.entity)
    assert await scene.relaying.draft(own, scene.source, "sa_none") is None


async def test_an_entity_that_may_not_act_gets_no_draft(scene: SourceScene) -> None:
    await scene.trust()
    alert = await brought(scene)
    await scene.scene.rows("UPDATE entity SET suspended_at = now() WHERE id = $1 RETURNING id", scene.entity.id)
    assert await refused(scene, alert) == "suspended"


async def test_an_alert_that_only_a_lenient_reader_accepts_is_mended_or_refused_with_findings(
    scene: SourceScene,
) -> None:
    await scene.trust()
    raw = scene.document().replace(b"-00:00</sent>", b"Z</sent>")
    scene.server.put("/feed", atom(holding(raw)))
    await scene.poll(301)
    (row,) = await scene.alerts()
    assert row["valid"] and any(finding["severity"] == "warning" for finding in row["findings"])
    assert (await drafted(scene, row["public_id"])).msg_type is MsgType.ALERT
