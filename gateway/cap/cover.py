"""Shapes as cells, and cells as columns: what a database with a plain index needs to find every point inside, exactly.

Knows: how to quarter the map around a shape, the SQL predicate that reads the cells.
Never knows: CAP elements, tables beyond the column names z, lon and lat, rights, databases.

A shape's bounding quad is quartered again and again. A quad wholly inside becomes a bare cell; a quad at the border
becomes a cell with a test: the shape's ring clipped to a few vertices, or the disc.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gateway.cap.area import EARTH_RADIUS_KM, Disc, Point, Ring, Shape, disc_limit, unwrapped, validate
from gateway.cap.cells import CLIP_MARGIN, MANY_CELLS, Cell, Quad, ancestors, by_size, clipped, narrowed, ordered

_RING_DEPTH, _RING_DEEPEST, _FEW_VERTICES = 4, 6, 24
_DISC_STEPS = 8  # quads of the border are at least this many to a radius
_FINEST_LEVEL = 20
_MOST_VISITED = 300_000
_MANY_OF_ALL = 20_000
_NEAR_POLE = 89.0
_MORE = 1.001  # against roundings

# Ten arrays, as `Columns` has them, become rows.
AREA_ROWS = """unnest($1::bigint[], $2::bigint[], $3::text[]::polygon[], $4::text[]::polygon[],
  $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::float8[], $10::float8[])
  AS r(lo, hi, ring_a, ring_b, lon_a, lat_a, limit_a, lon_b, lat_b, limit_b)"""


# A point `a` (z bigint, lon and lat float8) lies in the cell `r`. Polygons are in units of 1e-7 degree: PostgreSQL
# compares geometry with an absolute tolerance of 1e-6, which in plain degrees lets in points 50 m outside.
AREA_PREDICATE = """a.z BETWEEN r.lo AND r.hi
  AND (r.ring_a IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_a)
  AND (r.ring_b IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_b)
  AND (r.limit_a IS NULL OR sin(radians(a.lat - r.lat_a) / 2) ^ 2
    + cos(radians(a.lat)) * cos(radians(r.lat_a)) * sin(radians(a.lon - r.lon_a) / 2) ^ 2 <= r.limit_a)
  AND (r.limit_b IS NULL OR sin(radians(a.lat - r.lat_b) / 2) ^ 2
    + cos(radians(a.lat)) * cos(radians(r.lat_b)) * sin(radians(a.lon - r.lon_b) / 2) ^ 2 <= r.limit_b)"""


class Columns(NamedTuple):
    """Cells as arrays for one statement: rings as PostgreSQL polygons, discs as centre and haversine of the rim."""

    lo: list[int]
    hi: list[int]
    ring_a: list[str | None]
    ring_b: list[str | None]
    lon_a: list[float | None]
    lat_a: list[float | None]
    limit_a: list[float | None]
    lon_b: list[float | None]
    lat_b: list[float | None]
    limit_b: list[float | None]


def cover(shape: Shape, *, budget: int = MANY_CELLS) -> list[Cell]:
    """Disjoint cells that hold exactly the shape's points, by lo; about `budget` of them at most.

    Raises ValueError for a shape of which `validate` speaks ill (its self-contact is not checked again).
    """
    first = _around(shape)
    if isinstance(shape, Ring):
        return ordered(_quartered(first, _fine_for_ring, budget))
    level = _disc_level(shape.radius_km)
    return ordered(_quartered(first, lambda _, quad, __: quad.level >= level, budget))


def first_quads(shape: Shape) -> list[Quad]:
    """A few quads that hold the shape together. Raises as `cover` does."""
    return [quad for quad, _ in _around(shape)]


def _around(shape: Shape) -> list[tuple[Quad, Shape]]:
    """Quads that hold the shape, each with what of the shape it may hold."""
    if isinstance(shape, Ring):
        return [(quad, Ring(tuple(piece))) for piece in _pieces(shape) for quad in _quads_of(piece)]
    if problems := validate(shape):
        raise ValueError(problems[0])
    return [(quad, shape) for quad in _quads_of(_corners(shape))]


def _corners(disc: Disc) -> list[Point]:
    """Of a box around the disc; of the whole map when it comes near a pole or the antimeridian."""
    angle = disc.radius_km / EARTH_RADIUS_KM * _MORE
    lat = math.radians(disc.lat)
    if abs(lat) + angle < math.radians(_NEAR_POLE):
        high, wide = math.degrees(angle), math.degrees(math.asin(math.sin(angle) / math.cos(lat)))
        if disc.lon - wide > -180.0 and disc.lon + wide < 180.0:
            return [(disc.lon - wide, disc.lat - high), (disc.lon + wide, disc.lat + high)]
    return [(-180.0, -90.0), (180.0, 90.0)]


def cover_union(shapes: Iterable[Shape]) -> list[Cell]:
    """The cells of all shapes; cells of different shapes may overlap at borders, so a point can be in several.

    Thousands of shapes get a few coarse cells each.
    """
    many = list(shapes)
    budget = min(MANY_CELLS, max(8, _MANY_OF_ALL // max(1, len(many))))
    cells = [cell for shape in many for cell in cover(shape, budget=budget)]
    inside = by_size(cell for cell in cells if not cell.tests)
    return ordered(cell for cell in cells if not any(ancestors(cell, inside)))


def _pieces(ring: Ring) -> list[list[Point]]:
    """The ring cut at the antimeridian into open lines that lie (with the margin) inside -180 to 180."""
    line = unwrapped(ring.points)
    if len(line) < 3:
        raise ValueError("the ring has no area")
    if line[0] == line[-1]:
        line.pop()
    west, east = min(x for x, _ in line), max(x for x, _ in line)
    # an edge of more than 180 degrees would close a ring that was not closed or that ran around a pole
    if east - west > 360.0 or abs(line[-1][0] - line[0][0]) > 180.0 or not _finite(line):
        raise ValueError("the ring was not validated")
    turns = range(math.floor((west + 180.0) / 360.0), math.floor((east + 180.0) / 360.0) + 1)
    pieces = [[(x - 360.0 * turn, y) for x, y in line] for turn in turns]
    if len(pieces) == 1:
        return pieces
    return [
        clipped(clipped(piece, 0, -180.0 - CLIP_MARGIN, above=True), 0, 180.0 + CLIP_MARGIN, above=False)
        for piece in pieces
    ]


def _finite(line: Iterable[Point]) -> bool:
    return all(math.isfinite(x) and -90.0 <= y <= 90.0 for x, y in line)


def _quartered(
    first: Iterable[tuple[Quad, Shape]], fine: Callable[[int, Quad, Shape], bool], budget: int
) -> list[Cell]:
    """Quarter the quads, widest first, until each is inside, outside, fine enough, or the budget is spent.

    A scribble of thousands of long edges is cut up anew in every quad; the count of vertices bounds that work.
    """
    cells: list[Cell] = []
    visited = 0
    waiting = deque((0, quad, shape) for quad, shape in first)
    while waiting:
        depth, quad, shape = waiting.popleft()
        visited += len(shape.points) if isinstance(shape, Ring) else 1
        match narrowed(shape, quad.box()):
            case None:
                continue
            case ():
                cells.append(quad.cell())
            case (left,):
                spent = visited >= _MOST_VISITED or len(cells) + len(waiting) >= budget
                if spent or fine(depth, quad, left):
                    cells.append(quad.cell((left,)))
                else:
                    waiting.extend((depth + 1, child, left) for child in quad.children())
    return cells


def _fine_for_ring(depth: int, quad: Quad, shape: Shape) -> bool:
    few = isinstance(shape, Ring) and len(shape.points) <= _FEW_VERTICES
    return depth >= (_RING_DEPTH if few else _RING_DEEPEST) or quad.level >= _FINEST_LEVEL


def _quads_of(points: Sequence[Point]) -> list[Quad]:
    """At most four quads that hold the line, as small as that allows."""
    if not points:
        return []
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    for level in range(_FINEST_LEVEL, 0, -1):
        side = 1 << level
        x0, x1 = _index(west + 180.0, 360.0, side), _index(east + 180.0, 360.0, side)
        y0, y1 = _index(south + 90.0, 180.0, side), _index(north + 90.0, 180.0, side)
        if x1 - x0 <= 1 and y1 - y0 <= 1:
            return [Quad(level, x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)]
    return [Quad(1, x, y) for x in (0, 1) for y in (0, 1)]


def _index(offset: float, width: float, side: int) -> int:
    return min(side - 1, max(0, math.floor(offset / width * side)))


def _disc_level(radius_km: float) -> int:
    """The level whose quads are about a _DISC_STEPS-th of the radius high."""
    height_deg = max(radius_km / 111.2 / _DISC_STEPS, 1e-9)
    return min(_FINEST_LEVEL, max(1, math.ceil(math.log2(180.0 / height_deg))))


def as_columns(cells: Iterable[Cell]) -> Columns:
    """The arrays for AREA_ROWS; neighbouring cells with the same tests are joined, cells that are there twice dropped.

    Raises ValueError for a cell with more than two rings or two discs: three covers were intersected.
    """
    columns = Columns([], [], [], [], [], [], [], [], [], [])
    for cell in _joined(cells):
        rings = [polygon(test) for test in cell.tests if isinstance(test, Ring)]
        discs = [(d.lon, d.lat, disc_limit(d.radius_km)) for d in cell.tests if isinstance(d, Disc)]
        if len(rings) > 2 or len(discs) > 2:
            raise ValueError("a cell can carry two rings and two discs")
        columns.lo.append(cell.lo)
        columns.hi.append(cell.hi)
        for ring_column, ring in zip((columns.ring_a, columns.ring_b), [*rings, None, None], strict=False):
            ring_column.append(ring)
        none = (None, None, None)
        first, second = [*discs, none, none][:2]
        for column, value in zip(columns[4:], (*first, *second), strict=True):
            column.append(value)
    return columns


def _joined(cells: Iterable[Cell]) -> list[Cell]:
    joined: list[Cell] = []
    tested: list[Cell] = []
    for cell in ordered(cells):
        if cell.tests:
            goes_on = tested and tested[-1].hi + 1 == cell.lo and tested[-1].tests == cell.tests
            tested.append(Cell(tested.pop().lo, cell.hi, cell.tests) if goes_on else cell)
        elif joined and cell.lo <= joined[-1].hi + 1:
            joined[-1] = Cell(joined[-1].lo, max(joined[-1].hi, cell.hi))
        else:
            joined.append(cell)
    return joined + tested


def polygon(ring: Ring) -> str:
    """PostgreSQL's text form of a polygon, in units of 1e-7 degree; three decimals are a hundredth of a millimetre."""
    return "(" + ",".join(f"({x * 1e7:.3f},{y * 1e7:.3f})" for x, y in ring.points) + ")"
