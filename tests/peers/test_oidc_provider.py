"""Signing in by a foreign provider of OpenID Connect: node's oidc-provider, with its own pages."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yarl

from gateway.web.sign_in_settings import SignInSettings
from tests.support import peers
from tests.support.authority import Client, a_client
from tests.support.browser import Browser, invited
from tests.support.people import put_person
from tests.support.scene import URL, Entity, Scene

pytestmark = pytest.mark.peer("oidc-provider")
AN = "an@people.example"


@pytest.fixture(scope="module", autouse=True)
def module_installed() -> None:
    """npm has the package; where the network does not give it, say so."""
    try:
        peers.run("oidcprovider.sh", "install")
    except AssertionError as missing:
        if os.environ.get("GATEWAY_FORBID_SKIP") == "1":
            raise
        pytest.skip(str(missing))


@pytest_asyncio.fixture
async def client(scene: Scene, port: int, tmp_path: Path) -> AsyncIterator[Client]:
    provider = {"name": "node", "issuer": f"http://127.0.0.1:{port}", "client_id": "gateway", "second_way": "provider"}
    settings = SignInSettings.model_validate({"providers": [provider | {"client_secret": "a secret of the client"}]})
    with peers.running("oidcprovider.sh", tmp_path, port, f"{URL}/v1/sign-in/oidc/node/end"):
        async with a_client(scene, settings) as made:
            yield made


async def at_the_provider(location: str, login: str) -> dict[str, str]:
    """What a person does there: types a name, agrees; then what the browser brings back to us."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        method, data = "GET", dict[str, str]()
        for _ in range(20):
            async with session.request(method, location, data=data or None, allow_redirects=False) as answer:
                if answer.status in (302, 303):
                    target = answer.url.join(yarl.URL(answer.headers["Location"]))
                    if str(target).startswith(URL):
                        return dict(target.query)
                    location, method, data = str(target), "GET", {}
                    continue
                page = await answer.text()
            action, prompt = re.search(r'action="([^"]+)"', page), re.search(r'name="prompt" value="(\w+)"', page)
            assert action and prompt, page
            location, method = str(answer.url.join(yarl.URL(action[1]))), "POST"
            data = {"prompt": prompt[1]} | ({"login": login, "password": "x"} if prompt[1] == "login" else {})
    raise AssertionError("the provider never came to an end")


async def signed_in(browser: Browser, login: str, path: str) -> tuple[int, Any]:
    status, told = await browser.post(path)
    assert status == 200, told
    return await browser.get("/v1/sign-in/oidc/node/end", params=await at_the_provider(told["location"], login))


async def test_a_person_links_the_provider_and_signs_in_by_it(client: Client, scene: Scene) -> None:
    commune: Entity = await scene.entity()
    async with scene.connected() as connection:
        await put_person(connection, commune.id, email=AN)
        first = Browser(client)
        assert (await first.open(await invited(connection, commune.id, AN)))[0] == 201
    await first.learn()
    assert await signed_in(first, "an", "/v1/links/node") == (200, {"linked": "node"})
    browser, stranger = Browser(client), Browser(client)
    assert await signed_in(browser, "an", "/v1/sign-in/oidc/node") == (200, {"state": "open"})
    session = await browser.learn()
    assert (session["way"], [place["entity"] for place in session["memberships"]]) == ("oidc:node", ["commune"])
    assert (await signed_in(stranger, "somebody", "/v1/sign-in/oidc/node"))[1]["reason"] == "not-signed-in"
