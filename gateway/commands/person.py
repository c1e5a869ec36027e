"""`gateway person`: who may act in an entity's name, with which roles and mandates.

Knows: the options, how a person is shown. Never knows: SQL, what a mandate allows. Whoever has the database's password
is the operator, whose word needs no second administrator.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.commands.numbers import end_date, whole
from gateway.commands.words import words_of
from gateway.model import ChannelName, MessageClass, Purpose, Realm, Role
from gateway.store import admin, invitations, persons
from gateway.store.persons import Grant, NewMandate
from gateway.store.pool import Connection, act_as

EXAMPLES = """\
roles: admin (persons, mandates, settings), approver (the second person), observer (sees, as the CIC does), viewer (sees
contacts), exporter (takes contacts out), editor (keeps contacts), break-glass (may do without the second person).

examples:
  gateway person create an@brugge.example --entity brugge --name "An Peeters" --roles admin,approver
  gateway person mandate an@brugge.example --entity brugge --classes urgent --channels sms,voice --expires 365d
  gateway person mandate jan@plp.example --entity zone --classes news --channels email --partnership plp-centre
  gateway person invite an@brugge.example --entity brugge --live > invitation
  gateway person redeem < invitation
  gateway person invite an@brugge.example --entity brugge --live --mail     # the link goes to An, nobody else sees it
  gateway person invite an@brugge.example --entity brugge --live --anew     # who lost every way to sign in
  gateway person change an@brugge.example --entity brugge --suspended
  gateway person list --entity brugge --begins an
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make somebody a member of an entity")
    create.add_argument("--name", required=True)
    create.add_argument("--language", default="nl")
    change = actions.add_parser("change", help="change what is given")
    change.add_argument("--suspended", action=argparse.BooleanOptionalAction, help="nothing can be done in their name")
    change.add_argument("--trained", type=date.fromisoformat, metavar="DATE", help="when the training was")
    change.add_argument("--trained-until", type=date.fromisoformat, metavar="DATE", help="until when it holds")
    for below in (create, change):
        below.add_argument("--roles", type=words_of(Role), metavar="admin,...", help="all roles from now on")
    mandate = actions.add_parser("mandate", help="what somebody may send")
    mandate.add_argument("--classes", type=words_of(MessageClass), required=True, metavar="urgent,...")
    mandate.add_argument("--channels", type=words_of(ChannelName), required=True, metavar="sms,...")
    mandate.add_argument("--purposes", type=words_of(Purpose), default=tuple(Purpose), metavar="emergency,...")
    mandate.add_argument("--partnership", metavar="SLUG", help="only for the groups of this one")
    mandate.add_argument("--expires", type=end_date, metavar="WHEN", help="90d, 2030-12-31 or a date-time")
    revoke = actions.add_parser("revoke", help="end a mandate")
    revoke.add_argument("number", type=whole(1, 2**31 - 1), metavar="NUMBER", help="as `gateway person show` lists it")
    invite = actions.add_parser("invite", help="print the secret of an invitation, once, or mail its link")
    invite.add_argument("--live", action="store_true", help="to the live world")
    invite.add_argument("--mail", action="store_true", help="send the link to the person's address, print nothing")
    invite.add_argument("--anew", action="store_true", help="who opens it has no other way to sign in any more")
    redeem = actions.add_parser("redeem", help="read an invitation on stdin, print the person's own token, once")
    show = actions.add_parser("show", help="one member with all mandates")
    listing = actions.add_parser("list", help="members by name")
    listing.add_argument("--begins", default="", metavar="TEXT", help="whose name begins so")
    for below in (create, change, mandate, invite, show):
        below.add_argument("person", metavar="PERSON", help="e-mail address" if below is create else "e-mail or pe_...")
    for below in (create, change, mandate, revoke, invite, show, listing):
        below.add_argument("--entity", required=True, metavar="SLUG")
    for below in (show, listing):
        below.add_argument("--json", action="store_true", help="one JSON object a line")
    for below in (create, change, mandate, revoke, invite, redeem, show, listing):
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        await act_as(connection, "command")
        if options.action == "redeem":
            return await _redeem(connection, await asyncio.to_thread(sys.stdin.readline))
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        if options.action in _OF_ENTITY:
            return await _OF_ENTITY[options.action](connection, entity.id, options)
        person = await persons.find(connection, entity.id, options.person)
        if person is None:
            complain(f"{options.entity} has no member {options.person}: gateway person list shows them all")
            return Exit.NO
        return await _OF_PERSON[options.action](connection, entity.id, person, options)


