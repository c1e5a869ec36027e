"""`gateway audit`: the record of who did what when, and whether it is whole.

Knows: the options, how events and breaks are shown. Never knows: SQL, hashes.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.errors import SettingsError
from gateway.store import admin, audit
from gateway.store.pool import Connection

EXAMPLES = """\
Who can write in the database's files can write a whole chain anew. So keep the output of `gateway audit heads` where
they can not reach, and give it to `verify --against` later: what it names must still be there.

examples:
  gateway audit verify
  gateway audit heads > /mnt/worm/heads-2026-03-01.txt
  gateway audit verify --against /mnt/worm/heads-2026-03-01.txt
  gateway audit list --entity brugge --act campaign.
"""
PAGE = 200


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="recompute every chain; exit 1 when one is broken")
    verify.add_argument("--against", type=Path, metavar="FILE", help="an earlier output of `gateway audit heads`")
    heads = actions.add_parser("heads", help="the end of every chain: entity, number, hash")
    listing = actions.add_parser("list", help="events of one entity, newest first")
    listing.add_argument("--act", metavar="BEGINNING", help="only acts that begin so: campaign. or token.insert")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.add_argument("--limit", type=int, default=PAGE, metavar="N")
    for below in (verify, heads, listing):
        below.add_argument("--entity", metavar="SLUG", required=below is listing)
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        return await _ACTIONS[options.action](connection, options)


async def _verify(connection: Connection, options: argparse.Namespace) -> int:
    known = _read_heads(options.against) if options.against else {}
    code, events = Exit.DONE, 0
    found = await audit.chains(connection, options.entity)
    for chain in found:
        events += chain.seq
        for wrong in await audit.verify(connection, chain, known.pop(chain.entity, {})):
            code = Exit.NO
            say(f"{chain.entity} {wrong.seq}: {wrong.reason}")
    for entity in known if options.entity is None else ():
        code = Exit.NO
        say(f"{entity} 0: the chain is gone")
    note(f"{events} events in {len(found)} chains: " + ("whole" if code is Exit.DONE else "BROKEN"))
    return code


async def _heads(connection: Connection, options: argparse.Namespace) -> int:
    say(*(f"{chain.entity} {chain.seq} {chain.hash.hex()}" for chain in await audit.chains(connection, options.entity)))
    return Exit.DONE


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    entity = await admin.entity(connection, options.entity)
    if entity is None:
        return no_entity(options.entity)
    rows = await audit.page(connection, entity.id, 2**62, max(1, min(options.limit, 10_000)), act=options.act)
    if options.json:
        say(*(as_json(dict(row) | {"hash": row["hash"].hex() if row["hash"] else None}) for row in rows))
        return Exit.DONE
    shown = [(row["at"], row["seq"], row["actor"], row["act"], row["subject"]) for row in rows]
    say(*table(("at", "number", "by", "act", "on"), shown))
    return Exit.DONE


def _read_heads(path: Path) -> dict[str, dict[int, bytes]]:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {entity: {int(seq): bytes.fromhex(digest)} for entity, seq, digest in lines}
    except (OSError, ValueError) as error:
        complain(f"{path} is not an output of `gateway audit heads`")
        raise SettingsError([f"{path} can not be read ({type(error).__name__})"]) from error


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "verify": _verify,
    "heads": _heads,
    "list": _list,
}
