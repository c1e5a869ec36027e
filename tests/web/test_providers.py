"""Signing in by a provider and a code, over HTTP: links that a person makes, codes that work once, waits that grow."""

import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from gateway.flows import second_way
from gateway.policy.second_way import STEP_S, code_at, step_of
from gateway.web.access import Access
from gateway.web.identity import routes
from gateway.web.problem import middleware
from gateway.web.sign_in_settings import ProviderSettings, SignInSettings
from tests.support.authority import Client
from tests.support.browser import Browser, invited
from tests.support.oidc import ISSUER, FakeProvider, a_key
from tests.support.people import put_person
from tests.support.scene import HELP, URL, Entity, Scene

AN = "an@people.example"
KEY = a_key()
SECRET = SecretStr("s" + "e" * 40)
NOW_S = 1_800_000_000.0
"""What codes are of: a step that does not end in the middle of a test."""


@pytest.fixture
def fake() -> FakeProvider:
    return FakeProvider(key=KEY)


@pytest_asyncio.fixture
async def client(scene: Scene, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(second_way, "step_of", lambda key, code, _, last: step_of(key, code, NOW_S, last))
    provider = ProviderSettings(name="test", issuer=ISSUER, client_id="gateway", client_secret=SECRET)
    settings = SignInSettings(secret=SecretStr("x" * 32), providers=(provider,))
    application = web.Application(middlewares=[middleware(HELP)])
    application.add_routes(routes(scene.store, Access(scene.store, URL), URL, settings, (), fake.fetch))
    async with TestClient(TestServer(application)) as made:
        yield made


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    found = await scene.entity()
    async with scene.connected() as connection:
        await put_person(connection, found.id, email=AN)
    return found


async def fetched(browser: Browser, fake: FakeProvider, path: str = "/v1/sign-in/oidc/test") -> tuple[int, Any]:
    """To the provider and back."""
    browser.headers.pop("X-CSRF-Token", None) if path.startswith("/v1/sign-in") else None
    status, told = await browser.post(path)
    if status != 200:
        return status, told
    return await browser.get("/v1/sign-in/oidc/test/end", params=fake.authorize(told["location"]))


def key_of(uri: str) -> bytes:
    secret = dict(parse_qsl(urlsplit(uri).query))["secret"]
    return base64.b32decode(secret + "=" * (-len(secret) % 8))


def code(key: bytes, steps: int = 0) -> str:
    return code_at(key, int(NOW_S // STEP_S) + steps)


async def set_up(browser: Browser, fake: FakeProvider, scene: Scene, commune: Entity) -> tuple[bytes, list[str]]:
    """Invited, with codes and a link: the key and the recovery codes."""
    async with scene.connected() as connection:
        assert (await browser.open(await invited(connection, commune.id, AN)))[0] == 201
    await browser.learn()
    assert (await fetched(browser, fake, "/v1/links/test"))[1]["reason"] == "second-way-first"
    _, offered = await browser.post("/v1/second-way/begin")
    key = key_of(offered["uri"])
    status, told = await browser.post("/v1/second-way", {"code": code(key, -1)})
    assert status == 201, told
    assert await fetched(browser, fake, "/v1/links/test") == (200, {"linked": "test"})
    return key, told["recovery_codes"]


async def test_a_provider_and_a_code_open_a_session(
    client: Client, scene: Scene, fake: FakeProvider, commune: Entity
) -> None:
    key, _ = await set_up(Browser(client), fake, scene, commune)
    browser = Browser(client)
    assert await fetched(browser, fake) == (200, {"state": "second"})
    assert (await browser.learn())["memberships"] == []
    assert (await browser.get("/v1/sessions"))[1]["reason"] == "not-yet"
    waited = dict(browser.cookies)
    assert await browser.post("/v1/sign-in/second", {"code": code(key)}) == (201, {"state": "open"})
    assert (await browser.learn())["way"] == "oidc:test+code"
    browser.cookies = waited  # what waited is no session any more
    assert (await browser.get("/v1/session"))[0] == 401


async def test_a_code_works_once_and_a_recovery_code_once(
    client: Client, scene: Scene, fake: FakeProvider, commune: Entity
) -> None:
    key, recovery = await set_up(Browser(client), fake, scene, commune)
    now = code(key)
    for body, works in (
        ({"code": now}, True), ({"code": now}, False), ({"recovery": recovery[0].upper()}, True),
        ({"recovery": recovery[0]}, False), ({"recovery": "aaaa-aaaa-aaaa-aaaa"}, False), ({}, False),
    ):  # fmt: skip
        browser = Browser(client)
        await fetched(browser, fake)
        await browser.learn()
        status, told = await browser.post("/v1/sign-in/second", body)
        assert (status == 201) is works, told
    await browser.post("/v1/sign-in/second", {"recovery": recovery[1]})
    await browser.learn()
    assert (await browser.get("/v1/second-way"))[1] == {"codes": True, "recovery_codes_left": 8}
    _, told = await browser.post("/v1/second-way/recovery-codes")
    assert len(set(told["recovery_codes"]) - set(recovery)) == 10
    kept = str(await scene.rows("SELECT r::text AS r, s::text AS s FROM recovery_code r, second_way s"))
    assert key.hex() not in kept
    assert recovery[2] not in kept


async def test_wrong_codes_make_the_next_one_wait_and_lock_nobody_out(
    client: Client, scene: Scene, fake: FakeProvider, commune: Entity
) -> None:
    key, recovery = await set_up(Browser(client), fake, scene, commune)
    browser = Browser(client)
    await fetched(browser, fake)
    await browser.learn()
    told = [await browser.post("/v1/sign-in/second", {"code": "000000"}) for _ in range(3)]
    assert [status for status, _ in told] == [403] * 3
    waits = await scene.rows("SELECT extract(epoch FROM free_at - last_at)::float8 AS s FROM sign_in_failure")
    assert max(row["s"] for row in waits) == pytest.approx(1.0, abs=0.01)
    await scene.rows("UPDATE sign_in_failure SET free_at = free_at + interval '1 hour' RETURNING 1")  # a slow machine
    assert (await browser.post("/v1/sign-in/second", {"code": "000000"}))[0] == 429
    assert (await browser.post("/v1/sign-in/second", {"code": code(key)}))[0] == 429  # a right one waits as well
    await scene.rows("UPDATE sign_in_failure SET free_at = now(), failures = 9 WHERE failures > 0")
    assert (await browser.post("/v1/sign-in/second", {"code": "000000"}))[0] == 403
    (row,) = await scene.rows("SELECT max(extract(epoch FROM free_at - now()))::float8 AS s FROM sign_in_failure")
    assert 100 < row["s"] <= 128
    assert (await browser.post("/v1/sign-in/second", {"recovery": recovery[0]}))[0] == 201


async def test_whom_nobody_linked_hears_what_everybody_hears(
    client: Client, scene: Scene, fake: FakeProvider, commune: Entity
) -> None:
    await set_up(Browser(client), fake, scene, commune)
    stranger, foreign = Browser(client), Browser(client)
    fake.subject = "stranger"
    told = [await fetched(stranger, fake)]
    _, begun = await stranger.post("/v1/sign-in/oidc/test")
    fake.subject = "an"
    told.append(await foreign.get("/v1/sign-in/oidc/test/end", params=fake.authorize(begun["location"])))
    await scene.rows("UPDATE person SET suspended_at = now() WHERE email = $1", AN)
    told.append(await fetched(Browser(client), fake))
    assert [(status, body["detail"]) for status, body in told] == [(403, "This did not work: begin again.")] * 3


async def test_a_provider_means_one_person_only_and_the_last_way_stays(
    client: Client, scene: Scene, fake: FakeProvider, commune: Entity
) -> None:
    key, _ = await set_up(Browser(client), fake, scene, commune)
    async with scene.connected() as connection:
        await put_person(connection, commune.id, email="jan@people.example")
        other = Browser(client)
        await other.open(await invited(connection, commune.id, "jan@people.example"))
    await other.learn()
    _, offered = await other.post("/v1/second-way/begin")
    await other.post("/v1/second-way", {"code": code(key_of(offered["uri"]))})
    assert (await fetched(other, fake, "/v1/links/test"))[0] == 403
    browser = Browser(client)
    await fetched(browser, fake)
    await browser.learn()
    await browser.post("/v1/sign-in/second", {"code": code(key)})
    await browser.learn()
    assert [row["provider"] for row in (await browser.get("/v1/links"))[1]["links"]] == ["test"]
    assert (await browser.post("/v1/links/test/remove"))[1]["reason"] == "last-way"
    assert (await browser.add_passkey())[0] == 201
    assert (await browser.post("/v1/links/test/remove"))[0] == 200
    assert (await browser.post("/v1/links/test/remove"))[0] == 404


async def test_a_wrong_first_code_sets_nothing_up(client: Client, scene: Scene, commune: Entity) -> None:
    browser = Browser(client)
    async with scene.connected() as connection:
        await browser.open(await invited(connection, commune.id, AN))
    await browser.learn()
    _, offered = await browser.post("/v1/second-way/begin")
    assert (await browser.post("/v1/second-way", {"code": "000000"}))[1]["reason"] == "wrong-code"
    again = {"code": code(key_of(offered["uri"]))}
    assert (await browser.post("/v1/second-way", again))[1]["reason"] == "wrong-code"  # begin again, with another key
    assert (await browser.get("/v1/second-way"))[1] == {"codes": False, "recovery_codes_left": 0}


async def test_who_is_asked_is_said_and_others_are_not_there(client: Client) -> None:
    assert (await Browser(client).get("/v1/sign-in/providers"))[1] == {
        "providers": [{"provider": "test", "title": "test"}]
    }
    assert (await Browser(client).post("/v1/sign-in/oidc/other"))[0] == 404
    assert (await Browser(client).get("/v1/sign-in/oidc/other/end"))[0] == 404
