"""Reading a file of contacts in a process of its own, which may use so much memory and time and no more: part by part,
so that the next one is read while one is stored.

Knows: limits of a process. Never knows: what makes a row a contact, the store.
"""

import asyncio
import resource
from collections.abc import AsyncGenerator
from itertools import chain, islice
from typing import NamedTuple

from gateway.cap.parse import Limits
from gateway.flows.checking import Checker
from gateway.policy.contact_files import FileKind, kind_of, rows_of
from gateway.policy.importing import ImportedContact, ImportOptions, Problem, each_contact
from gateway.policy.tabular import BadFile, TableLimits

MOST_BYTES = 32 * 2**20
MOST_ROWS = 200_000
MEMORY_BYTES = 3 * 2**30
DEADLINE_S = 90.0
PART_ROWS = 10_000


class Part(NamedTuple):
    """The kind of the file, what some of its rows give, and whether there are more of them."""

    kind: str
    found: list[ImportedContact | Problem]
    more: bool = False


async def read_apart(data: bytes, options: ImportOptions, separator: str | None = None) -> AsyncGenerator[Part]:
    """The file part by part; one fatal problem last when it can not be read (further)."""
    worker = Checker(workers=1, limits=Limits(), deadline_s=DEADLINE_S)
    ahead = asyncio.create_task(worker.apart(_broken, read_in, data, options, separator, 0))
    first = 0
    try:
        while (part := await ahead).more:
            first += PART_ROWS
            ahead = asyncio.create_task(worker.apart(_broken, read_in, data, options, separator, first))
            yield part
        yield part
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
        worker.close()


def read_in(data: bytes, options: ImportOptions, separator: str | None, first: int) -> Part:
    """What the worker runs."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
    try:
        return read_part(data, options, separator, first)
    except MemoryError:
        return _broken("the file takes more memory to read than any honest one")


def read_part(data: bytes, options: ImportOptions, separator: str | None, first: int = 0) -> Part:
    """Rows of a CSV file from the `first` below the header on; of others all, because they are read whole anyway."""
    kind = kind_of(data[:64])
    if isinstance(kind, BadFile):
        return _broken(kind.reason)
    limits = TableLimits(file_bytes=MOST_BYTES, rows=MOST_ROWS + 1)
    rows = rows_of([data], FileKind(kind), separator=separator, limits=limits)
    header = islice(rows, 1)
    if kind is not FileKind.CSV:
        return Part(str(kind), list(each_contact(chain(header, rows), options)))
    found = list(each_contact(chain(header, islice(rows, first, first + PART_ROWS)), options))
    return Part(str(kind), found, next(rows, None) is not None and not _fatal(found))


def _fatal(found: list[ImportedContact | Problem]) -> bool:
    return bool(found) and isinstance(found[-1], Problem) and found[-1].fatal


def _broken(message: str) -> Part:
    return Part("", [Problem(0, "", message, fatal=True)])
