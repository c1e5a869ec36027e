"""`gateway import`: contacts, territories and geocodes from files, whole or not at all.

Knows: files, progress, how refused rows are shown. Never knows: SQL, what makes a row a contact (gateway.policy).
"""

import argparse
import asyncio
import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

import phonenumbers

from gateway.cap import geocodes
from gateway.cap.area import Ring
from gateway.commands.addresses import LIMITS, store_register
from gateway.commands.console import Exit, Progress, complain, note, say
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.commands.group import group_of
from gateway.policy.address_register import read_register
from gateway.policy.importing import COLUMNS, ImportedContact, ImportOptions, Problem, read_contacts
from gateway.policy.outline_table import (
    GeocodeOutline,
    GeocodeTable,
    read_outline_table,
    read_union_table,
    united,
)
from gateway.policy.outlines import MAX_BYTES, MAX_PROBLEMS, Outline, Outlines, read_outlines
from gateway.policy.tabular import TableLimits, read_rows
from gateway.store import admin, registry
from gateway.store.pool import Connection

BLOCK_BYTES = 2**16
BATCH_ROWS = 500
SHOWN_REFUSALS = 50
NOT_YET = {
    b"PK\x03\x04": "an Excel or OpenDocument file",
    b"BEGIN:VCARD": "a vCard",
    b"\xd0\xcf\x11\xe0": "an Excel file",
}
EXAMPLES = f"""\
contacts: a CSV file whose first row names the columns; ours are
  {", ".join(COLUMNS)}
in English, Dutch, French or German. Without a column key a row is known again by its mobile, e-mail or landline.
The same file again changes nothing; an empty cell changes nothing; a row that can not be used is named and left out.
exit codes: 0 every row was taken, 1 some were refused, 2 the file can not be read (then nothing was changed)

examples:
  gateway import contacts members.csv --entity brugge --group plp-centre --dry-run
  gateway import contacts export.csv --entity brugge --mapping "Contact GSM=mobile"
  gateway import territory brugge.geojson --entity brugge
  gateway import geocodes communes.geojson --scheme NIS --property nis_code
  gateway import geocodes communes.csv                 columns scheme, value, rings (WKT or GeoJSON)
  gateway import geocodes regions.csv --made-of NIS    columns NIS, EMMA_ID, NUTS: which communes make up a region
  gateway import addresses openaddress-bebru.csv       the Belgian address register (BeST) in CSV
"""


