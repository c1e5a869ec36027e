"""`gateway contact`: the people whom an entity keeps itself.

Knows: the options, how a contact is shown; that a look is written down. Never knows: SQL, registered citizens.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.commands import exports
from gateway.commands.console import Exit, as_json, complain, deliver, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.policy.contact_table import contact_table
from gateway.policy.contacts import wanted
from gateway.policy.forms import TABLE_FORMS
from gateway.store import admin, audit, contacts, entities, erasing
from gateway.store.erasing import as_told
from gateway.store.pool import Connection

EXAMPLES = """\
Contacts come in by `gateway import contacts`, which also changes those whose key is known.

examples:
  gateway contact list --entity brugge --begins jan
  gateway contact find +32470000001 --entity brugge
  gateway contact search "peet an" --entity brugge        names, numbers in any spelling, addresses, @domain, #tag
  gateway contact remove KEY... --entity brugge
  gateway contact data KEY --entity brugge --reason "their request of 2 May" > person.json
  gateway contact erase KEY --entity brugge
  gateway contact export --entity brugge --reason "the contract ends"       prints the request's number: 12
  GATEWAY_TOKEN=$(cat second.token) gateway contact agree 12 --url https://alerts.example
  gateway contact export --entity brugge --request 12 > contacts.csv
  gateway contact export --entity brugge --request 12 --format xlsx --output contacts.xlsx
"""
SHOWN = ("key", "name", "language", "mobile", "landline", "email", "partnership")
MOST_FOUND = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="contacts by name")
    listing.add_argument("--begins", default="", metavar="TEXT", help="whose name begins so")
    find = actions.add_parser("find", help="who has a number or address")
    find.add_argument("endpoint", metavar="ENDPOINT", help="+32... or an e-mail address")
    search = actions.add_parser("search", help="whose name, number or address has words that begin so")
    search.add_argument("words", metavar="WORDS")
    data = actions.add_parser("data", help="everything that is held of one person, as JSON")
    erase = actions.add_parser("erase", help="a person leaves for good; counts stay")
    for below in (data, erase):
        below.add_argument("key", metavar="KEY")
    remove = actions.add_parser("remove", help="contacts leave, with their places and memberships")
    remove.add_argument("keys", nargs="+", metavar="KEY")
    export = actions.add_parser("export", help="all contacts as CSV or XLSX, without formulas; two persons")
    exports.arguments(export)
    export.add_argument("--format", choices=list(TABLE_FORMS), default="csv")
    export.add_argument("--output", type=Path, metavar="FILE", help="default: stdout")
    exports.agree_arguments(actions.add_parser("agree", help="agree, as the second person, to an export"))
    data.add_argument("--reason", required=True, help="a sentence; it is written down")
    for below in (listing, find, search):
        below.add_argument("--json", action="store_true", help="one JSON object a line")
    for below in (listing, find, search, data, erase, remove, export):
        below.add_argument("--entity", required=True, metavar="SLUG")
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.action == "agree":
        return exports.agree(options)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        return await _ACTIONS[options.action](connection, entity.id, options)


async def _list(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    return await _shown(connection, entity, await contacts.everybody(connection, entity, options.begins), options)


async def _find(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    rows = await contacts.by_endpoint(connection, entity, None, options.endpoint)
    await _shown(connection, entity, rows, options)
    return Exit.DONE if rows else Exit.NO


async def _search(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    asked = wanted(options.words, (await entities.show(connection, options.entity))["region"])
    rows = await contacts.search(connection, entity, None, asked, ("", 0), MOST_FOUND)
    await _shown(connection, entity, rows, options)
    return Exit.DONE if rows else Exit.NO


async def _data(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    if (code := exports.no_reason(options.reason)) is not None:
        return code
    found = await erasing.held(connection, entity, None, options.key)
    if found is None:
        return _nobody(options)
    number = await erasing.note_taken(connection, entity, found, options.reason.strip(), "command")
    await audit.write(connection, entity, "contacts.data-taken", f"export_request:{number}", {"count": 1}, "command")
    say(as_json(as_told(found)))
    return Exit.DONE


async def _erase(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    number = await erasing.erase(connection, entity, None, options.key, "command")
    if number is None:
        return _nobody(options)
    await audit.write(connection, entity, "contacts.erased", f"erasure:{number}", {"count": 1}, "command")
    note("erased; what was sent loses the address when its campaign is closed, within ten minutes")
    return Exit.DONE


def _nobody(options: argparse.Namespace) -> int:
    complain(f"{options.entity} has no contact with this key")
    return Exit.NO


async def _shown(connection: Connection, entity: int, rows: list[Any], options: argparse.Namespace) -> int:
    await audit.write(connection, entity, "contacts.seen", "contacts", {"count": len(rows)}, "command")
    if options.json:
        say(*(as_json({name: row[name] for name in SHOWN}) for row in rows))
    else:
        say(*table(SHOWN, [[row[name] for name in SHOWN] for row in rows]))
    return Exit.DONE


async def _remove(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    gone = await contacts.remove(connection, entity, None, options.keys)
    await audit.write(connection, entity, "contacts.removed", "contacts", {"count": gone}, "command")
    note(f"{gone} removed")
    return Exit.DONE if gone == len(set(options.keys)) else Exit.NO


async def _export(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    if options.request is None:
        taken_by = f"gateway contact export --entity {options.entity}"
        return await exports.ask(connection, entity, options.reason, taken_by)
    if not await exports.may_take(connection, entity, options.request):
        return Exit.NO
    rows = await contacts.everybody(connection, entity)
    subject = f"export_request:{options.request}"
    await audit.write(
        connection, entity, "contacts.exported", subject, {"count": len(rows), "form": options.format}, "command"
    )
    deliver(TABLE_FORMS[options.format].make(contact_table(rows), datetime.now(UTC)), options.output)
    return Exit.DONE


_ACTIONS: Mapping[str, Callable[[Connection, int, argparse.Namespace], Awaitable[int]]] = {
    "list": _list, "find": _find, "search": _search, "data": _data, "erase": _erase, "remove": _remove,
    "export": _export,
}  # fmt: skip
