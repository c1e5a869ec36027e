"""Reading a file of contacts in a process of its own, which may use so much memory and time and no more.

Knows: limits of a process. Never knows: what makes a row a contact, the store.
"""

import resource

from gateway.cap.parse import Limits
from gateway.flows.checking import Checker
from gateway.policy.contact_files import FileKind, kind_of, rows_of
from gateway.policy.importing import ImportedContact, ImportOptions, Problem, read_contacts
from gateway.policy.tabular import BadFile, TableLimits

MOST_BYTES = 32 * 2**20
MOST_ROWS = 200_000
MEMORY_BYTES = 3 * 2**30
DEADLINE_S = 90.0

Found = tuple[str, list[ImportedContact | Problem]]


async def read_apart(data: bytes, options: ImportOptions, separator: str | None = None) -> Found:
    """The kind of the file and what its rows give; one fatal problem last when it can not be read."""
    worker = Checker(workers=1, limits=Limits(), deadline_s=DEADLINE_S)
    try:
        return await worker.apart(_broken, read_in, data, options, separator)
    finally:
        worker.close()


def read_in(data: bytes, options: ImportOptions, separator: str | None) -> Found:
    """What the worker runs."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
    try:
        return read_whole(data, options, separator)
    except MemoryError:
        return _broken("the file takes more memory to read than any honest one")


def read_whole(data: bytes, options: ImportOptions, separator: str | None) -> Found:
    """The same, wherever."""
    kind = kind_of(data[:64])
    if isinstance(kind, BadFile):
        return "", [Problem(0, "", kind.reason, fatal=True)]
    limits = TableLimits(file_bytes=MOST_BYTES, rows=MOST_ROWS + 1)
    rows = rows_of([data], FileKind(kind), separator=separator, limits=limits)
    return str(kind), list(read_contacts(rows, options))


def _broken(message: str) -> Found:
    return "", [Problem(0, "", message, fatal=True)]
