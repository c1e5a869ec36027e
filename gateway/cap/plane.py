"""Turns, triangles and a grid of edges: the plane geometry that outlines are simplified with.

Knows: points in the plane. Never knows: degrees, rings, why somebody asks. Turns are exact for the numbers given.
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

Point = tuple[float, float]
Triangle = tuple[Point, Point, Point]

_MOST_A_SIDE = 256
_ENTRIES_AN_EDGE = 8  # squares that an edge passes, on average: long edges make the grid coarser

_ROUNDING = 4e-16
"""A determinant larger than this share of its terms has the right sign; others are computed exactly."""


def turn(a: Point, b: Point, c: Point) -> int:
    """1 when c lies to the left of the line from a to b, -1 to the right, 0 on it."""
    left, right = (b[0] - a[0]) * (c[1] - a[1]), (b[1] - a[1]) * (c[0] - a[0])
    if abs(left - right) > _ROUNDING * (abs(left) + abs(right)):
        return 1 if left > right else -1
    (ax, ay), (bx, by), (cx, cy) = ((Fraction(x), Fraction(y)) for x, y in (a, b, c))
    exact = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    return (exact > 0) - (exact < 0)


def touches(triangle: Triangle, here: Point, there: Point) -> bool:
    """Whether the edge from `here` to `there` has a point in the closed triangle, which is given clockwise."""
    a, b, c = triangle
    if _beside(a[0], b[0], c[0], here[0], there[0]) or _beside(a[1], b[1], c[1], here[1], there[1]):
        return False
    if _holds(triangle, here) or _holds(triangle, there):
        return True
    return _meet(a, b, here, there) or _meet(b, c, here, there) or _meet(c, a, here, there)


def _beside(a: float, b: float, c: float, here: float, there: float) -> bool:
    """Whether three numbers all lie above, or all below, two others."""
    return min(a, b, c) > max(here, there) or max(a, b, c) < min(here, there)


def _holds(triangle: Triangle, point: Point) -> bool:
    a, b, c = triangle
    return turn(a, b, point) <= 0 and turn(b, c, point) <= 0 and turn(c, a, point) <= 0


def _meet(a: Point, b: Point, here: Point, there: Point) -> bool:
    """Whether two edges have a point in common, when no end of the second lies in the first's triangle."""
    ends = turn(a, b, here), turn(a, b, there)
    if ends == (0, 0):  # on one line: they meet when they overlap along it
        return not (_apart(a[0], b[0], here[0], there[0]) or _apart(a[1], b[1], here[1], there[1]))
    return ends[0] * ends[1] <= 0 and turn(here, there, a) * turn(here, there, b) <= 0


def _apart(a: float, b: float, here: float, there: float) -> bool:
    """Whether two numbers both lie above, or both below, two others."""
    return min(a, b) > max(here, there) or max(a, b) < min(here, there)


class Grid:
    """Which edges may come near a triangle, by the squares that they pass. It may name too many, never too few."""

    def __init__(self, ring: Sequence[Point]) -> None:
        self._west, self._south = min(x for x, _ in ring), min(y for _, y in ring)
        width, height = max(x for x, _ in ring) - self._west, max(y for _, y in ring) - self._south
        edges = list(zip(ring, [*ring[1:], ring[0]], strict=True))
        self._side = side = _side(edges, width, height)
        self._width = width / side or 1.0
        self._height = height / side or 1.0
        self._cells: dict[int, list[int]] = {}
        for number, (here, there) in enumerate(edges):
            self.put(number, here, there)

    def put(self, number: int, here: Point, there: Point) -> None:
        """Remember an edge under a number. An edge that was there under the same number is still named, too."""
        if here[1] > there[1]:
            here, there = there, here
        for row in range(self._row(here[1]), self._row(there[1]) + 1):
            west, east = self._stretch(here, there, row)
            for column in range(west, east + 1):
                self._cells.setdefault(row * self._side + column, []).append(number)

    def _stretch(self, low: Point, high: Point, row: int) -> tuple[int, int]:
        """The columns that an edge passes in a row, and one more on both sides against roundings."""
        rise = high[1] - low[1]
        ends = (low[0], high[0])
        if rise > 0.0:
            bottom, top = self._south + row * self._height, self._south + (row + 1) * self._height
            slope = (high[0] - low[0]) / rise
            # points outside the grid are counted to its border rows
            starts = low[0] if row == self._row(low[1]) else low[0] + (bottom - low[1]) * slope
            stops = high[0] if row == self._row(high[1]) else low[0] + (top - low[1]) * slope
            ends = (starts, stops)
        return max(0, self._column(min(ends)) - 1), min(self._side - 1, self._column(max(ends)) + 1)

    def near(self, triangle: Triangle) -> Iterator[int]:
        """The numbers of edges that may touch the triangle, each once."""
        xs, ys = [x for x, _ in triangle], [y for _, y in triangle]
        columns = range(self._column(min(xs)), self._column(max(xs)) + 1)
        seen: set[int] = set()
        for row in range(self._row(min(ys)), self._row(max(ys)) + 1):
            for column in columns:
                for number in self._cells.get(row * self._side + column, ()):
                    if number not in seen:
                        seen.add(number)
                        yield number

    def _column(self, x: float) -> int:
        return min(self._side - 1, max(0, math.floor((x - self._west) / self._width)))

    def _row(self, y: float) -> int:
        return min(self._side - 1, max(0, math.floor((y - self._south) / self._height)))


def _side(edges: Sequence[tuple[Point, Point]], width: float, height: float) -> int:
    """How many squares a side has: about as many squares as edges, fewer when edges run far."""
    far = max(
        math.fsum(abs(there[axis] - here[axis]) for here, there in edges) / (length or 1.0)
        for axis, length in ((0, width), (1, height))
    )
    return max(1, min(_MOST_A_SIDE, math.isqrt(len(edges)), int(_ENTRIES_AN_EDGE * len(edges) / max(far, 1.0))))
