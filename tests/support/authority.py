"""The pages of an entity over HTTP, for tests: a scene, a client, and persons who ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.flows.launching import Launching
from gateway.web.access import Access
from gateway.web.api import Api
from gateway.web.authority import authority_routes
from gateway.web.identity import identity_routes
from gateway.web.problem import middleware
from gateway.web.sign_in_settings import SignInSettings
from gateway.web.templates import TemplatePages
from tests.support.scene import HELP, URL, Scene

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def a_client(scene: Scene, sign_in: SignInSettings | None = None, url: str = URL) -> AsyncIterator[Client]:
    """Everything of /v1 over this scene."""
    application = web.Application(middlewares=[middleware(HELP)])
    access = Access(scene.store, url)
    api = Api(*scene.doors, access=access, max_bytes=200_000, utcnow=scene.clock)
    application.add_routes(api.routes())
    launching = Launching(scene.store, scene.intake, sender_domain="gateway.example", utcnow=scene.clock)
    application.add_routes(TemplatePages(scene.store, launching, access.known).routes())
    application.add_routes(authority_routes(scene.store, scene.campaigns.agreeing, access, utcnow=scene.clock))
    async with identity_routes(scene.store, access, url, sign_in or SignInSettings()) as routes:
        application.add_routes(routes)
        async with TestClient(TestServer(application)) as client:
            yield client
            api.close_streams()


async def ask(client: Client, token: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """One request, which changes whatever is there; its status and JSON."""
    head = {"If-Match": "*"} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with client.request(method, path, headers=head | more.pop("headers", {}), **more) as answer:
        return answer.status, await answer.json(content_type=None)
