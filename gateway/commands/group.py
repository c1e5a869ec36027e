"""`gateway group`: the groups that an alert may name in its addresses.

Knows: the options and how a group is shown. Never knows: SQL, CAP.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.model import ChannelName
from gateway.policy.contacts import GroupFilter
from gateway.policy.outlines import read_outlines
from gateway.store import admin, contacts
from gateway.store.pool import Connection

EXAMPLES = """\
An alert names groups by slug: <addresses>plp-centre "key actors"</addresses>

examples:
  gateway group create plp-centre --entity brugge --name "PLP Centre"
  gateway group create french-8000 --entity brugge --language fr --postcode 8000 --channel sms
  gateway group create quay --entity brugge --tag "floor=0" --area quay.geojson
  gateway group change quay --entity brugge --name "The quay" --tag "floor=0" --tag "floor=1"
  gateway group show quay --entity brugge
  gateway group add plp-centre --entity brugge +32470000000 jan@example.org
  gateway group leave plp-centre --entity brugge jan@example.org
  gateway group end plp-centre --entity brugge
  gateway import contacts members.csv --entity brugge --group plp-centre
  gateway group list --entity brugge
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="add a group")
    create.add_argument("slug", type=_slug, metavar="GROUP", help="as alerts name it, 100 characters at most")
    create.add_argument("--entity", required=True, metavar="SLUG", help="whose group it is")
    create.add_argument("--name", help="its full name (default: the slug)")
    create.add_argument(
        "--exercises", action="store_true", help="its members get exercises for real: SMS, calls and e-mails leave"
    )
    change = actions.add_parser("change", help="another name, another filter, for exercises or not")
    change.add_argument("slug", metavar="GROUP")
    change.add_argument("--entity", required=True, metavar="SLUG")
    change.add_argument("--name", help="its full name (as it was)")
    change.add_argument(
        "--exercises", action=argparse.BooleanOptionalAction, help="whether exercises leave for real (as it was)"
    )
    for below in (create, change):
        _filter_arguments(below)
    show = actions.add_parser("show", help="one group with its filter and its size, by channel")
    show.add_argument("slug", metavar="GROUP")
    show.add_argument("--entity", required=True, metavar="SLUG")
    add = actions.add_parser("add", help="put contacts of the entity into a group")
    add.add_argument("slug", metavar="GROUP")
    add.add_argument("contacts", nargs="+", metavar="CONTACT", help="its key, number (+32...) or e-mail address")
    add.add_argument("--entity", required=True, metavar="SLUG")
    leave = actions.add_parser("leave", help="take contacts out of a group")
    leave.add_argument("slug", metavar="GROUP")
    leave.add_argument("contacts", nargs="+", metavar="CONTACT", help="its key, number (+32...) or e-mail address")
    leave.add_argument("--entity", required=True, metavar="SLUG")
    end = actions.add_parser("end", help="a group ends; its contacts stay")
    end.add_argument("slug", metavar="GROUP")
    end.add_argument("--entity", required=True, metavar="SLUG")
    listing = actions.add_parser("list", help="groups with their sizes")
    listing.add_argument("--entity", metavar="SLUG", help="of this entity only")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for below in (create, change, add, leave, end, listing, show):
        database_arguments(below)


def _filter_arguments(parser: argparse.ArgumentParser) -> None:
    asked = parser.add_argument_group("a filter instead of members", "who is in it is looked up whenever it is used")
    asked.add_argument("--language", action="append", default=[], metavar="LANGUAGE", help="one of them")
    asked.add_argument("--postcode", action="append", default=[], metavar="CODE", help="one of them")
    asked.add_argument("--municipality", action="append", default=[], metavar="NAME", help="one of them")
    asked.add_argument("--tag", action="append", default=[], metavar="TAG", help="all of them")
    asked.add_argument("--channel", action="append", default=[], choices=[c.value for c in ChannelName])
    asked.add_argument("--area", type=Path, metavar="FILE", help="GeoJSON outlines in which an address lies")


def _slug(text: str) -> str:
    if not 1 <= len(text) <= 100 or '"' in text or text != text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("1 to 100 printable characters, no quotation mark, no blank at the ends")
    return text


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        if options.entity is None:
            return await _list(connection, options, 0)
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        return await _ACTIONS[options.action](connection, options, entity.id)


async def _show(connection: Connection, options: argparse.Namespace, entity_id: int) -> int:
    found = await contacts.show_group(connection, entity_id, None, options.slug)
    if found is None:
        complain(f"{options.entity} has no group {options.slug}")
        return Exit.NO
    row, counts = found
    if not counts["exact"]:
        counts = await contacts.count_group(connection, entity_id, contacts.FoundGroup(row["id"], row["filtered"]))
    say(as_json({name: value for name, value in row.items() if name != "id"} | counts))
    return Exit.DONE


