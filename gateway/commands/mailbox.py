"""`gateway mailbox`: who may send alerts by mail, how each proves itself, and what became of each mail.

Knows: the options, files with certificates. Never knows: SQL, IMAP, how a proof is verified.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gateway.cap.trust import Trust
from gateway.commands.console import Exit, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.commands.numbers import whole
from gateway.commands.token import rights_arguments
from gateway.model import Realm
from gateway.policy.mailproof import MailSource, ProofKind, aligned
from gateway.smtp.message import parse_address
from gateway.store import admin, mailbox
from gateway.store.pool import Connection

EXAMPLES = """\
From proves nothing. A source is believed by what was agreed with it: a DKIM signature of its domain, an S/MIME
signature under a pinned certificate or authority, or a signature inside the alert.

examples:
  gateway mailbox add duty@brugge.example --mailbox alerts --entity brugge --dkim brugge.example
  gateway mailbox add duty@gent.example --mailbox alerts --entity gent --smime ca.pem --reply-to duty@gent.example
  gateway mailbox add system@police.example --mailbox alerts --entity pz-west --xmldsig system.pem --pin 3f1c...
  gateway mailbox list
  gateway mailbox mails --mailbox alerts
  gateway mailbox revoke 3
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="take alerts of an address from now on")
    add.add_argument("address", type=_address, metavar="ADDRESS", help="what stands in From")
    add.add_argument("--mailbox", required=True, metavar="NAME", help="name of the mailbox in the configuration")
    add.add_argument("--entity", required=True, metavar="SLUG", help="in whose name it alerts")
    proof = add.add_mutually_exclusive_group(required=True)
    proof.add_argument("--dkim", metavar="DOMAIN", help="proven by a DKIM signature of this domain")
    proof.add_argument("--smime", type=Path, metavar="PEM", help="proven by S/MIME under these certificates")
    proof.add_argument("--xmldsig", type=Path, metavar="PEM", help="proven by a signature inside each alert")
    add.add_argument("--pin", type=_digest, metavar="SHA256", help="only this key (DKIM) or certificate counts")
    add.add_argument("--reply-to", type=_address, metavar="ADDRESS", help="CAP Ack and Error go there")
    rights_arguments(add)
    listing = actions.add_parser("list", help="every source, or those of one entity")
    listing.add_argument("--entity", metavar="SLUG")
    mails = actions.add_parser("mails", help="what became of the mails that came last")
    mails.add_argument("--mailbox", metavar="NAME", help="of this mailbox only")
    mails.add_argument("--most", type=whole(1, 10_000), default=50, metavar="N")
    for below in (listing, mails):
        below.add_argument("--json", action="store_true", help="one JSON object a line")
    revoke = actions.add_parser("revoke", help="take nothing more from a source")
    revoke.add_argument("number", type=whole(1, 2**31 - 1), metavar="NUMBER", help="as in the list")
    for below in (add, listing, mails, revoke):
        database_arguments(below)


def _address(text: str) -> str:
    if parse_address(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no e-mail address")
    return text.lower()


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise argparse.ArgumentTypeError("a SHA-256 is 64 hexadecimal digits")
    return found


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    source = _source(options) if options.action == "add" else None
    if isinstance(source, str):
        complain(source)
        return Exit.UNREADABLE
    async with session(options) as connection:
        if source is not None:
            return await _add(connection, options, source)
        return await _ACTIONS[options.action](connection, options)


def _source(options: argparse.Namespace) -> MailSource | str:
    """The source as the options have it, or what is wrong with them."""
    domain, file = (options.dkim or "").lower().rstrip("."), options.smime or options.xmldsig
    if domain and not aligned(options.address, domain):
        return f"{domain} can not sign for {options.address}: it has to be the address's own domain, or one above it"
    certificates = ""
    if file is not None:
        try:
            certificates = file.read_text(encoding="ascii")
            Trust.from_pem(certificates.encode())
        except (OSError, ValueError) as error:
            return f"{file}: {error.strerror if isinstance(error, OSError) else error}"
    kind = ProofKind.DKIM if domain else ProofKind.SMIME if options.smime else ProofKind.XMLDSIG
    return MailSource(
        id=0, mailbox=options.mailbox, address=options.address, entity_id=0, proof=kind, domain=domain,
        certificates=certificates, fingerprint=options.pin, answers=options.reply_to is not None,
        reply_address=options.reply_to or "",
    )  # fmt: skip


async def _add(connection: Connection, options: argparse.Namespace, source: MailSource) -> int:
    entity = await admin.entity(connection, options.entity)
    if entity is None:
        return no_entity(options.entity)
    realm = Realm.TEST if options.test else Realm.LIVE
    async with connection.transaction():
        token = await admin.create_token(
            connection, entity_id=entity.id, realm=realm, token=admin.new_token(realm),  # nobody is shown its text
            note=f"mails to {source.mailbox}: {options.note}".rstrip(": "), expires_at=options.expires,
            classes=options.classes, channels=options.channels,
        )  # fmt: skip
        made = await mailbox.add_source(connection, source, token)
        if made is None:
            await admin.revoke_token(connection, token)
    if made is None:
        complain(f"{source.mailbox} takes alerts of this address already: gateway mailbox list")
        return Exit.NO
    say(str(made))
    note(f"source {made} of {entity.slug} ({realm.value}), by {source.proof.value}; its rights are token {token}'s")
    return Exit.DONE


async def _list(connection: Connection, options: argparse.Namespace) -> int:
    if options.entity and await admin.entity(connection, options.entity) is None:
        return no_entity(options.entity)
    found = await mailbox.listed(connection, options.entity)
    if options.json:
        say(*(as_json(row._asdict()) for row in found))
        return Exit.DONE
    heads = ("number", "mailbox", "address", "entity", "realm", "token", "proof", "domain", "pinned", "answers to")
    say(*table(heads, found))
    return Exit.DONE


async def _mails(connection: Connection, options: argparse.Namespace) -> int:
    found = await mailbox.last_mails(connection, options.mailbox, options.most)
    if options.json:
        say(*(as_json(row._asdict()) for row in found))
        return Exit.DONE
    heads = ("at", "mailbox", "uid", "entity", "verdict", "reason", "detail", "alerts")
    rows = [(*row[:-1], " ".join(f"{name}:{status}" for name, status in row.alerts)) for row in found]
    say(*table(heads, rows))
    return Exit.DONE


async def _revoke(connection: Connection, options: argparse.Namespace) -> int:
    if await mailbox.revoke_source(connection, options.number):
        note(f"source {options.number} is revoked")
        return Exit.DONE
    complain(f"there is no source {options.number}: gateway mailbox list shows them all")
    return Exit.NO


_ACTIONS: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "mails": _mails,
    "revoke": _revoke,
}
