"""`gateway entity`: the authorities that may alert.

Knows: the options and how an authority is shown. Never knows: SQL, what an authority may do.
"""

import argparse
import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.commands import entity_archive, entity_identity
from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.errors import SettingsError
from gateway.flows.suspending import Running, deal_with
from gateway.model import EntityKind, MessageClass
from gateway.policy.onboarding import missing
from gateway.policy.security import guarded, in_force
from gateway.store import admin, audit, entities
from gateway.store.pool import Connection
from gateway.web.entities import ContactPerson, Policy

EXAMPLES = """\
type1: a governor or commune; reaches its groups, and citizens by place inside its territory.
type2: a police zone or partnership; reaches its groups only.

examples:
  gateway entity create brugge --name "Stad Brugge" --kind type1 --languages nl,fr,en
  gateway import territory brugge.geojson --entity brugge
  gateway entity change brugge --convention 2026-01-05 --order-form 2026-01-05 --contact "An Peeters,+32 50 00 00 00"
  gateway entity change brugge --live                     # refused while something of the checklist is missing
  gateway entity change platform --policy security.json   # {"security": {"session_idle_minutes": 30}}: for everybody
  gateway entity change brugge --quiet-hours 22:00-07:00 --escalate urgent=10
  gateway entity change brugge --suspended --running pause
  gateway entity signatures brugge --pin brugge.pem --rule require
  gateway entity senders brugge --add crisis@brugge.example
  gateway entity export brugge --reason "it moves to another provider"   prints a number, for a second person to agree
  gateway entity export brugge brugge.zip --request 12
  gateway entity import brugge.zip --slug brugge-2
  gateway entity list
"""
RESERVED = frozenset({"alerts", "exercise", "feed", "heartbeat", "hub", "incoming", "validate"})
"""Words that stand where a slug would in an address below /cap; the database refuses them as well."""
_NOT_GIVEN = object()
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="add an authority")
    create.add_argument("slug", type=slug, metavar="SLUG", help="its short name: a-z, 0-9 and -")
    create.add_argument("--name", required=True, help="its full name, as people read it")
    create.add_argument("--kind", required=True, choices=[kind.value for kind in EntityKind])
    create.add_argument(
        "--languages", type=languages, default=["nl", "fr", "de", "en"], metavar="nl,fr", help="in order"
    )
    create.add_argument("--parent", type=slug, metavar="SLUG", help="the authority above it")
    change = actions.add_parser("change", help="change what is given")
    change.add_argument("slug", metavar="SLUG")
    change.add_argument("--name")
    change.add_argument("--languages", type=languages, metavar="nl,fr")
    help_ = "it may alert with live tokens, when nothing of its checklist is missing"
    change.add_argument("--live", action=argparse.BooleanOptionalAction, help=help_)
    help_ = "with --live: on your word, whatever is missing; the record says so"
    change.add_argument("--without-papers", action="store_true", help=help_)
    help_ = "its posts are answered with a CAP Ack or Error"
    change.add_argument("--cap-answers", action=argparse.BooleanOptionalAction, help=help_)
    change.add_argument(
        "--running", choices=[one.value for one in Running], help="with --suspended: what becomes of running campaigns"
    )
    change.add_argument("--convention", type=date.fromisoformat, metavar="DATE", help="when it was signed")
    change.add_argument("--order-form", type=date.fromisoformat, metavar="DATE", help="when it was signed")
    help_ = "whom the platform calls; once for each of them, who take the place of those of before"
    change.add_argument("--contact", type=contact, action="append", metavar="NAME[,PHONE[,EMAIL]]", help=help_)
    change.add_argument("--policy", type=Path, metavar="FILE", help="JSON: channels, approval, security, ...")
    change.add_argument("--suspended", action=argparse.BooleanOptionalAction, help="nothing can be sent in its name")
    change.add_argument(
        "--quiet-hours",
        type=hours,
        default=_NOT_GIVEN,
        metavar="22:00-07:00",
        help="no SMS and no call of classes that are not urgent; none",
    )
    change.add_argument(
        "--escalate",
        type=escalation,
        default=_NOT_GIVEN,
        metavar="urgent=10",
        help="minutes until who has no delivered SMS is called; none",
    )
    listing = actions.add_parser("list", help="every authority")
    show = actions.add_parser("show", help="one authority")
    show.add_argument("slug", metavar="SLUG")
    for below in (listing, show):
        below.add_argument("--json", action="store_true", help="one JSON object a line")
    signatures = actions.add_parser("signatures", help="whose signatures count, and what for")
    entity_identity.signature_arguments(signatures)
    senders = actions.add_parser("senders", help="the CAP senders that it uses")
    entity_identity.sender_arguments(senders)
    export = actions.add_parser("export", help="everything of an authority as one archive")
    entity_archive.export_arguments(export)
    restore = actions.add_parser("import", help="an authority from an archive, not live")
    entity_archive.import_arguments(restore)
    for below in (create, change, listing, show, signatures, senders, export, restore):
        database_arguments(below)


