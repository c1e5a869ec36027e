"""Cells: quads of a quartered map with the tests that their points must pass, and what can be done with them.

Knows: shapes, quads, the Z-order (Morton) curve that numbers them, clipping.
Never knows: how a shape becomes cells, SQL, CAP elements, rights.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.cap.area import (
    Box,
    Disc,
    Point,
    Ring,
    Shape,
    disc_limit,
    haversine,
    in_ring,
    nearest,
    nearest_and_farthest,
)

BITS = 26
"""Quarterings of the map down to a point: 0.6 m at the equator."""

CLIP_MARGIN = 1e-5
"""Degrees, about a metre: a clipped ring reaches this far beyond its box, so that no point of the box lies on an
artificial edge."""

MANY_CELLS = 4000
SMALL_SIZE = 1 << 18
"""Points of a quad of some 150 m: five hundred people of the densest city live in it."""
_SIDE = 1 << BITS
_FINEST_SLICE_LEVEL = 18
_SLACK = 1e-9
_SHARE_POINTS = 2000
_MOST_LOOKS = 200
_FINEST_LOOK = 22  # quads of some ten metres


class Cell(NamedTuple):
    """One quad: the points with lo <= z <= hi that pass every test; without tests all of them."""

    lo: int
    hi: int
    tests: tuple[Shape, ...] = ()


class Quad(NamedTuple):
    """A square of the quartered map: 2**level quads a side."""

    level: int
    x: int
    y: int

    def box(self) -> Box:
        width, height = 360.0 / (1 << self.level), 180.0 / (1 << self.level)
        west, south = self.x * width - 180.0, self.y * height - 90.0  # exact in binary at every level
        return Box(west, south, west + width, south + height)

    def cell(self, tests: tuple[Shape, ...] = ()) -> Cell:
        size = 1 << 2 * (BITS - self.level)
        lo = _interleave(self.x, self.y) * size
        return Cell(lo, lo + size - 1, tests)

    def children(self) -> Iterator["Quad"]:
        level, x, y = self.level + 1, self.x * 2, self.y * 2
        return (Quad(level, x + i, y + j) for j in (0, 1) for i in (0, 1))


def morton(lon: float, lat: float) -> int:
    """The place's 52-bit position on the Z-order curve, 26 bits an axis, longitude in the even bits."""
    return _interleave(*_axes(lon, lat))


def _axes(lon: float, lat: float) -> tuple[int, int]:
    x = math.floor((lon + 180.0) / 360.0 * _SIDE) & (_SIDE - 1)  # 180 is -180
    y = min(_SIDE - 1, max(0, math.floor((lat + 90.0) / 180.0 * _SIDE)))
    return x, y


def _interleave(x: int, y: int) -> int:
    return _spread(x) | _spread(y) << 1


def _spread(v: int) -> int:
    v = (v | v << 16) & 0x0000FFFF0000FFFF
    v = (v | v << 8) & 0x00FF00FF00FF00FF
    v = (v | v << 4) & 0x0F0F0F0F0F0F0F0F
    v = (v | v << 2) & 0x3333333333333333
    return (v | v << 1) & 0x5555555555555555


def _gather(v: int) -> int:
    v &= 0x5555555555555555
    v = (v | v >> 1) & 0x3333333333333333
    v = (v | v >> 2) & 0x0F0F0F0F0F0F0F0F
    v = (v | v >> 4) & 0x00FF00FF00FF00FF
    v = (v | v >> 8) & 0x0000FFFF0000FFFF
    return (v | v >> 16) & 0x00000000FFFFFFFF


def quad_of(cell: Cell) -> Quad:
    level = BITS - (cell.hi - cell.lo).bit_length() // 2
    code = cell.lo >> 2 * (BITS - level)
    return Quad(level, _gather(code), _gather(code >> 1))


def narrowed(test: Shape, box: Box) -> tuple[Shape, ...] | None:
    """What is left to ask in a box. None: no point of it passes; (): all do; (test,): ask each, with a clipped ring."""
    return _disc_in(test, box) if isinstance(test, Disc) else _ring_in(test, box)


def _disc_in(disc: Disc, box: Box) -> tuple[Disc, ...] | None:
    """None: no point of the box is in the disc; (): all are; (disc,): ask for each."""
    limit = disc_limit(disc.radius_km)
    least, most = nearest_and_farthest(disc.lon, disc.lat, box)
    if least > limit * (1 + _SLACK) + 1e-24:
        return None
    return () if most < limit * (1 - _SLACK) else (disc,)


def _ring_in(ring: Ring, box: Box) -> tuple[Ring, ...] | None:
    points = _clipped_to(ring.points, box)
    if len(points) < 3:
        return None
    if _touches(points, box):
        return (Ring(tuple(points)),)
    return () if _whole(points, box) else None


