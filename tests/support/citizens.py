"""Citizens for tests: registration over HTTP, and a courier that keeps what it was to send."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.flows.courier import Courier
from gateway.flows.locating import Locating
from gateway.flows.registering import Registering
from gateway.log import unit_logger
from gateway.policy.registration import RegistrationRules
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from gateway.web.citizens import CitizenPages
from gateway.web.confirming import ConfirmPages
from gateway.web.places import PlacePages
from gateway.web.problem import middleware
from tests.support.authority import Client, ask

RULES = RegistrationRules(
    secret=b"s" * 32, service="Demo alerts", link="https://gateway.example/citizens/confirm/{handle}.{code}"
)
HERE = {"label": "home", "lon": 4.325, "lat": 50.815}
ANNA = {"mobile": "0470 12 34 56", "name": "Anna", "language": "fr", "consent": True, "places": [HERE]}


def code_in(words: str) -> str:
    """The code that a message holds, or that of its link."""
    found = re.search(r"(\d{4} \d{4})|confirm/pr_[\w-]+\.([a-z2-7]+)", words)
    assert found is not None, words
    return found[1] or found[2]


@dataclass(slots=True)
class Desk:
    """Registration over one database; `sent` is (address, words) of every message that left."""

    store: Store
    client: Client
    courier: Courier
    sent: list[tuple[str, str]] = field(default_factory=list)
    working: bool = True

    async def sms(self, number: str, words: str, _until: datetime) -> bool:
        return self._take(number, words)

    async def mail(self, address: str, subject: str, body: str) -> bool:
        return self._take(address, f"{subject}\n{body}")

    def _take(self, address: str, words: str) -> bool:
        if self.working:
            self.sent.append((address, words))
        return self.working

    async def post(self, path: str, body: Any = None, session: str = "") -> tuple[int, Any]:
        return await ask(self.client, session, "POST", f"/v1/citizens{path}", json=body or {})

    async def come(self, address: str) -> str:
        """The code that came to this address last."""
        await self.courier.turn()
        return code_in([words for to, words in self.sent if to == address][-1])

    async def registered(self, **more: Any) -> str:
        """Somebody who registered with a mobile number; their session."""
        status, body = await self.post("", ANNA | more)
        assert status == 202, body
        code = await self.come("+32" + str((ANNA | more)["mobile"]).replace(" ", "")[1:])
        status, body = await self.post("/confirm", {"proof": body["proofs"][0]["proof"], "code": code})
        assert status == 200, body
        return str(body["session"])

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        async with self.store.connection() as connection:
            return list(await connection.fetch(statement, *arguments))


@asynccontextmanager
async def a_desk(pg: Cluster, **rules: Any) -> AsyncIterator[Desk]:
    """Registration over a fresh database; `rules` change the usual ones."""
    store, kept = await Store.open(pg.app_dsn, name="desk"), replace(RULES, **rules)
    registering, locating = Registering(store, kept), Locating(store)
    application = web.Application(middlewares=[middleware({})])
    application.add_routes(CitizenPages(registering, kept, locating).routes())
    application.add_routes(ConfirmPages(registering).routes())
    application.add_routes(PlacePages(locating, registering, kept).routes())
    try:
        async with TestClient(TestServer(application)) as client:
            courier = Courier(store, kept, sms=None, mail=None, log=unit_logger("test.courier"))
            desk = Desk(store, client, courier)
            desk.courier = Courier(store, kept, sms=desk.sms, mail=desk.mail, log=unit_logger("test.courier"))
            yield desk
    finally:
        await store.close()
