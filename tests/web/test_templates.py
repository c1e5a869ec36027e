"""Templates over HTTP: kept in versions, launched in one call by the way of every posted alert."""

from typing import Any

import pytest
import pytest_asyncio

from gateway.model import EntityKind, Realm, Role
from tests.policy.test_template import BODY, VALUES
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

FIRE = BODY | {"slug": "fire"}
LAUNCH = "/v1/templates/fire/launch"
WISH = {"values": VALUES, "waive": ["missing-language"], "reason": "nobody here reads it"}


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity(languages=("nl", "fr", "de"))


@pytest_asyncio.fixture
async def editor(scene: Scene, commune: Entity, client: Client) -> str:
    async with scene.connected() as connection:
        token = await put_person(connection, commune.id, roles=[Role.EDITOR])
    assert (await ask(client, token, "POST", "/v1/templates", json=FIRE))[0] == 201
    return token


async def test_every_version_is_kept(client: Client, commune: Entity, editor: str, scene: Scene) -> None:
    status, body = await ask(client, editor, "POST", "/v1/templates", json=FIRE | {"minutes": 90})
    assert (status, body["version"]) == (201, 2)
    _, found = await ask(client, commune.tokens[Realm.LIVE], "GET", "/v1/templates/fire")
    assert (found["version"], found["body"]["minutes"], sorted(found["languages"])) == (2, 90, ["fr", "nl"])
    assert len((await ask(client, editor, "GET", "/v1/templates"))[1]["templates"]) == 1
    assert len(await scene.rows("SELECT FROM template")) == 2


async def test_only_editors_and_administrators_write_and_only_their_own(
    client: Client, commune: Entity, editor: str, scene: Scene
) -> None:
    assert (await ask(client, commune.tokens[Realm.LIVE], "POST", "/v1/templates", json=FIRE))[1]["reason"] == "no-role"
    other = await scene.entity("other")
    token = other.tokens[Realm.LIVE]
    assert (await ask(client, token, "GET", "/v1/templates"))[1]["templates"] == []
    assert (await ask(client, token, "GET", "/v1/templates/fire"))[0] == 404
    assert (await ask(client, token, "POST", LAUNCH, json=WISH))[0] == 404


@pytest.mark.parametrize("wrong", [{"minutes": 1}, {"category": "x"}, {"texts": {}}, {"areas": [{"description": ""}]}])
async def test_a_wrong_template_is_refused_with_every_mistake(
    client: Client, editor: str, wrong: dict[str, Any]
) -> None:
    status, body = await ask(client, editor, "POST", "/v1/templates", json=FIRE | wrong)
    assert (status, body["reason"]) == (422, "wrong-body")


async def test_a_launch_is_an_alert_like_any_other_and_its_preview_is_kept(
    client: Client, commune: Entity, editor: str, scene: Scene
) -> None:
    status, body = await ask(client, commune.tokens[Realm.LIVE], "POST", LAUNCH, json=WISH)
    assert (status, body["state"], body["mode"], body["version"]) == (201, "planned", "live", 1)
    (row,) = await scene.rows("SELECT source, accepted FROM alert")
    assert tuple(row) == ("template:fire/1", True)
    (launch,) = (await ask(client, editor, "GET", "/v1/templates/fire/launches"))[1]["launches"]
    assert (launch["alert"], launch["waived"], launch["reason"]) == (
        body["alert"], ["missing-language"], WISH["reason"],
    )  # fmt: skip
    assert any("Brand in Kaai" in text["text"] for text in launch["preview"]["texts"])
    acts = [row["act"] for row in await scene.rows("SELECT act FROM audit_event")]
    assert {"template.insert", "template_launch.insert", "template.waived"} <= set(acts)


async def test_a_launch_waits_for_its_places_and_a_waiver_for_a_reason(
    client: Client, commune: Entity, editor: str, scene: Scene
) -> None:
    token = commune.tokens[Realm.LIVE]
    for wish, status, reason in (
        ({}, 409, "template-warnings"),
        ({"values": VALUES}, 409, "template-warnings"),
        (WISH | {"values": {}}, 409, "template-warnings"),
        (WISH | {"waive": ["unfilled-place"], "values": {}}, 409, "template-warnings"),
        (WISH | {"reason": ""}, 422, "no-reason"),
    ):
        got, body = await ask(client, token, "POST", LAUNCH, json=wish)
        assert (got, body["reason"]) == (status, reason)
    assert await scene.rows("SELECT FROM alert") == []


async def test_a_preview_keeps_and_sends_nothing(client: Client, commune: Entity, editor: str, scene: Scene) -> None:
    status, body = await ask(client, commune.tokens[Realm.LIVE], "POST", "/v1/templates/fire/preview", json={})
    assert (status, body["places"]) == (200, ["street"])
    assert {one["id"] for one in body["warnings"]} >= {"unfilled-place", "missing-language"}
    assert "<headline>Brand in {street}</headline>" in body["cap"]
    for table in ("alert", "template_launch"):
        assert await scene.rows(f"SELECT FROM {table}") == []
    assert (await ask(client, editor, "POST", "/v1/templates/none/preview", json={}))[0] == 404


async def test_rights_and_agreement_are_those_of_every_alert(client: Client, scene: Scene) -> None:
    zone = await scene.entity("zone", kind=EntityKind.TYPE2, languages=("nl", "fr"))
    held = await scene.entity("held", languages=("nl", "fr"), policy={"approval": ["urgent"]})
    for entity, status, said in ((zone, 403, "groups-only"), (held, 201, "held")):
        async with scene.connected() as connection:
            token = await put_person(connection, entity.id, roles=[Role.ADMIN])
        assert (await ask(client, token, "POST", "/v1/templates", json=FIRE))[0] == 201
        got, body = await ask(client, entity.tokens[Realm.LIVE], "POST", LAUNCH, json={"values": VALUES})
        assert (got, body.get("reason") or body["state"]) == (status, said)


async def test_what_is_on_the_entity_s_list_is_not_warned_about(
    client: Client, commune: Entity, editor: str, scene: Scene
) -> None:
    text = {"nl": {"headline": "Brand", "instruction": "Bel 02 506 47 11"}}
    assert (await ask(client, editor, "POST", "/v1/templates", json=FIRE | {"texts": text}))[0] == 201
    path, token = "/v1/templates/fire/preview", commune.tokens[Realm.LIVE]
    assert "unlisted-number" in {w["id"] for w in (await ask(client, token, "POST", path, json={}))[1]["warnings"]}
    async with scene.connected() as connection:
        admin = await put_person(connection, commune.id, roles=[Role.ADMIN])
    listed = {"policy": {"listed": ["+32 2 506 47 11"]}}
    assert (await ask(client, admin, "POST", "/v1/entity", json=listed))[0] == 200
    assert "unlisted-number" not in {w["id"] for w in (await ask(client, token, "POST", path, json={}))[1]["warnings"]}