def _filter(options: argparse.Namespace) -> GroupFilter | None:
    """What the options ask for; None when the file of outlines can not be used."""
    rings: tuple[tuple[tuple[float, float], ...], ...] = ()
    if options.area:
        try:
            found = read_outlines(options.area.read_bytes())
        except OSError as error:
            complain(f"{options.area}: {error.strerror}")
            return None
        if found.problems:
            complain(f"{options.area} can not be used:", *(f"  {line}" for line in found.problems))
            return None
        rings = tuple(tuple(ring.points) for outline in found.outlines for ring in outline.rings)
    return GroupFilter(
        languages=tuple(options.language), postcodes=tuple(code.upper() for code in options.postcode),
        municipalities=tuple(options.municipality), tags=tuple(tag.lower() for tag in options.tag),
        channels=tuple(ChannelName(name) for name in options.channel), rings=rings,
    )  # fmt: skip


async def _create(connection: Connection, options: argparse.Namespace, entity_id: int) -> int:
    asked = _filter(options)
    if asked is None:
        return Exit.UNREADABLE
    number = await admin.create_group(
        connection,
        entity_id=entity_id,
        slug=options.slug,
        name=options.name or options.slug,
        exercises=options.exercises,
    )
    if number is None:
        complain(f"{options.entity} has a group {options.slug} already")
        return Exit.NO
    if asked:
        await contacts.put_filter(connection, entity_id, number, asked)
    note(f"created {options.slug} of {options.entity}")
    return Exit.DONE


async def _change(connection: Connection, options: argparse.Namespace, entity_id: int) -> int:
    asked = _filter(options)
    if asked is None:
        return Exit.UNREADABLE
    group = await group_of(connection, options.entity, options.slug)
    if group is None:
        return Exit.NO
    if asked and not await contacts.put_filter(connection, entity_id, group.id, asked):
        complain(f"people were put into {options.slug} by hand: a filter needs a new group")
        return Exit.NO
    exercises = group.exercises if options.exercises is None else options.exercises
    await contacts.put_group(
        connection, entity_id, None, group.slug, options.name or group.name, exercises=exercises, partnership=None
    )
    note(f"changed {options.slug} of {options.entity}")
    return Exit.DONE


async def _move(connection: Connection, options: argparse.Namespace, entity_id: int) -> int:
    """Contacts come into a group, or leave it."""
    named = await _named(connection, options, entity_id)
    if named is None:
        return Exit.NO
    group, numbers = named
    comes = options.action == "add"
    moved = await (admin.add_members if comes else admin.take_members)(connection, group, entity_id, numbers)
    others = len(numbers) - moved
    did, stayed = ("added to", "were in it") if comes else ("left", "were not in it")
    note(f"{moved} {did} {options.slug}, {others} {stayed}")
    return Exit.DONE


async def _named(
    connection: Connection, options: argparse.Namespace, entity_id: int
) -> tuple[int, Sequence[int]] | None:
    """The number of a group that is filled by hand, and those of the contacts; None when one of them is not there."""
    group = await group_of(connection, options.entity, options.slug)
    if group is None:
        return None
    if (here := await contacts.group(connection, entity_id, None, options.slug)) and here.filtered:
        complain(f"a filter says who is in {options.slug}: nobody is put into it by hand")
        return None
    found = await admin.find_contacts(connection, entity_id, options.contacts)
    absent = [word for word, numbers in found.items() if not numbers]
    if absent:
        complain(f"{options.entity} has no such contact, nothing was changed:", *(f"  {word}" for word in absent))
        return None
    return group.id, sorted({number for several in found.values() for number in several})


async def _end(connection: Connection, options: argparse.Namespace, entity_id: int) -> int:
    group = await group_of(connection, options.entity, options.slug)
    if group is None:
        return Exit.NO
    await contacts.remove_group(connection, entity_id, group.id)
    note(f"{options.slug} of {options.entity} ended; its contacts stay")
    return Exit.DONE


async def group_of(connection: Connection, entity: str, slug: str) -> admin.GroupRow | None:
    """The entity's group of this slug; when there is none, that is said."""
    found = next((group for group in await admin.groups(connection, entity) if group.slug == slug), None)
    if found is None:
        complain(f"{entity} has no group {slug}: gateway group create {slug} --entity {entity}")
    return found


async def _list(connection: Connection, options: argparse.Namespace, entity_id: int) -> int:
    found = await admin.groups(connection, options.entity)
    if options.json:
        say(*(as_json(asdict(row)) for row in found))
        return Exit.DONE
    rows = [(group.entity, group.slug, group.members, group.exercises, group.name) for group in found]
    say(*table(("entity", "group", "members", "exercises", "name"), rows))
    return Exit.DONE


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace, int], Awaitable[int]]] = {
    "create": _create,
    "change": _change,
    "add": _move,
    "leave": _move,
    "end": _end,
    "show": _show,
    "list": _list,
}
