"""Taking people's data out at a terminal: asked for with a reason, agreed to by a second person, taken once.

Knows: the options and the order. Never knows: SQL, what is taken. The second person agrees with a token of their own,
over HTTP: who only reaches the database can not be told from who asked.
"""

import argparse

from gateway.commands import remote
from gateway.commands.console import Exit, complain, note, say
from gateway.commands.numbers import whole
from gateway.store import contacts
from gateway.store.pool import Connection

ASKER = "command"
LEAST_REASON = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """How an export is asked for, and then taken."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--reason", help="ask: a sentence, which is written down; prints the request's number")
    which.add_argument("--request", type=whole(1, 2**31 - 1), metavar="N", help="take, once, what was agreed to")


def agree_arguments(parser: argparse.ArgumentParser) -> None:
    """How a second person agrees."""
    parser.add_argument("request", type=whole(1, 2**31 - 1), metavar="N", help="the request, as it was printed")
    remote.url_argument(parser)


def no_reason(reason: str) -> Exit | None:
    """Why a reason does not do."""
    if len(reason.strip()) >= LEAST_REASON:
        return None
    complain("say in a sentence why: it is written down")
    return Exit.UNREADABLE


async def ask(connection: Connection, entity_id: int, reason: str, taken_by: str) -> Exit:
    """Write the request down; its number on stdout. `taken_by`: the command that takes it."""
    if (code := no_reason(reason)) is not None:
        return code
    number = await contacts.ask_export(connection, entity_id, reason.strip(), ASKER)
    say(str(number))
    note(
        f"a second person (exporter or administrator of the entity) agrees with: gateway contact agree {number}",
        f"then: {taken_by} --request {number}",
    )
    return Exit.DONE


async def may_take(connection: Connection, entity_id: int, request: int) -> bool:
    """Whether a second person agreed; from now on it is taken."""
    if await contacts.take_export(connection, entity_id, request, ASKER):
        return True
    complain("nobody agreed to this request yet, it was taken, or it was not asked for here")
    return False


def agree(options: argparse.Namespace) -> int:
    """Agree as the second person, with one's own token."""
    code, _ = remote.told(options, f"/v1/exports/{options.request}/agree", {})
    if code is Exit.DONE:
        note(f"request {options.request} is agreed to")
    return code
