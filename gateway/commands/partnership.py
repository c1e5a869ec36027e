"""`gateway partnership`: neighbourhood partnerships (PLP/BIN), their people and groups, whose agreement they ask for.

Knows: the options. Never knows: SQL, when an agreement is asked for.
"""

import argparse
import asyncio
from typing import Any

from gateway.commands.console import Exit, as_json, complain, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity, slug
from gateway.store import admin, persons
from gateway.store.pool import Connection

EXAMPLES = """\
--agreement says whose agreement a live alert to the partnership's groups waits for. A coordinator who sends has agreed.

examples:
  gateway partnership put plp-centre --entity zone --name "PLP Centre" --agreement both
  gateway partnership enrol plp-centre jan@plp.example coordinator --entity zone
  gateway partnership group plp-centre plp-centre-members --entity zone
  gateway partnership list --entity zone
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("put", help="make a partnership, or change it")
    put.add_argument("partnership", type=slug, metavar="SLUG")
    put.add_argument("--name", required=True)
    put.add_argument("--agreement", choices=["none", "coordinator", "police", "both"], default="none")
    enrol = actions.add_parser("enrol", help="give a member a role")
    release = actions.add_parser("release", help="take a role back")
    for below in (enrol, release):
        below.add_argument("partnership", metavar="SLUG")
        below.add_argument("person", metavar="PERSON", help="e-mail or pe_...")
        below.add_argument("role", choices=["coordinator", "co-coordinator", "police"])
    group = actions.add_parser("group", help="a group becomes the partnership's")
    group.add_argument("partnership", metavar="SLUG")
    group.add_argument("group", metavar="GROUP")
    listing = actions.add_parser("list", help="partnerships with their people and groups")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for below in (put, enrol, release, group, listing):
        below.add_argument("--entity", required=True, metavar="ENTITY")
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        rows = await persons.partnerships(connection, entity.id)
        if options.action == "list":
            return _list(rows, options)
        if options.action == "put":
            await persons.put_partnership(connection, entity.id, options.partnership, options.name, options.agreement)
            return Exit.DONE
        number = next((row["id"] for row in rows if row["slug"] == options.partnership), None)
        if number is None:
            complain(f"{options.entity} has no partnership {options.partnership}")
            return Exit.NO
        return await _within(connection, entity.id, number, options)


async def _within(connection: Connection, entity: int, number: int, options: argparse.Namespace) -> int:
    if options.action == "group":
        if await persons.give_group(connection, entity, options.group, number):
            return Exit.DONE
        complain(f"{options.entity} has no group {options.group}")
        return Exit.NO
    person = await persons.find(connection, entity, options.person)
    if person is None:
        complain(f"{options.entity} has no member {options.person}")
        return Exit.NO
    act = persons.enrol if options.action == "enrol" else persons.release
    await act(connection, entity, number, person["id"], options.role)
    return Exit.DONE


def _list(rows: list[Any], options: argparse.Namespace) -> int:
    if options.json:
        say(*(as_json(dict(row)) for row in rows))
    else:
        cells = [(r["slug"], r["agreement"], len(r["people"]), r["groups"], r["name"]) for r in rows]
        say(*table(("partnership", "agreement", "people", "groups", "name"), cells))
    return Exit.DONE
