"""Imports of contacts over HTTP: a file comes, its record says what became of it, and it can be undone.

Knows: routes, the parameters of a file. Never knows: SQL, how files are read. See schemas/openapi.yaml.
"""

from typing import Any

import phonenumbers
from aiohttp import web

from gateway.flows.importing import Importer, Order
from gateway.flows.reading import MOST_BYTES
from gateway.policy.contacts import Reach
from gateway.policy.importing import COLUMNS, MATCHES, ImportOptions
from gateway.policy.rights import Authority
from gateway.store import audit, contacts, entities, importing
from gateway.store.importing import ImportInto
from gateway.store.pool import Connection, Store
from gateway.web import paging
from gateway.web.access import AUTHORITY, Access, Pages
from gateway.web.bodies import body_of
from gateway.web.keeping import REACH, keeping, partnership_of
from gateway.web.paging import number
from gateway.web.persons import not_found
from gateway.web.problem import problem

SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|"}


class ImportPages(Pages):
    """Handlers of /v1/imports; `may_keep` guards all of them."""

    def __init__(self, store: Store, access: Access) -> None:
        super().__init__(store, access)
        self._importer = Importer(store)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.get("/v1/imports", known(keeping(self.list_imports))),
            web.post("/v1/imports", known(keeping(self.post_import))),
            web.get("/v1/imports/{import}", known(keeping(self.get_import))),
            web.post("/v1/imports/{import}/undo", known(keeping(self.undo_import))),
        ]

    async def list_imports(self, request: web.Request) -> web.Response:
        """Imports, newest first; one that runs says how far it is."""
        authority, reach = request[AUTHORITY], request[REACH]
        before, most = paging.before(request), paging.limit(request)
        async with self._store.tenant(authority.entity_id) as connection:
            rows = await importing.page(connection, authority.entity_id, reach.partnerships, before, most)
        return paging.page("imports", rows, most, _told, lambda row: str(row["id"]))

    async def get_import(self, request: web.Request) -> web.Response:
        """One import with the first problems of its rows."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id) as connection:
            row = await importing.show(connection, authority.entity_id, reach.partnerships, _number(request))
        return not_found() if row is None else web.json_response(_told(row))

    async def post_import(self, request: web.Request) -> web.Response:
        """A file of contacts: answered when it is stored, or tried."""
        authority, reach = request[AUTHORITY], request[REACH]
        if self._importer.busy:
            return problem(503, "busy", "Other files are being read: again in a minute.", headers={"Retry-After": "60"})
        async with self._store.tenant(authority.entity_id) as connection:
            order = await self._order(request, connection, reach)
        if isinstance(order, web.Response):
            return order
        data = await body_of(request, MOST_BYTES)
        if data is None:
            return problem(413, "too-large", f"A file has at most {MOST_BYTES} bytes: split it.")
        name, reason = await self._importer.run(order(data))
        if reason:
            return problem(422, "unreadable-file", f"Nothing was changed: {reason}.", number=name)
        async with self._store.tenant(authority.entity_id) as connection:
            row = await importing.show(connection, authority.entity_id, None, name)
        return web.json_response(_told(row), status=200 if row["dry_run"] else 201)

    async def undo_import(self, request: web.Request) -> web.Response:
        """Take an import back."""
        authority, reach, name = request[AUTHORITY], request[REACH], _number(request)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            if await importing.show(connection, authority.entity_id, reach.partnerships, name) is None:
                return not_found()
            left = await importing.undo(connection, authority.entity_id, reach.partnerships, name, authority.holder)
            if left is None:
                return problem(
                    409, "nothing-to-undo",
                    f"It was undone before, changed nothing, or is more than {importing.UNDO_DAYS} days old.",
                )  # fmt: skip
            subject = f"import_run:{name}"
            await audit.write(connection, authority.entity_id, "contacts.import-undone", subject, {"left": left})
        return web.json_response({"import": name, "state": "undone", "left": left})

    async def _order(self, request: web.Request, connection: Connection, reach: Reach) -> Any:
        """What the parameters ask for, as a function of the file; or the answer to parameters that make no sense."""
        authority, query = request[AUTHORITY], request.query
        options = await _options(request, connection)
        if isinstance(options, str):
            return problem(422, "wrong-parameter", options)
        wanted = query.get("partnership")
        partnership = await partnership_of(connection, authority.entity_id, reach, wanted)
        if isinstance(partnership, web.Response):
            return partnership
        group = None
        if "group" in query:
            called = paging.word(request, "group")
            group = await contacts.group(connection, authority.entity_id, reach.partnerships, called)
            if group is None:
                return not_found()
            if group.filtered:
                return problem(409, "filtered-group", "A filter says who is in this group.")
        into = ImportInto(
            entity_id=authority.entity_id, group_id=group.id if group else None, within=reach.partnerships,
            partnership=partnership,            match=options.match, language=_first(authority),
        )  # fmt: skip
        dry_run, separator = query.get("dry_run") == "true", SEPARATORS.get(query.get("separator", ""))
        return lambda data: Order(
            data=data, into=into, options=options, separator=separator, dry_run=dry_run, by=authority.holder
        )


async def _options(request: web.Request, connection: Connection) -> ImportOptions | str:
    """How the file is read, or what is wrong with the parameters."""
    authority, query = request[AUTHORITY], request.query
    region = query.get("region") or (await entities.show(connection, authority.slug))["region"]
    pairs = [pair.rpartition("=") for pair in query.getall("mapping", [])]
    if any(not theirs or ours not in COLUMNS for theirs, _, ours in pairs):
        return f"mapping is THEIRS=OURS, once for each column; ours are {', '.join(COLUMNS)}"
    if region not in phonenumbers.SUPPORTED_REGIONS:
        return "region is a country code like BE"
    if query.get("match", "key") not in MATCHES:
        return f"match is one of {', '.join(MATCHES)}"
    if query.get("separator", ",") not in SEPARATORS:
        return f"separator is one of {' '.join(SEPARATORS)}"
    return ImportOptions(
        region=region,
        languages=authority.languages,
        mapping={theirs: ours for theirs, _, ours in pairs},
        match=query.get("match", "key"),
    )


def _first(authority: Authority) -> str:
    return authority.languages[0] if authority.languages else "nl"


def _number(request: web.Request) -> int:
    return number(request.match_info["import"], 0)


def _told(row: Any) -> dict[str, Any]:
    failed = row["lost"] or row["state"] == "failed"
    return {
        "import": row["id"],
        "state": "failed" if failed else row["state"],
        "reason": "the node that read it went away; nothing was changed" if row["lost"] else row["reason"],
        "kind": row["kind"],
        "dry_run": row["dry_run"],
        "by": row["made_by"],
        "group": row["group_slug"],
        "partnership": row["partnership"],
        "started": row["started_at"].isoformat(),
        "ended": row["ended_at"].isoformat() if row["ended_at"] else None,
        "undone": row["undone_at"].isoformat() if row["undone_at"] else None,
        **{name: row[name] for name in ("rows_read", "rows_done", "added", "changed", "same", "joined", "refused")},
        "duplicates": row["duplicates"],
        "problems": [dict(zip(("row", "column", "reason"), one, strict=True)) for one in row["problems"]],
        "links": {"undo": f"/v1/imports/{row['id']}/undo"},
    }
