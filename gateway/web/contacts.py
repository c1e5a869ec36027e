"""Contacts and groups of an entity over HTTP: seen, kept, taken out.

Knows: routes, JSON; that every look and every export is written down. Never knows: SQL, who may see whom (policy says
it), how numbers are written. See schemas/openapi.yaml.
"""

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.model import MessageClass, Role
from gateway.policy.contacts import Reach, may_keep, may_see, reachability
from gateway.policy.importing import ImportedContact, ImportOptions, Problem, read_contacts
from gateway.policy.rights import Refusal
from gateway.policy.spreadsheet import as_csv
from gateway.policy.tabular import Row
from gateway.store import audit, contacts, entities, persons
from gateway.store.pool import Connection, Store
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, taking
from gateway.web.persons import TEXT, not_found, number
from gateway.web.problem import problem

PAGE, PAGE_MOST = 100, 1000
COLUMNS = ("key", "name", "language", "mobile", "landline", "email", "opt_out")
LEAST_REASON = 10


class Contact(Body):
    """A contact as its keeper writes it; numbers in any usual spelling."""

    key: str = Field(min_length=1, max_length=200, pattern=TEXT)
    name: str = Field(default="", max_length=200)
    language: str = Field(default="", max_length=35)
    mobile: str = Field(default="", max_length=40)
    landline: str = Field(default="", max_length=40)
    email: str = Field(default="", max_length=254)
    opt_out: frozenset[MessageClass] = frozenset()
    partnership: str | None = Field(default=None, max_length=63)
    verified: bool = False


class Keys(Body):
    """Contacts by key."""

    keys: tuple[str, ...] = Field(max_length=1000)


class Group(Body):
    """A group, made or changed."""

    slug: str = Field(min_length=1, max_length=100, pattern=r'^[^\x00-\x1f"\s][^\x00-\x1f"]*$')
    name: str = Field(min_length=1, max_length=200, pattern=TEXT)
    exercises: bool = False
    partnership: str | None = Field(default=None, max_length=63)


class Members(Body):
    """Who comes into a group and who leaves it, by key."""

    add: tuple[str, ...] = Field(default=(), max_length=1000)
    remove: tuple[str, ...] = Field(default=(), max_length=1000)


class Export(Body):
    """Why contacts are taken out."""

    reason: str = Field(min_length=LEAST_REASON, max_length=1000)


