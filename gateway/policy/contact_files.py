"""Which kind of file of contacts this is, by how it begins, and its rows whatever the kind.

Knows: the beginnings of files. Never knows: how any of them is read, contacts.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from gateway.policy.tabular import BadFile, BadRow, Row, TableLimits, read_rows
from gateway.policy.vcard import CardLimits, read_cards
from gateway.policy.workbook import WorkbookLimits, read_workbook


class FileKind(StrEnum):
    """What contacts come in."""

    CSV = "csv"
    XLSX = "xlsx"
    VCARD = "vcard"


OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_PACKAGE = b"PK\x03\x04"
_CARD = b"BEGIN:VCARD"


def kind_of(first: bytes) -> FileKind | BadFile:
    """The kind of a file that begins so."""
    if first.startswith(OLD_EXCEL):
        return BadFile("this is an Excel file of before 2007, or one with a password: save it as XLSX or CSV (UTF-8)")
    if first.startswith(_PACKAGE):
        return FileKind.XLSX
    head = first.removeprefix(b"\xef\xbb\xbf").lstrip()[: len(_CARD)]
    return FileKind.VCARD if head.upper() == _CARD else FileKind.CSV


def rows_of(
    blocks: Iterable[bytes], kind: FileKind, *, separator: str | None = None, limits: TableLimits | None = None
) -> Iterator[Row | BadRow | BadFile]:
    """The rows of the file, the first one its header. A CSV file is read as it comes, the others whole."""
    limits = limits or TableLimits()
    if kind is FileKind.CSV:
        yield from read_rows(blocks, separator=separator, limits=limits)
        return
    book, cards = WorkbookLimits(), CardLimits(file_bytes=limits.file_bytes)
    data = _whole(blocks, book.file_bytes if kind is FileKind.XLSX else cards.file_bytes)
    yield from read_workbook(data, book) if kind is FileKind.XLSX else read_cards(data, cards)


def _whole(blocks: Iterable[bytes], most: int) -> bytes:
    """The file, or so much of it that its reader sees that it is too large."""
    held, size = [], 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size > most:
            break
    return b"".join(held)
