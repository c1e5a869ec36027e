"""Suspension holds at once for what comes, and for what runs as was chosen."""

import pytest

from gateway.cap.model import CapAlert, Scope
from gateway.flows.suspending import Running, deal_with, suspend_entity
from tests.support.people import everything, put_person
from tests.support.scene import Entity, Scene, an_alert, asking, with_infos

STATES = {Running.STOP: "closing", Running.PAUSE: "paused", Running.GO_ON: "sending"}


def private(identifier: str) -> CapAlert:
    alert = asking(an_alert(identifier, addresses=("g",), scope=Scope.PRIVATE), channels="sms")
    return with_infos(alert, area=())


@pytest.mark.parametrize("choice", list(Running))
async def test_nothing_new_is_sent_and_what_runs_is_as_was_chosen(choice: Running, scene: Scene) -> None:
    commune, other = await scene.entity(groups={"g": 2}), await scene.entity("other", groups={"g": 2})
    answers = [await scene.post(private("A-1"), one) for one in (commune, other)]
    await scene.plan()
    async with scene.store.acting("command") as connection:
        concerned = await suspend_entity(connection, commune.id, choice, "command")
    assert concerned == ([] if choice is Running.GO_ON else [answers[0].body["campaign"]])
    assert [(await scene.campaign(answer))["state"] for answer in answers] == [STATES[choice], "sending"]
    refused = await scene.post(private("A-2"), commune)
    assert (refused.status, refused.body["reason"]) == (403, "suspended")
    assert (await scene.post(private("A-2"), other)).status == 201


async def test_only_the_campaigns_of_a_suspended_person_are_concerned(scene: Scene) -> None:
    commune = await scene.entity(groups={"g": 2})
    async with scene.connected() as connection:
        person = await put_person(connection, commune.id, mandate=everything())
    senders: list[Entity | str] = [person, commune]
    answers = [await scene.post(private(f"A-{n}"), who) for n, who in enumerate(senders)]
    await scene.plan()
    author = (await scene.authority(person)).holder
    async with scene.store.acting("command") as connection:
        assert await deal_with(connection, commune.id, Running.PAUSE, "command", author) == [
            answers[0].body["campaign"]
        ]
    assert [(await scene.campaign(answer))["state"] for answer in answers] == ["paused", "sending"]
