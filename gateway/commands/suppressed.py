"""`gateway suppressed`: the e-mail addresses that are written to in urgent alerts only, because their mails came back.

Knows: the options and how the list is shown. Never knows: SQL, mails.
"""

import argparse
import asyncio

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.store import suppression
from gateway.store.pool import Connection
from gateway.store.suppression import Suppressed

PAGE = 1000
EXAMPLES = """\
An address gets here when its mailbox does not exist, when mails to it came back again and again, or when its owner
complained. Urgent alerts go to it all the same.

examples:
  gateway suppressed list
  gateway suppressed lift jan@example.org
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every suppressed address, and why")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    lift = actions.add_parser("lift", help="write to an address again")
    lift.add_argument("address", metavar="ADDRESS")
    for below in (listing, lift):
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        if options.action == "lift":
            if not await suppression.lift(connection, options.address):
                complain(f"{options.address} is not suppressed")
                return Exit.NO
            note(f"{options.address} is written to again")
            return Exit.DONE
        rows = await _whole_list(connection)
    if options.json:
        say(*(as_json(row._asdict()) for row in rows))
        return Exit.DONE
    shown = [(row.address, row.reason, row.status, row.bounces, row.suppressed_at) for row in rows]
    say(*table(("address", "reason", "status", "bounces", "since"), shown))
    return Exit.DONE


async def _whole_list(connection: Connection) -> list[Suppressed]:
    rows = page = await suppression.suppressed(connection, "", PAGE)
    while len(page) == PAGE:
        page = await suppression.suppressed(connection, page[-1].address, PAGE)
        rows = [*rows, *page]
    return rows
