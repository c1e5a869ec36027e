"""A document of tables as pages to print: PDF with its own font, so that it looks the same everywhere.

Knows: pages, columns, how a text is broken into lines. Never knows: what the tables are about, clocks (`at` is an
argument). ISO 32000-1.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.resources import as_file, files

from fpdf import FPDF

from gateway.policy.paper import Paper, Table, wide, written

FONT = "DejaVuSansCondensed.ttf"
FAMILY = "body"
MARGIN_MM = 15.0
BOTTOM_MM = 18.0
LINE_MM = 4.2
GAP_MM = 2.0
MOST_WIDTH = 70  # characters that one column may claim before others are heard
LANDSCAPE_FROM = 7  # columns
MISSING = "\N{WHITE SQUARE}"


class _Pages(FPDF):
    """Pages with their number below."""

    heading = ""

    def footer(self) -> None:
        """What stands below each page."""
        self.set_y(-12)
        self.set_font(FAMILY, size=7)
        self.cell(0, 4, f"{self.heading}   {self.page_no()}/{{nb}}", align="R")


def as_pdf(paper: Paper, at: datetime) -> bytes:
    """The file; the same paper and moment give the same bytes."""
    landscape = any(len(table.heads) >= LANDSCAPE_FROM for table in paper.tables)
    pdf = _Pages(orientation="landscape" if landscape else "portrait", format="A4")
    pdf.set_creation_date(at)
    with as_file(files("gateway.policy") / "data" / FONT) as font:
        pdf.add_font(FAMILY, fname=font)
    writer = _Writer(pdf)
    pdf.heading = writer.clean(paper.title)
    pdf.set_title(pdf.heading)
    pdf.set_margins(MARGIN_MM, MARGIN_MM)
    pdf.set_auto_page_break(False)
    pdf.add_page()
    writer.line(paper.title, size=15, after_mm=3)
    for label, text in paper.about:
        writer.row([label, text], [45.0, pdf.epw - 45.0], [False, False])
    for table in paper.tables:
        writer.table(table)
    pdf.ln(GAP_MM)
    for note in paper.notes:
        writer.row([note], [pdf.epw], [False])
    return bytes(pdf.output())


class _Writer:
    """Puts texts on pages, line by line; what does not fit goes on the next page."""

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._glyphs = frozenset(pdf.fonts[FAMILY].cmap)  # type: ignore[union-attr]
        self._widths: dict[str, float] = {}

    def clean(self, text: str) -> str:
        """The text with a square for every character that the font has not; it is never left out silently."""
        return "".join(c if ord(c) in self._glyphs or c in "\n " else MISSING for c in text.replace("\t", " "))

    def line(self, text: str, *, size: float, after_mm: float) -> None:
        """One heading."""
        self._room(size / 2 + 2 * LINE_MM)
        self._pdf.set_font(FAMILY, size=size)
        self._pdf.cell(0, size / 2, self.clean(text))
        self._pdf.ln(size / 2 + after_mm)

    def table(self, table: Table) -> None:
        """A title, heads, rows; heads again on every page."""
        self._pdf.ln(GAP_MM)
        self.line(table.title, size=11, after_mm=1)
        wants = [want + 1.5 for want in wide(table, MOST_WIDTH)]
        widths = [self._pdf.epw * want / sum(wants) for want in wants]
        right = [all(_is_number(row[n]) for row in table.rows) for n in range(len(wants))]
        self._heads(table, widths, right)
        for row in table.rows:
            if self.row([written(cell) for cell in row], widths, right, peek=True) > self._left():
                self._pdf.add_page()
                self._heads(table, widths, right)
            self.row([written(cell) for cell in row], widths, right)

    def _heads(self, table: Table, widths: Sequence[float], right: Sequence[bool]) -> None:
        self.row(list(table.heads), widths, right)
        y = self._pdf.get_y()
        self._pdf.line(MARGIN_MM, y, MARGIN_MM + sum(widths), y)

    def row(self, cells: Sequence[str], widths: Sequence[float], right: Sequence[bool], *, peek: bool = False) -> float:
        """Cells side by side, each broken into lines; the height in mm (`peek`: nothing is written)."""
        self._pdf.set_font(FAMILY, size=8)
        lines = [list(self._broken(self.clean(cell), width - 1)) for cell, width in zip(cells, widths, strict=True)]
        height = max(map(len, lines)) * LINE_MM
        if peek:
            return height
        for number in range(max(map(len, lines))):
            self._room(LINE_MM)
            for found, width, is_right in zip(lines, widths, right, strict=True):
                text = found[number] if number < len(found) else ""
                self._pdf.cell(width, LINE_MM, text, align="R" if is_right else "L")
            self._pdf.ln(LINE_MM)
        return height

    def _left(self) -> float:
        return self._pdf.h - BOTTOM_MM - self._pdf.get_y()

    def _room(self, needed_mm: float) -> None:
        if needed_mm > self._left():
            self._pdf.add_page()
            self._pdf.set_font(FAMILY, size=8)

    def _broken(self, text: str, width: float) -> Iterator[str]:
        """Lines of a text, at words where there are any."""
        room = max(width - 2 * self._pdf.c_margin, 3.0)
        for paragraph in text.split("\n"):
            line = ""
            for word in paragraph.split(" "):
                longer = f"{line} {word}" if line else word
                if self._wide(longer) <= room:
                    line = longer
                    continue
                if line:
                    yield line
                *whole, line = self._pieces(word, room)
                yield from whole
            yield line

    def _pieces(self, word: str, room: float) -> list[str]:
        """A word that is longer than a line, in pieces that are not."""
        pieces, piece = [], ""
        for char in word:
            if piece and self._wide(piece + char) > room:
                pieces.append(piece)
                piece = ""
            piece += char
        return [*pieces, piece]

    def _wide(self, text: str) -> float:
        """The width of a text at the size of tables."""
        for char in set(text) - self._widths.keys():
            self._widths[char] = self._pdf.get_string_width(char)
        return sum(self._widths[char] for char in text)


def _is_number(cell: object) -> bool:
    return cell is None or (isinstance(cell, int | float | Decimal) and not isinstance(cell, bool))