class Refusals:
    """Counts the rows that were refused; shows the first ones, writes all of them into a file when there is one."""

    def __init__(self, file: TextIO | None) -> None:
        self.count = 0
        self.fatal = ""
        self._writer = csv.writer(file) if file else None
        if self._writer:
            self._writer.writerow(("row", "column", "reason"))

    def take(self, problem: Problem) -> None:
        """Count one, and show it."""
        if problem.fatal:
            self.fatal = problem.reason if not problem.column else f"{problem.column}: {problem.reason}"
            return
        self.count += 1
        if self._writer:
            self._writer.writerow((problem.row, problem.column, problem.reason))
        if self.count <= SHOWN_REFUSALS:
            note(f"row {problem.row}{', ' if problem.column else ''}{problem.column}: {problem.reason}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    contacts = kinds.add_parser("contacts", help="people to reach")
    contacts.add_argument("--entity", required=True, metavar="SLUG", help="whose contacts they are")
    contacts.add_argument("--group", metavar="GROUP", help="put them into this group, too")
    contacts.add_argument("--mapping", type=_pair, action="append", default=[], metavar="THEIRS=OURS")
    contacts.add_argument("--region", type=_region, default="BE", help="for numbers without + (default: BE)")
    contacts.add_argument("--separator", choices=[",", ";", "tab", "|"], help="default: as the first row has it")
    contacts.add_argument(
        "--errors", type=Path, metavar="FILE", help="write every refused row's number and reason here"
    )
    contacts.add_argument(
        "--consent-source", metavar="TEXT", help="they registered themselves as citizens; how (entity platform only)"
    )
    territory = kinds.add_parser("territory", help="where an entity may target people by place")
    territory.add_argument("--entity", required=True, metavar="SLUG")
    codes = kinds.add_parser("geocodes", help="outlines behind the geocodes of alerts")
    codes.add_argument("--scheme", help="valueName in CAP, like NIS; for a file that does not name it")
    codes.add_argument("--property", help="of each GeoJSON feature: its value in CAP")
    codes.add_argument("--made-of", metavar="SCHEME", help="a CSV file of the values of SCHEME that make up others")
    addresses = kinds.add_parser("addresses", help="an open address register, by which citizens find their address")
    for below in (contacts, territory, codes, addresses):
        below.add_argument("file", metavar="FILE", help="- reads from stdin")
        below.add_argument("--dry-run", action="store_true", help="read and report, change nothing")
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
    """Read the file and store it."""
    if options.kind == "contacts" and options.consent_source and options.entity != "platform":
        complain("citizens who registered themselves belong to the entity platform: --entity platform")
        return Exit.UNREADABLE
    try:
        with _open(options.file) as file:
            return _READERS.get(options.kind, _outlines)(file, options)
    except OSError as error:
        complain(f"{error.filename or options.file}: {error.strerror}")
        return Exit.UNREADABLE


def _open(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def _contacts(file: BinaryIO, options: argparse.Namespace) -> int:
    size, most = os.fstat(file.fileno()).st_size, TableLimits().file_bytes
    if size > most:
        complain(f"{options.file} is larger than {most // 2**20} MiB: split it")
        return Exit.UNREADABLE
    first = file.read(BLOCK_BYTES)
    kind = next((name for magic, name in NOT_YET.items() if first.startswith(magic)), None)
    if kind:
        complain(f"{options.file} is {kind}: save it as CSV (UTF-8)")
        return Exit.UNREADABLE
    progress = Progress("reading", size)
    with _errors_file(options.errors) as errors:
        refusals = Refusals(errors)
        try:
            done = asyncio.run(_store_contacts(_blocks(first, file, progress), refusals, options))
        finally:
            progress.end()
    return done if isinstance(done, Exit) else _tell(done, refusals, options)


def _addresses(file: BinaryIO, options: argparse.Namespace) -> int:
    progress, refusals = Progress("reading", os.fstat(file.fileno()).st_size), Refusals(None)
    rows = read_rows(_blocks(file.read(BLOCK_BYTES), file, progress), limits=LIMITS)
    try:
        edition = asyncio.run(store_register(read_register(rows), refusals.take, options))
    finally:
        progress.end()
    if edition is None:
        complain(f"{options.file}: {refusals.fatal}; nothing was changed")
        return Exit.UNREADABLE
    would = "would have " if options.dry_run else ""
    towns, streets, houses = edition
    say(f"{would}stored {houses} house numbers, {streets} streets, {towns} municipalities, refused {refusals.count}")
    return Exit.NO if refusals.count else Exit.DONE


def _errors_file(path: Path | None) -> AbstractContextManager[TextIO | None]:
    return path.open("w", encoding="utf-8", newline="") if path else nullcontext()


def _blocks(first: bytes, file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    block = first
    while block:
        yield block
        progress.add(len(block))
        block = file.read(BLOCK_BYTES)


async def _store_contacts(
    blocks: Iterator[bytes], refusals: Refusals, options: argparse.Namespace
) -> admin.Imported | Exit:
    """One transaction for the whole file, undone by a dry run or a broken file."""
    async with session(options) as connection:
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        group = await group_of(connection, options.entity, options.group) if options.group else None
        if options.group and group is None:
            return Exit.NO
        separator = "\t" if options.separator == "tab" else options.separator
        wanted = ImportOptions(region=options.region, languages=tuple(entity.languages), mapping=dict(options.mapping))
        found = read_contacts(read_rows(blocks, separator=separator), wanted)
        transaction = connection.transaction()
        await transaction.start()
        done = admin.Imported()
        for batch in _batches(found, refusals):
            one = await admin.import_contacts(
                connection,
                entity.id,
                batch,
                group_id=group.id if group else None,
                default_language=entity.languages[0] if entity.languages else "nl",
                consent_source=options.consent_source,
            )
            done = admin.Imported(done.added + one.added, done.changed + one.changed, done.joined + one.joined)
        # a session that ends before this has changed nothing
        if options.dry_run or refusals.fatal:
            await transaction.rollback()
        else:
            await transaction.commit()
        return done


def _batches(found: Iterator[ImportedContact | Problem], refusals: Refusals) -> Iterator[list[ImportedContact]]:
    contacts = _taken(found, refusals)
    while batch := list(islice(contacts, BATCH_ROWS)):
        yield batch


def _taken(found: Iterator[ImportedContact | Problem], refusals: Refusals) -> Iterator[ImportedContact]:
    for one in found:
        if isinstance(one, ImportedContact):
            yield one
        else:
            refusals.take(one)


def _tell(done: admin.Imported, refusals: Refusals, options: argparse.Namespace) -> int:
    if refusals.count > SHOWN_REFUSALS:
        note(f"... and {refusals.count - SHOWN_REFUSALS} more; --errors FILE writes them all")
    if refusals.fatal:
        complain(f"{options.file}: {refusals.fatal}; nothing was changed")
        return Exit.UNREADABLE
    would = "would have " if options.dry_run else ""
    joined = f", {done.joined} new in group {options.group}" if options.group else ""
    say(f"{would}added {done.added}, changed {done.changed}{joined}, refused {refusals.count}")
    return Exit.NO if refusals.count else Exit.DONE


def _outlines(file: BinaryIO, options: argparse.Namespace) -> int:
    document = file.read(MAX_BYTES + 1)
    if options.kind == "geocodes":
        table = _geocode_table(document, options)
        return _unusable(table.problems, options) or asyncio.run(_store_geocodes(table, options))
    found = read_outlines(document)
    return _unusable(found.problems, options) or asyncio.run(_store_territory(found, options))


def _unusable(problems: Sequence[str], options: argparse.Namespace) -> int:
    """Say what is wrong with the file; 0 when nothing is."""
    if not problems:
        return 0
    complain(f"{options.file} can not be used, nothing was changed:", *(f"  {line}" for line in problems))
    return Exit.UNREADABLE


def _geocode_table(document: bytes, options: argparse.Namespace) -> GeocodeTable:
    """What the file holds, whichever of its three forms it has."""
    if not document.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        if options.made_of:
            return read_union_table(document, base=options.made_of)
        return read_outline_table(document, scheme=options.scheme or "")
    if not (options.scheme and options.property):
        return GeocodeTable(problems=("a GeoJSON file needs --scheme and --property",))
    found = read_outlines(document, value_property=options.property)
    scheme = geocodes.canonical(options.scheme)
    wrong = [reason for outline in found.outlines if (reason := geocodes.problem(scheme, outline.value))]
    outlines = tuple(GeocodeOutline(scheme, outline) for outline in found.outlines)
    return GeocodeTable(outlines=outlines, problems=(*found.problems, *wrong[:MAX_PROBLEMS]))


async def _store_geocodes(table: GeocodeTable, options: argparse.Namespace) -> int:
    async with session(options) as connection, connection.transaction():
        outlines = list(table.outlines)
        if table.unions:
            parts = dict.fromkeys(part for union in table.unions for part in union.parts)
            made, missing = united(table.unions, await _on_record(connection, list(parts)))
            if code := _unusable(missing[:MAX_PROBLEMS], options):
                return code
            outlines += made
        by_scheme: dict[str, list[Outline]] = {}
        for found in outlines:
            by_scheme.setdefault(found.scheme, []).append(found.outline)
        would = "would have " if options.dry_run else ""
        for scheme, values in by_scheme.items():
            if not options.dry_run:
                await admin.put_geocodes(connection, scheme, values)
            say(f"{would}stored {len(values)} values of {scheme}, {sum(len(one.rings) for one in values)} rings")
    return Exit.DONE


async def _on_record(connection: Connection, codes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Sequence[Ring]]:
    rings = await registry.geocode_rings(connection, codes)
    return {code: found for code, found in rings.items() if found}


async def _store_territory(found: Outlines, options: argparse.Namespace) -> int:
    rings = sum(len(outline.rings) for outline in found.outlines)
    would = "would have " if options.dry_run else ""
    async with session(options) as connection, connection.transaction():
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        if not options.dry_run:
            await admin.set_territory(connection, entity.id, found.outlines)
        say(f"{would}replaced the territory of {entity.slug}: {rings} rings")
    return Exit.DONE


_READERS: Mapping[str, Callable[[BinaryIO, argparse.Namespace], int]] = {
    "contacts": _contacts,
    "addresses": _addresses,
}
