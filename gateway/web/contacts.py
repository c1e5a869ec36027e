"""Contacts of an entity over HTTP: seen and kept.

Knows: routes, JSON; that every look is written down. Never knows: SQL, who may see whom (policy says
it), how numbers are written. See schemas/openapi.yaml.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.model import MessageClass
from gateway.policy.contact_table import COLUMNS
from gateway.policy.contacts import Reach, classes_of, reachability, wanted
from gateway.policy.importing import MOST_TAGS, ImportedContact, ImportOptions, Problem, read_contacts
from gateway.policy.rights import Authority
from gateway.policy.tabular import Row
from gateway.store import audit, contacts, entities
from gateway.store.pool import Connection, Store
from gateway.web import paging
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, taking
from gateway.web.conditions import shown, unmet_in_turn
from gateway.web.keeping import REACH, keeping, partnership_of, seeing, word
from gateway.web.paging import number
from gateway.web.persons import TEXT, not_found
from gateway.web.problem import problem


class Contact(Body):
    """A contact as its keeper writes it; numbers in any usual spelling."""

    key: str = Field(min_length=1, max_length=200, pattern=TEXT)
    name: str = Field(default="", max_length=200)
    language: str = Field(default="", max_length=35)
    mobile: str = Field(default="", max_length=40)
    landline: str = Field(default="", max_length=40)
    email: str = Field(default="", max_length=254)
    opt_out: frozenset[MessageClass] = frozenset()
    postcode: str = Field(default="", max_length=12)
    municipality: str = Field(default="", max_length=100)
    tags: tuple[str, ...] = Field(default=(), max_length=MOST_TAGS)
    partnership: str | None = Field(default=None, max_length=63)
    verified: bool = False


class Keys(Body):
    """Contacts by key."""

    keys: tuple[str, ...] = Field(max_length=1000)


class ContactPages:
    """Handlers of /v1/contacts."""

    def __init__(self, store: Store, access: Access, *, utcnow: Any) -> None:
        self._store = store
        self._access = access
        self._utcnow = utcnow

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known = self._access.known
        return [
            web.get("/v1/contacts", known(seeing(self._store, self.list_contacts))),
            web.post("/v1/contacts", known(keeping(taking(Contact, self.put_contact)))),
            web.post("/v1/contacts/remove", known(keeping(taking(Keys, self.remove_contacts)))),
            web.get("/v1/contacts/{contact}", known(seeing(self._store, self.get_contact))),
        ]

    async def list_contacts(self, request: web.Request) -> web.Response:
        """Contacts by name; those of a group; those of which a word, number or address begins so (`q`)."""
        authority, reach, query = request[AUTHORITY], request[REACH], request.query
        limit = paging.limit(request)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            found = await self._rows(connection, authority, reach, query, limit)
            if found is None:
                return not_found()
            rows, by = found
            await audit.write(connection, authority.entity_id, "contacts.seen", "contacts", {"count": len(rows)})
        more = None
        if len(rows) == limit and by is not None:
            more = f"{rows[-1][by]}.{rows[-1]['id']}" if by else str(rows[-1]["id"])
        return web.json_response({"contacts": [self._contact(row) for row in rows], "next": more})

    async def _rows(
        self, connection: Connection, authority: Authority, reach: Reach, query: Mapping[str, str], limit: int
    ) -> tuple[list[Any], str | None] | None:
        """A page and the column that it is sorted by before the number ("": by number alone; None: there is only one
        page); None when there is no such group."""
        entity_id, within, cursor = authority.entity_id, reach.partnerships, word(query.get("cursor", ""))
        after, last = cursor.rpartition(".")[0], number(cursor.rpartition(".")[2], 0)
        if "group" in query:
            group = await contacts.group(connection, entity_id, within, word(query["group"]))
            if group is None:
                return None
            return await contacts.of_group(connection, entity_id, within, group, last, limit), ""
        if "endpoint" in query:
            return await contacts.by_endpoint(connection, entity_id, within, word(query["endpoint"])), None
        if "q" in query:
            asked = wanted(word(query["q"]), (await entities.show(connection, authority.slug))["region"])
            rows = await contacts.search(connection, entity_id, within, asked, (after, last), limit)
            return rows, "word" if within is None else "search"
        begins = word(query.get("begins", ""))
        return await contacts.page(
            connection, entity_id, within, begins=begins, after=(after, last), limit=limit
        ), "search"

    async def get_contact(self, request: web.Request) -> web.Response:
        """One contact."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await contacts.by_key(
                connection, authority.entity_id, reach.partnerships, request.match_info["contact"]
            )
            if row is None:
                return not_found()
            await audit.write(connection, authority.entity_id, "contacts.seen", f"contact:{row['id']}", {"count": 1})
        return shown(request, self._contact(row))

    async def put_contact(self, request: web.Request, body: Contact) -> web.Response:
        """Make a contact, or change the one with this key."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            partnership = await partnership_of(connection, authority.entity_id, reach, body.partnership)
            if isinstance(partnership, web.Response):
                return partnership
            region = (await entities.show(connection, authority.slug))["region"]
            read = _read(body, ImportOptions(region=region, languages=authority.languages))
            if isinstance(read, Problem):
                mistakes = [{"at": read.column, "message": read.reason}]
                return problem(422, "wrong-body", "The contact can not be reached like this.", mistakes=mistakes)
            seen = partial(self._seen, request, connection, body.key.strip())
            if (refusal := await unmet_in_turn(request, connection, f"contact {body.key.strip()}", seen)) is not None:
                return refusal
            new = await contacts.put(
                connection, authority.entity_id, reach.partnerships, read, partnership=partnership,
                language=authority.languages[0] if authority.languages else "nl", verified=body.verified,
            )  # fmt: skip
            if new is None:
                return problem(409, "key-taken", "This key is of a contact that is not yours to keep.")
            act = "contacts.added" if new else "contacts.changed"
            await audit.write(connection, authority.entity_id, act, "contacts", {"count": 1})
        return web.json_response({"contact": body.key}, status=201 if new else 200)

    async def _seen(self, request: web.Request, connection: Connection, key: str) -> dict[str, Any] | None:
        row = await contacts.by_key(connection, request[AUTHORITY].entity_id, request[REACH].partnerships, key)
        return None if row is None else self._contact(row)

    async def remove_contacts(self, request: web.Request, body: Keys) -> web.Response:
        """Contacts leave, with their places and memberships."""
        authority, reach = request[AUTHORITY], request[REACH]
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            gone = await contacts.remove(connection, authority.entity_id, reach.partnerships, body.keys)
            await audit.write(connection, authority.entity_id, "contacts.removed", "contacts", {"count": gone})
        return web.json_response({"removed": gone})

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
            "opt_out": classes_of(row["opt_out"]),
            "postcode": row["postcode"],
            "municipality": row["municipality"],
            "tags": row["tags"],
            "partnership": row["partnership"],
            "verified": verified.isoformat() if verified else None,
            "verified_days_ago": max(0, (now - verified).days) if verified else None,
            "reachability": reachability(row["mobile"], row["landline"], row["email"], verified, now),
        }


def _read(body: Contact, options: ImportOptions) -> ImportedContact | Problem:
    """The contact as an import would read it: one reader of numbers, addresses and languages for both."""
    cells = [body.key, body.name, body.language, body.mobile, body.landline, body.email, " ".join(sorted(body.opt_out)),
             body.postcode, body.municipality, " ".join(body.tags)]  # fmt: skip
    (found,) = read_contacts([Row(1, COLUMNS), Row(2, tuple(cell.strip() for cell in cells))], options)
    return found
