"""Partnerships and notices over HTTP."""

from gateway.model import Role
from gateway.store import approvals
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene


async def test_a_partnership_is_made_filled_and_changed_by_administrators(client: Client, scene: Scene) -> None:
    zone = await scene.entity("zone", groups={"g": 1})
    async with scene.connected() as connection:
        admin = await put_person(connection, zone.id, roles=[Role.ADMIN])
        jan = await put_person(connection, zone.id, email="jan@people.example")
    made = {"slug": "plp", "name": "PLP", "agreement": "both"}
    assert (await ask(client, jan, "POST", "/v1/partnerships", json=made))[0] == 403
    assert (await ask(client, admin, "POST", "/v1/partnerships", json=made))[0] == 201
    enrolment = {"person": "jan@people.example", "role": "coordinator"}
    for path, body in (("people", enrolment), ("groups", {"group": "g"})):
        assert (await ask(client, admin, "POST", f"/v1/partnerships/plp/{path}", json=body))[0] == 200
        assert (await ask(client, admin, "POST", f"/v1/partnerships/none/{path}", json=body))[0] == 404
    assert (await ask(client, admin, "POST", "/v1/partnerships/plp/groups", json={"group": "none"}))[0] == 404
    (shown,) = (await ask(client, jan, "GET", "/v1/partnerships"))[1]["partnerships"]
    assert (shown["agreement"], shown["groups"], shown["people"][0]["role"]) == ("both", ["g"], "coordinator")
    assert {role for _, role in (await scene.authority(jan)).partner_roles} == {"coordinator"}
    await ask(client, admin, "POST", "/v1/partnerships/plp/people", json=enrolment | {"member": False})
    assert (await scene.authority(jan)).partner_roles == frozenset()


async def test_a_notice_is_read_by_the_person_it_is_for(client: Client, scene: Scene) -> None:
    zone, other = await scene.entity("zone"), await scene.entity("other")
    async with scene.connected() as connection:
        told = await put_person(connection, zone.id, roles=[Role.APPROVER])
        untold = await put_person(connection, zone.id)
        stranger = await put_person(connection, other.id, roles=[Role.APPROVER])
        await approvals.tell(connection, zone.id, "platform", "terms:2", "New terms.")
    ((notice,), _) = (await ask(client, told, "GET", "/v1/notices"))[1].values()
    assert (notice["word"], notice["text"], notice["read"]) == ("platform", "New terms.", None)
    path = f"/v1/notices/{notice['number']}/read"
    for token in (untold, stranger, zone.second):
        assert (await ask(client, token, "GET", "/v1/notices"))[1]["notices"] == []
        assert (await ask(client, token, "POST", path))[0] == 404
    assert (await ask(client, told, "POST", path))[0] == 200
    assert (await ask(client, told, "GET", "/v1/notices"))[1]["notices"][0]["read"] is not None
