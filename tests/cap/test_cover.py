"""Cells hold exactly the points of their shapes: shapely for polygons, the distance for discs."""

import math
import random
from itertools import pairwise

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.area import Disc, Point, Ring, Shape, distance_km, in_ring, validate
from gateway.cap.cells import Cell, contains, intersect, morton, nearest_first
from gateway.cap.cover import AREA_PREDICATE, AREA_ROWS, Columns, as_columns, cover, cover_union

NEAR_EDGE = 1e-7


def star(rng: random.Random, lon: float, lat: float, radius: float, vertices: int, *, roughness: float = 0.6) -> Ring:
    """A simple polygon around a point, radius in degrees of latitude."""
    reach = [radius * (1 + roughness * (rng.random() - 0.5)) for _ in range(vertices)]
    angles = [math.tau * i / vertices for i in range(vertices)]
    points = [
        (lon + 1.5 * r * math.cos(angle), lat + r * math.sin(angle)) for r, angle in zip(reach, angles, strict=True)
    ]
    return Ring((*points, points[0]))


def around(rng: random.Random, shape: Shape, count: int) -> list[Point]:
    """Points in and about a shape, many of them close to its border."""
    if isinstance(shape, Disc):
        spread = shape.radius_km / 111.0
        wide = spread / max(0.05, math.cos(math.radians(shape.lat)))
        return [
            (
                shape.lon + wide * rng.uniform(-1.3, 1.3),
                max(-90.0, min(90.0, shape.lat + spread * rng.uniform(-1.3, 1.3))),
            )
            for _ in range(count)
        ]
    xs, ys = [x for x, _ in shape.points], [y for _, y in shape.points]
    points = [(rng.uniform(min(xs), max(xs)), rng.uniform(min(ys), max(ys))) for _ in range(count // 2)]
    size = max(ys) - min(ys)
    for _ in range(count - len(points)):
        (ax, ay), (bx, by) = rng.choice(list(pairwise(shape.points)))
        along, off = rng.random(), size * rng.gauss(0, 0.002)
        points.append((ax + along * (bx - ax) + off, ay + along * (by - ay) + off))
    return points


def truth(shape: Shape, point: Point) -> bool | None:
    """Whether the point is inside; None when it is too near the border to say."""
    if isinstance(shape, Disc):
        gap_km = distance_km(*point, shape.lon, shape.lat) - shape.radius_km
        return gap_km < 0 if abs(gap_km) > 1e-5 else None
    polygon = shapely.Polygon(shape.points)
    place = shapely.Point(point)
    return bool(polygon.contains(place)) if polygon.exterior.distance(place) > NEAR_EDGE else None


def agrees(cells: list[Cell], shape: Shape, points: list[Point]) -> bool:
    said = [(truth(shape, point), contains(cells, *point)) for point in points]
    return all(is_in is None or is_in == found for is_in, found in said)


rings = st.builds(
    star,
    st.integers(0, 2**32).map(random.Random),
    st.floats(-170, 170),
    st.floats(-80, 80),
    st.sampled_from([0.0005, 0.02, 0.3, 4.0]),
    st.sampled_from([3, 5, 12, 60, 400]),
    roughness=st.sampled_from([0.05, 0.6, 1.8]),
)
discs = st.builds(
    Disc, st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([0.0, 0.05, 1.0, 25.0, 900.0, 12_000.0])
)
seeds = st.integers(0, 2**32).map(random.Random)


@settings(max_examples=60, deadline=None)
@given(rings, seeds)
def test_a_ring_holds_the_points_that_shapely_says(ring: Ring, rng: random.Random) -> None:
    assert agrees(cover(ring), ring, around(rng, ring, 120))


@settings(max_examples=60, deadline=None)
@given(discs, seeds)
def test_a_disc_holds_the_points_within_its_radius(disc: Disc, rng: random.Random) -> None:
    assert agrees(cover(disc), disc, around(rng, disc, 120))


@settings(max_examples=40, deadline=None)
@given(st.one_of(rings, discs))
def test_the_cells_of_one_shape_are_disjoint_aligned_and_in_order(shape: Shape) -> None:
    cells = cover(shape)
    assert all(one.hi < next_one.lo for one, next_one in pairwise(cells))
    for cell in cells:
        size = cell.hi - cell.lo + 1
        assert size & (size - 1) == 0
        assert size.bit_length() % 2 == 1
        assert cell.lo % size == 0


def test_a_vertex_less_and_an_open_ring_are_bugs() -> None:
    for bad in (Ring(()), Ring(((0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (-90.0, 80.0), (0.0, 80.0))), Disc(0, 0, -1)):
        with pytest.raises(ValueError, match=r"."):
            cover(bad)


FIJI = Ring(((177.0, -19.0), (-178.0, -19.0), (-178.0, -16.0), (177.0, -16.0), (177.0, -19.0)))


def test_a_ring_over_the_antimeridian_holds_both_sides_and_nothing_else() -> None:
    assert validate(FIJI) == []
    cells = cover(FIJI)
    for lon in (177.1, 179.9999, 180.0, -180.0, -179.9999, -178.1):
        assert contains(cells, lon, -17.0)
    for lon in (176.9, -177.9, 0.0, 90.0, -90.0):
        assert not contains(cells, lon, -17.0)
    assert not contains(cells, 179.9, -19.1)
    assert len(cells) < 300


def test_a_rough_ring_over_the_antimeridian_is_the_one_that_shapely_knows_unwrapped() -> None:
    rng = random.Random(5)
    there = star(rng, 180.3, -17.0, 2.0, 90)
    ring = Ring(tuple((x - 360.0 if x > 180.0 else x, y) for x, y in there.points))
    cells = cover(ring)
    for x, y in around(rng, there, 600):
        expected = truth(there, (x, y))
        if expected is not None:
            assert contains(cells, x - 360.0 if x > 180.0 else x, y) == expected


def test_discs_over_a_pole_and_over_the_antimeridian() -> None:
    rng = random.Random(6)
    for disc in (Disc(10.0, 89.9, 50.0), Disc(0.0, -90.0, 3.0), Disc(179.99, 66.0, 40.0)):
        cells = cover(disc)
        points = [((x + 180.0) % 360.0 - 180.0, y) for x, y in around(rng, disc, 200)]
        points += [(rng.uniform(-180, 180), y) for _, y in points]
        assert agrees(cells, disc, points)


@pytest.mark.parametrize("budget", [1, 20, 200])
def test_a_small_budget_makes_fewer_cells_and_loses_nobody(budget: int) -> None:
    rng = random.Random(7)
    for shape in (star(rng, 4.4, 50.8, 0.2, 700), Disc(4.4, 50.8, 12.0)):
        cells = cover(shape, budget=budget)
        assert len(cells) <= budget + 8
        assert agrees(cells, shape, around(rng, shape, 300))


def test_a_scribble_is_covered_by_few_cells_of_bounded_size() -> None:
    rng = random.Random(11)
    points = [(4 + rng.random(), 50 + rng.random()) for _ in range(3_000)]
    scribble = Ring((*points, points[0]))
    assert validate(scribble) != []
    assert validate(scribble, simple=False) == []
    cells = cover(scribble)
    assert sum(len(test.points) for cell in cells for test in cell.tests if isinstance(test, Ring)) < 600_000
    for _ in range(40):
        where = (4 + rng.random(), 50 + rng.random())
        assert contains(cells, *where) == in_ring(points, *where)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.booleans()), min_size=1, max_size=4), seeds)
