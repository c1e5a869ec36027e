"""The rows of a CSV file as it comes from an office: any of the usual encodings and separators, in flat memory.

Knows: UTF-8, UTF-16 and Windows-1252, byte order marks, the separators , ; tab |, quotes, limits.
Never knows: files (it is handed blocks of bytes), contacts, what a column means.
Standard: RFC 4180, and what spreadsheets write instead.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

T = TypeVar("T")

SEPARATORS = (",", ";", "\t", "|")
RECORD_LINES = 10  # a cell may hold line ends; a quote that is never closed must not swallow the file
_HEAD_BYTES = 64  # enough to know the encoding by
_CONTROLS = dict.fromkeys(code for code in range(32) if code not in (9, 10, 13))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLimits:
    """What a file may cost. The header is row 1."""

    file_bytes: int = 100 * 2**20
    line_bytes: int = 64 * 2**10
    columns: int = 200
    rows: int = 1_000_001


class Row(NamedTuple):
    """One record: its number as a spreadsheet shows it (the header is 1) and its cells without outer blanks."""

    number: int
    cells: tuple[str, ...]


class BadRow(NamedTuple):
    """A record that can not be read; the rows after it can."""

    number: int
    reason: str


class BadFile(NamedTuple):
    """Why reading ended before the end of the file; the last thing that `read_rows` gives."""

    reason: str


class _Broken(Exception):
    """Ends the chain of generators below; never leaves this module."""


def read_rows(
    blocks: Iterable[bytes], *, separator: str | None = None, limits: TableLimits | None = None
) -> Iterator[Row | BadRow | BadFile]:
    """Each record of the file, blank lines left out. Without `separator` the header's line decides."""
    limits = limits or TableLimits()
    lines = _lines(_utf8(_bounded(blocks, limits.file_bytes)), limits.line_bytes)
    try:
        first = next(lines, None)
        if first is None:
            yield BadFile("the file is empty")
            return
        yield from _records(_chain(first, lines), separator or _separator(first), limits)
    except _Broken as broken:
        yield BadFile(str(broken))


def _bounded(blocks: Iterable[bytes], file_bytes: int) -> Iterator[bytes]:
    left = file_bytes
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise _Broken(f"the file is larger than {file_bytes // 2**20} MiB: split it")
        yield block


def _utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same text in an encoding whose lines end with the byte 10: UTF-16 is decoded, the rest passes."""
    first = b""
    while len(first) < _HEAD_BYTES and (block := next(blocks, b"")):
        first += block
    encoding = _sixteen(first)
    if encoding is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    for number, block in enumerate(_chain(first, blocks)):
        try:
            text = decoder.decode(block)
            yield (text.removeprefix("\ufeff") if number == 0 else text).encode()
        except UnicodeError:
            raise _Broken("the file starts as UTF-16 and is not: save it as CSV in UTF-8") from None
    if decoder.getstate()[0]:
        raise _Broken("the file is UTF-16 and cut in the middle of a character")


def _sixteen(first: bytes) -> str | None:
    """Which UTF-16 a file is in, by its mark or, without one, by the zero bytes of its first characters."""
    if first.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if first.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    head = first[:_HEAD_BYTES]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and odd == len(head[1::2]) and not even:
        return "utf-16-le"
    if len(head) >= 8 and even == len(head[::2]) and not odd:
        return "utf-16-be"
    return None


def _lines(blocks: Iterator[bytes], line_bytes: int) -> Iterator[str]:
    """Each line with its end. A line that is not UTF-8 is Windows-1252, which old spreadsheets write."""
    held = b""
    for block in blocks:
        *whole, held = (held + block).split(b"\n")
        for line in whole:
            yield _text(line, line_bytes) + "\n"
        if len(held) > line_bytes:
            raise _Broken(f"a line is longer than {line_bytes // 1024} KiB: this is no CSV file of contacts")
    if held:
        yield _text(held, line_bytes)


def _text(line: bytes, line_bytes: int) -> str:
    if len(line) > line_bytes:
        raise _Broken(f"a line is longer than {line_bytes // 1024} KiB: this is no CSV file of contacts")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _chain(first: T, rest: Iterator[T]) -> Iterator[T]:
    yield first
    yield from rest


def _separator(header: str) -> str:
    """The separator that the header line holds most of; a comma for a file of one column."""
    return max(SEPARATORS, key=header.count)


def _records(lines: Iterator[str], separator: str, limits: TableLimits) -> Iterator[Row | BadRow]:
    waiting: deque[str] = deque()
    number = 0
    while _fill(waiting, lines, 1):
        number += 1
        if number > limits.rows:
            raise _Broken(f"the file has more than {limits.rows - 1:,} rows: split it")
        taken = _record_lines(waiting, lines)
        if taken == 0:
            waiting.popleft()
            yield BadRow(number, "a quotation mark is opened and not closed")
            continue
        found = _parse("".join(waiting.popleft() for _ in range(taken)), number, separator, limits)
        if found is not None:
            yield found


def _record_lines(waiting: deque[str], lines: Iterator[str]) -> int:
    """How many lines the next record takes: until its quotation marks are even. 0: never, it would eat the rest."""
    marks = 0
    for taken in range(1, RECORD_LINES + 1):
        if not _fill(waiting, lines, taken):
            return 0
        marks += waiting[taken - 1].count('"')
        if marks % 2 == 0:
            return taken
    return 0


def _fill(waiting: deque[str], lines: Iterator[str], wanted: int) -> bool:
    """Whether `waiting` holds that many lines now, after reading on if need be."""
    while len(waiting) < wanted:
        line = next(lines, None)
        if line is None:
            return False
        waiting.append(line)
    return True


def cleaned(cell: str) -> str:
    """A cell without control characters and outer blanks."""
    return cell.translate(_CONTROLS).strip()


def _parse(record: str, number: int, separator: str, limits: TableLimits) -> Row | BadRow | None:
    """The record's cells, or what is wrong with it; None for a blank one."""
    if "\0" in record:
        return BadRow(number, "a zero byte stands in this row")
    try:
        cells = next(csv.reader([record], delimiter=separator, strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        return BadRow(number, f"this is no row of a CSV file ({error})")
    if len(cells) > limits.columns:
        return BadRow(number, f"more than {limits.columns} columns")
    stripped = tuple(cleaned(cell) for cell in cells)
    return Row(number, stripped) if any(stripped) else None
