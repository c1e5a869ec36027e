"""What comes back is kept once, believed by its tag only, and takes effect."""

from collections.abc import AsyncIterator

import pytest

from gateway.channels.email_writer import Tag
from gateway.errors import StoreUnavailable
from gateway.mailbox.mime import Limits
from gateway.mailbox.noting import Noter
from gateway.mailbox.taking import Outcome
from gateway.model import ChannelName, MessageClass
from gateway.policy.mailproof import MailRefusal, Reason
from gateway.store import suppression
from gateway.store.embedded import Cluster
from gateway.store.mailbox import Spot
from tests.mailbox.test_notification import OURS, report, status
from tests.store import made
from tests.support.scene import Scene, a_scene

SECRET = b"0123456789abcdef"
TAGS = Tag(SECRET)


@pytest.fixture
async def scene(pg: Cluster) -> AsyncIterator[Scene]:
    async with a_scene(pg) as scene:
        yield scene


def noter(scene: Scene) -> Noter:
    return Noter(scene.store, secret=SECRET, envelope_address=OURS, limits=Limits())


async def sent(scene: Scene, of: MessageClass = MessageClass.NEWS) -> int:
    async with scene.connected() as connection:
        entity = await made.entity(connection, f"e{of.value}")
        campaign = await made.campaign(connection, entity, channels=[ChannelName.EMAIL], message_class=of)
        await made.rows(connection, campaign, entity, ChannelName.EMAIL, lo=1, hi=3, size=5)
        return campaign


def bounce(tag: str, code: str = "5.1.1") -> bytes:
    return report("delivery-status", status("failed", code), to=f"bounce+{tag}@alerts.example")


async def listed(scene: Scene) -> int:
    async with scene.connected() as connection:
        return len(await suppression.suppressed(connection))


async def test_a_bounce_is_kept_with_its_verdict(scene: Scene) -> None:
    campaign = await sent(scene)
    raw = bounce(TAGS.make(campaign, 2))
    by = noter(scene)
    assert await by.claimed("returns", raw) is None
    assert await by.take(Spot("returns", 1, 1), raw, None) == Outcome("taken", "bounced")
    assert await by.take(Spot("returns", 1, 2), raw, None) == Outcome("taken", "bounced")
    async with scene.connected() as connection:
        assert [tuple(row) for row in await suppression.notices(connection, campaign)] == [("bounced", "5.1.1", 1)]
    rows = await scene.rows("SELECT verdict, reason, detail FROM mail ORDER BY uid")
    assert [tuple(row) for row in rows] == [("taken", "bounced", "5.1.1")] * 2
    assert await listed(scene) == 1


async def test_a_tag_that_we_did_not_make_silences_nobody(scene: Scene) -> None:
    campaign = await sent(scene)
    forged = [f"{campaign}.2", Tag(b"another secret").make(campaign, 2), TAGS.make(campaign + 1, 2)]
    for uid, tag in enumerate(forged, 1):
        found = await noter(scene).take(Spot("returns", 1, uid), bounce(tag), None)
        assert found == Outcome("taken", "of-nothing-known")
    assert await listed(scene) == 0


async def test_a_mail_that_says_nothing_is_settled_as_that(scene: Scene) -> None:
    found = await noter(scene).take(Spot("returns", 1, 1), b"Subject: hello\r\n\r\nworld\r\n", None)
    assert found == Outcome("refused", "no-notice")
    refusal = MailRefusal(reason=Reason.TOO_LARGE)
    assert await noter(scene).refuse(Spot("returns", 1, 2), b"x", 9, refusal) == Outcome("refused", "too-large")
    rows = await scene.rows("SELECT verdict, reason FROM mail ORDER BY uid")
    assert [tuple(row) for row in rows] == [("refused", "no-notice"), ("refused", "too-large")]


async def test_without_the_store_nothing_is_settled(scene: Scene, pg: Cluster) -> None:
    campaign = await sent(scene)
    await scene.store.close()
    with pytest.raises(StoreUnavailable):
        await noter(scene).take(Spot("returns", 1, 1), bounce(TAGS.make(campaign, 1)), None)


async def test_a_link_unsubscribes_its_own_contact(scene: Scene) -> None:
    campaign = await sent(scene)
    assert await noter(scene).unsubscribe(TAGS.make(campaign, 1))
    assert not await noter(scene).unsubscribe(f"{campaign}.1")
    assert not await noter(scene).unsubscribe(TAGS.make(campaign, 77))


async def test_without_a_secret_nothing_is_believed(scene: Scene) -> None:
    with pytest.raises(ValueError, match="verp_secret"):
        Noter(scene.store, secret=b"", envelope_address=OURS, limits=Limits())
