"""`gateway declaration`: what senders declared of the use of their messages; wordings; breaches.

Knows: the options. Never knows: SQL, what a suspension does.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path

from gateway.commands.campaign import ACTOR
from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.numbers import whole
from gateway.errors import SettingsError
from gateway.flows.suspending import Breach, Running, Suspended, find_breach
from gateway.model import MessageClass
from gateway.store import declarations
from gateway.store.declarations import Search
from gateway.store.pool import Connection

EXAMPLES = """\
Nothing commercial, promotional or political is sent: every campaign carries its sender's declaration.

examples:
  gateway declaration list --entity brugge --words "open day" --since 2026-01-01T00:00:00+01:00
  gateway declaration wording                                    the wording in force
  gateway declaration wording --publish wording.txt              a new one
  gateway declaration breach ca_0f1e2d3c4b5a6978 --reason "A sale of the local shop." --suspend sender --running pause
"""
LEAST_REASON = 10
NEWEST, MOST = 2**31 - 1, 10_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="declarations, newest first")
    listing.add_argument("--entity", metavar="SLUG")
    listing.add_argument("--campaign", metavar="CAMPAIGN")
    listing.add_argument("--by", metavar="SENDER", help="person:7 or token:5, as in the list")
    listing.add_argument("--class", dest="message_class", choices=[one.value for one in MessageClass])
    listing.add_argument("--version", type=whole(1, NEWEST), metavar="N", help="of this wording")
    listing.add_argument("--words", metavar="WORDS", help="that stand in a text of the campaign")
    for name in ("since", "until"):
        listing.add_argument(f"--{name}", type=_moment, metavar="TIME", help="like 2026-03-01T00:00:00+01:00")
    listing.add_argument("--limit", type=whole(1, MOST), default=200, metavar="N")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    wording = actions.add_parser("wording", help="what is declared; or a new wording")
    wording.add_argument("--publish", type=Path, metavar="FILE", help="its text, in force at once")
    breach = actions.add_parser("breach", help="write a breach down, and suspend whom it says")
    breach.add_argument("campaign", metavar="CAMPAIGN")
    breach.add_argument("--reason", required=True, help="what the entity's administrators are told")
    breach.add_argument("--suspend", required=True, choices=[one.value for one in Suspended])
    breach.add_argument("--running", required=True, choices=[one.value for one in Running], help="campaigns that run")
    for below in (listing, wording, breach):
        database_arguments(below)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} says no offset, like +01:00")
    return found


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        return await _ACTIONS[options.action](connection, options)


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    search = Search(
        entity=options.entity, campaign=options.campaign, by=options.by, message_class=options.message_class,
        version=options.version, since=options.since, until=options.until, words=options.words,
    )  # fmt: skip
    found = [declarations.told(row) for row in await declarations.page(connection, search, NEWEST, options.limit)]
    if options.json:
        say(*(as_json(one) for one in found))
        return Exit.DONE
    heads = ("at", "entity", "campaign", "mode", "class", "by", "version", "in_words")
    rows = [(*(one[head] for head in heads), one["breach"] is not None) for one in found]
    say(*table((*heads, "breach"), rows))
    return Exit.DONE


async def _wording(connection: Connection, options: argparse.Namespace) -> int:
    if options.publish is not None:
        note(f"wording {await declarations.publish(connection, _read(options.publish))} is in force")
    wording = await declarations.newest(connection)
    say(f"{wording.version} {wording.text}")
    return Exit.DONE


async def _breach(connection: Connection, options: argparse.Namespace) -> int:
    if len(options.reason.strip()) < LEAST_REASON:
        complain("say in a sentence what was wrong: the entity's administrators read it")
        return Exit.NO
    suspend, running = Suspended(options.suspend), Running(options.running)
    answer = await find_breach(connection, Breach(options.campaign, options.reason, suspend, running, ACTOR))
    if answer.status >= 400:
        complain(answer.body["detail"])
        return Exit.NO
    note(f"suspended: {answer.body['suspended']}; campaigns concerned: {', '.join(answer.body['campaigns']) or 'none'}")
    return Exit.DONE


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsError([f"{path} can not be read ({type(error).__name__})"]) from error
    if not text or len(text) > 2000 or "\0" in text:
        raise SettingsError([f"{path}: a wording has 1 to 2000 characters"])
    return text


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "wording": _wording,
    "breach": _breach,
}
