"""What a person does with their own identity has one door: nothing of it opens without a session."""

import re

from aiohttp import web

from gateway.model import Realm
from gateway.store.pool import Store
from gateway.web.access import Access
from gateway.web.identity import identity_routes
from gateway.web.sign_in_settings import SignInSettings
from tests.support.authority import Client, ask
from tests.support.scene import URL, Scene

OPEN = {"/v1/sign-in/invitation", "/v1/sign-in/passkey", "/v1/sign-in/passkey/end", "/v1/sign-in/providers"}
OPEN |= {"/v1/sign-in/oidc/x", "/v1/sign-in/oidc/x/end", "/invitations/x"}


async def of_identity(store: Store) -> list[tuple[str, str]]:
    async with identity_routes(store, Access(store, URL), URL, SignInSettings()) as made:
        return [
            (route.method, re.sub(r"\{\w+\}", "x", route.path)) for route in made if isinstance(route, web.RouteDef)
        ]


async def test_nothing_of_an_identity_opens_with_a_token_or_with_nothing(client: Client, scene: Scene) -> None:
    commune = await scene.entity()
    found = [(method, path) for method, path in await of_identity(scene.store) if path not in OPEN]
    assert len(found) >= 18
    for method, path in found:
        assert (await ask(client, "", method, path))[0] == 401, path
        if not path.startswith("/v1/persons"):
            assert (await ask(client, commune.tokens[Realm.LIVE], method, path))[0] == 401, path
