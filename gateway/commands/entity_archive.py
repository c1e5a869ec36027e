"""`gateway entity export` and `gateway entity import`: an authority taken along as one file, and put back.

Knows: the options, files. Never knows: SQL, what is in an archive.
"""

import argparse
import os
import re
import shutil
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from gateway.commands import exports
from gateway.commands.console import Exit, complain, note
from gateway.commands.database import session
from gateway.flows import archiving
from gateway.policy.archive import BadArchive
from gateway.store import admin, audit
from gateway.store.persons import Grant


def short_name(text: str) -> str:
    """A slug as the database takes it."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not made of a-z, 0-9 and -")
    return text


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """What `gateway entity export` takes."""
    parser.add_argument("slug", metavar="SLUG")
    help_ = "a zip of JSON Lines; docs/entity-archive.md"
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help=help_)
    exports.arguments(parser)


def import_arguments(parser: argparse.ArgumentParser) -> None:
    """What `gateway entity import` takes."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--slug", type=short_name, metavar="SLUG", help="its short name here (default: as in the archive)"
    )
    parser.add_argument(
        "--packs", action="store_true", help="book its prepaid units here as well: you answer for what is left of them"
    )


async def export(options: argparse.Namespace) -> int:
    """Ask for the archive; or write it, readable by its owner only. What could not be written is not taken."""
    try:
        return await _export(options)
    except _NotWritten:
        return Exit.UNREADABLE


class _NotWritten(Exception):
    """The transaction is taken back."""


async def _export(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction(isolation="repeatable_read"):
        entity = await admin.entity(connection, options.slug)
        if entity is None:
            complain(f"there is no entity {options.slug}")
            return Exit.NO
        if options.request is None:
            return await exports.ask(
                connection, entity.id, options.reason, f"gateway entity export {options.slug} FILE"
            )
        if options.file is None:
            complain("say into which FILE")
            return Exit.UNREADABLE
        if not await exports.may_take(connection, entity.id, options.request):
            return Exit.NO
        with await archiving.export(connection, entity.id, entity.slug, datetime.now(UTC)) as archive:
            try:
                with _created(options.file) as file:
                    shutil.copyfileobj(archive, file)
            except OSError as error:
                complain(f"{options.file}: {error.strerror}")
                raise _NotWritten from error
        await audit.write(connection, entity.id, "entity.exported", f"export_request:{options.request}", {}, "command")
    note(f"{options.file} holds everything of {options.slug}, and people's data: keep it safe")
    return Exit.DONE


async def restore(options: argparse.Namespace) -> int:
    """Put an archive back as a new entity, not live."""
    try:
        with _opened(options.file) as file:
            return await _restored(file, options)
    except FileNotFoundError as error:
        complain(f"{options.file}: {error.strerror}")
    except BadArchive as bad:
        complain(f"{options.file}: {bad}; nothing was changed")
    return Exit.UNREADABLE


async def _restored(file: IO[bytes], options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        made = await archiving.restore(connection, file, Grant(), options.slug, packs=options.packs)
        if made is None:
            complain("there is an entity with this slug: choose another with --slug")
            return Exit.NO
        await audit.write(connection, made.id, "entity.restored", f"entity:{made.id}", {}, "command")
    note(f"made {made.slug}; it is not live: gateway entity change {made.slug} --live")
    return Exit.DONE


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _created(path: Path) -> IO[bytes]:
    """A new file that nobody else reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


ACTIONS: Mapping[str, Callable[[argparse.Namespace], Coroutine[Any, Any, int]]] = {"export": export, "import": restore}
