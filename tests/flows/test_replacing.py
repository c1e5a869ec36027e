"""Replacing: what an Update's rows could take the place of, found by number among the campaigns before it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from gateway.cap.model import MsgType
from gateway.flows.lane import Lane
from gateway.flows.replacing import Replacing
from gateway.model import Earlier
from gateway.store.embedded import Cluster
from tests.support.scene import Scene, a_scene, an_alert, asking, follow_up
from tests.support.sending import Ticks, a_campaign, a_lane, a_tracking, fill

PEOPLE = 8


@pytest_asyncio.fixture
async def scene(pg: Cluster) -> AsyncIterator[Scene]:
    """The flows over a fresh database."""
    async with a_scene(pg) as made:
        yield made


async def held_by(scene: Scene, campaign: int, provider: str, seqs: list[int], *, parts: int = 1) -> None:
    """Rows that a provider has taken and said nothing of since."""
    async with scene.store.transaction() as connection:
        await connection.execute("INSERT INTO provider (name) VALUES ($1) ON CONFLICT DO NOTHING", provider)
        await connection.execute(
            "UPDATE delivery SET state = 2 WHERE campaign_id = $1 AND seq = ANY ($2)", campaign, seqs
        )
        await connection.execute(
            "INSERT INTO msgref (provider, mask, campaign_id, seq, parts, msg_id) "
            "SELECT (SELECT id FROM provider WHERE name = $1), 1, $2, s, $4, 'id-' || s FROM unnest($3::int[]) s",
            provider, campaign, seqs, parts,
        )  # fmt: skip


async def followed(scene: Scene, entity: Any, kind: MsgType) -> int:
    """A campaign that speaks to the same people, planned."""
    later = asking(follow_up(kind, an_alert("A-1")), channels="sms", **{"class": "urgent"})
    answer = await scene.post(later, entity)
    assert answer.status == 201, answer.body
    await scene.plan()
    return int((await scene.campaign(answer))["id"])


async def leased(scene: Scene, providers: set[str]) -> tuple[Lane, dict[int, Earlier]]:
    """A lane that has leased what the second campaign has, and what it could replace."""
    ticks = Ticks()
    lane = a_lane(scene.store, a_tracking(scene.store), ticks=ticks)
    lane._replacing = Replacing(scene.store, providers)
    second = await scene.rows("SELECT max(id) AS id FROM campaign")
    lane.opened({second[0]["id"]: 0})
    await fill(lane)
    return lane, {seq: one for held in lane.held() for seq, one in held.lease.replaces.items()}


async def numbers(scene: Scene, campaign: int) -> dict[str, int]:
    rows = await scene.rows("SELECT seq, address FROM delivery WHERE campaign_id = $1", campaign)
    return {row["address"]: row["seq"] for row in rows}


async def test_an_update_finds_what_a_provider_that_replaces_still_holds(scene: Scene) -> None:
    entity = await scene.entity()
    first = await a_campaign(scene, entity, PEOPLE)
    await held_by(scene, first, "replaces", [1, 2, 3])
    await held_by(scene, first, "does-not", [4])
    await held_by(scene, first, "replaces", [5], parts=2)
    await scene.rows("UPDATE delivery SET state = 3 WHERE campaign_id = $1 AND seq = 3", first)
    body = (await scene.rows("SELECT body FROM text WHERE campaign_id = $1 AND language = 'nl'", first))[0]["body"]
    second = await followed(scene, entity, MsgType.UPDATE)
    _, found = await leased(scene, {"replaces"})
    before, after = await numbers(scene, first), await numbers(scene, second)
    by_address = {after[address]: seq for address, seq in before.items() if address in after}
    assert found == {seq: Earlier("replaces", f"id-{by_address[seq]}", body) for seq in found}
    assert {by_address[seq] for seq in found} == {1, 2}


async def test_a_cancel_replaces_nothing(scene: Scene) -> None:
    """What it ends is cancelled, and the end is a message of its own."""
    entity = await scene.entity()
    first = await a_campaign(scene, entity, PEOPLE)
    await held_by(scene, first, "replaces", [1, 2, 3])
    await followed(scene, entity, MsgType.CANCEL)
    lane, found = await leased(scene, {"replaces"})
    assert lane.held()
    assert found == {}