class ContactPages:
    """Handlers of /v1/contacts, /v1/groups and /v1/exports."""

    def __init__(self, store: Store, access: Access, *, utcnow: Any) -> None:
        self._store = store
        self._access = access
        self._utcnow = utcnow

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application; `may_see` and `may_keep` guard what has no role here."""
        known = self._access.known
        return [
            web.get("/v1/contacts", known(self.list_contacts)),
            web.post("/v1/contacts", known(taking(Contact, self.put_contact))),
            web.post("/v1/contacts/remove", known(taking(Keys, self.remove_contacts))),
            web.get("/v1/contacts/{contact}", known(self.get_contact)),
            web.get("/v1/groups", known(self.list_groups)),
            web.post("/v1/groups", known(taking(Group, self.put_group))),
            web.post("/v1/groups/{group}/members", known(taking(Members, self.change_members))),
            web.post("/v1/groups/{group}/remove", known(self.remove_group)),
            web.post("/v1/exports", known(taking(Export, self.ask_export), Role.EXPORTER)),
            web.post("/v1/exports/{export}/agree", known(self.agree_export, Role.EXPORTER, Role.ADMIN)),
            web.get("/v1/exports/{export}/contacts.csv", known(self.take_export, Role.EXPORTER)),
        ]

    async def list_contacts(self, request: web.Request) -> web.Response:
        """Contacts by name, or those with a number or address (`endpoint`)."""
        authority, query = request[AUTHORITY], request.query
        reach = may_see(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        limit = min(PAGE_MOST, max(1, number(query.get("limit", ""), PAGE)))
        after, _, last = _word(query.get("cursor", "")).rpartition(".")
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            group = None
            if "group" in query:
                group = await contacts.group(connection, authority.entity_id, reach.partnerships, _word(query["group"]))
                if group is None:
                    return not_found()
            if "endpoint" in query:
                endpoint = _word(query["endpoint"])
                rows = await contacts.by_endpoint(connection, authority.entity_id, reach.partnerships, endpoint)
            else:
                rows = await contacts.page(
                    connection, authority.entity_id, reach.partnerships, begins=_word(query.get("begins", "")),
                    after=(after, number(last, 0)), group=group, limit=limit,
                )  # fmt: skip
            await audit.write(connection, authority.entity_id, "contacts.seen", "contacts", {"count": len(rows)})
        more = f"{rows[-1]['search']}.{rows[-1]['id']}" if len(rows) == limit and "endpoint" not in query else None
        return web.json_response({"contacts": [self._contact(row) for row in rows], "next": more})

    async def get_contact(self, request: web.Request) -> web.Response:
        """One contact."""
        authority = request[AUTHORITY]
        reach = may_see(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await contacts.by_key(
                connection, authority.entity_id, reach.partnerships, request.match_info["contact"]
            )
            if row is None:
                return not_found()
            await audit.write(connection, authority.entity_id, "contacts.seen", f"contact:{row['id']}", {"count": 1})
        return web.json_response(self._contact(row))

    async def put_contact(self, request: web.Request, body: Contact) -> web.Response:
        """Make a contact, or change the one with this key."""
        authority = request[AUTHORITY]
        reach = may_keep(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            partnership = await self._partnership(connection, authority.entity_id, reach, body.partnership)
            if isinstance(partnership, web.Response):
                return partnership
            region = (await entities.show(connection, authority.slug))["region"]
            read = _read(body, ImportOptions(region=region, languages=authority.languages))
            if isinstance(read, Problem):
                mistakes = [{"at": read.column, "message": read.reason}]
                return problem(422, "wrong-body", "The contact can not be reached like this.", mistakes=mistakes)
            new = await contacts.put(
                connection, authority.entity_id, reach.partnerships, read, partnership=partnership,
                language=authority.languages[0] if authority.languages else "nl", verified=body.verified,
            )  # fmt: skip
            if new is None:
                return problem(409, "key-taken", "This key is of a contact that is not yours to keep.")
            act = "contacts.added" if new else "contacts.changed"
            await audit.write(connection, authority.entity_id, act, "contacts", {"count": 1})
        return web.json_response({"contact": body.key}, status=201 if new else 200)

    async def remove_contacts(self, request: web.Request, body: Keys) -> web.Response:
        """Contacts leave, with their places and memberships."""
        authority = request[AUTHORITY]
        reach = may_keep(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            gone = await contacts.remove(connection, authority.entity_id, reach.partnerships, body.keys)
            await audit.write(connection, authority.entity_id, "contacts.removed", "contacts", {"count": gone})
        return web.json_response({"removed": gone})

    async def list_groups(self, request: web.Request) -> web.Response:
        """Groups with their sizes; a coordinator's own."""
        authority = request[AUTHORITY]
        reach = may_see(authority)
        within = None if isinstance(reach, Refusal) else reach.partnerships
        async with self._store.tenant(authority.entity_id) as connection:
            rows = await contacts.groups(
                connection, authority.entity_id, within, _word(request.query.get("cursor", "")), PAGE
            )
        told = [{key: value for key, value in dict(row).items() if key != "id"} for row in rows]
        return web.json_response({"groups": told, "next": rows[-1]["slug"] if len(rows) == PAGE else None})

    async def put_group(self, request: web.Request, body: Group) -> web.Response:
        """Make a group, or change its name and whether it is for exercises."""
        authority = request[AUTHORITY]
        reach = may_keep(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            partnership = await self._partnership(connection, authority.entity_id, reach, body.partnership)
            if isinstance(partnership, web.Response):
                return partnership
            kept = await contacts.put_group(
                connection, authority.entity_id, reach.partnerships, body.slug, body.name, exercises=body.exercises,
                partnership=partnership,
            )  # fmt: skip
        if not kept:
            return problem(409, "key-taken", "This slug is of a group that is not yours to keep.")
        return web.json_response({"group": body.slug}, status=201)

    async def change_members(self, request: web.Request, body: Members) -> web.Response:
        """Contacts come into a group and leave it."""
        authority = request[AUTHORITY]
        reach = may_keep(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await contacts.group(
                connection, authority.entity_id, reach.partnerships, request.match_info["group"]
            )
            if found is None:
                return not_found()
            await contacts.change_members(
                connection, authority.entity_id, reach.partnerships, found, body.add, body.remove
            )
            detail = {"asked": len(body.add) + len(body.remove)}
            await audit.write(connection, authority.entity_id, "group.members", f"contact_group:{found}", detail)
        return web.json_response({"group": request.match_info["group"]})

    async def remove_group(self, request: web.Request) -> web.Response:
        """A group ends; its contacts stay."""
        authority = request[AUTHORITY]
        reach = may_keep(authority)
        if isinstance(reach, Refusal):
            return _refused(reach)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await contacts.group(
                connection, authority.entity_id, reach.partnerships, request.match_info["group"]
            )
            if found is None:
                return not_found()
            await contacts.remove_group(connection, authority.entity_id, found)
        return web.json_response({"group": request.match_info["group"]})

    async def ask_export(self, request: web.Request, body: Export) -> web.Response:
        """Ask to take all contacts out; a second person has to agree."""
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            asked = await contacts.ask_export(connection, authority.entity_id, body.reason, authority.holder)
        links = {"agree": f"/v1/exports/{asked}/agree", "contacts": f"/v1/exports/{asked}/contacts.csv"}
        return web.json_response({"export": asked, "links": links}, status=201)

    async def agree_export(self, request: web.Request) -> web.Response:
        """A second person agrees."""
        authority, name = request[AUTHORITY], number(request.match_info["export"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            done = await contacts.agree_export(connection, authority.entity_id, name, authority.holder)
        if done:
            return web.json_response({"agreed": True})
        return problem(409, "nothing-to-confirm", "Nothing waits here for you, or it is your own.")

    async def take_export(self, request: web.Request) -> web.Response:
        """The contacts as CSV, once, for who asked."""
        authority, name = request[AUTHORITY], number(request.match_info["export"], 0)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            if not await contacts.take_export(connection, authority.entity_id, name, authority.holder):
                return problem(409, "nothing-to-take", "Nobody agreed yet, it was taken, or somebody else asked.")
            rows = await _all(connection, authority.entity_id)
            detail = {"count": len(rows)}
            await audit.write(connection, authority.entity_id, "contacts.exported", f"export_request:{name}", detail)
        body = "\ufeff" + as_csv((*COLUMNS, "partnership"), [_cells(row) for row in rows])
        headers = {"Content-Disposition": 'attachment; filename="contacts.csv"', "Cache-Control": "no-store"}
        return web.Response(text=body, content_type="text/csv", charset="utf-8", headers=headers)

    async def _partnership(
        self, connection: Connection, entity_id: int, reach: Reach, slug: str | None
    ) -> int | web.Response | None:
        """The partnership that a contact or group is for: a coordinator has to name one of their own."""
        if slug is None:
            if reach.partnerships is None:
                return None
            if len(reach.partnerships) == 1:
                return reach.partnerships[0]
            return problem(422, "wrong-body", "Say which of your partnerships this is for.", mistakes=[])
        known = {row["slug"]: int(row["id"]) for row in await persons.partnerships(connection, entity_id)}
        found = known.get(slug)
        if found is None or (reach.partnerships is not None and found not in reach.partnerships):
            return not_found()
        return found

    def _contact(self, row: Any) -> dict[str, Any]:
        verified: datetime | None = row["verified_at"]
        now = self._utcnow()
        return {
            "key": row["key"],
            "name": row["name"],
            "language": row["language"],
            "mobile": row["mobile"],
            "landline": row["landline"],
            "email": row["email"],
            "opt_out": _classes(row["opt_out"]),
            "partnership": row["partnership"],
            "verified": verified.isoformat() if verified else None,
            "verified_days_ago": max(0, (now - verified).days) if verified else None,
            "reachability": reachability(row["mobile"], row["landline"], row["email"], verified, now),
        }


async def _all(connection: Connection, entity_id: int) -> list[Any]:
    found: list[Any] = []
    after = ("", 0)
    while rows := await contacts.page(connection, entity_id, None, after=after, limit=PAGE_MOST):
        found += rows
        after = rows[-1]["search"], rows[-1]["id"]
    return found


def _read(body: Contact, options: ImportOptions) -> ImportedContact | Problem:
    """The contact as an import would read it: one reader of numbers, addresses and languages for both."""
    cells = [body.key, body.name, body.language, body.mobile, body.landline, body.email, " ".join(sorted(body.opt_out))]
    (found,) = read_contacts([Row(1, COLUMNS), Row(2, tuple(cell.strip() for cell in cells))], options)
    return found


def _cells(row: Any) -> tuple[object, ...]:
    return (*(row[name] for name in COLUMNS[:-1]), " ".join(_classes(row["opt_out"])), row["partnership"])


def _classes(bits: int) -> list[str]:
    names = {2: "prevention", 4: "news", 8: "other"}
    return [name for bit, name in names.items() if bits & bit]


def _refused(refusal: Refusal) -> web.Response:
    return problem(refusal.status, refusal.reason, refusal.message)


def _word(text: str) -> str:
    return text.replace("\0", "")[:300]
