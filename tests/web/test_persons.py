"""Persons over HTTP: roles and mandates that wait for a second administrator, invitations that work once."""

from typing import Any

import pytest
import pytest_asyncio

from gateway.model import Realm, Role
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

EMAIL = "jan@people.example"
NEW = {"name": "Jan Janssens", "email": EMAIL, "roles": ["approver"]}


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity()


@pytest_asyncio.fixture
async def admins(scene: Scene, commune: Entity) -> list[str]:
    async with scene.connected() as connection:
        return [await put_person(connection, commune.id, roles=[Role.ADMIN]) for _ in range(2)]


async def added(client: Client, admin: str, **more: Any) -> str:
    status, body = await ask(client, admin, "POST", "/v1/persons", json=NEW | more)
    assert status == 201, body
    return str(body["person"])


ADMIN_ONLY = [
    ("GET", "/v1/persons"), ("POST", "/v1/persons"), ("GET", "/v1/persons/x"), ("POST", "/v1/persons/x"),
    ("POST", "/v1/persons/x/confirm"), ("POST", "/v1/persons/x/mandates"), ("POST", "/v1/mandates/1/confirm"),
    ("POST", "/v1/mandates/1/revoke"), ("POST", "/v1/persons/x/invitations"), ("POST", "/v1/invitations/1/confirm"),
    ("GET", "/v1/tokens"), ("POST", "/v1/tokens/1/revoke"),
]  # fmt: skip


async def test_only_administrators_see_and_change_persons(client: Client, scene: Scene, commune: Entity) -> None:
    async with scene.connected() as connection:
        others = [role for role in Role if role not in (Role.ADMIN, Role.OBSERVER)]
        somebody = await put_person(connection, commune.id, roles=others)
    for method, path in ADMIN_ONLY:
        for token in (somebody, commune.tokens[Realm.LIVE]):
            status, body = await ask(client, token, method, path)
            assert (status, body["reason"]) == (403, "no-role"), path
        assert (await ask(client, "", method, path))[0] == 401


async def test_roles_wait_for_another_administrator_and_go_at_once(client: Client, admins: list[str]) -> None:
    first, second = admins
    name = await added(client, first)
    path = f"/v1/persons/{name}"
    _, person = await ask(client, first, "GET", path)
    assert (person["roles"], person["waiting"]["roles"]) == ([], ["approver"])
    assert (await ask(client, first, "POST", f"{path}/confirm"))[0] == 409
    assert (await ask(client, second, "POST", f"{path}/confirm"))[0] == 200
    assert (await ask(client, second, "POST", f"{path}/confirm"))[1]["reason"] == "nothing-to-confirm"
    _, person = await ask(client, first, "POST", path, json={"roles": ["approver", "viewer"]})
    assert (person["roles"], person["waiting"]["roles"]) == (["approver"], ["approver", "viewer"])
    _, person = await ask(client, first, "POST", path, json={"roles": []})
    assert (person["roles"], person["waiting"]) == ([], None)


async def test_nobody_gives_themselves_a_role(client: Client, admins: list[str], scene: Scene) -> None:
    me = (await scene.rows("SELECT public_id FROM person ORDER BY id"))[0]["public_id"]
    _, person = await ask(client, admins[0], "POST", f"/v1/persons/{me}", json={"roles": ["admin", "break-glass"]})
    assert person["roles"] == ["admin"]
    assert (await ask(client, admins[0], "POST", f"/v1/persons/{me}/confirm"))[0] == 409


async def test_a_mandate_has_no_force_until_it_is_confirmed(
    client: Client, admins: list[str], scene: Scene, commune: Entity
) -> None:
    first, second = admins
    async with scene.connected() as connection:
        token = await put_person(connection, commune.id, email=EMAIL)
    body = {"classes": ["urgent"], "channels": ["sms"], "purposes": ["emergency"], "not_after": "2100-01-01T00:00:00Z"}
    status, granted = await ask(client, first, "POST", f"/v1/persons/{EMAIL}/mandates", json=body)
    assert (status, granted["confirmed"]) == (201, False)
    (number,) = granted["mandates"]
    assert (await scene.authority(token)).mandates == frozenset()
    assert (await ask(client, first, "POST", f"/v1/mandates/{number}/confirm"))[0] == 409
    assert (await ask(client, second, "POST", f"/v1/mandates/{number}/confirm"))[0] == 200
    assert {(c.value, h.value) for c, h in (await scene.authority(token)).mandates} == {("urgent", "sms")}
    (shown,) = (await ask(client, first, "GET", f"/v1/persons/{EMAIL}"))[1]["mandates"]
    assert (shown["class"], shown["purposes"], shown["confirmed"]) == ("urgent", ["emergency"], True)
    assert (await ask(client, first, "POST", f"/v1/mandates/{number}/revoke"))[0] == 200
    assert (await scene.authority(token)).mandates == frozenset()
    assert (await ask(client, first, "POST", f"/v1/mandates/{number}/revoke"))[0] == 404


