"""`gateway token`: the credentials with which authorities post alerts.

Knows: the options, and that a credential is shown once. Never knows: SQL, what a right allows.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.commands.numbers import end_date, whole
from gateway.commands.words import words_of
from gateway.model import ChannelName, MessageClass, Realm
from gateway.store import admin
from gateway.store.pool import Connection

EXAMPLES = """\
A token is printed once, alone on stdout; only its hash is kept. Whoever has it can alert in the entity's name.

examples:
  gateway token create --entity brugge --test > test.token
  gateway token create --entity brugge --note "crisis room" --expires 365d --classes urgent,prevention
  gateway token list --entity brugge
  gateway token revoke 7
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a token and print it, once")
    create.add_argument("--entity", required=True, metavar="SLUG", help="in whose name it alerts")
    rights_arguments(create)
    listing = actions.add_parser("list", help="tokens without their secrets")
    listing.add_argument("--entity", metavar="SLUG", help="of this entity only")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    revoke = actions.add_parser("revoke", help="end a token now")
    revoke.add_argument("number", type=whole(1, 2**31 - 1), metavar="NUMBER", help="as in the list")
    for below in (create, listing, revoke):
        database_arguments(below)


def rights_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what a credential may do."""
    parser.add_argument("--test", action="store_true", help="for rehearsals: it never reaches a live transport")
    parser.add_argument("--note", default="", help="who holds it")
    parser.add_argument(
        "--expires", type=end_date, metavar="WHEN", help="90d, 2030-12-31 or a date-time; default: never"
    )
    parser.add_argument("--classes", type=words_of(MessageClass), default=tuple(MessageClass), metavar="urgent,...")
    parser.add_argument("--channels", type=words_of(ChannelName), default=tuple(ChannelName), metavar="sms,...")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        return await _ACTIONS[options.action](connection, options)


async def _create(connection: Connection, options: argparse.Namespace) -> int:
    entity = await admin.entity(connection, options.entity)
    if entity is None:
        return no_entity(options.entity)
    realm = Realm.TEST if options.test else Realm.LIVE
    token = admin.new_token(realm)
    number = await admin.create_token(
        connection,
        entity_id=entity.id,
        realm=realm,
        token=token,
        note=options.note,
        expires_at=options.expires,
        classes=options.classes,
        channels=options.channels,
    )
    say(token.text)
    note(f"token {number} of {entity.slug} ({realm.value}); it can not be shown again")
    if realm is Realm.LIVE and not entity.live:
        note(f"{entity.slug} is not live yet: gateway entity change {entity.slug} --live")
    return Exit.DONE


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    if options.entity and await admin.entity(connection, options.entity) is None:
        return no_entity(options.entity)
    found = await admin.tokens(connection, options.entity)
    if options.json:
        say(*(as_json(asdict(row)) for row in found))
        return Exit.DONE
    heads = ("number", "entity", "realm", "classes", "channels", "last used", "expires", "revoked", "note")
    rows = [
        (t.id, t.entity, t.realm, t.classes, t.channels, t.last_used_at, t.expires_at, t.revoked_at, t.note)
        for t in found
    ]
    say(*table(heads, rows))
    return Exit.DONE


async def _revoke(connection: Connection, options: argparse.Namespace) -> int:
    if await admin.revoke_token(connection, options.number):
        note(f"token {options.number} is revoked")
        return Exit.DONE
    complain(f"there is no token {options.number} that works: gateway token list shows them all")
    return Exit.NO


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
}
