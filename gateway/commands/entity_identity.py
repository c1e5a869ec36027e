"""`gateway entity signatures` and `gateway entity senders`: by what an authority's alerts are known.

Knows: the options, files of certificates, how a rule is shown. Never knows: SQL, how a signature is verified.
"""

import argparse
import re
from dataclasses import dataclass

from gateway.cap import trust
from gateway.cap.parse import Limits
from gateway.cap.trust import Certificate, Trust
from gateway.cap.words import token_problem
from gateway.commands.console import Exit, as_json, complain, note, read_file, say, table
from gateway.model import SignatureRule
from gateway.store import identity
from gateway.store.pool import Connection

SIGNATURES = """\
require: an alert without a trusted signature is refused.
verify:  signatures are verified and the verdict is kept and said; the token alone is the right to alert. (default)
ignore:  signatures are not looked at.

A certificate counts by itself. One that may certify others (a CA) also stands for every certificate that leads to it:
pin only one that certifies for this authority and for nobody else. Several count at once, so that keys can change.

examples:
  gateway entity signatures brugge --pin brugge.pem --rule require
  gateway entity signatures brugge --pin brugge-2027.pem
  gateway entity signatures brugge --unpin 3f9a0c
"""
SENDERS = """\
Without any, an authority may write what it likes into <sender>. With some, alerts of other senders are refused.

examples:
  gateway entity senders brugge --add crisis@brugge.example
  gateway entity senders brugge --remove crisis@brugge.example
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What is asked for, read and found possible."""

    rule: SignatureRule | None
    allow_sha1: bool | None
    certificates: list[Certificate]
    der: list[bytes]
    unpin: list[str]


def signature_arguments(parser: argparse.ArgumentParser) -> None:
    """What `entity signatures` takes."""
    parser.epilog = SIGNATURES
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("--rule", choices=[rule.value for rule in SignatureRule], help="what signatures are for")
    parser.add_argument("--sha1", action=argparse.BooleanOptionalAction, help="also take SHA-1, which can be forged")
    parser.add_argument(
        "--pin", metavar="FILE", action="append", default=[], help="certificates (PEM) that count from now on"
    )
    parser.add_argument(
        "--unpin", type=_fingerprint, metavar="HEX", action="append", default=[], help="one that counts no more"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def sender_arguments(parser: argparse.ArgumentParser) -> None:
    """What `entity senders` takes."""
    parser.epilog = SENDERS
    parser.add_argument("slug", metavar="SLUG")
    for option, help_ in (("--add", "a CAP sender that it uses"), ("--remove", "one that it uses no more")):
        parser.add_argument(option, type=_sender, metavar="SENDER", action="append", default=[], help=help_)


def _fingerprint(text: str) -> str:
    found = text.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{6,64}", found):
        raise argparse.ArgumentTypeError(f"{text!r} is not the beginning of a fingerprint: 6 hex digits or more")
    return found


def _sender(text: str) -> str:
    if token_problem(text) or len(text) > 500:
        raise argparse.ArgumentTypeError(f"{text!r} is no CAP sender: one word without comma, < and &")
    return text


async def signatures(connection: Connection, entity_id: int, options: argparse.Namespace) -> int:
    """Change what is given, then show what is in force."""
    changes = _read(options)
    if changes is None:
        return Exit.UNREADABLE
    async with connection.transaction():
        code = await _change(connection, entity_id, changes, options.slug)
    if code is not Exit.DONE:
        return code
    rule, rows = await identity.rule(connection, entity_id), await identity.pinned(connection, entity_id)
    if options.json:
        say(as_json({**rule._asdict(), "certificates": [row._asdict() for row in rows]}))
        return Exit.DONE
    sha1 = "; SHA-1 is taken by exception" if rule.allow_sha1 else ""
    say(f"{options.slug}: {rule.rule}{sha1}")
    if rows:
        heads = ("fingerprint", "certifies", "from", "until", "subject")
        cells = [
            (row.fingerprint, row.certifies, f"{row.not_before:%Y-%m-%d}", f"{row.not_after:%Y-%m-%d}", row.subject)
            for row in rows
        ]
        say(*table(heads, cells))
    else:
        note("no certificate is pinned: no signature of this authority is trusted")
    return Exit.DONE


def _read(options: argparse.Namespace) -> _Changes | None:
    contents = [read_file(name, Limits().max_bytes) for name in options.pin]
    try:
        der = Trust.from_pem(*(one for one in contents if one is not None)).pinned
    except ValueError as error:
        complain(str(error))
        return None
    if None in contents:
        return None
    certificates = [found for one in der if (found := trust.read(one)) is not None]
    for weak in (one for one in certificates if not one.strong and not one.certifies):
        complain(f"the key of {weak.subject} is too short, or of a kind that is not taken")
        return None
    rule = SignatureRule(options.rule) if options.rule else None
    return _Changes(
        rule=rule, allow_sha1=options.sha1, certificates=certificates, der=list(der), unpin=options.unpin
    )  # fmt: skip


async def _change(connection: Connection, entity_id: int, changes: _Changes, slug: str) -> Exit:
    before, there = await identity.rule(connection, entity_id), await identity.pinned(connection, entity_id)
    fresh = {one.fingerprint for one in changes.certificates}
    left = [row for row in there if not row.fingerprint.startswith(tuple(changes.unpin or "-"))]
    unknown = [word for word in changes.unpin if not any(row.fingerprint.startswith(word) for row in there)]
    if unknown:
        complain(f"no certificate of {slug} has a fingerprint that begins with {', '.join(unknown)}")
        return Exit.NO
    count = len(fresh | {row.fingerprint for row in left})
    if count > trust.MOST_CERTIFICATES:
        complain(f"that makes {count} certificates; at most {trust.MOST_CERTIFICATES} may be trusted at once")
        return Exit.NO
    if (changes.rule or before.rule) == SignatureRule.REQUIRE and not count:
        complain(f"without a certificate every alert of {slug} would be refused: pin one first (--pin FILE)")
        return Exit.NO
    for word in changes.unpin:
        await identity.unpin(connection, entity_id, word)
    await identity.pin(connection, entity_id, changes.certificates, changes.der)
    await identity.set_rule(connection, entity_id, rule=changes.rule, allow_sha1=changes.allow_sha1)
    return Exit.DONE


async def senders(connection: Connection, entity_id: int, options: argparse.Namespace) -> int:
    """Change what is given, then show what is registered, one a line."""
    if options.add:
        await identity.add_senders(connection, entity_id, options.add)
    gone = await identity.remove_senders(connection, entity_id, options.remove) if options.remove else 0
    if gone < len(set(options.remove)):
        complain(f"{len(set(options.remove)) - gone} of them were not registered")
    found = await identity.senders(connection, entity_id)
    if found:
        say(*found)
    else:
        note(f"{options.slug} may use any sender")
    return Exit.DONE if gone == len(set(options.remove)) else Exit.NO
