"""`gateway campaign`: the emergency brake at a terminal: open campaigns listed, paused, resumed, stopped.

Knows: how an act is asked for. Never knows: what it does (gateway.flows.lineage), rights: whoever reaches the database
with the application's password is an administrator. To approve, and to break the glass, is somebody's own: it is asked
of a running gateway, with their token.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping

from gateway.commands import agreeing, forecasts
from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.flows import lineage, restoring
from gateway.model import CampaignState
from gateway.store import admin
from gateway.store.pool import Connection

EXAMPLES = """\
The effect is there in two seconds: what left before is not taken back; after a stop nothing more can leave.

examples:
  gateway campaign list
  gateway campaign hold       # a database came back from a backup: before the first node starts
  gateway campaign pause ca_0f1e2d3c4b5a6978
  gateway campaign resume ca_0f1e2d3c4b5a6978
  gateway campaign stop ca_0f1e2d3c4b5a6978
  GATEWAY_TOKEN=$(cat mine.token) gateway campaign approve ca_0f1e2d3c4b5a6978 --url https://alerts.example
  GATEWAY_TOKEN=$(cat mine.token) gateway campaign break-glass ca_0f1e2d3c4b5a6978 --reason "The dike breaks now."
  GATEWAY_TOKEN=$(cat live.token) gateway campaign forecast alert.xml --url https://alerts.example
"""
ACTOR = "command line"
HEADS = ("campaign", "entity", "mode", "class", "state", "created", "planned", "waiting")

_ACTS: Mapping[str, Callable[[Connection, int, int, str], Awaitable[CampaignState | None]]] = {
    "pause": lineage.pause,
    "resume": lineage.resume,
    "stop": lineage.stop,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every campaign that is not closed")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    database_arguments(listing)
    holding = actions.add_parser("hold", help="pause every campaign that is open, and whatever was sent before now")
    database_arguments(holding)
    forecasts.arguments(actions.add_parser("forecast", help="what an alert would reach, take and cost"))
    agreeing.approve_arguments(actions.add_parser("approve", help="agree, as the second person, to a held campaign"))
    agreeing.glass_arguments(actions.add_parser("break-glass", help="let a held campaign go without agreement"))
    helps = {"pause": "send no more until it is resumed", "resume": "go on", "stop": "send no more, for ever"}
    for act, words in helps.items():
        below = actions.add_parser(act, help=words)
        below.add_argument("campaign", metavar="CAMPAIGN", help="as in the answer to the alert")
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.action == "forecast":
        return forecasts.run(options)
    if options.action in agreeing.ACTIONS:
        return agreeing.ACTIONS[options.action](options)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        if options.action == "list":
            return await _list(connection, json=options.json)
        if options.action == "hold":
            return await _hold(connection)
        return await _act(connection, options.action, options.campaign)


async def _list(connection: Connection, *, json: bool) -> int:
    found = await admin.open_campaigns(connection)
    if json:
        say(*(as_json(row) for row in found))
    else:
        say(*table(HEADS, [[row[head] for head in HEADS] for row in found]))
    return Exit.DONE


async def _hold(connection: Connection) -> int:
    async with connection.transaction():
        held = await restoring.hold(connection, ACTOR)
        await connection.execute("SELECT pg_notify('gateway', '')")
    note(f"{held} paused: gateway campaign resume lets one go on, gateway campaign stop ends it")
    return Exit.DONE


async def _act(connection: Connection, act: str, name: str) -> int:
    found = await admin.campaign(connection, name)
    if found is None:
        complain(f"there is no campaign {name}: gateway campaign list shows the open ones")
        return Exit.NO
    async with connection.transaction():
        becomes = await _ACTS[act](connection, found.id, found.entity_id, ACTOR)
        if becomes is not None:
            await connection.execute("SELECT pg_notify('gateway', $1)", str(found.id))
    if becomes is None:
        complain(f"a campaign that is {found.state} can not {act}")
        return Exit.NO
    note(f"{name} is {becomes.value}")
    return Exit.DONE
