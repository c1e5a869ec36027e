"""Outlines of places from tables: a CSV file of values with their rings, and one that says which values make up others.

Knows: CSV with large cells, WKT polygons, GeoJSON geometries in a cell, the columns. Never knows: files, the database.
Standard: RFC 4180; OGC Simple Features 1.2.1 §7 (WKT: POLYGON, MULTIPOLYGON); RFC 7946.

A value that is made of others is the union of their outlines. One whose part has no outline is a problem and not a
smaller place: people would be left out and nobody would see it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.cap import geocodes
from gateway.cap.area import Ring
from gateway.policy.outlines import MAX_BYTES, MAX_PROBLEMS, Outline, Unusable, outer_ring, rings_of

MAX_ROWS = 500_000
SEPARATORS = (",", ";", "\t")
# RFC 4180 §2; the csv module bounds a cell for the whole process, and an outline is larger than that bound
_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"[ \t]*')
_WKT = re.compile(r"\s*(?:SRID=4326\s*;)?\s*(MULTIPOLYGON|POLYGON)\s*(?:Z|M|ZM)?\s*\(", re.IGNORECASE)
_NEXT_POLYGON = re.compile(r"\)\s*\)\s*,\s*\(\s*\(")
_HOLE = re.compile(r"\)\s*,\s*\(")
_SCHEME, _VALUE = ("scheme", "system", "valuename"), ("value", "code", "geocode")
_RINGS = ("rings", "wkt", "geometry", "geojson", "outline", "polygon")


_NO_ROW: tuple[int, list[str]] = (0, [])


class GeocodeOutline(NamedTuple):
    """One value of one system with its rings."""

    scheme: str
    outline: Outline


class GeocodeUnion(NamedTuple):
    """One value that is the union of other values, each (scheme, value)."""

    scheme: str
    value: str
    parts: tuple[tuple[str, str], ...]


class GeocodeTable(NamedTuple):
    """What a file holds. With a problem in it, nothing of it should be used."""

    outlines: tuple[GeocodeOutline, ...] = ()
    unions: tuple[GeocodeUnion, ...] = ()
    problems: tuple[str, ...] = ()


def read_outline_table(document: bytes, *, scheme: str = "") -> GeocodeTable:
    """Values with their rings: columns (scheme,) value, rings. `scheme` is that of a file without such a column."""
    rows = _rows(document)
    if isinstance(rows, str):
        return GeocodeTable(problems=(rows,))
    header = [cell.strip().lower() for cell in next(rows, _NO_ROW)[1]]
    places = [_place(header, names) for names in (_SCHEME, _VALUE, _RINGS)]
    if places[1] is None or places[2] is None or (places[0] is None and not scheme):
        return GeocodeTable(problems=("the first row must name the columns scheme, value and rings",))
    found: dict[tuple[str, str], list[Ring]] = {}
    problems = _Problems()
    for number, cells in rows:
        try:
            name = geocodes.canonical(_cell(cells, places[0]) or scheme)
            value = _checked(name, _cell(cells, places[1]))
            found.setdefault((name, value), []).extend(_rings(_cell(cells, places[2])))
        except Unusable as unusable:
            if problems.take(f"row {number}: {unusable}"):
                break
    if not found and not problems.said:
        problems.take("the file has no row below its first")
    outlines = (GeocodeOutline(name, Outline(value, tuple(rings))) for (name, value), rings in found.items())
    return GeocodeTable(outlines=tuple(outlines), problems=tuple(problems.said))


def read_union_table(document: bytes, *, base: str) -> GeocodeTable:
    """Which values of the system `base` make up values of others: each column is named by its system, and each row
    says of one value of `base` in which value of every other system it lies. An empty cell says nothing."""
    rows = _rows(document)
    if isinstance(rows, str):
        return GeocodeTable(problems=(rows,))
    base = geocodes.canonical(base)
    names = [geocodes.canonical(cell) for cell in next(rows, _NO_ROW)[1]]
    if names.count(base) != 1 or len(set(names)) != len(names) or len(names) < 2:
        return GeocodeTable(problems=(f"the first row must name systems, each once, {base} among them",))
    parts: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
    problems = _Problems()
    for number, cells in rows:
        try:
            own = (base, _checked(base, _cell(cells, names.index(base))))
            for name, value in zip(names, map(str.strip, cells), strict=False):
                if name != base and value:
                    parts.setdefault((name, _checked(name, value)), {})[own] = None
        except Unusable as unusable:
            if problems.take(f"row {number}: {unusable}"):
                break
    if not parts and not problems.said:
        problems.take("the file has no row that names another value")
    unions = (GeocodeUnion(name, value, tuple(of)) for (name, value), of in parts.items())
    return GeocodeTable(unions=tuple(unions), problems=tuple(problems.said))


def united(
    unions: Iterable[GeocodeUnion], known: Mapping[tuple[str, str], Sequence[Ring]]
) -> tuple[list[GeocodeOutline], list[str]]:
    """The outlines of unions from those on record, and what is missing, one sentence a value."""
    outlines, problems = [], []
    for union in unions:
        missing = [f"{scheme} {value}" for scheme, value in union.parts if (scheme, value) not in known]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            problems.append(f"{union.scheme} {union.value}: no outline of {', '.join(missing[:5])}{more}")
            continue
        rings = dict.fromkeys(ring for part in union.parts for ring in known[part])
        outlines.append(GeocodeOutline(union.scheme, Outline(union.value, tuple(rings))))
    return outlines, problems


class _Problems:
    """The first problems of a file."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def take(self, problem: str) -> bool:
        """Add one; True when it is time to stop reading."""
        self.said.append(problem)
        if len(self.said) == MAX_PROBLEMS:
            self.said.append("and perhaps more: reading ended here")
        return len(self.said) > MAX_PROBLEMS


