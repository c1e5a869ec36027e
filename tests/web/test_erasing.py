"""One person's data over HTTP."""

import pytest_asyncio

from gateway.model import Role
from gateway.store import admin
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene, citizen

WHY = {"reason": "their own request of the second of May"}


@pytest_asyncio.fixture
async def tokens(scene: Scene) -> dict[str, str]:
    zone = await scene.entity("zone")
    async with scene.connected() as connection:
        return {role.value: await put_person(connection, zone.id, roles=[role]) for role in Role}


async def test_one_person_s_data_is_taken_with_a_reason_and_ended(
    client: Client, tokens: dict[str, str], scene: Scene
) -> None:
    editor, exporter = tokens["editor"], tokens["exporter"]
    await ask(client, editor, "POST", "/v1/contacts", json={"key": "an", "name": "An", "mobile": "0470 00 00 01"})
    assert (await ask(client, exporter, "POST", "/v1/contacts/an/data", json={"reason": "so"}))[0] == 422
    assert (await ask(client, editor, "POST", "/v1/contacts/an/data", json=WHY))[0] == 403
    status, told = await ask(client, exporter, "POST", "/v1/contacts/an/data", json=WHY)
    assert (status, told["contact"]["mobile"], told["messages"]) == (200, "+32470000001", [])
    (asked,) = await scene.rows("SELECT id, reason FROM export_request")
    assert asked["reason"] == WHY["reason"]
    for path in ("agree", "contacts.csv"):  # one person's data is nobody's way to everybody's
        method = "POST" if path == "agree" else "GET"
        who = tokens["admin"] if path == "agree" else exporter
        assert (await ask(client, who, method, f"/v1/exports/{asked['id']}/{path}"))[0] == 409
    assert (await ask(client, exporter, "POST", "/v1/contacts/an/erase"))[0] == 403
    assert (await ask(client, editor, "POST", "/v1/contacts/an/erase"))[1]["erased"] is True
    assert (await ask(client, editor, "POST", "/v1/contacts/an/erase"))[0] == 404
    assert (await ask(client, exporter, "POST", "/v1/contacts/an/data", json=WHY))[0] == 404
    acts = [
        row["act"] for row in await scene.rows("SELECT act FROM audit_event WHERE act LIKE 'contacts.%' ORDER BY id")
    ]
    assert acts == ["contacts.added", "contacts.data-taken", "contacts.erased"]


async def test_the_platform_erases_a_citizen_who_calls_and_nobody_else_does(
    client: Client, tokens: dict[str, str], scene: Scene
) -> None:
    await scene.citizens(citizen(1), citizen(2))
    async with scene.connected() as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        token = await put_person(connection, platform.id, roles=[Role.ADMIN])
    path, number = "/v1/citizens/erase", "+32470000001"
    assert (await ask(client, tokens["admin"], "POST", path, json={"mobile": number}))[0] == 403
    for wrong in ({}, {"mobile": "12"}, {"mobile": number, "email": "a@b.example"}):
        assert (await ask(client, token, "POST", path, json=wrong))[0] == 422
    assert (await ask(client, token, "POST", path, json={"mobile": "0470 00 00 01"}))[1]["erased"] is True
    assert (await ask(client, token, "POST", path, json={"mobile": number}))[0] == 404
    assert (await ask(client, token, "POST", path, json={"email": "C2@citizens.example"}))[0] == 200
    assert await scene.rows("SELECT FROM contact WHERE registered") == []
    events = await scene.rows("SELECT actor FROM audit_event WHERE act = 'citizen.erased'")
    assert len(events) == 2
    assert all(row["actor"].startswith("person:") for row in events)
