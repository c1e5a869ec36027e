"""`gateway citizen`: a registered citizen who calls the help desk; the register in numbers.

Knows: the options, how a citizen is shown; that a look is written down. Never knows: SQL, codes. There is no list:
nobody needs one.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping

from gateway.commands.console import Exit, as_json, complain, note, say
from gateway.commands.database import database_arguments, session
from gateway.flows.registrations import registrations
from gateway.model import ChannelName
from gateway.policy.registration import RegistrationRules, read_endpoint
from gateway.store import admin, audit, citizens
from gateway.store.pool import Connection

EXAMPLES = """\
Citizens register and help themselves over HTTP (docs/citizens.md); this is for those who can not.

examples:
  gateway citizen show +32470000001
  gateway citizen erase an@example.org
  gateway citizen statistics --entity brugge
"""
PLATFORM = "platform"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="what is known of whom a number or address belongs to, as JSON")
    erase = actions.add_parser("erase", help="forget a citizen, with all numbers and addresses")
    statistics = actions.add_parser("statistics", help="how many registered in an entity's territory, as JSON")
    statistics.add_argument("--entity", required=True, metavar="SLUG")
    database_arguments(statistics)
    for below in (show, erase):
        below.add_argument("endpoint", metavar="ENDPOINT", help="+32... or an e-mail address")
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _statistics(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        found = await registrations(connection, options.entity)
    if found is None:
        complain(f"{options.entity} has no territory in which it may reach citizens")
        return Exit.NO
    say(as_json(found))
    return Exit.DONE


async def _run(options: argparse.Namespace) -> int:
    if options.action == "statistics":
        return await _statistics(options)
    channel = ChannelName.EMAIL if "@" in options.endpoint else ChannelName.SMS
    endpoint = read_endpoint(channel, options.endpoint, RegistrationRules(secret=b"", service="", link=""))
    if isinstance(endpoint, str):
        complain(endpoint)
        return Exit.UNREADABLE
    async with session(options) as connection, connection.transaction():
        number = await citizens.find(connection, *endpoint)
        if number is None:
            note("nobody registered with it")
            return Exit.NO
        return await _ACTIONS[options.action](connection, number)


async def _show(connection: Connection, number: int) -> int:
    row = await citizens.show(connection, number)
    platform = await admin.entity(connection, PLATFORM)
    assert platform is not None
    await audit.write(connection, platform.id, "citizen.seen", f"contact:{number}", {}, "command")
    say(as_json(dict(row)))
    return Exit.DONE


async def _erase(connection: Connection, number: int) -> int:
    await citizens.erase(connection, number, "command")
    note("erased; what was sent loses the address when its campaign is closed, within ten minutes")
    return Exit.DONE


_ACTIONS: Mapping[str, Callable[[Connection, int], Awaitable[int]]] = {"show": _show, "erase": _erase}
