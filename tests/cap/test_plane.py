"""Plane geometry, against shapely."""

from fractions import Fraction

import shapely
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.cap.plane import Grid, Point, touches, turn

NUMBER = st.integers(-20, 20).map(float) | st.floats(-180, 180)
POINT = st.tuples(NUMBER, NUMBER)
LATTICE = st.tuples(st.integers(-9, 9).map(float), st.integers(-9, 9).map(float))


@given(POINT, POINT, POINT)
def test_a_turn_has_the_exact_sign(a: Point, b: Point, c: Point) -> None:
    (ax, ay), (bx, by), (cx, cy) = ((Fraction(x), Fraction(y)) for x, y in (a, b, c))
    exact = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    assert turn(a, b, c) == (exact > 0) - (exact < 0)


def test_a_turn_smaller_than_a_rounding_is_seen() -> None:
    a, b = (0.1, 0.1), (0.3, 0.3)
    assert turn(a, b, (0.2, 0.2)) == 0
    assert turn(a, b, (0.2, 0.20000000000000004)) == 1
    assert turn(a, b, (0.2, 0.19999999999999998)) == -1


@given(LATTICE, LATTICE, LATTICE, LATTICE, LATTICE)
@example((0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (-1.0, 1.0))  # on one line, apart
def test_an_edge_touches_a_triangle_as_shapely_says(a: Point, b: Point, c: Point, here: Point, there: Point) -> None:
    assume(turn(a, b, c) != 0 and here != there)
    clockwise = (a, b, c) if turn(a, b, c) < 0 else (a, c, b)
    assert touches(clockwise, here, there) == shapely.Polygon([a, b, c]).intersects(shapely.LineString([here, there]))


@given(st.lists(POINT, min_size=3, max_size=30, unique=True), st.tuples(POINT, POINT, POINT))
def test_a_grid_names_every_edge_that_touches(ring: list[Point], triangle: tuple[Point, Point, Point]) -> None:
    assume(turn(*triangle) != 0)
    grid, area = Grid(ring), shapely.Polygon(triangle)
    near = list(grid.near(triangle))
    assert len(near) == len(set(near))
    for number, (here, there) in enumerate(zip(ring, [*ring[1:], ring[0]], strict=True)):
        if area.intersects(shapely.LineString([here, there])):
            assert number in near


@given(st.lists(POINT, min_size=3, max_size=10, unique=True), POINT, POINT)
def test_an_edge_put_later_is_named_too(ring: list[Point], here: Point, there: Point) -> None:
    assume(here != there)
    grid = Grid(ring)
    grid.put(99, here, there)
    assert 99 in set(grid.near((here, there, here)))