def test_a_union_holds_what_any_shape_holds(places: list[tuple[float, float, bool]], rng: random.Random) -> None:
    shapes: list[Shape] = [
        Disc(4 + x, 50 + y, 20.0) if round_one else star(rng, 4 + x, 50 + y, 0.2, 20) for x, y, round_one in places
    ]
    cells = cover_union(shapes)
    for point in [point for shape in shapes for point in around(rng, shape, 40)]:
        said = [truth(shape, point) for shape in shapes]
        if None not in said:
            assert contains(cells, *point) == any(said)


def test_thousands_of_shapes_make_few_cells_each_and_lose_nobody() -> None:
    rng = random.Random(12)
    shapes = [star(rng, 4 + rng.random(), 50 + rng.random(), 0.01, 5) for _ in range(1_500)]
    cells = cover_union(shapes)
    assert len(cells) < 30_000
    for shape in shapes[:20]:
        lon, lat = shape.points[0]
        middle = (sum(x for x, _ in shape.points[1:]) / 5, sum(y for _, y in shape.points[1:]) / 5)
        assert contains(cells, middle[0] * 0.99 + lon * 0.01, middle[1] * 0.99 + lat * 0.01)


def test_a_shape_inside_another_adds_no_cell() -> None:
    outer = Disc(4.4, 50.8, 30.0)
    assert cover_union([outer, Disc(4.4, 50.8, 1.0)]) == cover(outer)


