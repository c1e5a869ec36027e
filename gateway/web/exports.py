"""Contacts, or a whole entity, taken out over HTTP: with a reason, after a second person agreed, once.

Knows: routes, JSON. Never knows: SQL, contacts themselves. See schemas/openapi.yaml.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import IO

from aiohttp import web
from pydantic import Field

from gateway.flows import archiving
from gateway.model import Role
from gateway.policy.contact_table import contact_table
from gateway.policy.forms import TABLE_FORMS
from gateway.store import audit, contacts
from gateway.store.pool import Store
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, Handler, taking
from gateway.web.paging import number
from gateway.web.problem import problem

LEAST_REASON = 10
BLOCK_BYTES = 2**16


class Export(Body):
    """Why contacts are taken out."""

    reason: str = Field(min_length=LEAST_REASON, max_length=1000)


class ExportPages:
    """Handlers of /v1/exports."""

    def __init__(self, store: Store, access: Access, *, utcnow: Callable[[], datetime]) -> None:
        self._store = store
        self._access = access
        self._utcnow = utcnow

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.post("/v1/exports", known(taking(Export, self.ask_export), Role.EXPORTER)),
            web.post("/v1/exports/{export}/agree", known(self.agree_export, Role.EXPORTER, Role.ADMIN)),
            *(
                web.get(f"/v1/exports/{{export}}/contacts.{form}", known(self.taker(form), Role.EXPORTER))
                for form in TABLE_FORMS
            ),
            web.get("/v1/exports/{export}/entity.zip", known(self.take_entity, Role.EXPORTER)),
        ]

    async def ask_export(self, request: web.Request, body: Export) -> web.Response:
        """Ask to take all contacts out; a second person has to agree."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            asked = await contacts.ask_export(connection, authority.entity_id, body.reason, authority.holder)
        files = {"contacts": "contacts.csv", "workbook": "contacts.xlsx", "entity": "entity.zip", "agree": "agree"}
        links = {name: f"/v1/exports/{asked}/{file}" for name, file in files.items()}
        return web.json_response({"export": asked, "links": links}, status=201)

    async def agree_export(self, request: web.Request) -> web.Response:
        """A second person agrees."""
        authority, name = request[AUTHORITY], number(request.match_info["export"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            done = await contacts.agree_export(connection, authority.entity_id, name, authority.holder)
        if done:
            return web.json_response({"agreed": True})
        return problem(409, "nothing-to-confirm", "Nothing waits here for you, or it is your own.")

    def taker(self, form: str) -> Handler:
        """The handler that gives the contacts in this form."""

        async def take(request: web.Request) -> web.Response:
            return await self.take_export(request, form)

        return take

    async def take_export(self, request: web.Request, form: str) -> web.Response:
        """The contacts as a file, once, for who asked."""
        authority, name = request[AUTHORITY], number(request.match_info["export"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            if not await contacts.take_export(connection, authority.entity_id, name, authority.holder):
                return problem(409, "nothing-to-take", "Nobody agreed yet, it was taken, or somebody else asked.")
            rows = await contacts.everybody(connection, authority.entity_id)
            detail = {"count": len(rows), "form": form}
            await audit.write(connection, authority.entity_id, "contacts.exported", f"export_request:{name}", detail)
        as_file = TABLE_FORMS[form]
        body = await asyncio.to_thread(as_file.make, contact_table(rows), self._utcnow())
        headers = {"Content-Disposition": f'attachment; filename="contacts.{form}"', "Cache-Control": "no-store"}
        return web.Response(body=body, headers=headers | {"Content-Type": as_file.media_type})

    async def take_entity(self, request: web.Request) -> web.StreamResponse:
        """The whole entity as an archive, once, for who asked."""
        authority, name = request[AUTHORITY], number(request.match_info["export"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            if not await contacts.take_export(connection, authority.entity_id, name, authority.holder):
                return problem(409, "nothing-to-take", "Nobody agreed yet, it was taken, or somebody else asked.")
            file = await archiving.export(connection, authority.entity_id, authority.slug, self._utcnow())
            await audit.write(connection, authority.entity_id, "entity.exported", f"export_request:{name}", {})
        headers = {"Content-Disposition": f'attachment; filename="{authority.slug}.zip"', "Cache-Control": "no-store"}
        with file:
            return await _sent(request, file, headers)


async def _sent(request: web.Request, file: IO[bytes], headers: Mapping[str, str]) -> web.StreamResponse:
    """A file, block by block."""
    answer = web.StreamResponse(headers={"Content-Type": "application/zip", **headers})
    await answer.prepare(request)
    while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
        await answer.write(block)
    await answer.write_eof()
    return answer
