"""Declared use over HTTP: recorded with every campaign, searched, asked for, and a breach with its suspension."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from gateway.model import Realm, Role
from gateway.store import admin, persons
from tests.support.authority import Client, ask
from tests.support.people import everything, put_person
from tests.support.scene import Entity, Scene, an_alert, asking

BREACH = {"reason": "A sale of the local shop.", "suspend": "sender", "running": "pause"}


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity(groups={"plp": 2})


@pytest_asyncio.fixture
async def tokens(scene: Scene, commune: Entity) -> dict[str, str]:
    async with scene.connected() as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        other = await scene.entity("other")
        return {
            "platform": await put_person(connection, platform.id, roles=[Role.ADMIN]),
            "admin": await put_person(connection, commune.id, roles=[Role.ADMIN]),
            "sender": await put_person(connection, commune.id, mandate=everything(), email="an@people.example"),
            "other": await put_person(connection, other.id, roles=[Role.OBSERVER]),
        }


async def test_what_was_declared_is_kept_with_the_campaign_and_found_again(
    client: Client, scene: Scene, commune: Entity, tokens: dict[str, str]
) -> None:
    first = (await scene.post(an_alert("A-1"), commune)).body["campaign"]
    status, made = await ask(client, tokens["platform"], "POST", "/v1/wordings", json={"text": "Nothing to sell."})
    assert (status, made["version"]) == (201, 2)
    wrong = await scene.post(asking(an_alert("A-2"), declares="1"), tokens["sender"])
    assert (wrong.status, wrong.body["reason"]) == (422, "not-declared")
    second = (await scene.post(asking(an_alert("A-3"), declares="2"), tokens["sender"])).body["campaign"]
    found = (await ask(client, tokens["admin"], "GET", "/v1/declarations"))[1]["declarations"]
    assert [(one["campaign"], one["version"], one["in_words"], one["breach"]) for one in found] == [
        (second, 2, True, None), (first, 1, False, None),
    ]  # fmt: skip
    assert found[0]["by"].startswith("person:") and found[1]["by"].startswith("token:")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for params, names in (
        ({"by": found[0]["by"]}, [second]), ({"campaign": first}, [first]), ({"version": "1"}, [first]),
        ({"class": "urgent"}, [second, first]), ({"class": "news"}, []), ({"entity": "other"}, []),
        ({"words": "no such words"}, []), ({"words": "BRAND"}, [second, first]), ({"since": tomorrow}, []),
        ({"until": tomorrow}, [second, first]), ({"limit": "1"}, [second]), ({"cursor": "2"}, [first]),
    ):  # fmt: skip
        told = (await ask(client, tokens["platform"], "GET", "/v1/declarations", params=params))[1]
        assert [one["campaign"] for one in told["declarations"]] == names, params
    assert (await ask(client, tokens["other"], "GET", "/v1/declarations"))[1]["declarations"] == []
    assert (await ask(client, tokens["sender"], "GET", "/v1/declarations"))[0] == 403
    assert (await ask(client, tokens["admin"], "GET", "/v1/declarations", params={"since": "yesterday"}))[0] == 400
    wordings = (await ask(client, tokens["sender"], "GET", "/v1/wordings"))[1]["wordings"]
    assert [one["version"] for one in wordings] == [2, 1]


async def test_where_the_platform_asks_for_it_nothing_goes_without(
    client: Client, scene: Scene, commune: Entity, tokens: dict[str, str]
) -> None:
    change = {"policy": {"declaration": ["urgent"]}}
    assert (await ask(client, tokens["platform"], "POST", "/v1/entity", json=change))[0] == 200
    refused = await scene.post(an_alert("A-1"), commune, Realm.TEST)
    assert (refused.status, refused.body["reason"]) == (422, "not-declared")
    assert "no commercial, promotional or political aim" in refused.body["detail"]
    assert (await scene.post(asking(an_alert("A-2"), declares="1"), commune)).status == 201


@pytest.mark.parametrize("suspend", ["entity", "sender", "nobody"])
async def test_a_breach_is_written_down_told_and_suspends_whom_it_says(
    suspend: str, client: Client, scene: Scene, commune: Entity, tokens: dict[str, str]
) -> None:
    name = (await scene.post(an_alert(), tokens["sender"])).body["campaign"]
    path, body = f"/v1/declarations/{name}/breach", BREACH | {"suspend": suspend}
    assert (await ask(client, tokens["admin"], "POST", path, json=body))[0] == 403
    status, told = await ask(client, tokens["platform"], "POST", path, json=body)
    assert status == 201, told
    assert told["campaigns"] == ([] if suspend == "nobody" else [name])
    assert (await ask(client, tokens["platform"], "POST", path, json=body))[1]["reason"] == "breach-already"
    (found,) = (await ask(client, tokens["platform"], "GET", "/v1/declarations"))[1]["declarations"]
    assert (found["breach"]["reason"], found["breach"]["suspended"]) == (body["reason"], told["suspended"])
    (notice,) = (await ask(client, tokens["admin"], "GET", "/v1/notices"))[1]["notices"]
    assert (notice["word"], notice["text"], notice["on"]) == ("breach", body["reason"], f"campaign:{name}")
    async with scene.connected() as connection:
        row = await persons.find(connection, commune.id, "an@people.example")
    assert row["suspended"] is (suspend == "sender")
    again = await scene.post(an_alert("A-9"), tokens["sender"])
    assert again.status == (201 if suspend == "nobody" else 403)


async def test_a_token_that_was_misused_is_ended(
    client: Client, scene: Scene, commune: Entity, tokens: dict[str, str]
) -> None:
    name = (await scene.post(an_alert(), commune)).body["campaign"]
    status, told = await ask(client, tokens["platform"], "POST", f"/v1/declarations/{name}/breach", json=BREACH)
    assert (status, told["suspended"][:6]) == (201, "token:")
    assert (await ask(client, commune.tokens[Realm.LIVE], "GET", "/v1/entity"))[0] == 401
    assert (await ask(client, commune.second, "GET", "/v1/entity"))[0] == 200
    assert (await ask(client, tokens["platform"], "POST", "/v1/declarations/ca_none/breach", json=BREACH))[0] == 404
