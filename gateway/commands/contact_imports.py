"""`gateway import contacts`, `gateway import list` and `gateway import undo`: people to reach from a file.

Knows: files, progress, how refused rows are shown. Never knows: SQL, what makes a row a contact (gateway.policy).
"""

import argparse
import asyncio
import csv
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import phonenumbers

from gateway.commands.console import Exit, Progress, as_json, complain, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.commands.group import group_of
from gateway.policy.contact_files import FileKind, kind_of, rows_of
from gateway.policy.importing import COLUMNS, MATCHES, ImportedContact, ImportOptions, Problem, read_contacts
from gateway.policy.tabular import BadFile, TableLimits
from gateway.store import admin, audit, entities, importing
from gateway.store.importing import Imported, ImportInto
from gateway.store.pool import Connection

KINDS = frozenset({"contacts", "list", "undo"})
BLOCK_BYTES = 2**16
BATCH_ROWS = 2_000
SHOWN_PROBLEMS = 50
SHOWN = ("import", "state", "kind", "by", "started", "added", "changed", "same", "refused", "duplicates")


class Problems:
    """Counts the rows that were refused; shows the first ones, writes all of them into a file when there is one."""

    def __init__(self, file: TextIO | None) -> None:
        self.count = self.duplicates = 0
        self.fatal = ""
        self.first: list[Problem] = []
        self._writer = csv.writer(file) if file else None
        if self._writer:
            self._writer.writerow(("row", "column", "reason"))

    def take(self, problem: Problem) -> None:
        """Count one, and show it."""
        if problem.fatal:
            self.fatal = problem.reason if not problem.column else f"{problem.column}: {problem.reason}"
            return
        self.count += not problem.taken
        self.duplicates += problem.taken
        if len(self.first) < importing.MOST_PROBLEMS:
            self.first.append(problem)
        if self._writer:
            self._writer.writerow((problem.row, problem.column, problem.reason))
        if self.count + self.duplicates <= SHOWN_PROBLEMS:
            note(f"row {problem.row}{', ' if problem.column else ''}{problem.column}: {problem.reason}")