def clipped(points: Sequence[Point], axis: int, limit: float, *, above: bool) -> list[Point]:
    """The part of an open ring on one side of a line (Sutherland and Hodgman 1974); winding there stays as it was."""
    kept: list[Point] = []
    if not points:
        return kept
    a = points[-1]
    a_in = a[axis] >= limit if above else a[axis] <= limit
    for b in points:
        b_in = b[axis] >= limit if above else b[axis] <= limit
        if a_in != b_in:
            share = (limit - a[axis]) / (b[axis] - a[axis])
            other = a[1 - axis] + share * (b[1 - axis] - a[1 - axis])
            kept.append((other, limit) if axis else (limit, other))
        if b_in:
            kept.append(b)
        a, a_in = b, b_in
    return kept


def _clipped_to(points: Sequence[Point], box: Box) -> list[Point]:
    kept = clipped(points, 0, box.west - CLIP_MARGIN, above=True)
    kept = clipped(kept, 0, box.east + CLIP_MARGIN, above=False)
    kept = clipped(kept, 1, box.south - CLIP_MARGIN, above=True)
    return clipped(kept, 1, box.north + CLIP_MARGIN, above=False)


def _touches(points: Sequence[Point], box: Box) -> bool:
    """False when no edge can enter the closed box; an edge that cuts past a corner may count as touching."""
    west, south, east, north = box
    ax, ay = points[-1]
    for bx, by in points:
        beside = (ax < west and bx < west) or (ax > east and bx > east)
        if not (beside or (ay < south and by < south) or (ay > north and by > north)):
            return True
        ax, ay = bx, by
    return False


def _whole(points: Sequence[Point], box: Box) -> bool:
    """Whether a box that no edge touches lies inside."""
    return in_ring(points, (box.west + box.east) / 2, (box.south + box.north) / 2)


def ordered(cells: Iterable[Cell]) -> list[Cell]:
    """Each cell once, by lo, the larger first."""
    return sorted(dict.fromkeys(cells), key=lambda cell: (cell.lo, -cell.hi))


def by_size(cells: Iterable[Cell]) -> dict[int, dict[int, list[Cell]]]:
    """Cells by size and lo: a quad's larger quads are then found by one look-up a size."""
    table: dict[int, dict[int, list[Cell]]] = {}
    for cell in cells:
        table.setdefault(_size(cell), {}).setdefault(cell.lo, []).append(cell)
    return table


def ancestors(cell: Cell, table: dict[int, dict[int, list[Cell]]]) -> Iterator[Cell]:
    """The strictly larger cells of the table around a cell."""
    own = _size(cell)
    for size, by_lo in table.items():
        if size > own:
            yield from by_lo.get(cell.lo - cell.lo % size, ())


def _size(cell: Cell) -> int:
    return cell.hi - cell.lo + 1


def intersect(a: Iterable[Cell], b: Iterable[Cell]) -> list[Cell]:
    """Cells that hold exactly the points in some cell of `a` and in some cell of `b`, by lo.

    When both sides are disjoint, so is the result.
    """
    ones, others = list(a), list(b)
    quads, other_quads = by_size(ones), by_size(others)
    found = [_both(cell, over) for cell in ones for over in ancestors(cell, other_quads)]
    found += [_both(cell, over) for cell in others for over in ancestors(cell, quads)]
    found += [_same(cell, twin) for cell in ones for twin in _twins(cell, other_quads)]
    return ordered(cell for cell in found if cell is not None)


def _twins(cell: Cell, table: dict[int, dict[int, list[Cell]]]) -> list[Cell]:
    """The cells of the table that are the same quad."""
    return table.get(_size(cell), {}).get(cell.lo, [])


def _same(one: Cell, other: Cell) -> Cell:
    return Cell(one.lo, one.hi, tuple(dict.fromkeys(one.tests + other.tests)))


def _both(small: Cell, large: Cell) -> Cell | None:
    """The small cell with the large one's tests as well, each narrowed to the small quad."""
    tests = small.tests
    for test in large.tests:
        left = narrowed(test, quad_of(small).box())
        if left is None:
            return None
        tests += left
    return Cell(small.lo, small.hi, tuple(dict.fromkeys(tests)))


def contains(cells: Iterable[Cell], lon: float, lat: float) -> bool:
    """Whether a place lies in one of the cells: in Python what AREA_PREDICATE says in SQL."""
    lon = lon if lon < 180.0 else lon - 360.0
    z = morton(lon, lat)
    return any(cell.lo <= z <= cell.hi and _passes_all(cell, lon, lat) for cell in cells)


def _passes(test: Shape, lon: float, lat: float) -> bool:
    if isinstance(test, Disc):
        return haversine(lon, lat, test.lon, test.lat) <= disc_limit(test.radius_km)
    return in_ring(test.points, lon, lat)


