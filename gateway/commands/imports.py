"""`gateway import`: contacts, territories and geocodes from files, whole or not at all.

Knows: which kinds there are, files of outlines. Never knows: SQL, how contacts are read (contact_imports).
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from typing import BinaryIO

from gateway.cap import geocodes
from gateway.cap.area import Ring
from gateway.commands import contact_imports, people_imports
from gateway.commands.addresses import LIMITS, store_register
from gateway.commands.console import Exit, Progress, complain, say
from gateway.commands.contact_imports import BLOCK_BYTES, Problems, blocks_of, opened
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.policy.address_register import read_register
from gateway.policy.importing import COLUMNS
from gateway.policy.outline_table import (
    GeocodeOutline,
    GeocodeTable,
    read_outline_table,
    read_union_table,
    united,
)
from gateway.policy.outlines import MAX_BYTES, MAX_PROBLEMS, Outline, Outlines, read_outlines
from gateway.policy.tabular import read_rows
from gateway.store import admin, registry
from gateway.store.pool import Connection

EXAMPLES = f"""\
contacts: a vCard file, or a CSV or XLSX file whose first row names the columns; ours are
  {", ".join(COLUMNS)}
in English, Dutch, French or German. Without a column key a row is known again by its mobile, e-mail or landline.
The same file again changes nothing; an empty cell changes nothing; a row that can not be used is named and left out.
exit codes: 0 every row was taken, 1 some were refused, 2 the file can not be read (then nothing was changed)

examples:
  gateway import contacts members.csv --entity brugge --group plp-centre --dry-run
  gateway import contacts export.xlsx --entity brugge --mapping "Contact GSM=mobile" --match mobile
  gateway import contacts phone.vcf --entity brugge
  gateway import list --entity brugge                  gateway import undo 7 --entity brugge
  gateway import people members.csv --url https://alerts.example    columns name, email, language, partnership, role
  gateway import territory brugge.geojson --entity brugge
  gateway import geocodes communes.geojson --scheme NIS --property nis_code
  gateway import geocodes communes.csv                 columns scheme, value, rings (WKT or GeoJSON)
  gateway import geocodes regions.csv --made-of NIS    columns NIS, EMMA_ID, NUTS: which communes make up a region
  gateway import addresses openaddress-bebru.csv       the Belgian address register (BeST) in CSV
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    contact_imports.arguments(kinds)
    territory = kinds.add_parser("territory", help="where an entity may target people by place")
    territory.add_argument("--entity", required=True, metavar="SLUG")
    codes = kinds.add_parser("geocodes", help="outlines behind the geocodes of alerts")
    codes.add_argument("--scheme", help="valueName in CAP, like NIS; for a file that does not name it")
    codes.add_argument("--property", help="of each GeoJSON feature: its value in CAP")
    codes.add_argument("--made-of", metavar="SCHEME", help="a CSV file of the values of SCHEME that make up others")
    addresses = kinds.add_parser("addresses", help="an open address register, by which citizens find their address")
    people_imports.arguments(kinds.add_parser("people", help="members, coordinators of partnerships among them"))
    for below in (territory, codes, addresses):
        below.add_argument("file", metavar="FILE", help="- reads from stdin")
        below.add_argument("--dry-run", action="store_true", help="read and report, change nothing")
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Read the file and store it."""
    if options.kind in contact_imports.KINDS:
        return contact_imports.run(options)
    if options.kind == "people":
        return people_imports.run(options)
    try:
        with opened(options.file) as file:
            return _addresses(file, options) if options.kind == "addresses" else _outlines(file, options)
    except OSError as error:
        complain(f"{error.filename or options.file}: {error.strerror}")
        return Exit.UNREADABLE


def _addresses(file: BinaryIO, options: argparse.Namespace) -> int:
    progress, problems = Progress("reading", os.fstat(file.fileno()).st_size), Problems(None)
    rows = read_rows(blocks_of(file.read(BLOCK_BYTES), file, progress), limits=LIMITS)
    try:
        edition = asyncio.run(store_register(read_register(rows), problems.take, options))
    finally:
        progress.end()
    if edition is None:
        complain(f"{options.file}: {problems.fatal}; nothing was changed")
        return Exit.UNREADABLE
    would = "would have " if options.dry_run else ""
    towns, streets, houses = edition
    say(f"{would}stored {houses} house numbers, {streets} streets, {towns} municipalities, refused {problems.count}")
    return Exit.NO if problems.count else Exit.DONE


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
