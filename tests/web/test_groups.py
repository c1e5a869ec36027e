"""Groups over HTTP: made, filled, ended, a coordinator's apart."""

import pytest
import pytest_asyncio

from gateway.model import Role
from gateway.store import contacts, filtered, persons
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene


@pytest_asyncio.fixture
async def tokens(scene: Scene) -> dict[str, str]:
    zone = await scene.entity("zone")
    async with scene.connected() as connection:
        place = await persons.put_partnership(connection, zone.id, "plp", "PLP", "none")
        made = {role.value: await put_person(connection, zone.id, roles=[role]) for role in (Role.EDITOR, Role.VIEWER)}
        return made | {"coordinator": await put_person(connection, zone.id, partner=[(place, "coordinator")])}


async def test_a_group_is_made_changed_filled_and_ended(client: Client, tokens: dict[str, str]) -> None:
    editor = tokens["editor"]
    for key in ("a", "b"):
        await ask(client, editor, "POST", "/v1/contacts", json={"key": key, "email": f"{key}@x.example"})
    for name in ("G", "Group"):
        assert (await ask(client, editor, "POST", "/v1/groups", json={"slug": "g", "name": name}))[0] == 201
    assert (await ask(client, editor, "POST", "/v1/groups/g/members", json={"add": ["a", "b"]}))[0] == 200
    assert (await ask(client, editor, "POST", "/v1/groups/g/members", json={"remove": ["a"]}))[0] == 200
    _, listed = await ask(client, tokens["viewer"], "GET", "/v1/groups")
    (told,) = (group for group in listed["groups"] if group["slug"] == "g")
    assert (told["name"], told["members"], told["partnership"]) == ("Group", 1, None)
    assert (await ask(client, tokens["viewer"], "POST", "/v1/groups/g/remove"))[0] == 403
    assert (await ask(client, editor, "POST", "/v1/groups/g/remove"))[0] == 200
    assert (await ask(client, editor, "POST", "/v1/groups/g/remove"))[0] == 404


async def test_a_coordinator_s_groups_are_of_their_partnership(client: Client, tokens: dict[str, str]) -> None:
    coordinator, editor = tokens["coordinator"], tokens["editor"]
    assert (await ask(client, coordinator, "POST", "/v1/groups", json={"slug": "own", "name": "Own"}))[0] == 201
    assert (await ask(client, editor, "POST", "/v1/groups", json={"slug": "all", "name": "All"}))[0] == 201
    _, listed = await ask(client, coordinator, "GET", "/v1/groups")
    assert [(group["slug"], group["partnership"]) for group in listed["groups"]] == [("own", "plp")]
    told = await ask(client, coordinator, "POST", "/v1/groups", json={"slug": "all", "name": "Mine"})
    assert (told[0], told[1]["reason"]) == (409, "key-taken")
    assert (await ask(client, coordinator, "POST", "/v1/groups/all/members", json={"add": ["a"]}))[0] == 404
    assert (await ask(client, coordinator, "POST", "/v1/groups/all/remove"))[0] == 404


async def test_a_large_group_is_said_to_have_at_least_so_many_and_counted_when_asked(
    client: Client, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtered, "COUNTED", 2)
    editor, coordinator = tokens["editor"], tokens["coordinator"]
    for key in "abc":
        await ask(client, editor, "POST", "/v1/contacts", json={"key": key, "email": f"{key}@x.example"})
    for slug, wanted in (("all", ["email"]), ("none", ["sms"])):
        group = {"slug": slug, "name": "G", "filter": {"channels": wanted}}
        assert (await ask(client, editor, "POST", "/v1/groups", json=group))[0] == 201
    await ask(client, editor, "POST", "/v1/groups", json={"slug": "hand", "name": "G"})
    for slug, seen, there in (("all", 2, 3), ("none", 0, 0)):
        _, told = await ask(client, editor, "GET", f"/v1/groups/{slug}")
        assert (told["members"], told["exact"]) == (seen, False)
        status, counted = await ask(client, editor, "GET", f"/v1/groups/{slug}/count")
        assert (status, counted) == (200, {"members": there, "sms": 0, "voice": 0, "email": there, "exact": True})
        assert (await ask(client, coordinator, "GET", f"/v1/groups/{slug}/count"))[0] == 404
    assert (await ask(client, editor, "GET", "/v1/groups/hand/count"))[1]["members"] == 0
    assert (await ask(client, editor, "GET", "/v1/groups/hand"))[1]["exact"]
    await ask(client, editor, "POST", "/v1/groups/hand/members", json={"add": ["a", "b", "c"]})
    _, told = await ask(client, editor, "GET", "/v1/groups/hand")
    assert (told["members"], told["exact"]) == (3, False)
    for listed, exact in ((2, False), (3, True)):
        monkeypatch.setattr(contacts, "LISTED", listed)
        _, page = await ask(client, editor, "GET", "/v1/groups")
        assert [(one["slug"], one["members"], one["exact"]) for one in page["groups"]] == [
            ("all", None, False), ("hand", 3, exact), ("none", None, False)
        ]  # fmt: skip


async def test_a_filter_fills_a_group(client: Client, tokens: dict[str, str]) -> None:
    editor = tokens["editor"]
    for key, language in (("a", "fr"), ("b", "nl")):
        body = {"key": key, "email": f"{key}@x.example", "language": language, "tags": ["Boat"]}
        await ask(client, editor, "POST", "/v1/contacts", json=body)
    asked = {"languages": ["fr"], "tags": ["boat"], "channels": ["email"]}
    group: dict[str, object] = {"slug": "f", "name": "F", "filter": asked}
    assert (await ask(client, editor, "POST", "/v1/groups", json=group))[0] == 201
    _, told = await ask(client, tokens["viewer"], "GET", "/v1/groups/f")
    assert (told["filtered"], told["members"], told["email"], told["sms"]) == (True, 1, 1, 0)
    assert told["filter"] == asked | {"postcodes": [], "municipalities": [], "rings": []}
    _, members = await ask(client, editor, "GET", "/v1/contacts?group=f")
    assert [contact["key"] for contact in members["contacts"]] == ["a"]
    refused = await ask(client, editor, "POST", "/v1/groups/f/members", json={"add": ["b"]})
    assert (refused[0], refused[1]["reason"]) == (409, "filtered-group")
    assert (await ask(client, editor, "POST", "/v1/imports?group=f", data=b"x"))[0] == 409
    ring = [[4.0, 50.0], [4.1, 50.0], [4.1, 50.1]]
    for wrong in ({}, {"rings": [ring]}, {"languages": ["x y"]}, {"tags": ["a b"]}, {"king": 1}):
        assert (await ask(client, editor, "POST", "/v1/groups", json=group | {"filter": wrong}))[0] == 422, wrong
    assert (await ask(client, editor, "POST", "/v1/groups", json={"slug": "f", "name": "F"}))[0] == 201
    assert (await ask(client, editor, "POST", "/v1/groups/f/members", json={"add": ["b"]}))[0] == 200
    kept = await ask(client, editor, "POST", "/v1/groups", json=group)
    assert (kept[0], kept[1]["reason"]) == (409, "has-members")
    assert (await ask(client, editor, "GET", "/v1/groups/none"))[0] == 404
