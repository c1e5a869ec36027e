"""What happens to campaigns reaches the systems that asked for it, at least once, signed, and nobody else's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio

from gateway.flows.webhooks import Webhooks
from gateway.log import unit_logger
from gateway.model import Realm
from gateway.policy.webhooks import SECRET_BYTES, WebhookRules, new_secret
from gateway.store import webhooks
from gateway.web.outward import Guard, Outward, networks
from tests.support.hooks import Listener, a_listener
from tests.support.people import put_person
from tests.support.scene import Entity, Scene, an_alert, asking

SECRET = new_secret(bytes(range(SECRET_BYTES)))
ALERT = asking(an_alert(addresses=("g",)), channels="sms")


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity(groups={"g": 2})


@pytest_asyncio.fixture
async def listener() -> AsyncIterator[Listener]:
    async with a_listener() as found:
        found.secrets.append(SECRET)
        yield found


@asynccontextmanager
async def telling(
    scene: Scene, *, allowed: str = "127.0.0.0/8", disable_after_s: float = 60
) -> AsyncIterator[Webhooks]:
    async with Outward(Guard(allowed=networks([allowed])), agent="test", timeout_s=5) as outward:
        yield Webhooks(
            scene.store, fetch=outward.fetch, rules=WebhookRules(disable_after_s=disable_after_s), workers=4,
            utcnow=scene.clock, log=unit_logger("test.webhooks"),
        )  # fmt: skip


async def hook(scene: Scene, entity: Entity, url: str, *, realm: Realm = Realm.LIVE, events: Any = ()) -> str:
    async with scene.connected() as connection:
        return await webhooks.add(
            connection, entity.id, realm=realm.value, url=url, events=events, note="", secret=SECRET
        )


async def test_each_change_of_a_campaign_is_told_once_it_is_committed(
    scene: Scene, commune: Entity, listener: Listener
) -> None:
    await hook(scene, commune, listener.url)
    async with telling(scene) as flow:
        answer = await scene.post(ALERT, commune)
        await scene.campaigns.act("pause", answer.body["campaign"], await scene.authority(commune))
        await scene.campaigns.act("resume", answer.body["campaign"], await scene.authority(commune))
        await scene.plan()
        await scene.end(answer)
        await scene.closer.once()
        assert await flow.drain() == 5
    kinds = ("accepted", "released", "paused", "resumed", "closed")
    assert sorted(listener.types) == sorted(f"campaign.{kind}" for kind in kinds)
    closed = next(message for _, message in listener.told if message["type"] == "campaign.closed")
    assert closed["data"] == {
        "campaign": answer.body["campaign"], "alert": answer.body["alert"], "state": "closed", "mode": "live",
        "class": "urgent", "closure": "complete",
    }  # fmt: skip
    assert len({name for name, _ in listener.told}) == 5


async def test_a_held_campaign_is_told_as_such_and_released_when_it_is_agreed_to(
    scene: Scene, listener: Listener
) -> None:
    careful = await scene.entity(groups={"g": 2}, policy={"approval": ["urgent"]})
    await hook(scene, careful, listener.url)
    answer = await scene.post(ALERT, careful)
    await scene.campaigns.act("approve", answer.body["campaign"], await scene.authority(careful.second))
    async with telling(scene) as flow:
        await flow.drain()
    assert sorted(listener.types) == ["campaign.accepted", "campaign.held", "campaign.released"]


async def test_only_what_was_asked_for_is_told_and_only_to_its_entity_and_realm(
    scene: Scene, commune: Entity, listener: Listener
) -> None:
    other = await scene.entity("other", groups={"g": 1})
    await hook(scene, other, listener.url)
    await hook(scene, commune, listener.url, realm=Realm.TEST)
    name = await hook(scene, commune, listener.url, events=["campaign.released"])
    await scene.post(ALERT, commune)
    (row,) = await scene.rows(
        "SELECT w.public_id, d.type FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id"
    )
    assert (row["public_id"], row["type"]) == (name, "campaign.released")


async def test_what_was_not_taken_comes_again_as_the_same_message(
    scene: Scene, commune: Entity, listener: Listener
) -> None:
    await hook(scene, commune, listener.url, events=["campaign.released"])
    listener.answers = [500]
    async with telling(scene) as flow:
        await scene.post(ALERT, commune)
        assert await flow.drain() == 1
        (row,) = await scene.rows("SELECT * FROM webhook_delivery")
        assert (row["status"], row["attempts"], row["settled"]) == (500, 1, None)
        assert (row["due_at"] - scene.clock()).total_seconds() == 5
        await scene.rows("UPDATE webhook_delivery SET due_at = now() RETURNING 1")
        assert await flow.drain() == 1
        assert await flow.drain() == 0
    (first, again) = listener.told
    assert first == again
    assert listener.raw[0] == listener.raw[1]
    (row,) = await scene.rows("SELECT * FROM webhook_delivery")
    assert (row["status"], row["attempts"], row["settled"]) == (204, 2, "delivered")
    (kept,) = await scene.rows("SELECT * FROM webhook")
    assert (kept["failures"], kept["failing_since"]) == (0, None)


async def test_who_is_at_work_on_a_message_keeps_it_from_others_until_the_lease_is_over(
    scene: Scene, commune: Entity, listener: Listener
) -> None:
    await hook(scene, commune, listener.url, events=["campaign.released"])
    await scene.post(ALERT, commune)
    async with scene.connected() as connection:
        (lost,) = await webhooks.lease(connection, 10, 60)
        assert await webhooks.lease(connection, 10, 60) == []
        await connection.execute("UPDATE webhook_delivery SET leased_until = now() - interval '1 second'")
        (again,) = await webhooks.lease(connection, 10, 60)
    assert (again.id, again.epoch, again.attempts) == (lost.id, lost.epoch + 1, 2)


async def test_an_address_of_ours_is_never_called(scene: Scene, commune: Entity, listener: Listener) -> None:
    await hook(scene, commune, listener.url, events=["campaign.released"])
    async with telling(scene, allowed="192.0.2.0/24") as flow:
        await scene.post(ALERT, commune)
        await flow.drain()
    assert listener.told == []
    (row,) = await scene.rows("SELECT status FROM webhook_delivery")
    assert row["status"] == 0


async def test_a_webhook_that_is_not_reached_for_long_is_switched_off_and_its_administrators_are_told(
    scene: Scene, commune: Entity, listener: Listener
) -> None:
    async with scene.connected() as connection:
        await put_person(connection, commune.id, roles=["admin"])  # type: ignore[list-item]
    name = await hook(scene, commune, listener.url, events=["campaign.released"])
    listener.answers = [500, 500]
    async with telling(scene, disable_after_s=60) as flow:
        await scene.post(ALERT, commune)
        await flow.drain()
        assert (await scene.rows("SELECT disabled_at FROM webhook"))[0]["disabled_at"] is None
        await scene.rows("UPDATE webhook SET failing_since = failing_since - interval '61 seconds' RETURNING 1")
        await scene.rows("UPDATE webhook_delivery SET due_at = now() RETURNING 1")
        await flow.drain()
        (row,) = await scene.rows("SELECT * FROM webhook")
        assert (row["disabled_why"], row["failures"]) == ("it was not reached for too long", 2)
        (notice,) = await scene.rows("SELECT word, subject FROM notice")
        assert tuple(notice) == ("webhook-disabled", f"webhook:{name}")
        await scene.rows("UPDATE webhook_delivery SET due_at = now() RETURNING 1")
        assert await flow.drain() == 0
        async with scene.connected() as connection:
            await webhooks.change(connection, row["id"], enabled=True)
        assert await flow.drain() == 1  # what waited
    assert listener.types == ["campaign.released"] * 3


async def test_410_ends_it_at_once(scene: Scene, commune: Entity, listener: Listener) -> None:
    await hook(scene, commune, listener.url, events=["campaign.released"])
    listener.answers = [410]
    async with telling(scene) as flow:
        await scene.post(ALERT, commune)
        await flow.drain()
    (row,) = await scene.rows("SELECT * FROM webhook")
    assert row["disabled_why"] == "it answered 410"


async def test_a_message_tells_of_nobody(scene: Scene, commune: Entity, listener: Listener) -> None:
    await hook(scene, commune, listener.url)
    async with telling(scene) as flow:
        await scene.post(ALERT, commune)
        await flow.drain()
    told = json.dumps([message for _, message in listener.told])
    for row in await scene.rows("SELECT name, mobile, email FROM contact"):
        assert not any(word in told for word in row.values() if word)
