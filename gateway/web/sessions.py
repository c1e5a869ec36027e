"""Sessions over HTTP: who am I, for whom do I act, where am I signed in, and the end of any of it.

Knows: routes, JSON. Never knows: SQL, how somebody proved who they are. See schemas/openapi.yaml.
"""

from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.model import Realm, Role
from gateway.store import persons, sessions
from gateway.store.pool import Store
from gateway.store.sessions import Session, State
from gateway.web import paging
from gateway.web.access import AUTHORITY, SESSION, Access
from gateway.web.bodies import Body, taking
from gateway.web.cookies import Cookies, csrf_token
from gateway.web.persons import not_found
from gateway.web.problem import problem


class Choice(Body):
    """For whom a session acts from now on."""

    entity: str = Field(max_length=63, pattern=r"^[a-z0-9-]+$")
    realm: Realm


class SessionPages:
    """Handlers of /v1/session and /v1/sessions for whoever signed in; of sessions of members for administrators."""

    def __init__(self, store: Store, access: Access, cookies: Cookies) -> None:
        self._store = store
        self._access = access
        self._cookies = cookies

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        mine, known, anyhow = self._access.signed_in, self._access.known, tuple(State)
        return [
            web.get("/v1/session", mine(self.get_session, anyhow)),
            web.post("/v1/session", mine(taking(Choice, self.choose))),
            web.post("/v1/session/end", mine(self.sign_out, anyhow)),
            web.get("/v1/sessions", mine(self.list_sessions)),
            web.post("/v1/sessions/end", mine(self.end_others)),
            web.post("/v1/sessions/{session}/end", mine(self.end_session)),
            web.get("/v1/persons/{person}/sessions", known(self.list_of_member, Role.ADMIN)),
            web.post("/v1/persons/{person}/sessions/end", known(self.end_of_member, Role.ADMIN)),
        ]

    async def get_session(self, request: web.Request) -> web.Response:
        """Who is signed in, for whom they act, for whom they may, and the word that requests must carry."""
        session = request[SESSION]
        async with self._store.connection() as connection:
            places = await sessions.memberships(connection, session.person_id) if session.state is State.OPEN else []
        told = {
            "session": session.public_id, "person": session.person, "name": session.name, "language": session.language,
            "state": session.state.value, "way": session.way, "entity": session.entity, "realm": session.realm,
            "ends": session.ends_at.isoformat(), "idle_s": session.idle_s,
            "csrf": csrf_token(self._cookies.read(request, "session")), "memberships": [_place(row) for row in places],
        }  # fmt: skip
        return web.json_response(told, headers={"Cache-Control": "no-store"})

    async def choose(self, request: web.Request, body: Choice) -> web.Response:
        """The session acts for another entity, or in the other world."""
        session = request[SESSION]
        async with self._store.acting(_holder(session)) as connection:
            chosen = await sessions.choose(connection, session.id, body.entity, body.realm.value)
        if not chosen:
            return problem(403, "not-yours", "You do not act for this entity in this world.")
        return web.json_response({"entity": body.entity, "realm": body.realm.value})

    async def sign_out(self, request: web.Request) -> web.Response:
        """This session ends, here and on every node."""
        session = request[SESSION]
        async with self._store.acting(_holder(session)) as connection:
            await sessions.end(connection, session.public_id, session.person_id)
        answer = web.json_response({"ended": 1})
        self._cookies.take_back(answer, "session")
        return answer

    async def list_sessions(self, request: web.Request) -> web.Response:
        """Where one is signed in."""
        most, before, mine = paging.limit(request), paging.before(request), request[SESSION]
        async with self._store.connection() as connection:
            rows = await sessions.of_person(connection, mine.person_id, before, most)
        return paging.page("sessions", rows, most, partial(_session, this=mine.public_id), lambda row: row["id"])

    async def end_others(self, request: web.Request) -> web.Response:
        """Every session but this one ends."""
        session = request[SESSION]
        async with self._store.acting(_holder(session)) as connection:
            ended = await sessions.end_all(connection, session.person_id, but=session.id)
        return web.json_response({"ended": ended})

    async def end_session(self, request: web.Request) -> web.Response:
        """One of one's own sessions ends."""
        session, name = request[SESSION], request.match_info["session"]
        async with self._store.acting(_holder(session)) as connection:
            ended = "\0" not in name and await sessions.end(connection, name, session.person_id)
        return web.json_response({"ended": 1}) if ended else not_found()

    async def list_of_member(self, request: web.Request) -> web.Response:
        """The sessions in which a member acts for the entity."""
        authority, most, before = request[AUTHORITY], paging.limit(request), paging.before(request)
        async with self._store.tenant(authority.entity_id) as connection:
            person = await persons.find(connection, authority.entity_id, request.match_info["person"])
            if person is None:
                return not_found()
            who = authority.slug, authority.entity_id, person["id"]
            rows = await sessions.of_member(connection, *who, before, most)
        return paging.page("sessions", rows, most, _session, lambda row: row["id"])

    async def end_of_member(self, request: web.Request) -> web.Response:
        """A member is signed out everywhere: whose telephone was stolen."""
        authority = request[AUTHORITY]
        async with self._store.acting(authority.holder) as connection:
            person = await persons.find(connection, authority.entity_id, request.match_info["person"])
            if person is None:
                return not_found()
            ended = await sessions.end_all(connection, person["id"])
        return web.json_response({"ended": ended})


def _holder(session: Session) -> str:
    return f"person:{session.person_id}"


def _place(row: Any) -> dict[str, Any]:
    realms = [Realm.TEST.value, Realm.LIVE.value] if row["live"] else [Realm.TEST.value]
    told = {"entity": row["slug"], "name": row["name"], "roles": row["roles"], "realms": realms}
    return told | {"suspended": row["suspended"]}


def _session(row: Any, this: str | None = None) -> dict[str, Any]:
    times: dict[str, datetime] = {
        "created": row["created_at"],
        "last_used": row["last_used_at"],
        "ends": row["ends_at"],
    }
    told = {"session": row["public_id"], "state": row["state"], "way": row["way"], "entity": row["entity"]}
    return (
        told
        | {"realm": row["realm"], "this": row["public_id"] == this}
        | {name: at.isoformat() for name, at in times.items()}
    )
