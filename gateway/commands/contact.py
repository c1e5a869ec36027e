"""`gateway contact`: the people whom an entity keeps itself.

Knows: the options, how a contact is shown; that a look is written down. Never knows: SQL, registered citizens.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.policy.spreadsheet import as_csv
from gateway.store import admin, audit, contacts
from gateway.store.pool import Connection

EXAMPLES = """\
Contacts come in by `gateway import contacts`, which also changes those whose key is known.

examples:
  gateway contact list --entity brugge --begins jan
  gateway contact find +32470000001 --entity brugge
  gateway contact remove KEY... --entity brugge
  gateway contact export --entity brugge --reason "the contract ends" > contacts.csv
"""
SHOWN = ("key", "name", "language", "mobile", "landline", "email", "partnership")
LEAST_REASON = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="contacts by name")
    listing.add_argument("--begins", default="", metavar="TEXT", help="whose name begins so")
    find = actions.add_parser("find", help="who has a number or address")
    find.add_argument("endpoint", metavar="ENDPOINT", help="+32... or an e-mail address")
    remove = actions.add_parser("remove", help="contacts leave, with their places and memberships")
    remove.add_argument("keys", nargs="+", metavar="KEY")
    export = actions.add_parser("export", help="all contacts as CSV, without formulas")
    export.add_argument("--reason", required=True, help="a sentence; it is written down")
    for below in (listing, find):
        below.add_argument("--json", action="store_true", help="one JSON object a line")
    for below in (listing, find, remove, export):
        below.add_argument("--entity", required=True, metavar="SLUG")
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        return await _ACTIONS[options.action](connection, entity.id, options)


async def _list(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    return await _shown(connection, entity, await _all(connection, entity, options.begins), options)


async def _find(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    rows = await contacts.by_endpoint(connection, entity, None, options.endpoint)
    await _shown(connection, entity, rows, options)
    return Exit.DONE if rows else Exit.NO


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
    if len(options.reason.strip()) < LEAST_REASON:
        complain("say in a sentence why: it is written down")
        return Exit.UNREADABLE
    rows = await _all(connection, entity)
    number = await contacts.ask_export(connection, entity, options.reason.strip(), "command")
    subject = f"export_request:{number}"
    await audit.write(connection, entity, "contacts.exported", subject, {"count": len(rows)}, "command")
    say(as_csv(SHOWN, [[row[name] for name in SHOWN] for row in rows]).rstrip("\r\n"))
    return Exit.DONE


async def _all(connection: Connection, entity: int, begins: str = "") -> list[Any]:
    found: list[Any] = []
    after = ("", 0)
    while rows := await contacts.page(connection, entity, None, begins=begins, after=after, limit=1000):
        found += rows
        after = rows[-1]["search"], rows[-1]["id"]
    return found


_ACTIONS: Mapping[str, Callable[[Connection, int, argparse.Namespace], Awaitable[int]]] = {
    "list": _list, "find": _find, "remove": _remove, "export": _export,
}  # fmt: skip
