"""Agreement over HTTP."""

from gateway.cap.model import Scope
from gateway.model import Realm, Role
from tests.support.authority import Client, ask
from tests.support.people import everything, put_person
from tests.support.scene import Scene, an_alert, asking, document, with_infos

CAP = {"Content-Type": "application/cap+xml"}


def private(identifier: str) -> bytes:
    alert = asking(an_alert(identifier, addresses=("g",), scope=Scope.PRIVATE), channels="sms")
    return document(with_infos(alert, area=()))


async def test_what_a_campaign_waits_for_is_shown_and_agreed_to(client: Client, scene: Scene) -> None:
    commune = await scene.entity(policy={"approval": ["urgent"]}, groups={"g": 2})
    async with scene.connected() as connection:
        approver = await put_person(connection, commune.id, roles=[Role.APPROVER])
    _, posted = await ask(client, commune.tokens[Realm.LIVE], "POST", "/v1/alerts", data=private("A-1"), headers=CAP)
    assert posted["needs"] == ["second"]
    path = f"/v1/campaigns/{posted['campaign']}"
    _, seen = await ask(client, approver, "GET", path)
    assert (seen["approval"]["messages"], seen["approval"]["given"]) == (2, [])
    for body, status in (("{", 400), ('{"seal": "x"}', 422), ('{"seal": "' + "0" * 64 + '"}', 409)):
        assert (await ask(client, approver, "POST", f"{path}/approve", data=body))[0] == status
    seal = {"seal": seen["approval"]["seal"]}
    assert (await ask(client, approver, "POST", f"{path}/approve", json=seal))[1]["state"] == "planned"
    given = (await ask(client, approver, "GET", path))[1]["approval"]["given"]
    assert [(one["need"], one["by"]) for one in given] == [("second", (await scene.authority(approver)).holder)]


async def test_glass_is_broken_by_a_named_person_and_by_nobody_else(client: Client, scene: Scene) -> None:
    commune = await scene.entity(policy={"approval": ["urgent"]}, groups={"g": 2})
    async with scene.connected() as connection:
        named = await put_person(connection, commune.id, roles=[Role.BREAK_GLASS], mandate=everything())
    _, posted = await ask(client, named, "POST", "/v1/alerts", data=private("A-1"), headers=CAP)
    path, why = f"/v1/campaigns/{posted['campaign']}/break-glass", {"reason": "the tank may burst any minute"}
    assert (await ask(client, commune.second, "POST", path, json=why))[0] == 403
    assert (await ask(client, named, "POST", path, json={}))[1]["reason"] == "no-reason"
    assert (await ask(client, named, "POST", path, json=why))[1]["state"] == "planned"
