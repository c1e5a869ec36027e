"""Entities over HTTP: each changes itself, the platform changes the tree, nobody else does."""

import io
from typing import Any

import pytest_asyncio

from gateway.model import MessageClass, Role
from gateway.store import admin, entities
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

NEW = {"slug": "brugge", "name": "Stad Brugge", "kind": "type1"}


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity()


@pytest_asyncio.fixture
async def tokens(scene: Scene, commune: Entity) -> dict[str, str]:
    """Administrators of the platform and of the commune, and an observer of the commune."""
    async with scene.connected() as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        return {
            "platform": await put_person(connection, platform.id, roles=[Role.ADMIN]),
            "admin": await put_person(connection, commune.id, roles=[Role.ADMIN]),
            "observer": await put_person(connection, commune.id, roles=[Role.OBSERVER]),
        }


async def test_an_entity_changes_its_own_settings(client: Client, scene: Scene, tokens: dict[str, str]) -> None:
    change: dict[str, Any] = {
        "languages": ["fr", "nl"], "contact_persons": [{"name": "An", "phone": "+32 2"}],
        "policy": {"approval": ["news"], "approval_above": {"urgent": 10}, "training_required": True},
    }  # fmt: skip
    assert (await ask(client, tokens["observer"], "POST", "/v1/entity", json=change))[0] == 403
    status, entity = await ask(client, tokens["admin"], "POST", "/v1/entity", json=change)
    assert (status, entity["languages"], entity["checklist"]["contact-persons"]) == (200, ["fr", "nl"], True)
    policy = (await scene.authority(tokens["admin"])).policy
    assert (policy.approval, policy.training) == (frozenset({MessageClass.NEWS}), True)
    assert policy.approval_above == ((MessageClass.URGENT, 10),)
    assert (await ask(client, tokens["admin"], "GET", "/v1/entity"))[1] == entity


async def test_only_the_platform_makes_entities_and_live_needs_every_paper(
    client: Client, scene: Scene, tokens: dict[str, str]
) -> None:
    for path, body in (("", NEW), ("/brugge", {}), ("/brugge/suspend", {"running": "stop"}), ("/brugge/reinstate", {})):
        assert (await ask(client, tokens["admin"], "POST", f"/v1/entities{path}", json=body))[0] == 403
    boss = tokens["platform"]
    assert (await ask(client, boss, "POST", "/v1/entities", json=NEW | {"parent": "nowhere"}))[0] == 404
    assert (await ask(client, boss, "POST", "/v1/entities", json=NEW | {"parent": "commune"}))[0] == 201
    assert (await ask(client, boss, "POST", "/v1/entities", json=NEW))[0] == 409
    papers = {"convention_signed_on": "2026-01-05", "order_form_on": "2026-01-05", "live": True}
    status, body = await ask(client, boss, "POST", "/v1/entities/brugge", json=papers)
    assert (status, body["missing"]) == (409, ["contact-persons", "accounts"])
    async with scene.connected() as connection:
        row = await entities.show(connection, "brugge")
        assert row["live"] is False
        await put_person(connection, row["id"], roles=[Role.ADMIN])
        await entities.change_own(connection, row["id"], contact_persons=[{"name": "An"}])
    assert (await ask(client, boss, "POST", "/v1/entities/brugge", json={"live": True}))[1]["live"] is True
    assert (await ask(client, boss, "POST", "/v1/entities/brugge", json={"live": False}))[1]["live"] is False
    assert (await ask(client, boss, "POST", "/v1/entities/nowhere", json={}))[0] == 404


async def test_everybody_sees_the_tree_below_and_not_above(client: Client, tokens: dict[str, str]) -> None:
    await ask(client, tokens["platform"], "POST", "/v1/entities", json=NEW | {"parent": "commune"})
    await ask(client, tokens["platform"], "POST", "/v1/entities", json=NEW | {"slug": "apart"})
    seen = {
        who: [one["slug"] for one in (await ask(client, token, "GET", "/v1/entities"))[1]["entities"]]
        for who, token in tokens.items()
    }
    assert seen == {
        "platform": ["apart", "brugge", "commune", "platform"], "admin": ["brugge", "commune"],
        "observer": ["brugge", "commune"],
    }  # fmt: skip