def arguments(kinds: Any) -> None:
    """What the commands take."""
    contacts = kinds.add_parser("contacts", help="people to reach: CSV, XLSX or vCard")
    contacts.add_argument("--group", metavar="GROUP", help="put them into this group, too")
    contacts.add_argument("--mapping", type=_pair, action="append", default=[], metavar="THEIRS=OURS")
    contacts.add_argument(
        "--match", choices=MATCHES, default="key", help="the column by which somebody is known already"
    )
    contacts.add_argument("--region", type=_region, help="for numbers without + (default: the entity's)")
    contacts.add_argument("--separator", choices=[",", ";", "tab", "|"], help="default: as the first row has it")
    contacts.add_argument(
        "--errors", type=Path, metavar="FILE", help="write every refused row's number and reason here"
    )
    contacts.add_argument(
        "--consent-source", metavar="TEXT", help="they registered themselves as citizens; how (entity platform only)"
    )
    contacts.add_argument("file", metavar="FILE", help="- reads from stdin")
    contacts.add_argument("--dry-run", action="store_true", help="read and report, change nothing")
    listing = kinds.add_parser("list", help="imports of contacts, newest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    undo = kinds.add_parser("undo", help="take an import of contacts back")
    undo.add_argument("number", type=int, metavar="IMPORT", help="its number, as list shows it")
    for below in (contacts, listing, undo):
        below.add_argument("--entity", required=True, metavar="SLUG", help="whose contacts they are")
        database_arguments(below)


def _pair(text: str) -> tuple[str, str]:
    theirs, equals, ours = text.rpartition("=")
    if not equals or not theirs or ours not in COLUMNS:
        raise argparse.ArgumentTypeError(f"write THEIRS=OURS; ours are {', '.join(COLUMNS)}")
    return theirs, ours


def _region(text: str) -> str:
    if text not in phonenumbers.SUPPORTED_REGIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a country code like BE")
    return text


def run(options: argparse.Namespace) -> int:
    """Read a file and store it, or say what became of files before."""
    if options.kind != "contacts":
        return asyncio.run(_list(options) if options.kind == "list" else _undo(options))
    if options.consent_source and options.entity != "platform":
        complain("citizens who registered themselves belong to the entity platform: --entity platform")
        return Exit.UNREADABLE
    try:
        with opened(options.file) as file:
            return _contacts(file, options)
    except OSError as error:
        complain(f"{error.filename or options.file}: {error.strerror}")
        return Exit.UNREADABLE


def opened(name: str) -> AbstractContextManager[BinaryIO]:
    """A file, or stdin for -."""
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def _contacts(file: BinaryIO, options: argparse.Namespace) -> int:
    size, most = os.fstat(file.fileno()).st_size, TableLimits().file_bytes
    if size > most:
        complain(f"{options.file} is larger than {most // 2**20} MiB: split it")
        return Exit.UNREADABLE
    first = file.read(BLOCK_BYTES)
    kind = kind_of(first)
    if isinstance(kind, BadFile):
        complain(f"{options.file}: {kind.reason}; nothing was changed")
        return Exit.UNREADABLE
    progress = Progress("reading", size)
    with _errors_file(options.errors) as errors:
        problems = Problems(errors)
        try:
            done = asyncio.run(_store_contacts(blocks_of(first, file, progress), kind, problems, options))
        finally:
            progress.end()
    return done if isinstance(done, Exit) else _tell(done, problems, options)


def _errors_file(path: Path | None) -> AbstractContextManager[TextIO | None]:
    return path.open("w", encoding="utf-8", newline="") if path else nullcontext()


def blocks_of(first: bytes, file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    """The file block by block, the bar moving along."""
    block = first
    while block:
        yield block
        progress.add(len(block))
        block = file.read(BLOCK_BYTES)


async def _store_contacts(
    blocks: Iterator[bytes], kind: FileKind, problems: Problems, options: argparse.Namespace
) -> Imported | Exit:
    """One transaction for the whole file, undone by a dry run or a broken file."""
    async with session(options) as connection:
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        group = await group_of(connection, options.entity, options.group) if options.group else None
        if options.group and group is None:
            return Exit.NO
        wanted = ImportOptions(
            region=options.region or (await entities.show(connection, entity.slug))["region"],
            languages=tuple(entity.languages), mapping=dict(options.mapping), match=options.match,
        )  # fmt: skip
        into = ImportInto(
            entity_id=entity.id, group_id=group.id if group else None, match=options.match,
            language=entity.languages[0] if entity.languages else "nl", consent_source=options.consent_source,
        )  # fmt: skip
        separator = "\t" if options.separator == "tab" else options.separator
        transaction = connection.transaction()
        await transaction.start()
        await importing.one_at_a_time(connection, entity.id)
        found = read_contacts(rows_of(blocks, kind, separator=separator), wanted)
        done = await _put_all(connection, into, kind, found, problems, dry_run=options.dry_run)
        # a session that ends before this has changed nothing
        if options.dry_run or problems.fatal:
            await transaction.rollback()
        else:
            await transaction.commit()
        return done


async def _put_all(
    connection: Connection,
    into: ImportInto,
    kind: FileKind,
    found: Iterator[ImportedContact | Problem],
    problems: Problems,
    *,
    dry_run: bool,
) -> Imported:
    """Store batch by batch, and write down what became of the file."""
    into = replace(into, run=await importing.begin(connection, into, dry_run=dry_run, by="command"))
    assert into.run is not None
    done, rows = Imported(), 0
    ahead = asyncio.create_task(asyncio.to_thread(_next, found))
    while some := await ahead:
        ahead = asyncio.create_task(asyncio.to_thread(_next, found))  # while these are stored
        for problem in (one for one in some if isinstance(one, Problem)):
            problems.take(problem)
        batch = [one for one in some if isinstance(one, ImportedContact)]
        one, wrong = await importing.put_batch(connection, into, batch)
        rows += len(batch)
        done = done.plus(one)
        for problem in wrong:
            problems.take(problem)
    refused_by_store = done.refused
    done = done._replace(refused=problems.count)
    rows += problems.count - refused_by_store
    await importing.end(
        connection, into.entity_id, into.run, done, kind=kind, rows=rows, problems=problems.first
    )  # fmt: skip
    subject = f"import_run:{into.run}"
    await audit.write(connection, into.entity_id, "contacts.imported", subject, done._asdict(), "command")
    return done


def _next(found: Iterator[ImportedContact | Problem]) -> list[ImportedContact | Problem]:
    return list(islice(found, BATCH_ROWS))


def _tell(done: Imported, problems: Problems, options: argparse.Namespace) -> int:
    more = problems.count + problems.duplicates - SHOWN_PROBLEMS
    if more > 0:
        note(f"... and {more} more; --errors FILE writes them all")
    if problems.fatal:
        complain(f"{options.file}: {problems.fatal}; nothing was changed")
        return Exit.UNREADABLE
    would = "would have " if options.dry_run else ""
    joined = f", {done.joined} new in group {options.group}" if options.group else ""
    same = f", {done.same} as they were" if done.same else ""
    twins = f", {problems.duplicates} possibly twice" if problems.duplicates else ""
    say(f"{would}added {done.added}, changed {done.changed}{same}{joined}, refused {problems.count}{twins}")
    return Exit.NO if problems.count else Exit.DONE


async def _list(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        rows = await importing.page(connection, entity.id, None, 2**31 - 1, 100)
        told = [dict(row) | {"import": row["id"], "by": row["made_by"], "started": row["started_at"]} for row in rows]
        if options.json:
            say(*(as_json({name: one[name] for name in SHOWN}) for one in told))
        else:
            say(*table(SHOWN, [[one[name] for name in SHOWN] for one in told]))
    return Exit.DONE


async def _undo(options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        left = await importing.undo(connection, entity.id, None, options.number, "command")
        if left is None:
            complain(
                f"import {options.number} can not be undone: there is none, it was undone before, changed nothing, or "
                f"is more than {importing.UNDO_DAYS} days old"
            )
            return Exit.NO
        subject = f"import_run:{options.number}"
        await audit.write(connection, entity.id, "contacts.import-undone", subject, {"left": left}, "command")
        note(f"import {options.number} is undone; {left} were changed again since and stay as they are")
    return Exit.DONE
