"""Signing in over HTTP: an invitation that opens, passkeys to sign in with and to keep.

Knows: routes, JSON, which cookie is given when. Never knows: SQL, WebAuthn. See schemas/openapi.yaml.

What is begun here puts a cookie into the browser and is ended by the same browser: nobody can be signed in as somebody
else by a link.
"""

from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.flows.passkeys import Begun, Passkeys
from gateway.policy.rights import Refusal
from gateway.store import sessions
from gateway.store.pool import Store
from gateway.store.sessions import Lasting, NotOpened, State
from gateway.web.access import SESSION, Access
from gateway.web.bodies import Body, taking
from gateway.web.cookies import Cookies
from gateway.web.paging import number
from gateway.web.persons import not_found
from gateway.web.problem import problem

SETTING_UP = (State.OPEN, State.ENROLLING)


class Invited(Body):
    """The secret of an invitation."""

    invitation: str = Field(max_length=200)


class Credential(Body):
    """What an authenticator made, as the browser gives it (PublicKeyCredential.toJSON)."""

    credential: dict[str, Any]


class NewPasskey(Credential):
    """A passkey with the name its owner knows it by."""

    name: str = Field(default="", max_length=100, pattern=r"^[^\x00]*$")


class SignInPages:
    """Handlers of /v1/sign-in and /v1/passkeys."""

    def __init__(self, store: Store, access: Access, cookies: Cookies, passkeys: Passkeys, lasting: Lasting) -> None:
        self._store = store
        self._access = access
        self._cookies = cookies
        self._passkeys = passkeys
        self._lasting = lasting

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        mine = self._access.signed_in
        return [
            web.post("/v1/sign-in/invitation", taking(Invited, self.open_invitation)),
            web.post("/v1/sign-in/passkey", self.begin_passkey),
            web.post("/v1/sign-in/passkey/end", taking(Credential, self.end_passkey)),
            web.get("/v1/passkeys", mine(self.list_passkeys)),
            web.post("/v1/passkeys/begin", mine(self.begin_registration, SETTING_UP, fresh=True)),
            web.post("/v1/passkeys", mine(taking(NewPasskey, self.register), SETTING_UP)),
            web.post("/v1/passkeys/{passkey}/remove", mine(self.remove_passkey, fresh=True)),
        ]

    async def open_invitation(self, request: web.Request, body: Invited) -> web.Response:
        """The invited entity is open to who is signed in; who never signed in can set up a way to do so now."""
        signed_in = None
        if self._cookies.read(request, "session"):
            session = await self._access.session(request)
            if isinstance(session, web.Response) and session.status != 401:
                return session
            signed_in = None if isinstance(session, web.Response) else session
        holder = f"person:{signed_in.person_id}" if signed_in else "invitation"
        own = signed_in.person_id if signed_in is not None and signed_in.state is State.OPEN else None
        async with self._store.acting(holder) as connection:
            opened = await sessions.open_invitation(connection, body.invitation, own, self._lasting)
        if opened is NotOpened.UNKNOWN:
            return problem(403, "no-invitation", "This invitation does not work: used, run out, or not confirmed yet.")
        if isinstance(opened, NotOpened):
            return problem(409, "sign-in-first", "You have a way to sign in: sign in, then open this invitation again.")
        if opened.secret is None:
            return web.json_response({"state": State.OPEN.value})
        return self._given(opened.secret, State.ENROLLING)

    async def begin_passkey(self, _request: web.Request) -> web.Response:
        """Options for the browser, the same for everybody."""
        return self._begun(await self._passkeys.begin_sign_in())

    async def end_passkey(self, request: web.Request, body: Credential) -> web.Response:
        """A passkey proves who it is."""
        ceremony = self._cookies.read(request, "ceremony")
        opened = await self._passkeys.sign_in(ceremony, body.credential)
        if isinstance(opened, Refusal):
            return problem(opened.status, opened.reason, opened.message)
        return self._given(opened, State.OPEN)

    async def list_passkeys(self, request: web.Request) -> web.Response:
        """One's own passkeys."""
        async with self._store.connection() as connection:
            rows = await sessions.passkeys(connection, request[SESSION].person_id)
        return web.json_response({"passkeys": [_passkey(row) for row in rows]})

    async def begin_registration(self, request: web.Request) -> web.Response:
        """Options for the browser to make a passkey."""
        return self._begun(await self._passkeys.begin_registration(request[SESSION]))

    async def register(self, request: web.Request, body: NewPasskey) -> web.Response:
        """Keep a passkey that was made. Who was invited signs in with it from now on."""
        ceremony = self._cookies.read(request, "ceremony")
        made = await self._passkeys.register(request[SESSION], ceremony, body.credential, body.name)
        if isinstance(made, Refusal):
            return problem(made.status, made.reason, made.message)
        return web.json_response({"passkey": made}, status=201)

    async def remove_passkey(self, request: web.Request) -> web.Response:
        """A passkey works no more; the last way to sign in stays."""
        person_id, wanted = request[SESSION].person_id, number(request.match_info["passkey"], 0)
        async with self._store.acting(f"person:{person_id}") as connection:
            if await sessions.remove_passkey(connection, person_id, wanted):
                return web.json_response({"removed": 1})
            known = any(row["id"] == wanted for row in await sessions.passkeys(connection, person_id))
        if known:
            return problem(409, "last-way", "This is the last way to sign in: add another one first.")
        return not_found()

    def _begun(self, begun: Begun) -> web.Response:
        answer = web.json_response({"publicKey": begun.options}, headers={"Cache-Control": "no-store"})
        self._cookies.give(answer, "ceremony", begun.ceremony)
        return answer

    def _given(self, secret: str, state: State) -> web.Response:
        answer = web.json_response({"state": state.value}, status=201, headers={"Cache-Control": "no-store"})
        self._cookies.give(answer, "session", secret)
        self._cookies.take_back(answer, "ceremony")
        return answer


def _passkey(row: Any) -> dict[str, Any]:
    used = row["last_used_at"]
    told = {"passkey": row["id"], "name": row["name"], "created": row["created_at"].isoformat()}
    return told | {"last_used": used.isoformat() if used else None}