def slug(text: str) -> str:
    """A short name as the database takes it."""
    if text in RESERVED:
        raise argparse.ArgumentTypeError(f"{text!r} is a word in the addresses of feeds; choose another")
    if not _SLUG.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not made of a-z, 0-9 and - (63 at most, none in front)")
    return text


def contact(text: str) -> dict[str, Any]:
    """A contact person as the entity keeps them."""
    name, phone, email, *more = (*(word.strip() for word in text.split(",")), "", "")
    try:
        found = ContactPerson(name=name, phone=phone, email=email)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name, a number and an address") from error
    if any(more):
        raise argparse.ArgumentTypeError(f"{text!r} is more than a name, a number and an address")
    return found.model_dump()


def languages(text: str) -> list[str]:
    """Languages in order, in lower case without region."""
    words = list(dict.fromkeys(word.strip().lower() for word in text.split(",")))
    if not all(re.fullmatch(r"[a-z]{2,3}", word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of languages like nl,fr,de,en")
    return words


def hours(text: str) -> list[str] | None:
    """Quiet hours as the policy keeps them; None: none."""
    found = re.fullmatch(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)", text)
    if text == "none":
        return None
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 22:00-07:00, and not the word none")
    return [found[1], found[3]]


def escalation(text: str) -> dict[str, float]:
    """Minutes by class as the policy keeps them; {}: never."""
    if text == "none":
        return {}
    classes = "|".join(MessageClass)
    pairs = [re.fullmatch(rf"({classes})=(\d{{1,4}})", word.strip()) for word in text.split(",")]
    if not all(pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not like urgent=10,prevention=60, and not the word none")
    return {pair[1]: float(pair[2]) for pair in pairs if pair}


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.action in entity_archive.ACTIONS:
        return asyncio.run(entity_archive.ACTIONS[options.action](options))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        return await _ACTIONS[options.action](connection, options)


async def _create(connection: Connection, options: argparse.Namespace) -> int:
    if options.parent and await admin.entity(connection, options.parent) is None:
        return no_entity(options.parent)
    number = await admin.create_entity(
        connection,
        slug=options.slug,
        name=options.name,
        kind=EntityKind(options.kind),
        live=False,
        languages=options.languages,
        parent=options.parent,
    )
    if number is None:
        complain(f"there is an entity {options.slug} already: gateway entity change {options.slug} changes it")
        return Exit.NO
    note(f"created {options.slug}; next: gateway token create --entity {options.slug} --test")
    return Exit.DONE


async def _change(connection: Connection, options: argparse.Namespace) -> int:
    async with connection.transaction():
        found = await entities.show(connection, options.slug)
        if found is None:
            return no_entity(options.slug)
        wanted = None if options.policy is None else _policy_file(options.policy)
        if loose := entities.looser(found, wanted):
            complain(*(one.sentence for one in loose))
            return Exit.NO
        running = await entities.running(connection, found["id"]) if options.suspended else []
        if running and options.running is None:
            complain(f"{len(running)} campaigns run: say --running stop, --running pause or --running go-on")
            return Exit.NO
        await admin.change_entity(
            connection, options.slug, name=options.name, live=False if options.live is False else None,
            suspended=options.suspended, languages=options.languages, policy=_policy(options),
            cap_answers=options.cap_answers,
        )  # fmt: skip
        await entities.note_papers(
            connection, found["id"], convention=options.convention, order_form=options.order_form
        )
        await entities.change_own(connection, found["id"], policy=wanted, contact_persons=options.contact)
        if running:
            await deal_with(connection, found["id"], Running(options.running), "command")
        return await _live(connection, options) if options.live else Exit.DONE


async def _live(connection: Connection, options: argparse.Namespace) -> Exit:
    """It goes live when nothing is missing, or on the operator's word, which is written down."""
    row = await entities.show(connection, options.slug)
    lacks = missing(entities.papers_of(row))
    if lacks and not options.without_papers:
        complain(
            f"{options.slug} is not live, before that: {', '.join(lacks)}; --without-papers takes your word for it"
        )
        return Exit.NO
    await entities.note_papers(connection, row["id"], live=True)
    if lacks:
        subject = f"entity:{row['id']}"
        await audit.write(connection, row["id"], "entity.live-without-papers", subject, {"missing": lacks}, "command")
        note(f"live on your word; still missing on record: {', '.join(lacks)}")
    return Exit.DONE


def _policy_file(path: Path) -> dict[str, Any]:
    try:
        policy = Policy.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from error
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise SettingsError(
            [f"{path}: {'.'.join(map(str, fault['loc'])) or 'policy'}: {fault['msg']}" for fault in faults]
        ) from error
    return policy.model_dump(mode="json", exclude_unset=True)


def _policy(options: argparse.Namespace) -> dict[str, object]:
    """The keys of the policy that were given."""
    given = {"quiet_hours": options.quiet_hours, "escalation_minutes": options.escalate}
    return {key: value or None for key, value in given.items() if value is not _NOT_GIVEN}


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    found = await admin.entities(connection)
    if options.json:
        say(*(as_json(asdict(row)) for row in found))
        return Exit.DONE
    heads = ("entity", "kind", "live", "suspended", "contacts", "groups", "tokens", "name")
    rows = [(e.slug, e.kind, e.live, e.suspended, e.contacts, e.groups, e.tokens, e.name) for e in found]
    say(*table(heads, rows))
    return Exit.DONE


async def _show(connection: Connection, options: argparse.Namespace) -> int:
    found = await admin.entity(connection, options.slug)
    if found is None:
        return no_entity(options.slug)
    if options.json:
        say(as_json(asdict(found)))
        return Exit.DONE
    row = await entities.show(connection, options.slug)
    security = guarded(in_force(row["policy"], row["platform_policy"]))
    territory = f"{found.rings} rings" if found.rings else "none: no place can be targeted"
    facts = (
        ("entity", found.slug),
        ("name", found.name),
        ("kind", found.kind),
        ("above it", found.parent),
        ("live", found.live),
        ("suspended", found.suspended),
        ("languages", found.languages),
        ("territory", territory),
        ("contacts", found.contacts),
        ("groups", found.groups),
        ("tokens", found.tokens),
        ("security", [f"{key}={value}" for key, value in security.items()]),
    )
    say(*table(("", ""), facts)[1:])
    return Exit.DONE


def no_entity(name: str) -> Exit:
    """Say that there is no such authority."""
    complain(f"there is no entity {name}: gateway entity list shows them all")
    return Exit.NO


async def _signatures(connection: Connection, options: argparse.Namespace) -> int:
    found = await admin.entity(connection, options.slug)
    if found is None:
        return no_entity(options.slug)
    return await entity_identity.signatures(connection, found.id, options)


async def _senders(connection: Connection, options: argparse.Namespace) -> int:
    found = await admin.entity(connection, options.slug)
    return no_entity(options.slug) if found is None else await entity_identity.senders(connection, found.id, options)


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "create": _create,
    "change": _change,
    "list": _list,
    "show": _show,
    "signatures": _signatures,
    "senders": _senders,
}
