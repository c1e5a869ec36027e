"""`gateway webhook`: systems of an entity that are told what happens to its campaigns.

Knows: the options, that a secret is shown once. Never knows: SQL, how messages are signed and sent.
"""

import argparse
import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session, settings_of
from gateway.commands.entity import no_entity
from gateway.commands.words import words_of
from gateway.model import Realm
from gateway.policy.webhooks import SECRET_BYTES, URL_MOST_CHARACTERS, EventType, WebhookRules, new_secret, ping
from gateway.store import admin, webhooks
from gateway.store.pool import Connection
from gateway.web.outward import Guard, networks
from gateway.web.webhooks import delivery, told

EXAMPLES = """\
A secret is printed once, alone on stdout: each message is signed with it (Standard Webhooks).

examples:
  gateway webhook add https://hook.brugge.example/in --entity brugge --events campaign.released,campaign.closed
  gateway webhook list --entity brugge
  gateway webhook ping wh_0f1e2d3c4b5a6978 --entity brugge
  gateway webhook deliveries wh_0f1e2d3c4b5a6978 --entity brugge
  gateway webhook rotate wh_0f1e2d3c4b5a6978 --entity brugge
  gateway webhook enable wh_0f1e2d3c4b5a6978 --entity brugge
  gateway webhook remove wh_0f1e2d3c4b5a6978 --entity brugge
"""
ON_ONE = {
    "rotate": "make a new secret and print it, once", "ping": "send it a message that says nothing",
    "enable": "tell it again, also what waited", "disable": "tell it nothing for now",
    "remove": "tell it nothing more, and drop what waits", "deliveries": "what became of what it was told",
}  # fmt: skip
_URL = re.compile(r"https?://[!-~]+")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="tell this address from now on")
    add.add_argument("url", metavar="URL", type=_url)
    add.add_argument("--events", type=words_of(EventType), default=(), metavar="TYPE,...", help="default: all")
    add.add_argument("--note", default="", help="what it is for")
    add.add_argument("--test", action="store_true", help="it hears of rehearsals only")
    listing = actions.add_parser("list", help="webhooks without their secrets")
    below = [add, listing]
    for act, words in ON_ONE.items():
        one = actions.add_parser(act, help=words)
        one.add_argument("webhook", metavar="WEBHOOK", help="as in the list")
        below.append(one)
    for one in below:
        one.add_argument("--entity", required=True, metavar="SLUG", help="whose it is")
        one.add_argument("--json", action="store_true", help="one JSON object a line")
        database_arguments(one)


def _url(text: str) -> str:
    if len(text) > URL_MOST_CHARACTERS or not _URL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a web address")
    return text


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        if options.action in _OF_ENTITY:
            return await _OF_ENTITY[options.action](connection, entity.id, options)
        async with connection.transaction():
            row = await webhooks.find(connection, entity.id, options.webhook)
            if row is not None:
                return await _on_one(connection, entity.id, row["id"], options)
    complain(f"{options.entity} has no webhook {options.webhook}: gateway webhook list --entity {options.entity}")
    return Exit.NO


async def _add(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    why = _refusal(options)
    if why:
        complain(f"{options.url} can not be used: {why}")
        return Exit.NO
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    realm = Realm.TEST if options.test else Realm.LIVE
    name = await webhooks.add(
        connection, entity, realm=realm.value, url=options.url, events=options.events, note=options.note, secret=secret
    )
    say(secret)
    note(f"{name} ({realm.value}); its secret is not shown again")
    return Exit.DONE


def _refusal(options: argparse.Namespace) -> str:
    """Why this address is not told anything, by the configuration where there is one."""
    rules, guard = WebhookRules(), Guard()
    if options.demo is None:
        section = settings_of(options.config).webhooks
        rules, guard = section.rules(), Guard(allowed=networks(section.allowed_networks))
    if not rules.plain_http and not options.url.startswith("https:"):
        return "it is not https"
    return guard.refusal(options.url)


async def _list(connection: Connection, entity: int, options: argparse.Namespace) -> int:
    rows = [told(row) for row in await webhooks.page(connection, entity)]
    if options.json:
        say(*(as_json(row) for row in rows))
    else:
        heads = ("webhook", "realm", "enabled", "waiting", "failures", "events", "url")
        say(*table(heads, [[row[head] for head in heads] for row in rows]))
    return Exit.DONE


async def _on_one(connection: Connection, entity: int, number: int, options: argparse.Namespace) -> int:
    match options.action:
        case "rotate":
            secret = new_secret(secrets.token_bytes(SECRET_BYTES))
            until = await webhooks.rotate(connection, number, secret, WebhookRules().old_secret_s)
            say(secret)
            note(f"the old one is signed with as well until {until:%Y-%m-%d %H:%M} UTC")
        case "ping":
            words = ping(options.webhook, datetime.now(UTC))
            note(f"sent: {await webhooks.enqueue(connection, number, entity, EventType.PING.value, words)}")
        case "remove":
            await webhooks.remove(connection, entity, options.webhook)
            note(f"{options.webhook} is removed")
        case "deliveries":
            _show([delivery(row) for row in await webhooks.deliveries(connection, number)], options)
        case act:
            await webhooks.change(connection, number, enabled=act == "enable")
            note(f"{options.webhook} is {act}d")
    return Exit.DONE


def _show(rows: list[dict[str, object]], options: argparse.Namespace) -> None:
    if options.json:
        say(*(as_json(row) for row in rows))
        return
    heads = ("message", "type", "at", "attempts", "status", "settled", "due")
    say(*table(heads, [[row[head] for head in heads] for row in rows]))


_OF_ENTITY: Mapping[str, Callable[[Connection, int, argparse.Namespace], Awaitable[int]]] = {
    "add": _add, "list": _list,
}  # fmt: skip
