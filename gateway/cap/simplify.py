"""A ring with fewer vertices that still holds every point of the old one.

Knows: straight edges in longitude and latitude. Never knows: CAP elements, why somebody wants fewer vertices.

Two steps, each of which only ever adds a triangle to the inside, the smallest one first: a vertex that points inward
is left out; an edge is left out, and its two neighbours run on until they meet. Neither is done where the triangle
would touch another part of the ring, so a ring that does not cross itself stays so. The convex hull is treated in the
same way, and the smaller of the two is taken; when neither can be brought down, the rectangle around it. Every turn is
judged exactly: no vertex is lost to a rounding.
"""

import math
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from gateway.cap.area import Box, Point, Ring, unwrapped
from gateway.cap.plane import Grid, Triangle, touches, turn

LEAST_VERTICES = 8
"""Enough for a rectangle around the earth, whose edges may not span 180 degrees or more."""

_EDGE_DEGREES = 120.0
_MOST_TESTS = 500_000
"""Edges held against triangles (a second or two) before the convex hull is taken: a scribble could cost hours."""

_OUTWARD = (1e-9, 1e-7, 1e-5)
"""How far a new vertex is pushed out, as a share of the triangle's height, so that no rounding cuts a corner off."""


def simplify(ring: Ring, max_vertices: int) -> Ring:
    """A ring of at most `max_vertices` (at least 8) vertices that covers the given one; the same if it has no more.

    The ring is one of which area.validate says nothing. Raises ValueError for a smaller `max_vertices`.
    """
    if max_vertices < LEAST_VERTICES:
        raise ValueError(f"a ring is not simplified to less than {LEAST_VERTICES} vertices")
    if len(ring.points) - 1 <= max_vertices:
        return ring
    line = _distinct(unwrapped(ring.points))
    if len(line) < 3:
        return _closed(_rectangle(line))
    found = [_Outline(_anticlockwise(line), tests=_MOST_TESTS).reduced(max_vertices)]
    if _width(line) < 180.0:
        # around a convex ring there is nothing that a triangle could touch
        found.append(_Outline(_hull(line), tests=None).reduced(max_vertices))
    fitting = [outline for outline in found if len(outline) <= max_vertices]
    return _closed(min(fitting, key=_double_area) if fitting else _rectangle(line))


def growth(ring: Ring, simpler: Ring) -> float:
    """By which share of the ring's area, in square degrees, the simpler one is larger."""
    before, after = (abs(_double_area(_distinct(unwrapped(one.points)))) for one in (ring, simpler))
    return after / before - 1.0 if before else math.inf


def _width(line: Sequence[Point]) -> float:
    return max(x for x, _ in line) - min(x for x, _ in line)


def _distinct(line: Sequence[Point]) -> list[Point]:
    """The open line without the same point twice in a row."""
    kept = [point for point, before in zip(line, [None, *line], strict=False) if point != before]
    while len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    return kept


def _anticlockwise(line: list[Point]) -> list[Point]:
    return line if _double_area(line) >= 0 else line[::-1]


def _double_area(line: Sequence[Point]) -> float:
    """Twice the area inside an open line; negative when it runs clockwise."""
    x0, y0 = line[0]
    return math.fsum(
        (ax - x0) * (by - y0) - (bx - x0) * (ay - y0)
        for (ax, ay), (bx, by) in zip(line, [*line[1:], line[0]], strict=True)
    )


def _closed(line: Sequence[Point]) -> Ring:
    """The ring with its longitudes back between -180 and 180."""
    points = [(x if -180.0 <= x <= 180.0 else x - 360.0 * round(x / 360.0), y) for x, y in line]
    return Ring((*points, points[0]))


def _rectangle(line: Sequence[Point]) -> list[Point]:
    west, east = min(x for x, _ in line), max(x for x, _ in line)
    south, north = min(y for _, y in line), max(y for _, y in line)
    parts = max(1, math.ceil((east - west) / _EDGE_DEGREES))
    inner = [west + (east - west) * part / parts for part in range(1, parts)]
    meridians = [west, *inner, east]
    return [*((x, south) for x in meridians), *((x, north) for x in meridians[::-1])]


def _hull(line: Sequence[Point]) -> list[Point]:
    """The convex hull, anticlockwise (the monotone chain of Andrew 1979)."""
    points = sorted(set(line))
    return [*_half(points), *_half(points[::-1])]


def _half(points: Sequence[Point]) -> list[Point]:
    chain: list[Point] = []
    for point in points:
        while len(chain) > 1 and turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain[:-1]


class _Step(NamedTuple):
    """One thing that can be left out: a vertex, or (with `instead`) an edge whose ends become that one point.

    `around` are the vertices it touches, in order; it is only good while they still follow each other.
    """

    added: float
    around: tuple[int, ...]
    instead: Point | None

    def triangle(self, points: Sequence[Point]) -> Triangle:
        """What is added to the inside, clockwise."""
        a, b, c = (points[number] for number in self.around[:3])
        return (a, b, c) if self.instead is None else (b, self.instead, c)[::-1]


