"""Signing in by a provider of OpenID Connect, and the second way after it, over HTTP.

Knows: routes, which cookie is given when. Never knows: SQL, tokens of providers, codes. See schemas/openapi.yaml.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.flows.guessing import TooSoon
from gateway.flows.second_way import SecondWay
from gateway.log import UnitLogger
from gateway.policy.rights import Refusal
from gateway.store import sessions, ways
from gateway.store.pool import Connection, Store, act_as
from gateway.store.sessions import Ceremony, Lasting, Session, State
from gateway.web.access import SESSION, Access
from gateway.web.bodies import Body, taking
from gateway.web.cookies import Cookies
from gateway.web.oidc import Asked, NotProven, Proven, Provider, digest_of_state
from gateway.web.persons import not_found
from gateway.web.problem import problem
from gateway.web.sign_in import SETTING_UP

AWAY_S = 600.0


class Code(Body):
    """A time-based code, or a recovery code instead."""

    code: str = Field(default="", max_length=20)
    recovery: str = Field(default="", max_length=40)


class ProviderPages:
    """Handlers of /v1/sign-in/oidc, /v1/links and the second way."""

    def __init__(
        self, store: Store, access: Access, cookies: Cookies, *, providers: Mapping[str, Provider], second: SecondWay,
        lasting: Lasting, page: str, source: Callable[[web.Request], str], log: UnitLogger,
    ) -> None:  # fmt: skip
        self._store = store
        self._access = access
        self._cookies = cookies
        self._providers = providers
        self._second = second
        self._lasting = lasting
        self._page = page
        self._source = source
        self._log = log

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        mine, waiting = self._access.signed_in, (State.SECOND,)
        return [
            web.get("/v1/sign-in/providers", self.list_providers),
            web.post("/v1/sign-in/oidc/{provider}", self.begin),
            web.get("/v1/sign-in/oidc/{provider}/end", self.end, allow_head=False),
            web.post("/v1/sign-in/second", mine(taking(Code, self.prove), waiting)),
            web.get("/v1/links", mine(self.list_links)),
            web.post("/v1/links/{provider}", mine(self.begin_link, SETTING_UP, fresh=True)),
            web.post("/v1/links/{provider}/remove", mine(self.remove_link, fresh=True)),
            web.get("/v1/second-way", mine(self.get_second, SETTING_UP)),
            web.post("/v1/second-way/begin", mine(self.begin_second, SETTING_UP, fresh=True)),
            web.post("/v1/second-way", mine(taking(Code, self.confirm_second), SETTING_UP)),
            web.post("/v1/second-way/recovery-codes", mine(self.renew_codes, fresh=True)),
        ]

    # A provider ----------------------------------------------------------------------------------------------------

    async def list_providers(self, _request: web.Request) -> web.Response:
        """By whom one can sign in here."""
        rows = [{"provider": name, "title": one.settings.title or name} for name, one in self._providers.items()]
        return web.json_response({"providers": rows})

    async def begin(self, request: web.Request) -> web.Response:
        """Where the browser goes to sign in."""
        return await self._sent(request, None)

    async def begin_link(self, request: web.Request) -> web.Response:
        """Where the browser goes so that the provider knows who is signed in here."""
        provider = self._providers.get(request.match_info["provider"])
        if provider is not None and provider.settings.second_way == "codes":
            async with self._store.connection() as connection:
                codes, _ = await ways.second_state(connection, request[SESSION].person_id)
            if not codes:
                return problem(
                    409, "second-way-first", "This provider is followed by a code: set up the second way first."
                )
        return await self._sent(request, request[SESSION])

    async def _sent(self, request: web.Request, session: Session | None) -> web.Response:
        name = request.match_info["provider"]
        provider = self._providers.get(name)
        if provider is None:
            return not_found()
        asked = await provider.ask()
        if isinstance(asked, NotProven):
            self._log.warning("provider_away", provider=name, reason=asked.why)
            return problem(502, "provider-away", "The provider does not answer as it should. Try again later.")
        async with self._store.transaction() as connection:
            ceremony = await self._remembered(connection, name, asked, session)
        answer = web.json_response({"location": asked.location}, headers={"Cache-Control": "no-store"})
        self._cookies.give(answer, "ceremony", ceremony, cross_site=True)
        return answer

    @staticmethod
    async def _remembered(connection: Connection, name: str, asked: Asked, session: Session | None) -> str:
        kept = {"state": asked.state, "nonce": asked.nonce, "verifier": asked.verifier}
        return await sessions.begin(
            connection, f"oidc:{name}", digest_of_state(asked.state), lasts_s=AWAY_S,
            person_id=session.person_id if session else None, detail=kept | {"session": session.id if session else 0},
        )  # fmt: skip

    async def end(self, request: web.Request) -> web.Response:
        """The browser comes back. Whatever went wrong, the answer is the same."""
        name = request.match_info["provider"]
        provider = self._providers.get(name)
        if provider is None:
            return not_found()
        async with self._store.transaction() as connection:
            begun = await sessions.take(connection, f"oidc:{name}", self._cookies.read(request, "ceremony"))
        found = await provider.prove(request.query, begun.detail) if begun else NotProven("not begun here")
        if isinstance(found, NotProven):
            self._log.warning("provider_proved_nobody", provider=name, reason=found.why)
        elif begun is not None and begun.person_id is not None:
            return await self._link(begun, name, found)
        else:
            return await self._open(provider, found)
        return _not_signed_in()

    async def _link(self, begun: Ceremony, name: str, proven: Proven) -> web.Response:
        assert begun.person_id is not None
        async with self._store.acting(f"person:{begun.person_id}") as connection:
            lasts = await sessions.holds(connection, begun.detail["session"])
            done = lasts and await ways.link(connection, begun.person_id, name, proven.issuer, proven.subject)
        return self._back({"linked": name}) if done else _not_signed_in()

    async def _open(self, provider: Provider, proven: Proven) -> web.Response:
        async with self._store.transaction() as connection:
            row = await ways.linked(connection, proven.issuer, proven.subject)
            if row is None:
                return _not_signed_in()
            state = State.SECOND if provider.settings.second_way == "codes" else State.OPEN
            way = f"oidc:{provider.settings.name}"
            await act_as(connection, f"person:{row['person_id']}")
            secret = await sessions.open_session(connection, row["person_id"], state, way, self._lasting)
        return self._back({"state": state.value}, secret)

    def _back(self, told: dict[str, Any], secret: str = "") -> web.Response:
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        answer = web.json_response(told, headers=headers)
        if self._page:
            answer = web.json_response(told, status=303, headers=headers | {"Location": self._page})
        if secret:
            self._cookies.give(answer, "session", secret)
        self._cookies.take_back(answer, "ceremony")
        return answer

    async def list_links(self, request: web.Request) -> web.Response:
        """By which providers one signs in."""
        async with self._store.connection() as connection:
            rows = await ways.links(connection, request[SESSION].person_id)
        told = [{"provider": row["provider"], "created": row["created_at"].isoformat()} for row in rows]
        return web.json_response({"links": told})

    async def remove_link(self, request: web.Request) -> web.Response:
        """A provider opens nothing here any more; the last way to sign in stays."""
        person_id, name = request[SESSION].person_id, request.match_info["provider"]
        async with self._store.acting(f"person:{person_id}") as connection:
            await sessions.lock_person(connection, person_id)
            if "\0" not in name and await ways.unlink(connection, person_id, name):
                return web.json_response({"removed": 1})
            known = any(row["provider"] == name for row in await ways.links(connection, person_id))
        if known:
            return problem(409, "last-way", "This is the last way to sign in: add another one first.")
        return not_found()

    # The second way ------------------------------------------------------------------------------------------------

    async def prove(self, request: web.Request, body: Code) -> web.Response:
        """The code after a provider; the session that it opens is a new one."""
        found = await self._second.prove(request[SESSION], body.code, body.recovery, self._source(request))
        if isinstance(found, TooSoon):
            return problem(
                429, "too-soon", f"Too many wrong codes: the next one counts in {found} s. A recovery code counts now.",
                headers={"Retry-After": str(int(found))},
            )  # fmt: skip
        if isinstance(found, Refusal):
            return _not_signed_in()
        answer = web.json_response({"state": State.OPEN.value}, status=201, headers={"Cache-Control": "no-store"})
        self._cookies.give(answer, "session", found)
        return answer

    async def get_second(self, request: web.Request) -> web.Response:
        """Whether one has a second way."""
        async with self._store.connection() as connection:
            codes, left = await ways.second_state(connection, request[SESSION].person_id)
        return web.json_response({"codes": codes, "recovery_codes_left": left})

    async def begin_second(self, request: web.Request) -> web.Response:
        """A new key for an app."""
        offered = await self._second.begin(request[SESSION])
        if isinstance(offered, Refusal):
            return problem(offered.status, offered.reason, offered.message)
        told = {"key": offered.key, "uri": offered.uri}
        answer = web.json_response(told, headers={"Cache-Control": "no-store"})
        self._cookies.give(answer, "ceremony", offered.ceremony)
        return answer

    async def confirm_second(self, request: web.Request, body: Code) -> web.Response:
        """The app shows its first code; recovery codes, once."""
        made = await self._second.confirm(request[SESSION], self._cookies.read(request, "ceremony"), body.code)
        return _codes(made)

    async def renew_codes(self, request: web.Request) -> web.Response:
        """Recovery codes instead of those of before."""
        return _codes(await self._second.renew_codes(request[SESSION]))


def _codes(made: list[str] | Refusal) -> web.Response:
    if isinstance(made, Refusal):
        return problem(made.status, made.reason, made.message)
    return web.json_response({"recovery_codes": made}, status=201, headers={"Cache-Control": "no-store"})


def _not_signed_in() -> web.Response:
    return problem(403, "not-signed-in", "This did not work: begin again.")