# --- columns


def test_columns_join_bare_neighbours_and_drop_doubles() -> None:
    cells = [Cell(4, 7), Cell(0, 3), Cell(0, 3), Cell(16, 31), Cell(16, 19), Cell(64, 64, (Disc(1.0, 2.0, 3.0),))]
    columns = as_columns(cells)
    assert columns.lo == [0, 16, 64]
    assert columns.hi == [7, 31, 64]
    assert columns.lat_a == [None, None, 2.0]
    assert columns.limit_b == [None, None, None]


def test_columns_carry_two_rings_and_two_discs_and_not_three() -> None:
    ring = Ring(((4.0, 50.0), (5.0, 50.0), (5.0, 51.0)))
    columns = as_columns([Cell(0, 3, (ring, Disc(1, 2, 3), Ring(ring.points[::-1]), Disc(4, 5, 6)))])
    assert columns.ring_a == [
        "((40000000.000,500000000.000),(50000000.000,500000000.000),(50000000.000,510000000.000))"
    ]
    assert columns.ring_b == [
        "((50000000.000,510000000.000),(50000000.000,500000000.000),(40000000.000,500000000.000))"
    ]
    assert (columns.lon_a, columns.lon_b) == ([1], [4])
    with pytest.raises(ValueError, match="two"):
        as_columns([Cell(0, 3, (Disc(1, 2, 3), Disc(1, 2, 4), Disc(1, 2, 5)))])


def test_an_intersection_fits_into_columns_and_slices_hold_what_the_whole_holds() -> None:
    rng = random.Random(8)
    territory = cover_union([star(rng, 4.4, 50.8, 0.3, 300), star(rng, 4.9, 50.8, 0.3, 300)])
    target = cover_union([star(rng, 4.6, 50.9, 0.2, 40), Disc(4.5, 50.7, 9.0)])
    both = intersect(target, territory)
    whole = as_columns(both)
    assert all(len(column) == len(whole.lo) for column in whole)
    parts = nearest_first(both, (4.5, 50.8))
    slices = [parts[i : i + 500] for i in range(0, len(parts), 500)]
    for _ in range(500):
        point = (rng.uniform(4.2, 4.9), rng.uniform(50.6, 51.1))
        assert contains(both, *point) == any(contains(piece, *point) for piece in slices)
    held = [sum(hi - lo + 1 for lo, hi in zip(*as_columns(piece)[:2], strict=True)) for piece in slices]
    assert sum(held) == sum(cell.hi - cell.lo + 1 for cell in parts)


def test_the_sql_takes_the_columns_in_order() -> None:
    names = AREA_ROWS[AREA_ROWS.index("r(") + 2 : -1].split(", ")
    assert tuple(names) == Columns._fields
    assert all(f"r.{name}" in AREA_PREDICATE for name in names)


def test_the_example_of_the_documentation() -> None:
    grand_place = (4.3525, 50.8467)
    cells = cover(Disc(*grand_place, 0.5))
    assert contains(cells, 4.3528, 50.8470)
    assert not contains(cells, 4.3725, 50.8467)
    assert any(cell.lo <= morton(*grand_place) <= cell.hi for cell in cells)
