"""Texts as channels get them."""

from typing import Any

import pytest

from gateway.cap.area import Ring
from gateway.cap.picture import draw
from gateway.flows.texts import Texts
from gateway.model import ChannelName
from gateway.policy.audience import shape_from_json
from gateway.policy.compose import content_id
from gateway.store import registry
from tests.support.scene import Scene, an_alert, asking
from tests.support.sending import a_campaign


async def test_texts_are_read_once_and_the_oldest_forgotten(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = await scene.entity()
    numbers = [await a_campaign(scene, entity, 1, identifier=f"A-{n}") for n in range(3)]
    reads: list[int] = []
    real = registry.texts_to_send

    async def counted(connection: Any, campaign: int) -> Any:
        reads.append(campaign)
        return await real(connection, campaign)

    monkeypatch.setattr(registry, "texts_to_send", counted)
    texts = Texts(scene.store, keep=2)
    for number in (*numbers, numbers[2], numbers[1], numbers[0]):
        found = await texts.of(number)
        assert {text.campaign for text in found.values()} == {number}
        assert {text.channel for text in found.values()} == {ChannelName.SMS}
    assert reads == [*numbers, numbers[0]]


async def test_a_mail_gets_the_map_that_its_page_names(scene: Scene) -> None:
    answer = await scene.post(asking(an_alert(at=scene.clock.now), channels="email sms"), await scene.entity())
    campaign = await scene.campaign(answer)
    texts = (await Texts(scene.store).of(campaign["id"])).values()
    mails = [text for text in texts if text.channel is ChannelName.EMAIL]
    (plan,) = await scene.rows("SELECT plan FROM campaign WHERE id = $1", campaign["id"])
    places = [shape_from_json(shape) for shape in plan["plan"]["variants"][0]["shapes"]]
    land = [ring for ring in map(shape_from_json, plan["plan"]["territory"]) if isinstance(ring, Ring)]
    assert mails and all(text.picture == draw(places, land=land) != b"" for text in mails)
    assert all(f"cid:{content_id(places, land)}" in text.html for text in mails)
    assert not any(text.picture for text in texts if text.channel is not ChannelName.EMAIL)