async def test_a_suspended_entity_changes_and_sends_nothing_until_it_is_reinstated(
    client: Client, tokens: dict[str, str]
) -> None:
    boss, path = tokens["platform"], "/v1/entities/commune"
    assert (await ask(client, boss, "POST", f"{path}/suspend", json={}))[0] == 422
    status, body = await ask(client, boss, "POST", f"{path}/suspend", json={"running": "pause"})
    assert (status, body["suspended"], body["campaigns"]) == (200, True, [])
    assert (await ask(client, tokens["admin"], "POST", "/v1/entity", json={}))[1]["reason"] == "suspended"
    assert (await ask(client, tokens["admin"], "GET", "/v1/entity"))[1]["suspended"] is True
    assert (await ask(client, boss, "POST", f"{path}/reinstate"))[1]["suspended"] is False
    assert (await ask(client, tokens["admin"], "POST", "/v1/entity", json={}))[0] == 200
    assert (await ask(client, boss, "POST", "/v1/entities/platform/suspend", json={"running": "stop"}))[0] == 404


async def test_the_platform_says_where_an_entity_may_target_people(
    client: Client, scene: Scene, tokens: dict[str, str]
) -> None:
    boss, path = tokens["platform"], "/v1/entities/commune/territory"
    ring = [[4.30, 50.80], [4.35, 50.80], [4.35, 50.83], [4.30, 50.83], [4.30, 50.80]]
    outline: dict[str, Any] = {"type": "Polygon", "coordinates": [ring]}
    assert (await ask(client, tokens["admin"], "POST", path, json=outline))[1]["reason"] == "no-role"
    wrongs: list[Any] = [{"type": "Point", "coordinates": ring[0]}, outline | {"coordinates": [ring[:2]]}, []]
    for wrong in wrongs:
        status, told = await ask(client, boss, "POST", path, json=wrong)
        assert (status, told["reason"], bool(told["mistakes"])) == (422, "wrong-body", True), wrong
    assert (await ask(client, boss, "POST", path, data=io.BytesIO(b"[" * 2**20 + b"[")))[0] == 413
    assert (await ask(client, boss, "POST", path, data=b"[" * 2**19))[0] == 422
    assert (await ask(client, boss, "POST", "/v1/entities/none/territory", json=outline))[0] == 404
    status, entity = await ask(client, boss, "POST", path, json=outline)
    assert (status, entity["territory_rings"]) == (200, 1)
    (row,) = await scene.rows("SELECT territory FROM entity WHERE slug = 'commune'")
    assert row["territory"] == [ring]
    acts = await scene.rows("SELECT actor FROM audit_event WHERE act = 'entity.update' ORDER BY id DESC LIMIT 1")
    assert acts[0]["actor"].startswith("person:")


async def test_the_platform_s_security_holds_for_everybody_who_may_only_be_stricter(
    client: Client, scene: Scene, tokens: dict[str, str]
) -> None:
    floor = {"security": {"session_idle_minutes": 30, "networks": ["127.0.0.0/8"]}, "approval": ["urgent"]}
    assert (await ask(client, tokens["platform"], "POST", "/v1/entity", json={"policy": floor}))[0] == 200
    own: dict[str, Any] = {"security": {"session_idle_minutes": 60, "networks": ["0.0.0.0/0"]}, "approval": ["news"]}
    status, told = await ask(client, tokens["admin"], "POST", "/v1/entity", json={"policy": own})
    assert (status, told["reason"]) == (422, "looser-than-platform")
    assert [one["message"] for one in told["mistakes"]] == [
        "session_idle_minutes: 60 is looser than the platform's 30",
        "networks: 0.0.0.0/0 is looser than the platform's 127.0.0.0/8",
        "approval: news is looser than the platform's urgent",
    ]
    own = {"security": {"session_idle_minutes": 10, "networks": ["127.0.0.0/24"]}, "approval": ["urgent", "news"]}
    assert (await ask(client, tokens["admin"], "POST", "/v1/entity", json={"policy": own}))[0] == 200
    later = {"security": {"session_idle_minutes": 5, "token_days": 90}, "training_required": True}
    assert (await ask(client, tokens["platform"], "POST", "/v1/entity", json={"policy": later}))[0] == 200
    entity = (await ask(client, tokens["admin"], "GET", "/v1/entity"))[1]
    assert entity["policy"] == own
    assert entity["security"] == {
        "session_idle_minutes": 5, "token_days": 90, "networks": ["127.0.0.0/24"], "training_required": True,
        "approval": ["urgent", "news"],
    }  # fmt: skip
    policy = (await scene.authority(tokens["admin"])).policy
    assert (policy.training, policy.approval) == (True, frozenset({MessageClass.URGENT, MessageClass.NEWS}))