async def _create(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    name, new = await persons.join(
        connection, entity, name=options.name, email=options.person, language=options.language,
        roles=options.roles or (), grant=Grant(),
    )  # fmt: skip
    if not new:
        complain(f"{options.person} is a member of {options.entity} already")
        return Exit.NO
    say(name)
    return Exit.DONE


async def _revoke(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    if await persons.revoke_mandate(connection, entity, options.number):
        return Exit.DONE
    complain(f"{options.entity} has no mandate {options.number}")
    return Exit.NO


async def _list(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    after, shown = ("", 0), list[Any]()
    while rows := await persons.page(connection, entity, begins=options.begins, after=after, limit=1000):
        shown += rows
        after = rows[-1]["search"], rows[-1]["id"]
    if options.json:
        say(*(as_json(_told(row)) for row in shown))
    else:
        cells = [(r["public_id"], r["name"], r["email"], r["roles"], r["suspended"]) for r in shown]
        say(*table(("person", "name", "e-mail", "roles", "suspended"), cells))
    return Exit.DONE


async def _change(connection: Connection, entity: int, person: Any, options: argparse.Namespace) -> int:
    if options.roles is not None:
        await persons.set_roles(connection, entity, person, options.roles, Grant())
    if options.suspended is not None:
        await persons.suspend(connection, entity, person["id"], options.suspended)
    if options.trained or options.trained_until:
        until = options.trained_until or person["trained_until"]
        await persons.train(connection, entity, person["id"], options.trained or person["trained_on"], until)
    return Exit.DONE


async def _mandate(connection: Connection, entity: int, person: Any, options: argparse.Namespace) -> int:
    known = {row["slug"]: row["id"] for row in await persons.partnerships(connection, entity)}
    if options.partnership and options.partnership not in known:
        complain(f"{options.entity} has no partnership {options.partnership}")
        return Exit.NO
    mandate = NewMandate(
        classes=options.classes, channels=options.channels, purposes=options.purposes,
        partnership=known.get(options.partnership), not_after=options.expires,
    )  # fmt: skip
    numbers = await persons.grant_mandate(connection, entity, person["id"], mandate, Grant())
    note(f"{len(numbers)} new mandates for {person['public_id']}")
    return Exit.DONE


async def _invite(connection: Connection, entity: int, person: Any, options: argparse.Namespace) -> int:
    realm = Realm.LIVE if options.live else Realm.TEST
    until = datetime.now(UTC) + timedelta(days=7)
    if options.mail:
        await invitations.ask(connection, entity, person["id"], realm, until, Grant(), anew=options.anew)
        note(f"its mail leaves from a node with the role dispatch and a relay; it works once, until {until:%Y-%m-%d}")
        return Exit.DONE
    _, secret = await persons.invite(connection, entity, person["id"], realm, until, Grant(), anew=options.anew)
    say(secret)
    note(f"works once, until {until:%Y-%m-%d}: POST /v1/sign-in/invitation, or gateway person redeem for a token")
    return Exit.DONE


async def _redeem(connection: Connection, invitation: str) -> int:
    token = await persons.redeem(connection, invitation.strip(), "", None)
    if token is None:
        complain("this invitation does not work: used, run out, or not confirmed yet")
        return Exit.NO
    say(token)
    return Exit.DONE


async def _show(connection: Connection, entity: int, person: Any, options: argparse.Namespace) -> int:
    mandates = await persons.mandates(connection, entity, person["id"])
    if options.json:
        say(as_json(_told(person) | {"mandates": [dict(row) for row in mandates]}))
        return Exit.DONE
    say(*table(("", ""), list(_told(person).items()))[1:], "")
    heads = ("number", "class", "channel", "partnership", "until", "confirmed")
    cells = [
        (m["id"], m["message_class"], m["channel"], m["partnership"], m["not_after"], m["confirmed_by"] is not None)
        for m in mandates
    ]
    say(*table(heads, cells))
    return Exit.DONE


def _told(row: Any) -> dict[str, Any]:
    names = ("public_id", "name", "email", "language", "roles", "wanted", "suspended", "trained_on", "trained_until")
    return {name: row[name] for name in names}


_OF_ENTITY: Mapping[str, Callable[[Connection, int, argparse.Namespace], Awaitable[int]]] = {
    "create": _create, "revoke": _revoke, "list": _list,
}  # fmt: skip
_OF_PERSON: Mapping[str, Callable[[Connection, int, Any, argparse.Namespace], Awaitable[int]]] = {
    "change": _change, "mandate": _mandate, "invite": _invite, "show": _show,
}  # fmt: skip