class Land:
    """A territory's cells in the order in which questions are answered fast; made once, asked often."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.cells = tuple(cells)
        self._quads = by_size(self.cells)
        self._starts = sorted(cell.lo for cell in self.cells)

    def surely_holds(self, shape: Shape, quads: Iterable[Quad]) -> bool:
        """Whether all of the shape lies in the territory; `quads` hold it. False also when that is not certain after
        so many looks: at a border that both share."""
        waiting: list[tuple[Quad, tuple[Shape, ...], tuple[Cell, ...]]] = [(quad, (shape,), ()) for quad in quads]
        looks = _MOST_LOOKS
        while waiting and looks:
            looks -= 1
            quad, tests, border = waiting.pop()
            box, cell = quad.box(), quad.cell()
            left = narrowed(tests[0], box) if tests else ()
            if left is None:
                continue
            near = border or (*_twins(cell, self._quads), *ancestors(cell, self._quads))
            answers = [[narrowed(test, box) for test in other.tests] for other in near]
            if any(all(answer == () for answer in each) for each in answers):
                continue
            outside = near and all(None in each for each in answers)
            if outside or (not near and not _begins_in(cell, self._starts)) or quad.level == _FINEST_LOOK:
                return False
            waiting += [(child, left, near) for child in quad.children()]
        return not waiting


def share_outside(cells: Iterable[Cell], territory: Iterable[Cell]) -> float:
    """About how much of the cells' area is not in the territory: 0.0 none that is worth a word, 1.0 all.

    Where borders meet it is counted on a lattice of points, so a sliver can be missed; who is reached is decided by
    `intersect`, exactly.
    """
    quads = by_size(territory)
    starts = sorted(lo for by_lo in quads.values() for lo in by_lo)
    inside = outside = 0.0
    mixed = []
    for cell in cells:
        around = [*_twins(cell, quads), *ancestors(cell, quads)]
        if cell.tests:
            mixed.append(cell)
        elif any(not other.tests for other in around):
            inside += _size(cell)
        elif not around and not _begins_in(cell, starts):
            outside += _size(cell)
        else:
            mixed.append(cell)
    steps = max(2, min(7, math.isqrt(_SHARE_POINTS // max(1, len(mixed)))))
    for cell in mixed:
        points = [point for point in _lattice(quad_of(cell).box(), steps) if _passes_all(cell, *point)]
        held = sum(_holds(quads, *point) for point in points)
        inside += held * _size(cell) / steps**2
        outside += (len(points) - held) * _size(cell) / steps**2
    return outside / (inside + outside) if outside else 0.0


def _begins_in(cell: Cell, starts: Sequence[int]) -> bool:
    place = bisect_left(starts, cell.lo)
    return place < len(starts) and starts[place] <= cell.hi


def _lattice(box: Box, steps: int) -> list[Point]:
    """Points spread over a box, on no line that outlines are likely to have."""
    shares = [(step + 0.4871) / steps for step in range(steps)]
    width, height = box.east - box.west, box.north - box.south
    return [(box.west + width * i, box.south + height * j) for i in shares for j in shares]


def _holds(quads: dict[int, dict[int, list[Cell]]], x: float, y: float) -> bool:
    z = morton(x, y)
    around = (cell for size, by_lo in quads.items() for cell in by_lo.get(z - z % size, ()))
    return any(_passes_all(cell, x, y) for cell in around)


def _passes_all(cell: Cell, x: float, y: float) -> bool:
    return all(_passes(test, x, y) for test in cell.tests)


def nearest_first(cells: Iterable[Cell], centre: Point, *, limit: int = MANY_CELLS) -> list[Cell]:
    """The same points in smaller cells, ordered by the distance of each cell's nearest point from the centre.

    Bare cells are quartered as far as that keeps the number of cells within `limit`.
    """
    parts = _quartered(list(cells), limit)
    return sorted(parts, key=lambda cell: (nearest(*centre, quad_of(cell).box()), cell.lo))


def graded(cell: Cell, place: Point, *, least: int = SMALL_SIZE) -> list[Cell]:
    """The same points in cells of which none is higher than it is far from the place, but for those of `least` points;
    nearest first. A cell that is far enough is itself. The same cell and place always give the same cells."""
    parts, waiting = [], [cell]
    while waiting:
        one = waiting.pop()
        box, size = quad_of(one).box(), _size(one)
        away = nearest(*place, box)
        if size <= least or away >= haversine(0.0, box.south, 0.0, box.north):
            parts.append((away, one))
        else:
            waiting += [Cell(lo, lo + size // 4 - 1, one.tests) for lo in range(one.lo, one.hi + 1, size // 4)]
    return [one for _, one in sorted(parts, key=lambda part: (part[0], part[1].lo))]


def sixteenths(cell: Cell, *, least: int = SMALL_SIZE) -> list[Cell]:
    """The same points in at most sixteen cells, none smaller than `least` points, in the order of the curve."""
    size = _size(cell)
    step = min(size, max(least, size // 16))
    return [Cell(lo, lo + step - 1, cell.tests) for lo in range(cell.lo, cell.hi + 1, step)]


def _quartered(cells: list[Cell], limit: int) -> list[Cell]:
    size = 1 << 2 * (BITS - _FINEST_SLICE_LEVEL)
    while sum(1 if cell.tests else max(1, _size(cell) // size) for cell in cells) > limit and size < 1 << 2 * BITS:
        size <<= 2
    parts = []
    for cell in cells:
        step = _size(cell) if cell.tests else min(size, _size(cell))
        parts += [Cell(lo, lo + step - 1, cell.tests) for lo in range(cell.lo, cell.hi + 1, step)]
    return parts
