"""Does a ring cross or touch itself? A sweep over its edges, exact in integers, n log n whatever the ring.

Knows: points with integer coordinates. Never knows: degrees, CAP, what a crossing means for an alert.
The method is the segment intersection test of Shamos and Hoey (1976): edges that meet are neighbours at some moment.
"""

from collections.abc import Sequence
from typing import NamedTuple

Vertex = tuple[int, int]


class _Edge(NamedTuple):
    """One edge of the ring, its ends in sweep order (by x, then y)."""

    number: int
    left: Vertex
    right: Vertex


def first_contact(ring: Sequence[Vertex]) -> tuple[int, int] | None:
    """The numbers of two edges that meet other than at the vertex they share, or None when the ring is simple.

    `ring` is open (its last vertex is not its first again) and has no vertex twice in a row; edge i runs from
    vertex i to the next. An edge folding back on its neighbour counts, and so does a touch at a single point.
    """
    edges = [
        _Edge(number, min(here, there), max(here, there))
        for number, (here, there) in enumerate(zip(ring, [*ring[1:], ring[0]], strict=True))
    ]
    # at one point insertions come first, so that edges which only touch there see each other
    moments = sorted([(e.left, 0, e.number) for e in edges] + [(e.right, 1, e.number) for e in edges])
    sweep = _Sweep(len(ring))
    for _, leaving, number in moments:
        met = sweep.leave(edges[number]) if leaving else sweep.enter(edges[number])
        if met:
            return min(met), max(met)
    return None


class _Sweep:
    """The edges that the sweep line cuts now, from below to above."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._cut: list[_Edge] = []

    def enter(self, edge: _Edge) -> tuple[int, int] | None:
        """Put an edge in its place; the two edges that meet, if that shows it."""
        cut, point = self._cut, edge.left
        low, high = 0, len(cut)
        while low < high:
            middle = (low + high) // 2
            other = cut[middle]
            side = _side(other.left, other.right, point)
            if side == 0:
                if not self._neighbours(edge, other) or point not in (other.left, other.right):
                    return edge.number, other.number
                side = 1 if point == other.right else _side(other.left, other.right, edge.right)
                if side == 0:
                    return edge.number, other.number
            if side > 0:
                low = middle + 1
            else:
                high = middle
        cut.insert(low, edge)
        return self._meet(low - 1, low) or self._meet(low, low + 1)

    def leave(self, edge: _Edge) -> tuple[int, int] | None:
        """Take an edge out; the two edges that meet, if its going shows it."""
        place = self._place(edge)
        del self._cut[place]
        return self._meet(place - 1, place)

    def _place(self, edge: _Edge) -> int:
        cut, point = self._cut, edge.right
        low, high = 0, len(cut)
        while low < high:
            middle = (low + high) // 2
            if _side(cut[middle].left, cut[middle].right, point) > 0:
                low = middle + 1
            else:
                high = middle
        # at most the two edges of one vertex lie at this point, and the edge is one of them
        for place in range(low, min(low + 2, len(cut))):
            if cut[place] is edge:
                return place
        return cut.index(edge)

    def _meet(self, below: int, above: int) -> tuple[int, int] | None:
        if below < 0 or above >= len(self._cut):
            return None
        a, b = self._cut[below], self._cut[above]
        met = _overlap(a, b) if self._neighbours(a, b) else _contact(a, b)
        return (a.number, b.number) if met else None

    def _neighbours(self, a: _Edge, b: _Edge) -> bool:
        return (a.number - b.number) % self._size in (1, self._size - 1)


def _side(a: Vertex, b: Vertex, point: Vertex) -> int:
    """Positive when the point is left of (above) the line from a to b, 0 when it is on it."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def _contact(a: _Edge, b: _Edge) -> bool:
    """Whether two edges without a common vertex have a point in common."""
    b_left, b_right = _side(a.left, a.right, b.left), _side(a.left, a.right, b.right)
    if (b_left > 0 and b_right > 0) or (b_left < 0 and b_right < 0):
        return False
    a_left, a_right = _side(b.left, b.right, a.left), _side(b.left, b.right, a.right)
    if (a_left > 0 and a_right > 0) or (a_left < 0 and a_right < 0):
        return False
    if b_left == 0 and b_right == 0:  # on one line: the sweep order of the ends decides
        return a.left <= b.right and b.left <= a.right
    return True


def _overlap(a: _Edge, b: _Edge) -> bool:
    """Whether two edges with a common vertex run over each other."""
    if _side(a.left, a.right, b.left) != 0 or _side(a.left, a.right, b.right) != 0:
        return False
    return max(a.left, b.left) < min(a.right, b.right)