async def test_an_invitation_works_once_and_a_live_one_only_when_confirmed(client: Client, admins: list[str]) -> None:
    first, second = admins
    name = await added(client, first)
    for realm in ("test", "live"):
        status, invited = await ask(client, first, "POST", f"/v1/persons/{name}/invitations", json={"realm": realm})
        assert (status, invited["confirmed"]) == (201, realm == "test")
        redeem = {"invitation": invited["invitation"]}
        if realm == "live":
            assert (await ask(client, "", "POST", "/v1/invitations", json=redeem))[0] == 403
            confirm = f"/v1/invitations/{invited['number']}/confirm"
            assert (await ask(client, first, "POST", confirm))[0] == 409
            status, shown = await ask(client, second, "GET", f"/v1/invitations/{invited['number']}")
            assert (status, shown["person"], shown["realm"], shown["confirmed"]) == (200, name, "live", False)
            assert invited["invitation"] not in str(shown)
            assert (await ask(client, second, "POST", confirm))[0] == 200
        status, fresh = await ask(client, "", "POST", "/v1/invitations", json=redeem)
        assert (status, fresh["token"][:8]) == (201, f"gw_{realm}_")
        assert (await ask(client, fresh["token"], "GET", "/v1/campaigns"))[0] == 200
        assert (await ask(client, "", "POST", "/v1/invitations", json=redeem))[1]["reason"] == "no-invitation"


async def test_an_old_invitation_does_not_work(client: Client, admins: list[str], scene: Scene) -> None:
    name = await added(client, admins[0])
    _, invited = await ask(client, admins[0], "POST", f"/v1/persons/{name}/invitations", json={})
    await scene.rows("UPDATE invitation SET expires_at = now() WHERE used_at IS NULL RETURNING 1")
    assert (await ask(client, "", "POST", "/v1/invitations", json={"invitation": invited["invitation"]}))[0] == 403


async def test_who_is_suspended_can_do_nothing_from_the_next_request_on(
    client: Client, admins: list[str], scene: Scene, commune: Entity
) -> None:
    async with scene.connected() as connection:
        token = await put_person(connection, commune.id, email=EMAIL, roles=[Role.APPROVER])
    _, person = await ask(client, admins[0], "POST", f"/v1/persons/{EMAIL}", json={"suspended": True})
    assert person["suspended"] is True
    assert (await scene.authority(token)).suspended
    await ask(client, admins[0], "POST", f"/v1/persons/{EMAIL}", json={"suspended": False})
    assert not (await scene.authority(token)).suspended


async def test_tokens_are_listed_without_their_secrets_and_ended(
    client: Client, admins: list[str], commune: Entity
) -> None:
    listed = (await ask(client, admins[0], "GET", "/v1/tokens"))[1]["tokens"]
    assert len(listed) == 5
    assert not {"digest", "token"} & listed[0].keys()
    number = listed[0]["id"]
    assert (await ask(client, admins[0], "POST", f"/v1/tokens/{number}/revoke"))[0] == 200
    works = [(await ask(client, token, "GET", "/v1/campaigns"))[0] for token in commune.tokens.values()]
    assert sorted(works) == [200, 401]


async def test_members_are_paged_by_name_and_found_by_how_it_begins(client: Client, admins: list[str]) -> None:
    for number, name in enumerate(("Zoë", "jan b", "Jan A", "Ann", "Jan A")):
        await added(client, admins[0], name=name, email=f"p{number}@x.example", roles=[])
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"begins": "JAN", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        _, body = await ask(client, admins[0], "GET", "/v1/persons", params=query)
        found += [person["name"] for person in body["persons"]]
        cursor = body["next"]
    assert found == ["Jan A", "Jan A", "jan b"]


async def test_one_identity_has_memberships_in_two_entities_and_each_sees_its_own(
    client: Client, admins: list[str], scene: Scene
) -> None:
    other = await scene.entity("other")
    async with scene.connected() as connection:
        theirs = await put_person(connection, other.id, roles=[Role.ADMIN])
    names = {await added(client, admin) for admin in (admins[0], theirs)}
    assert len(names) == 1
    status, body = await ask(client, theirs, "POST", "/v1/persons", json=NEW)
    assert (status, body["reason"]) == (409, "member-already")
    _, listed = await ask(client, theirs, "GET", "/v1/persons")
    assert len(listed["persons"]) == 2  # themselves, and whom they added
    await ask(client, theirs, "POST", f"/v1/persons/{EMAIL}", json={"suspended": True})
    assert (await ask(client, admins[0], "GET", f"/v1/persons/{EMAIL}"))[1]["suspended"] is False


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/persons", "{", 400),
        ("/v1/persons", '{"name": "x"}', 422),
        ("/v1/persons", '{"name": "x\\u0000", "email": "a@b"}', 422),
        ("/v1/persons", '{"name": "x", "email": "a b@c"}', 422),
        ("/v1/persons", '{"name": "x", "email": "a@b", "roles": ["king"]}', 422),
        ("/v1/persons/x/mandates", '{"classes": [], "channels": ["sms"]}', 422),
        ("/v1/persons/x/mandates", '{"classes": ["urgent"], "channels": ["sms"], "not_after": "2030-01-01"}', 422),
        ("/v1/persons/x", '{"kingdom": 1}', 422),
        ("/v1/persons/%00", "{}", 404),
        ("/v1/mandates/99999999999/confirm", "{}", 409),
        ("/v1/persons", '{"name": "' + "x" * 100_001 + '"}', 413),
    ],
)
async def test_odd_bodies_are_refused_with_every_mistake(
    path: str, body: str, status: int, client: Client, admins: list[str]
) -> None:
    found, told = await ask(client, admins[0], "POST", path, data=body)
    assert found == status, told
    assert (status != 422) or told.get("mistakes") or "NUL" in told["detail"]


async def test_what_was_done_is_in_the_record_by_person(client: Client, admins: list[str], scene: Scene) -> None:
    await added(client, admins[0])
    who = (await scene.authority(admins[0])).holder
    events = (await ask(client, admins[0], "GET", "/v1/audit"))[1]["events"]
    assert {event["act"] for event in events if event["by"] == who} == {"membership.insert"}