def _rows(document: bytes) -> Iterator[tuple[int, list[str]]] | str:
    """(number, cells) of each row that is not blank, the first one there for certain; or why there are none."""
    if len(document) > MAX_BYTES:
        return f"the file is larger than {MAX_BYTES // 2**20} MiB: simplify its outlines"
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "the file is not UTF-8: save it as CSV in UTF-8"
    first = text.lstrip("\r\n").partition("\n")[0]
    if not first.strip() or "\0" in first:
        return "the file is empty or no CSV file"
    return _cells(text, max(SEPARATORS, key=first.count))


def _cells(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    place, number, row = 0, 1, list[str]()
    unquoted = re.compile(rf"[^{separator}\r\n]*")
    while place < len(text) and number <= MAX_ROWS:
        quoted = _QUOTED.match(text, place)
        if quoted is not None:
            row.append(quoted[1].replace('""', '"'))
            place = quoted.end()
        else:
            plain = unquoted.match(text, place)
            assert plain is not None
            row.append(plain[0])
            place = plain.end()
        if text.startswith(separator, place):
            place += 1
            if place < len(text):
                continue
        place = _line_end(text, place)
        if any(map(str.strip, row)):
            yield number, row
        number, row = number + 1, []


def _line_end(text: str, place: int) -> int:
    """The start of the next line; what stands between a closing quote and the end of the line is passed over."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


def _place(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _cell(cells: Sequence[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def _checked(scheme: str, value: str) -> str:
    if problem := geocodes.problem(scheme, value):
        raise Unusable(problem)
    return value


def _rings(cell: str) -> Iterator[Ring]:
    if cell.startswith("{"):
        try:
            yield from rings_of(json.loads(cell))
        except (ValueError, RecursionError):
            raise Unusable("its outline is not JSON") from None
        return
    begin = _WKT.match(cell)
    if begin is None:
        raise Unusable("its outline is no WKT POLYGON or MULTIPOLYGON and no GeoJSON geometry")
    inside = cell[begin.end() - 1 :]
    polygons = _NEXT_POLYGON.split(inside) if begin[1].upper() == "MULTIPOLYGON" else [inside]
    for polygon in polygons:
        if _HOLE.search(polygon):
            raise Unusable("a polygon of it has a hole: cut it into polygons without holes")
        yield outer_ring([_position(pair) for pair in polygon.strip("() \t\r\n").split(",")])


def _position(pair: str) -> list[float]:
    try:
        return [float(number) for number in pair.split()]
    except ValueError:
        raise Unusable("a point of it is not longitude and latitude") from None
