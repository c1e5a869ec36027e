"""Entities that come back from an archive, over HTTP: for administrators of the platform.

Knows: routes, how large an archive may be. Never knows: what is in one. See schemas/openapi.yaml.
"""

import asyncio
import re
import tempfile
from typing import IO

from aiohttp import web

from gateway.flows import archiving
from gateway.model import Role
from gateway.policy.archive import ArchiveLimits, BadArchive
from gateway.store import audit
from gateway.store.entities import PLATFORM
from gateway.store.persons import Grant
from gateway.web.access import AUTHORITY, Pages
from gateway.web.bodies import KEPT
from gateway.web.partnerships import SLUG
from gateway.web.problem import problem


class ArchivePages(Pages):
    """The handler of /v1/archives."""

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [web.post("/v1/archives", self._access.known(self.restore, Role.ADMIN))]

    async def restore(self, request: web.Request) -> web.Response:
        """A new entity from an archive: not live, its roles and mandates wait for a second administrator."""
        authority, slug = request[AUTHORITY], request.query.get("slug")
        if authority.slug != PLATFORM:
            return problem(403, "no-role", "This is for administrators of the platform.")
        if slug is not None and not re.fullmatch(SLUG, slug):
            return problem(422, "wrong-parameter", "slug is made of a-z, 0-9 and -")
        with tempfile.TemporaryFile() as file:
            if not await _received(request, file):
                return problem(413, "too-large", f"An archive has at most {ArchiveLimits().file_bytes} bytes.")
            try:
                async with self._store.acting(authority.holder) as connection:
                    made = await archiving.restore(connection, file, Grant(authority.holder, None), slug)
                    if made is None:
                        return problem(409, "entity-already", "There is an entity with this slug.")
                    await audit.write(connection, made.id, "entity.restored", f"entity:{made.id}", {})
            except BadArchive as bad:
                return problem(422, "bad-archive", f"Nothing was changed: {bad}.")
        return web.json_response({"entity": made.slug}, status=201)


async def _received(request: web.Request, file: IO[bytes]) -> bool:
    """The body in a file; False when it is too large."""
    if KEPT in request:  # one with a key was read before it came here
        await asyncio.to_thread(file.write, request[KEPT])
        file.seek(0)
        return True
    left = ArchiveLimits().file_bytes
    async for block in request.content.iter_chunked(2**16):
        left -= len(block)
        if left < 0:
            return False
        await asyncio.to_thread(file.write, block)
    file.seek(0)
    return True
