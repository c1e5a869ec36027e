"""A system that is told by webhooks, for tests: it checks every message with the library of Standard Webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook


class Listener:
    """`answers` are the statuses to come, 204 when there are none left; `told` are the messages as they were read."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: list[str] = []
        self.answers: list[int] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.raw: list[bytes] = []

    async def hear(self, request: web.Request) -> web.Response:
        """Take a message that is signed under one of the secrets."""
        body = await request.read()
        for secret in self.secrets:
            found = Webhook(secret).verify(body, dict(request.headers))
        self.told.append((request.headers["webhook-id"], found))
        self.raw.append(body)
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    @property
    def types(self) -> list[str]:
        """What it was told, in the order in which it came."""
        return [str(message["type"]) for _, message in self.told]


@asynccontextmanager
async def a_listener() -> AsyncIterator[Listener]:
    """It listens on this machine while the block runs."""
    listener, application = Listener(), web.Application()
    application.router.add_post("/in", listener.hear)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    try:
        yield listener
    finally:
        await runner.cleanup()
