"""Tokens over HTTP: a machine's for the live world works once a second administrator has agreed."""

from typing import Any

import pytest
import pytest_asyncio

from gateway.cap.model import Scope
from gateway.model import Realm, Role
from gateway.store import persons
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Entity, Scene, an_alert, asking, document, with_infos

NEW: dict[str, Any] = {"note": "the crisis room", "realm": "live", "classes": ["urgent"], "channels": ["sms"]}
DRY = "/v1/alerts?dry_run=true"


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity(groups={"g": 1, "plp": 1})


@pytest_asyncio.fixture
async def admins(scene: Scene, commune: Entity) -> list[str]:
    async with scene.connected() as connection:
        return [await put_person(connection, commune.id, roles=[Role.ADMIN]) for _ in range(2)]


async def forecast(client: Client, token: str, group: str = "g", message_class: str = "urgent") -> tuple[int, Any]:
    alert = asking(an_alert(addresses=(group,), scope=Scope.PRIVATE), channels="sms", **{"class": message_class})
    raw, head = document(with_infos(alert, area=())), {"Content-Type": "application/cap+xml"}
    status, body = await ask(client, token, "POST", DRY, data=raw, headers=head)
    return status, body.get("reason")


async def test_a_live_token_works_once_a_second_administrator_agreed(client: Client, admins: list[str]) -> None:
    first, second = admins
    status, made = await ask(client, first, "POST", "/v1/tokens", json=NEW)
    assert (status, made["token"][:8], made["confirmed"]) == (201, "gw_live_", False)
    confirm = f"/v1/tokens/{made['number']}/confirm"
    assert await forecast(client, made["token"]) == (401, "unauthorized")
    assert (await ask(client, first, "POST", confirm))[1]["reason"] == "nothing-to-confirm"
    assert await forecast(client, made["token"]) == (401, "unauthorized")
    assert (await ask(client, second, "POST", confirm))[0] == 200
    assert (await ask(client, second, "POST", confirm))[0] == 409
    assert await forecast(client, made["token"]) == (200, None)
    assert await forecast(client, made["token"], message_class="news") == (403, "no-mandate")
    assert (await ask(client, first, "POST", f"/v1/tokens/{made['number']}/revoke"))[0] == 200
    assert await forecast(client, made["token"]) == (401, "unauthorized")
    assert (await ask(client, second, "POST", confirm))[0] == 409


async def test_a_token_that_was_ended_can_not_be_confirmed(client: Client, admins: list[str]) -> None:
    _, made = await ask(client, admins[0], "POST", "/v1/tokens", json=NEW)
    assert (await ask(client, admins[0], "POST", f"/v1/tokens/{made['number']}/revoke"))[0] == 200
    assert (await ask(client, admins[1], "POST", f"/v1/tokens/{made['number']}/confirm"))[0] == 409
    assert await forecast(client, made["token"]) == (401, "unauthorized")


async def test_a_token_for_rehearsals_works_at_once_and_runs_out(client: Client, admins: list[str]) -> None:
    past = {"expires": "2020-01-01T00:00:00Z"}
    for more, status in (({}, 200), (past, 401)):
        _, made = await ask(client, admins[0], "POST", "/v1/tokens", json=NEW | {"realm": "test"} | more)
        assert (made["token"][:8], made["confirmed"]) == ("gw_test_", True)
        assert (await forecast(client, made["token"]))[0] == status


async def test_a_token_of_a_partnership_reaches_its_groups_and_nobody_else(
    client: Client, admins: list[str], scene: Scene, commune: Entity
) -> None:
    async with scene.connected() as connection:
        place = await persons.put_partnership(connection, commune.id, "north", "North", "none")
        await persons.give_group(connection, commune.id, "plp", place)
    wish = NEW | {"realm": "test", "partnership": "north"}
    _, made = await ask(client, admins[0], "POST", "/v1/tokens", json=wish)
    assert await forecast(client, made["token"], "plp") == (200, None)
    assert await forecast(client, made["token"], "g") == (403, "no-mandate")
    assert (await ask(client, admins[0], "POST", "/v1/tokens", json=wish | {"partnership": "south"}))[0] == 404


async def test_the_list_shows_what_is_agreed_to_and_no_secret(
    client: Client, admins: list[str], scene: Scene, commune: Entity
) -> None:
    _, made = await ask(client, admins[0], "POST", "/v1/tokens", json=NEW)
    listed = (await ask(client, admins[1], "GET", "/v1/tokens"))[1]["tokens"]
    (seen,) = [one for one in listed if one["id"] == made["number"]]
    assert (seen["note"], seen["classes"], seen["channels"]) == ("the crisis room", ["urgent"], ["sms"])
    assert (seen["confirmed"], seen["granted_by"][:7]) == (False, "person:")
    assert not any(made["token"] in str(one) or "digest" in one for one in listed)
    other = await scene.entity("other")
    async with scene.connected() as connection:
        stranger = await put_person(connection, other.id, roles=[Role.ADMIN])
    for act in ("confirm", "revoke"):
        assert (await ask(client, stranger, "POST", f"/v1/tokens/{made['number']}/{act}"))[0] in (404, 409)
    assert (await ask(client, commune.tokens[Realm.LIVE], "POST", "/v1/tokens", json=NEW))[1]["reason"] == "no-role"
    acts = await scene.rows("SELECT act FROM audit_event WHERE subject = $1", f"token:{made['number']}")
    assert "token.insert" in {row["act"] for row in acts}


@pytest.mark.parametrize("wrong", [{"note": ""}, {"classes": []}, {"channels": ["fax"]}, {"realm": "all"}])
async def test_a_token_of_nobody_or_for_nothing_is_refused(
    client: Client, admins: list[str], wrong: dict[str, Any]
) -> None:
    assert (await ask(client, admins[0], "POST", "/v1/tokens", json=NEW | wrong))[0] == 422
