"""`gateway source`: the feeds of others that an entity reads.

Knows: the options and how a source is shown. Never knows: SQL, how a feed is read.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from gateway.cap.feed_elements import web_address
from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.store import admin, sources
from gateway.store.pool import Connection

EXAMPLES = """\
A source is a feed (Atom, RSS or EDXL-DE) of somebody else's CAP alerts. Its alerts are kept and checked at once, and
stay in quarantine until the source is trusted: then a person can make a draft of the entity's own from one in one step.

examples:
  gateway source add https://alerts.example/cap/feed.atom --entity brugge
  gateway source list
  gateway source trust so_4f1c...
  gateway source trust so_4f1c... --off
  gateway source pause so_4f1c...
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="read a feed from now on")
    add.add_argument("url", type=_address, metavar="URL", help="http(s) address of the feed")
    add.add_argument("--entity", required=True, metavar="SLUG", help="who reads it")
    add.add_argument("--title", default="", help="its name until the feed says one")
    add.add_argument("--trusted", action="store_true", help="its alerts may be relayed at once")
    listing = actions.add_parser("list", help="every source, or those of one entity")
    listing.add_argument("--entity", metavar="SLUG")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    trust = actions.add_parser("trust", help="end the quarantine of a source")
    pause = actions.add_parser("pause", help="stop reading a source")
    for below, back in ((trust, "put it back into quarantine"), (pause, "read it again")):
        below.add_argument("source", metavar="SOURCE", help="so_..., as `gateway source list` shows it")
        below.add_argument("--off", action="store_true", help=back)
    for below in (add, listing, trust, pause):
        database_arguments(below)


def _address(text: str) -> str:
    address = web_address(text)
    if not address:
        raise argparse.ArgumentTypeError(f"{text!r} is not an http(s) address without user name and password")
    return address


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        return await _ACTIONS[options.action](connection, options)


async def _add(connection: Connection, options: argparse.Namespace) -> int:
    entity = await admin.entity(connection, options.entity)
    if entity is None:
        return no_entity(options.entity)
    made = await sources.add(
        connection,
        entity_id=entity.id,
        url=options.url,
        title=options.title,
        trusted=options.trusted,
        now=datetime.now(UTC),
    )
    if made is None:
        complain(f"{entity.slug} reads this address already: gateway source list --entity {entity.slug}")
        return Exit.NO
    say(made)
    if not options.trusted:
        note(f"its alerts stay in quarantine until: gateway source trust {made}")
    return Exit.DONE


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    if options.entity and await admin.entity(connection, options.entity) is None:
        return no_entity(options.entity)
    found = await sources.listed(connection, slug=options.entity)
    if options.json:
        say(*(as_json(asdict(row)) for row in found))
        return Exit.DONE
    heads = ("source", "entity", "trusted", "paused", "alerts", "polled", "push", "problem", "url")
    rows = [
        (s.public_id, s.entity, s.trusted, s.paused, s.alerts, s.polled_at, s.hub_state, s.problem or None, s.url)
        for s in found
    ]
    say(*table(heads, rows))
    return Exit.DONE


async def _trust(connection: Connection, options: argparse.Namespace) -> int:
    if not await sources.trust(connection, options.source, trusted=not options.off):
        return _no_source(options.source)
    note(f"{options.source} is {'in quarantine' if options.off else 'trusted'}")
    return Exit.DONE


async def _pause(connection: Connection, options: argparse.Namespace) -> int:
    if not await sources.pause(connection, options.source, paused=not options.off):
        return _no_source(options.source)
    note(f"{options.source} is {'read again' if options.off else 'not read any more'}")
    return Exit.DONE


def _no_source(name: str) -> Exit:
    complain(f"there is no source {name}: gateway source list shows them all")
    return Exit.NO


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "add": _add,
    "list": _list,
    "trust": _trust,
    "pause": _pause,
}
