"""`gateway session`: where persons are signed in, and the end of it.

Knows: the options, how a session is shown. Never knows: SQL, cookies.
"""

import argparse
import asyncio
from typing import Any

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.store import sessions
from gateway.store.pool import Connection, act_as

EXAMPLES = """\
An end holds with the next request, on every node.

examples:
  gateway session list
  gateway session list an@brugge.example --json
  gateway session end se_0123456789abcdef
  gateway session end --person an@brugge.example      # everywhere
"""
SHOWN = ("public_id", "person", "email", "way", "state", "entity", "realm", "last_used_at", "ends_at")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="sessions that last, newest first, a thousand at most")
    listing.add_argument("person", nargs="?", metavar="PERSON", help="only of this one: e-mail or pe_...")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    end = actions.add_parser("end", help="end sessions now")
    which = end.add_mutually_exclusive_group(required=True)
    which.add_argument("session", nargs="?", metavar="SESSION", help="as in the list: se_...")
    which.add_argument("--person", metavar="PERSON", help="all of this one: e-mail or pe_...")
    for below in (listing, end):
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        await act_as(connection, "command")
        if options.person is not None and await sessions.person_by_word(connection, options.person) is None:
            complain(f"there is no person {options.person}")
            return Exit.NO
        return await (_list(connection, options) if options.action == "list" else _end(connection, options))


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    rows: list[Any] = await sessions.everybodys(connection, options.person)
    if options.json:
        say(*(as_json(dict(row)) for row in rows))
        return Exit.DONE
    heads = ("session", "person", "e-mail", "way", "state", "entity", "realm", "last used", "ends")
    say(*table(heads, [tuple(row[name] for name in SHOWN) for row in rows]))
    return Exit.DONE


async def _end(connection: Connection, options: argparse.Namespace) -> int:
    if options.person is not None:
        person = await sessions.person_by_word(connection, options.person)
        note(f"{await sessions.end_all(connection, person['id'])} sessions ended")
        return Exit.DONE
    if await sessions.end(connection, options.session):
        return Exit.DONE
    complain(f"there is no session {options.session} that lasts: gateway session list shows them")
    return Exit.NO
