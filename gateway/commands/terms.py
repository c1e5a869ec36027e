"""`gateway terms`: the terms of use, by version, and what entities answered; notices to everybody.

Knows: the options. Never knows: SQL, what is in the terms.
"""

import argparse
import asyncio
from pathlib import Path

from gateway.commands.console import Exit, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.errors import SettingsError
from gateway.store import admin, entities
from gateway.store.pool import Connection

EXAMPLES = """\
Every administrator of every entity gets a notice of new terms, and answers them (POST /v1/terms/N). Who refuses leaves
in its own time.

examples:
  gateway terms publish terms-2026.md
  gateway terms list --entity brugge
  gateway terms answer 2 --entity brugge --refuse
  gateway terms notice "Maintenance of the mail relay on Sunday; alerts go on."      prints its name
  gateway terms readers an_0123456789abcdef
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    publish = actions.add_parser("publish", help="new terms, from a file")
    publish.add_argument("file", type=Path, metavar="FILE")
    listing = actions.add_parser("list", help="all terms with an entity's answers")
    answer = actions.add_parser("answer", help="what an entity said on paper")
    answer.add_argument("version", type=int, metavar="VERSION")
    answer.add_argument("--refuse", action="store_true")
    notice = actions.add_parser("notice", help="a notice for every member")
    notice.add_argument("text", metavar="TEXT")
    readers = actions.add_parser("readers", help="who took note of a notice")
    readers.add_argument("notice", metavar="NOTICE", help="its name, as `notice` printed it")
    for below in (listing, answer, notice):
        below.add_argument("--entity", required=below is not notice, metavar="SLUG")
    for below in (publish, listing, answer, notice, readers):
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        if options.action == "readers":
            rows = await entities.readers(connection, options.notice)
            say(*table(("entity", "told", "read"), [tuple(row) for row in rows]))
            return Exit.DONE if rows else Exit.NO
        if options.action == "publish":
            say(str(await entities.publish_terms(connection, _read(options.file))))
            return Exit.DONE
        entity = await admin.entity(connection, options.entity) if options.entity else None
        if options.entity and entity is None:
            return no_entity(options.entity)
        return await _act(connection, options, entity.id if entity else None)


async def _act(connection: Connection, options: argparse.Namespace, entity: int | None) -> int:
    if options.action == "notice" or entity is None:
        say(await entities.tell(connection, None if entity is None else [entity], options.text))
        return Exit.DONE
    if options.action == "list":
        rows = await entities.terms(connection, entity)
        cells = [(row["version"], row["published_at"], row["accepted"], row["at"]) for row in rows]
        say(*table(("version", "published", "accepted", "answered"), cells))
        return Exit.DONE
    if await entities.answer_terms(connection, entity, options.version, not options.refuse, "command"):
        note(f"{options.entity} {'refused' if options.refuse else 'accepted'} terms {options.version}")
        return Exit.DONE
    complain(f"there are no terms {options.version}")
    return Exit.NO


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").replace("\0", "")
    except (OSError, ValueError) as error:
        raise SettingsError([f"{path} can not be read ({type(error).__name__})"]) from error
