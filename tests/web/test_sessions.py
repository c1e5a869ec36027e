"""Sessions over HTTP: for whom somebody acts, where they are signed in, and that an end holds at once."""

import pytest_asyncio

from gateway.model import Realm, Role
from tests.support.authority import Client, ask
from tests.support.browser import Browser, invited
from tests.support.people import everything, put_person
from tests.support.scene import Entity, Scene, an_alert, document

AN = "an@people.example"


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    return await scene.entity()


@pytest_asyncio.fixture
async def browser(scene: Scene, client: Client, commune: Entity) -> Browser:
    """Somebody who signed in and has every mandate in the commune."""
    async with scene.connected() as connection:
        await put_person(connection, commune.id, email=AN, roles=[Role.ADMIN], mandate=everything())
        invitation = await invited(connection, commune.id, AN)
    found = Browser(client)
    await found.join(invitation)
    return found


async def test_somebody_who_signed_in_acts_for_an_entity_only_after_choosing_it(browser: Browser) -> None:
    status, told = await browser.get("/v1/campaigns")
    assert (status, told["reason"]) == (409, "choose-entity")
    session = await browser.learn()
    place = {"entity": "commune", "name": "Authority commune", "roles": ["admin"], "suspended": False}
    assert session["memberships"] == [place | {"realms": ["test", "live"]}]
    assert (await browser.post("/v1/session", {"entity": "commune", "realm": "live"}))[0] == 200
    assert (await browser.get("/v1/campaigns"))[0] == 200
    assert (await browser.get("/v1/persons"))[0] == 200
    assert (await browser.learn())["realm"] == "live"


async def test_an_alert_that_was_posted_in_a_session_is_the_person_s(browser: Browser, scene: Scene) -> None:
    head = {"Gateway-Entity": "commune", "Gateway-Realm": "live", "Content-Type": "application/cap+xml"}
    status, answer = await browser.ask("POST", "/v1/alerts", data=document(an_alert()), headers=head)
    assert status == 201, answer
    row = (
        await scene.rows(
            "SELECT a.source, a.token_id, c.author, c.mode FROM alert a JOIN campaign c ON c.alert_id = a.id"
        )
    )[0]
    person = (await scene.rows("SELECT id FROM person WHERE email = $1", AN))[0]["id"]
    assert tuple(row) == (f"person:{person}", None, f"person:{person}", "live")


async def test_one_identity_acts_for_each_of_its_entities_with_the_rights_it_has_there(
    browser: Browser, scene: Scene, commune: Entity
) -> None:
    other = await scene.entity("other")
    async with scene.connected() as connection:
        await put_person(connection, other.id, email=AN)
        await put_person(connection, (await scene.entity("third")).id, email=AN)  # whose invitation nobody opened
        invitation = await invited(connection, other.id, AN, Realm.TEST)
    assert (await browser.open(invitation))[0] == 200
    assert [place["entity"] for place in (await browser.learn())["memberships"]] == ["commune", "other"]
    assert (await browser.post("/v1/session", {"entity": "other", "realm": "test"}))[0] == 200
    assert (await browser.get("/v1/persons"))[1]["reason"] == "no-role"
    assert (await browser.get("/v1/persons", headers={"Gateway-Entity": "commune", "Gateway-Realm": "live"}))[0] == 200
    for entity, realm in (("other", "live"), ("third", "test"), ("nowhere", "test")):
        assert (await browser.post("/v1/session", {"entity": entity, "realm": realm}))[1]["reason"] == "not-yours"
        head = {"Gateway-Entity": entity, "Gateway-Realm": realm}
        assert (await browser.get("/v1/campaigns", headers=head))[1]["reason"] == "not-yours"


async def test_another_entity_for_one_request_means_the_test_world_unless_said(browser: Browser, scene: Scene) -> None:
    await browser.post("/v1/session", {"entity": "commune", "realm": "live"})
    other = await scene.entity("other")
    async with scene.connected() as connection:
        await put_person(connection, other.id, email=AN, mandate=everything())
        await browser.open(await invited(connection, other.id, AN))
    head = {"Gateway-Entity": "other", "Content-Type": "application/cap+xml"}
    status, _ = await browser.ask("POST", "/v1/alerts", data=document(an_alert()), headers=head)
    assert status == 201
    assert [row["mode"] for row in await scene.rows("SELECT mode FROM campaign")] == ["test"]


async def test_a_session_that_ended_is_dead_from_the_next_request_on(browser: Browser, client: Client) -> None:
    stolen = Browser(client)
    stolen.cookies = dict(browser.cookies)
    assert (await browser.post("/v1/session/end"))[1] == {"ended": 1}
    assert browser.cookies == {}
    for path in ("/v1/session", "/v1/campaigns"):
        assert (await stolen.get(path))[0] == 401