class _Outline:
    """An anticlockwise ring that loses vertices. `tests` bounds the work; None: nothing can be in the way."""

    def __init__(self, line: Sequence[Point], *, tests: int | None) -> None:
        self._points = list(line)
        size = len(line)
        self._next = [*range(1, size), 0]
        self._before = [size - 1, *range(size - 1)]
        self._gone = [False] * size
        self._size = size
        self._left = tests
        self._limits = _room(line)
        self._grid = Grid(line)

    def reduced(self, most: int) -> list[Point]:
        """The points that are left, at most `most` of them unless nothing more can be left out."""
        steps = [step for number in range(self._size) for step in self._steps(number)]
        heapify(steps)
        blocked: list[_Step] = []
        while self._size > most and steps:
            step = heappop(steps)
            if not self._still_stands(step):
                continue
            if not self._is_free(step):
                blocked.append(step)
                continue
            for number in self._take(step):
                for fresh in self._steps(number):
                    heappush(steps, fresh)
            if not steps:  # what was in the way may be gone
                steps, blocked = blocked, []
                heapify(steps)
        return list(self._walk())

    def _walk(self) -> Iterator[Point]:
        at = first = self._gone.index(False)
        while True:
            yield self._points[at]
            at = self._next[at]
            if at == first:
                return

    def _steps(self, b: int) -> Iterator[_Step]:
        """What can be left out at a vertex."""
        a, c = self._before[b], self._next[b]
        d = self._next[c]
        points = self._points
        way = turn(points[a], points[b], points[c])
        if way < 0 or (way == 0 and _between(points[a], points[b], points[c])):
            if abs(points[c][0] - points[a][0]) < _EDGE_DEGREES:
                yield _Step(_area(points[a], points[b], points[c]), (a, b, c), None)
        elif way > 0 and turn(points[b], points[c], points[d]) > 0:
            meeting = _meeting(points[a], points[b], points[c], points[d])
            if meeting is not None and self._has_room(points[a], meeting, points[d]):
                yield _Step(_area(points[b], meeting, points[c]), (a, b, c, d), meeting)

    def _has_room(self, a: Point, meeting: Point, d: Point) -> bool:
        west, south, east, north = self._limits
        x, y = meeting
        short = abs(x - a[0]) < _EDGE_DEGREES and abs(x - d[0]) < _EDGE_DEGREES
        return short and west <= x <= east and south <= y <= north

    def _still_stands(self, step: _Step) -> bool:
        if any(self._gone[number] for number in step.around):
            return False
        return all(self._next[here] == there for here, there in pairwise(step.around))

    def _is_free(self, step: _Step) -> bool:
        """Whether no other part of the ring touches the triangle that would be added."""
        if self._left is None or step.added == 0.0:
            return True
        triangle = step.triangle(self._points)
        own = step.around[:-1]
        for edge in self._grid.near(triangle):
            self._left -= 1
            if self._left < 0:
                return False
            if not self._gone[edge] and edge not in own and self._touches(step, triangle, edge):
                return False
        return True

    def _touches(self, step: _Step, triangle: Triangle, edge: int) -> bool:
        here, there = self._points[edge], self._points[self._next[edge]]
        if step.instead is None:
            a, b, c = triangle
            # the edges beside the triangle share a corner with it
            if self._next[edge] == step.around[0]:
                return turn(a, c, here) >= 0 and turn(a, b, here) <= 0
            if edge == step.around[-1]:
                return turn(c, a, there) <= 0 and turn(c, b, there) >= 0
        return touches(triangle, here, there)

    def _take(self, step: _Step) -> tuple[int, ...]:
        """Do it; the vertices whose steps are others now."""
        self._size -= 1
        a, last = step.around[0], step.around[-1]
        for number in step.around[1:-1]:
            self._gone[number] = True
        if step.instead is None:
            self._link(a, last)
            return (self._before[a], a, last)
        fresh = len(self._points)
        self._points.append(step.instead)
        self._gone.append(False)
        self._next.append(last)
        self._before.append(a)
        self._link(a, fresh)
        self._link(fresh, last)
        return (self._before[a], a, fresh, last)

    def _link(self, here: int, there: int) -> None:
        self._next[here], self._before[there] = there, here
        self._grid.put(here, self._points[here], self._points[there])


def _room(line: Sequence[Point]) -> Box:
    """Where new vertices may lie: on the map, and such that the ring does not run around the earth."""
    west, east = min(x for x, _ in line), max(x for x, _ in line)
    if west >= -180.0 and east <= 180.0:
        return Box(-180.0, -90.0, 180.0, 90.0)
    spare = max(0.0, (359.0 - (east - west)) / 2)
    return Box(west - spare, -90.0, east + spare, 90.0)


def _between(a: Point, b: Point, c: Point) -> bool:
    """Whether b, on the line through a and c, lies between them."""
    return min(a[0], c[0]) <= b[0] <= max(a[0], c[0]) and min(a[1], c[1]) <= b[1] <= max(a[1], c[1])


def _area(a: Point, b: Point, c: Point) -> float:
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) / 2


def _meeting(a: Point, b: Point, c: Point, d: Point) -> Point | None:
    """Where the edge a-b run on and the edge d-c run back meet, beyond b and c; a hair further out, checked exactly."""
    rx, ry, sx, sy = b[0] - a[0], b[1] - a[1], c[0] - d[0], c[1] - d[1]
    across = ry * sx - rx * sy
    if across <= 0.0:  # they run apart
        return None
    along = ((d[1] - a[1]) * sx - (d[0] - a[0]) * sy) / across
    x, y = a[0] + along * rx, a[1] + along * ry
    east, north = x - (b[0] + c[0]) / 2, y - (b[1] + c[1]) / 2
    for share in _OUTWARD:
        meeting = (x + share * east, y + share * north)
        if not (math.isfinite(meeting[0]) and math.isfinite(meeting[1])):
            return None
        if turn(a, meeting, b) > 0 and turn(meeting, d, c) > 0 and turn(b, c, meeting) < 0:
            return meeting
    return None
