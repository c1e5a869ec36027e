"""A browser for tests: keeps cookies, says where its pages come from, carries the word against forged requests."""

from typing import Any

from gateway.model import Realm
from gateway.store import persons
from gateway.store.persons import Grant
from gateway.store.pool import Connection
from tests.support.authenticator import Authenticator
from tests.support.authority import Client
from tests.support.scene import URL


class Browser:
    """One person's browser, on our pages. Under https: its cookies carry the guarded prefix."""

    def __init__(self, client: Client, *, origin: str = URL) -> None:
        self.client = client
        self.cookies: dict[str, str] = {}
        self.headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        self.authenticator = Authenticator(origin)
        self.set_cookie: list[str] = []

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """One request; its status and JSON."""
        head = (
            self.headers | {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} | more.pop("headers", {})
        )
        async with self.client.request(method, path, headers=head, **more) as answer:
            self.set_cookie = answer.headers.getall("Set-Cookie", [])
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
                if not morsel.value:
                    del self.cookies[name]
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        """A question."""
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """A change."""
        return await self.ask("POST", path, json=body or {}, **more)

    async def learn(self) -> dict[str, Any]:
        """Who the browser is signed in as; from now on requests carry the word."""
        status, session = await self.get("/v1/session")
        assert status == 200, session
        self.headers["X-CSRF-Token"] = session["csrf"]
        return dict(session)

    async def open(self, invitation: str) -> tuple[int, Any]:
        """Open an invitation, signed in or not."""
        return await self.post("/v1/sign-in/invitation", {"invitation": invitation})

    async def add_passkey(self, name: str = "") -> tuple[int, Any]:
        """Make a passkey and have it kept."""
        status, options = await self.post("/v1/passkeys/begin")
        if status != 200:
            return status, options
        return await self.post("/v1/passkeys", {"credential": self.authenticator.create(options), "name": name})

    async def sign_in(self) -> tuple[int, Any]:
        """Sign in with the first passkey."""
        self.headers.pop("X-CSRF-Token", None)
        _, options = await self.post("/v1/sign-in/passkey")
        found = await self.post("/v1/sign-in/passkey/end", {"credential": self.authenticator.get(options)})
        if found[0] == 201:
            await self.learn()
        return found

    async def join(self, invitation: str) -> None:
        """Everything that somebody does who was invited for the first time; then they are signed in."""
        assert (await self.open(invitation))[0] == 201
        await self.learn()
        assert (await self.add_passkey("first"))[0] == 201
        assert (await self.sign_in())[0] == 201


async def invited(connection: Connection, entity: int, email: str, realm: Realm = Realm.LIVE) -> str:
    """An invitation of a member, as the operator makes it."""
    row = await persons.find(connection, entity, email)
    until = await connection.fetchval("SELECT now() + interval '1 hour'")
    return (await persons.invite(connection, entity, row["id"], realm, until, Grant()))[1]
