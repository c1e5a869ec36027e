"""`gateway template`: prepared alerts: keep the next version, list, show, launch.

Knows: the options, how a launch is asked of a running gateway. Never knows: SQL, what is wrong with a text.
"""

import argparse
import asyncio
import json
from pathlib import Path

from pydantic import ValidationError

from gateway.commands import remote
from gateway.commands.console import Exit, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.errors import SettingsError
from gateway.store import admin, templates
from gateway.web.templates import NewTemplate

EXAMPLES = """\
A template is a JSON file (docs/templates.md). Every version is kept. A launch goes through a running gateway, with the
entity's token in $GATEWAY_TOKEN.

examples:
  gateway template put smoke.json --entity brugge
  gateway template list --entity brugge
  GATEWAY_TOKEN=$(cat live.token) gateway template launch smoke --url https://alerts.example --set street="Kaai 1"
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("put", help="keep the next version")
    put.add_argument("file", type=Path, metavar="FILE")
    listing = actions.add_parser("list", help="the newest version of each")
    show = actions.add_parser("show", help="one template as JSON")
    show.add_argument("template", metavar="TEMPLATE")
    show.add_argument("--version", type=int, metavar="N", help="default: the newest")
    for below in (put, listing, show):
        below.add_argument("--entity", required=True, metavar="SLUG")
        database_arguments(below)
    for act in ("preview", "launch"):
        below = actions.add_parser(act, help=f"{act} it")
        below.add_argument("template", metavar="TEMPLATE")
        remote.url_argument(below)
        below.add_argument("--set", action="append", default=[], metavar="PLACE=WORDS", help="or PLACE@nl=WORDS")
        below.add_argument("--exercise", action="store_true", help="as an exercise")
        below.add_argument("--declares", type=int, metavar="N", help="the wording about its use: gateway declaration")
        below.add_argument("--waive", action="append", default=[], metavar="WARNING")
        below.add_argument("--reason", default="", help="of the waiver")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return _ask(options) if options.action in ("preview", "launch") else asyncio.run(_run(options))


def _ask(options: argparse.Namespace) -> int:
    values = dict(pair.partition("=")[::2] for pair in options.set)
    wish = {
        "values": values, "exercise": options.exercise, "declares": options.declares, "waive": options.waive,
        "reason": options.reason,
    }  # fmt: skip
    code, body = remote.told(options, f"/v1/templates/{options.template}/{options.action}", wish)
    if body:
        say(json.dumps(body, ensure_ascii=False, indent=2))
    return code


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        if options.action == "put":
            body = _read(options.file)
            if isinstance(body, list):
                complain(*body)
                return Exit.UNREADABLE
            version = await templates.put(connection, entity.id, body.slug, body.kept(), "command")
            note(f"{body.slug} has version {version}")
            return Exit.DONE
        if options.action == "list":
            rows = await templates.page(connection, entity.id, "", 10_000)
            cells = [
                (r["slug"], r["version"], r["body"]["class"], list(r["body"]["texts"]), r["made_at"]) for r in rows
            ]
            say(*table(("template", "version", "class", "languages", "made"), cells))
            return Exit.DONE
        row = await templates.find(connection, entity.id, options.template, options.version)
        if row is None:
            complain(f"{options.entity} has no template {options.template}")
            return Exit.NO
        say(json.dumps({"slug": row["slug"], **row["body"]}, ensure_ascii=False, indent=2))
        return Exit.DONE


def _read(file: Path) -> NewTemplate | list[str]:
    """The template of a file, or every mistake in it."""
    try:
        return NewTemplate.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingsError([f"{file} can not be read ({error.strerror})"]) from error
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