async def test_one_sees_where_one_is_signed_in_and_ends_what_one_likes(browser: Browser, client: Client) -> None:
    others = [Browser(client) for _ in range(3)]
    for other in others:
        other.authenticator = browser.authenticator
        assert (await other.sign_in())[0] == 201
    rows = (await browser.get("/v1/sessions"))[1]["sessions"]
    assert [row["way"] for row in rows] == ["passkey"] * 4 + ["invitation"]
    assert [row["this"] for row in rows] == [False] * 3 + [True, False]
    assert (await browser.post(f"/v1/sessions/{rows[0]['session']}/end"))[0] == 200
    assert [(await other.get("/v1/session"))[0] for other in others] == [200, 200, 401]
    assert (await browser.post(f"/v1/sessions/{rows[0]['session']}/end"))[0] == 404
    assert (await browser.post("/v1/sessions/end"))[1] == {"ended": 3}
    assert [(await other.get("/v1/session"))[0] for other in (*others, browser)] == [401, 401, 401, 200]


async def test_nobody_ends_or_sees_the_session_of_somebody_else(
    browser: Browser, client: Client, scene: Scene, commune: Entity
) -> None:
    other = Browser(client)
    async with scene.connected() as connection:
        await put_person(connection, commune.id, email="jan@people.example")
        await other.join(await invited(connection, commune.id, "jan@people.example"))
    name = (await browser.learn())["session"]
    assert (await other.post(f"/v1/sessions/{name}/end"))[0] == 404
    assert name not in str((await other.get("/v1/sessions"))[1])
    await other.post("/v1/session", {"entity": "commune", "realm": "live"})
    assert (await other.get(f"/v1/persons/{AN}/sessions"))[1]["reason"] == "no-role"


async def test_an_administrator_sees_sessions_for_the_entity_and_signs_a_member_out(
    browser: Browser, client: Client, scene: Scene, commune: Entity
) -> None:
    async with scene.connected() as connection:
        admin = await put_person(connection, commune.id, roles=[Role.ADMIN])
        foreign = await put_person(connection, (await scene.entity("other")).id, roles=[Role.ADMIN])
    path = f"/v1/persons/{AN}/sessions"
    assert (await ask(client, admin, "GET", path))[1]["sessions"] == []  # nothing was chosen: it acts for nobody
    await browser.post("/v1/session", {"entity": "commune", "realm": "test"})
    (shown,) = (await ask(client, admin, "GET", path))[1]["sessions"]
    assert (shown["entity"], shown["realm"]) == ("commune", "test")
    for method, at in (("GET", path), ("POST", f"{path}/end")):
        assert (await ask(client, foreign, method, at))[0] == 404
    assert (await ask(client, admin, "POST", f"{path}/end"))[1]["ended"] == 2
    assert (await browser.get("/v1/session"))[0] == 401
    events = (await ask(client, admin, "GET", "/v1/audit"))[1]["events"]
    assert [event["act"] for event in events[:2]].count("person_session.update") >= 1


async def test_a_session_ends_unused_and_at_the_latest_and_with_its_person(browser: Browser, scene: Scene) -> None:
    await browser.post("/v1/session", {"entity": "commune", "realm": "test"})
    spoilt = {
        "last_used_at = now() - interval '1 hour'": "last_used_at = now()",
        "ends_at = now()": "ends_at = now() + interval '1 hour'",
    }
    for statement, back in spoilt.items():
        await scene.rows(f"UPDATE person_session SET {statement}")
        assert [(await browser.get(path))[0] for path in ("/v1/session", "/v1/campaigns")] == [401, 401]
        await scene.rows(f"UPDATE person_session SET {back}")
        assert (await browser.get("/v1/campaigns"))[0] == 200
    await scene.rows("UPDATE person SET suspended_at = now() WHERE email = $1", AN)
    assert (await browser.get("/v1/session"))[0] == 401


async def test_what_is_taken_away_goes_with_the_next_request(browser: Browser, scene: Scene) -> None:
    await browser.post("/v1/session", {"entity": "commune", "realm": "live"})
    assert (await browser.get("/v1/persons"))[0] == 200
    await scene.rows("UPDATE membership SET live_at = NULL")
    assert (await browser.get("/v1/persons"))[1]["reason"] == "not-yours"
    await browser.post("/v1/session", {"entity": "commune", "realm": "test"})
    await scene.rows("UPDATE membership SET suspended_at = now()")
    assert (await browser.get("/v1/persons"))[1]["reason"] == "suspended"
    await scene.rows("DELETE FROM membership WHERE person_id = (SELECT id FROM person WHERE email = $1)", AN)
    assert (await browser.get("/v1/persons"))[0] == 401


async def test_use_keeps_a_session_alive(browser: Browser, scene: Scene) -> None:
    await scene.rows("UPDATE person_session SET last_used_at = now() - interval '50 minutes'")
    await browser.get("/v1/session")
    rows = await scene.rows("SELECT last_used_at > now() - interval '1 minute' AS used FROM person_session ORDER BY id")
    assert [row["used"] for row in rows] == [False, True]
