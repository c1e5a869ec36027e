"""The rows of an XLSX workbook, after it was looked at closely enough that unpacking and reading it is safe.

Knows: ZIP and SpreadsheetML as far as what they cost, python-calamine, which reads the cells. Never knows: contacts,
what a column means. Standard: ECMA-376 part 1 §18.3.1 (rows and cells), part 2 §6 (packages).
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import IO
from xml.parsers import expat

from python_calamine import CalamineError, CalamineWorkbook

from gateway.policy.tabular import BadFile, BadRow, Row, cleaned

BLOCK_BYTES = 2**16
FOREIGN = ("xl/workbook.bin", "content.xml", "mimetype")  # XLSB and OpenDocument, whose parts are not looked at here
NATIVE_FAILURE = "PanicException"

Cell = int | float | str | bool | time | date | datetime | timedelta

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookLimits:
    """What a workbook may cost. The header is row 1; `unpacked_bytes` counts every part, `cells` those of the widest
    row times all rows, as they lie in memory."""

    file_bytes: int = 32 * 2**20
    unpacked_bytes: int = 256 * 2**20
    parts: int = 1_000
    columns: int = 200
    rows: int = 200_001
    cells: int = 4_000_000


class _Unsafe(Exception):
    """Ends the look at a workbook; never leaves this module."""


def read_workbook(data: bytes, limits: WorkbookLimits = WorkbookLimits()) -> Iterator[Row | BadRow | BadFile]:
    """Each row of the first sheet, blank ones left out; one BadFile when it is none, or not safe."""
    try:
        _examine(data, limits)
        yield from _rows(data, limits)
    except _Unsafe as unsafe:
        yield BadFile(str(unsafe))


def _examine(data: bytes, limits: WorkbookLimits) -> None:
    """Unpack every part once, counting, and see how far its cells reach: a reader would make room for all of them."""
    if len(data) > limits.file_bytes:
        raise _Unsafe(f"the file is larger than {limits.file_bytes // 2**20} MiB: split it")
    try:
        with zipfile.ZipFile(BytesIO(data)) as package:
            parts = package.infolist()
            names = [part.filename.lower() for part in parts]
            if len(parts) > limits.parts or len(set(names)) != len(names):
                raise _Unsafe("the workbook has too many parts, or one of them twice")
            if "xl/workbook.xml" not in names or any(name in FOREIGN for name in names):
                raise _Unsafe("this is no XLSX workbook: save it as XLSX or as CSV (UTF-8)")
            left = limits.unpacked_bytes
            for part in parts:
                with package.open(part) as stream:
                    left = _Reach(limits).follow(stream, left)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise _Unsafe("the workbook is damaged, or protected with a password") from None


class _Reach:
    """How far the rows and cells of one part reach. A part that is no XML has none; one that stops being XML is
    refused, for a reader might go on."""

    def __init__(self, limits: WorkbookLimits) -> None:
        self._limits = limits
        self._row = self._column = self._widest = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._element
        self._parser.StartDoctypeDeclHandler = self._doctype

    def follow(self, stream: IO[bytes], left: int) -> int:
        """What is left of the bytes that may be unpacked after this part."""
        xml: bool | None = None
        while block := stream.read(BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                raise _Unsafe("the workbook grows too large when it is unpacked")
            if xml is None:
                xml = block.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:1] == b"<"
            if xml:
                self._parse(block, final=False)
        if xml:
            self._parse(b"", final=True)
        return left

    def _parse(self, block: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(block, final)
        except expat.ExpatError:
            raise _Unsafe("a part of the workbook is not well-formed") from None

    def _doctype(self, *_: object) -> None:
        raise _Unsafe("a part of the workbook declares entities, which no office program does")

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(" ")[2]:
            case "row":  # ECMA-376 §18.3.1.73
                self._row, self._column = self._number(attributes.get("r"), self._row + 1), 0
            case "c":  # ECMA-376 §18.3.1.4
                self._cell(attributes.get("r"))
            case _:
                return
        if self._row > self._limits.rows:
            raise _Unsafe(f"the file has more than {self._limits.rows - 1:,} rows: split it")
        if self._widest > self._limits.columns or self._row * self._widest > self._limits.cells:
            raise _Unsafe(f"more than {self._limits.columns} columns, or {self._limits.cells:,} cells")

    def _cell(self, reference: str | None) -> None:
        found = _REFERENCE.fullmatch(reference) if reference is not None else None
        if reference is None:
            self._column += 1
        elif found is None:
            raise _Unsafe("a cell of the workbook stands nowhere")
        else:
            self._column = 0
            for letter in found[1]:
                self._column = self._column * 26 + ord(letter) - 64
            self._row = max(self._row, int(found[2]))
        self._widest = max(self._widest, self._column)

    @staticmethod
    def _number(text: str | None, otherwise: int) -> int:
        if text is None:
            return otherwise
        if not (text.isascii() and text.isdigit() and len(text) <= 7):
            raise _Unsafe("a row of the workbook stands nowhere")
        return max(int(text), otherwise)


def _rows(data: bytes, limits: WorkbookLimits) -> Iterator[Row | BadRow]:
    try:
        with CalamineWorkbook.from_filelike(BytesIO(data)) as book:
            for number, cells in enumerate(book.get_sheet_by_index(0).iter_rows(), 1):
                texts = tuple(cleaned(as_text(cell)) for cell in cells)
                if any(texts):
                    yield Row(number, texts)
    except (CalamineError, IndexError, ValueError, OSError):
        raise _Unsafe("the workbook can not be read: save it again as XLSX, or as CSV (UTF-8)") from None
    except BaseException as error:
        # a panic of the native reader is no Exception; nothing else of that kind is taken for one
        if type(error).__name__ != NATIVE_FAILURE:
            raise
        raise _Unsafe("the workbook broke its reader: save it as CSV (UTF-8)") from None


def as_text(cell: Cell) -> str:
    """A cell as people see it: numbers without the .0 that every number in a workbook has."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)
