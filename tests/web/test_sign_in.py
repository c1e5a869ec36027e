"""Signing in over HTTP: what an invitation opens and what it never does, passkeys from first to last."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from gateway.model import Realm
from gateway.store import persons
from gateway.store.persons import Grant
from tests.support.authority import Client
from tests.support.browser import Browser, invited
from tests.support.people import put_person
from tests.support.scene import Entity, Scene

AN = "an@people.example"


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    found = await scene.entity()
    async with scene.connected() as connection:
        await put_person(connection, found.id, email=AN)
    return found


async def invitation(scene: Scene, entity: Entity, realm: Realm = Realm.LIVE) -> str:
    async with scene.connected() as connection:
        return await invited(connection, entity.id, AN, realm)


async def test_who_was_invited_sets_up_a_passkey_and_signs_in_with_it(
    client: Client, scene: Scene, commune: Entity
) -> None:
    browser = Browser(client)
    assert await browser.open(await invitation(scene, commune)) == (201, {"state": "enrolling"})
    session = await browser.learn()
    assert (session["state"], session["way"], session["memberships"]) == ("enrolling", "invitation", [])
    assert (await browser.get("/v1/campaigns"))[1]["reason"] == "choose-entity"
    for path in ("/v1/sessions", "/v1/passkeys"):
        assert (await browser.get(path))[1]["reason"] == "not-yet"
    assert (await browser.add_passkey("telephone"))[0] == 201
    assert await browser.sign_in() == (201, {"state": "open"})
    (shown,) = (await browser.get("/v1/passkeys"))[1]["passkeys"]
    assert (shown["name"], shown["last_used"] is None) == ("telephone", False)


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    client: Client, scene: Scene, commune: Entity
) -> None:
    browser = Browser(client)
    await browser.open(await invitation(scene, commune))
    (session,) = [line for line in browser.set_cookie if line.startswith("__Host-gateway-session=gw_session_")]
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= set(session.split("; "))
    assert "Domain" not in session
    kept = await scene.rows("SELECT s::text AS row FROM person_session s")
    assert browser.cookies["__Host-gateway-session"] not in str(kept)


async def test_an_invitation_opens_once_in_time_and_after_its_confirmation(
    client: Client, scene: Scene, commune: Entity
) -> None:
    secret, browser = await invitation(scene, commune), Browser(client)
    assert (await browser.open(secret))[0] == 201
    assert (await Browser(client).open(secret))[1]["reason"] == "no-invitation"
    old = await invitation(scene, commune)
    await scene.rows("UPDATE invitation SET expires_at = now() WHERE used_at IS NULL")
    async with scene.connected() as connection:
        row = await persons.find(connection, commune.id, AN)
        until = datetime.now(UTC) + timedelta(days=1)
        _, waiting = await persons.invite(connection, commune.id, row["id"], Realm.LIVE, until, Grant("person:1", None))
    told = [await Browser(client).open(word) for word in (old, waiting, "gw_invite_x", "", "x" * 200)]
    assert [status for status, _ in told] == [403] * 5
    assert len({str(body) for _, body in told}) == 1


async def test_an_invitation_alone_never_opens_an_identity_that_somebody_has(
    client: Client, scene: Scene, commune: Entity
) -> None:
    """Else an administrator of one entity would sign in as a person of another."""
    an = Browser(client)
    await an.join(await invitation(scene, commune))
    other = await scene.entity("other")
    async with scene.connected() as connection:
        await put_person(connection, other.id, email=AN)
        await put_person(connection, other.id, email="evil@people.example")
        evil = Browser(client)
        await evil.join(await invited(connection, other.id, "evil@people.example"))
    secret = await invitation(scene, other)
    for browser in (Browser(client), evil):
        status, told = await browser.open(secret)
        assert (status, told["reason"]) == (409, "sign-in-first")
    assert (await an.open(secret))[0] == 200  # it was not used up


async def test_who_was_first_into_an_identity_does_not_get_into_what_others_open_to_it(
    client: Client, scene: Scene, commune: Entity
) -> None:
    """Somebody opens the invitation of one entity but sets up nothing; then another entity invites the same address."""
    first, second = Browser(client), Browser(client)
    other = await scene.entity("other")
    async with scene.connected() as connection:
        await put_person(connection, other.id, email=AN)
    assert (await first.open(await invitation(scene, other)))[0] == 201
    await first.learn()
    _, options = await first.post("/v1/passkeys/begin")
    await second.join(await invitation(scene, commune))
    status, _ = await first.post("/v1/passkeys", {"credential": first.authenticator.create(options)})
    assert status == 401
    assert [place["entity"] for place in (await second.learn())["memberships"]] == ["commune"]


async def test_who_begins_anew_loses_every_way_and_session_of_before(
    client: Client, scene: Scene, commune: Entity
) -> None:
    old, new = Browser(client), Browser(client)
    await old.join(await invitation(scene, commune))
    async with scene.connected() as connection:
        row = await persons.find(connection, commune.id, AN)
        until = datetime.now(UTC) + timedelta(days=1)
        _, anew = await persons.invite(connection, commune.id, row["id"], Realm.LIVE, until, Grant(), anew=True)
    await new.join(anew)
    assert (await old.get("/v1/session"))[0] == 401
    assert (await old.sign_in())[1]["reason"] == "not-signed-in"
    assert len((await new.get("/v1/passkeys"))[1]["passkeys"]) == 1


async def test_the_options_to_sign_in_tell_nothing_of_who_is_known(
    client: Client, scene: Scene, commune: Entity
) -> None:
    await Browser(client).join(await invitation(scene, commune))
    told = [(await Browser(client).post("/v1/sign-in/passkey"))[1]["publicKey"] for _ in range(2)]
    assert told[0].pop("challenge") != told[1].pop("challenge")
    assert told[0] == told[1]
    assert told[0]["allowCredentials"] == []


@pytest.mark.parametrize(
    "kind", ["other browser", "twice", "no ceremony", "other challenge", "unknown", "not an id", "late"]
)
async def test_signing_in_fails_alike_for_known_and_unknown(
    kind: str, client: Client, scene: Scene, commune: Entity
) -> None:
    browser = Browser(client)
    await browser.join(await invitation(scene, commune))
    _, options = await browser.post("/v1/sign-in/passkey")
    _, others = await Browser(client).post("/v1/sign-in/passkey")
    credential = browser.authenticator.get(others if kind == "other challenge" else options)
    asking = Browser(client) if kind == "other browser" else browser
    if kind == "twice":
        assert (await asking.post("/v1/sign-in/passkey/end", {"credential": credential}))[0] == 201
    if kind == "no ceremony":
        asking.cookies.pop("__Host-gateway-ceremony")
    if kind in ("unknown", "not an id"):
        credential["id"] = credential["rawId"] = "AAAA" if kind == "unknown" else "é"
    if kind == "late":
        await scene.rows("UPDATE ceremony SET ends_at = now()")
    status, told = await asking.post("/v1/sign-in/passkey/end", {"credential": credential})
    assert (status, told["reason"], told["detail"]) == (403, "not-signed-in", "This did not work: begin again.")


async def test_a_second_passkey_asks_for_a_fresh_session_and_the_last_one_stays(
    client: Client, scene: Scene, commune: Entity
) -> None:
    browser = Browser(client)
    await browser.join(await invitation(scene, commune))
    await scene.rows("UPDATE person_session SET created_at = now() - interval '11 minutes'")
    assert (await browser.add_passkey())[1]["reason"] == "sign-in-again"
    await browser.sign_in()
    assert (await browser.add_passkey("key ring"))[0] == 201
    first, second = [row["passkey"] for row in (await browser.get("/v1/passkeys"))[1]["passkeys"]]
    assert (await browser.post(f"/v1/passkeys/{first}/remove"))[0] == 200
    assert (await browser.post(f"/v1/passkeys/{first}/remove"))[0] == 404
    assert (await browser.post(f"/v1/passkeys/{second}/remove"))[1]["reason"] == "last-way"


async def test_what_opens_and_ends_is_in_the_record(client: Client, scene: Scene, commune: Entity) -> None:
    browser = Browser(client)
    await browser.join(await invitation(scene, commune))
    acts = [(row["act"], row["actor"]) for row in await scene.rows("SELECT act, actor FROM audit_event ORDER BY id")]
    person = f"person:{(await scene.rows('SELECT id FROM person WHERE email = $1', AN))[0]['id']}"
    assert ("person_session.insert", "invitation") in acts
    assert ("passkey.insert", person) in acts
    assert ("person_session.insert", person) in acts
