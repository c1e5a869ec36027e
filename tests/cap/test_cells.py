"""Cells: codes, intersections that lose and gain nobody, and the order from the hazard outwards."""

import math
import random
from itertools import pairwise

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.area import EARTH_RADIUS_KM, Disc, Point, Ring, Shape, distance_km, nearest_and_farthest
from gateway.cap.cells import (
    BITS,
    SMALL_SIZE,
    Cell,
    Land,
    Quad,
    contains,
    graded,
    intersect,
    morton,
    nearest_first,
    quad_of,
    share_outside,
    sixteenths,
)
from gateway.cap.cover import as_columns, cover, cover_union, first_quads
from tests.cap.test_cover import around, star

lons = st.floats(-180, 180).filter(lambda lon: lon + 180.0 < 360.0)  # what rounds to 180 is -180
lats = st.floats(-90, 90)


def slow_morton(lon: float, lat: float) -> int:
    """Bit by bit, by halving the map."""
    west, east, south, north, code = -180.0, 180.0, -90.0, 90.0, 0
    for _ in range(BITS):
        x, y = (west + east) / 2, (south + north) / 2
        code = code << 2 | (lon >= x) | (lat >= y) << 1
        west, east = (x, east) if lon >= x else (west, x)
        south, north = (y, north) if lat >= y else (south, y)
    return code


@given(st.integers(-18_000_000, 17_999_999), st.integers(-9_000_000, 9_000_000))
def test_the_code_is_what_halving_the_map_gives(lon: int, lat: int) -> None:
    assert morton(lon / 1e5 + 3e-6, lat / 1e5) == slow_morton(lon / 1e5 + 3e-6, lat / 1e5)


def test_known_codes() -> None:
    assert morton(-180.0, -90.0) == 0
    assert morton(179.999999999, 90.0) == 2**52 - 1
    assert morton(0.0, 0.0) == 3 << 50
    assert morton(180.0, 0.0) == morton(-180.0, 0.0)


@given(lons, lats, st.integers(0, BITS))
def test_a_quad_and_its_cell_are_the_same_place(lon: float, lat: float, level: int) -> None:
    size = 1 << 2 * (BITS - level)
    lo = morton(lon, lat) // size * size
    quad = quad_of(Cell(lo, lo + size - 1))
    assert quad.level == level
    assert quad.cell() == Cell(lo, lo + size - 1)
    box = quad.box()
    assert box.west - 1e-9 <= lon <= box.east + 1e-9
    assert box.south - 1e-9 <= lat <= box.north + 1e-9


def test_four_children_fill_their_quad() -> None:
    quad = Quad(9, 260, 400)
    cells = sorted(child.cell() for child in quad.children())
    assert cells[0].lo == quad.cell().lo
    assert cells[-1].hi == quad.cell().hi
    assert all(one.hi + 1 == following.lo for one, following in pairwise(cells))


def shapes_near(rng: random.Random, count: int) -> list[Shape]:
    return [
        Disc(4 + rng.random(), 50 + rng.random() / 2, rng.choice([2.0, 15.0, 40.0]))
        if rng.random() < 0.4
        else star(rng, 4 + rng.random(), 50 + rng.random() / 2, rng.choice([0.03, 0.3]), rng.choice([4, 30, 300]))
        for _ in range(count)
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32).map(random.Random), st.integers(1, 3), st.integers(1, 3))
def test_an_intersection_holds_a_point_exactly_when_both_sides_do(rng: random.Random, many: int, more: int) -> None:
    ones, others = shapes_near(rng, many), shapes_near(rng, more)
    a, b = cover_union(ones), cover_union(others)
    both = intersect(a, b)
    points: list[Point] = [point for shape in (*ones, *others) for point in around(rng, shape, 30)]
    for point in points:
        assert contains(both, *point) == (contains(a, *point) and contains(b, *point))


def test_an_intersection_of_disjoint_sides_is_disjoint() -> None:
    rng = random.Random(3)
    both = intersect(cover(star(rng, 4.4, 50.8, 0.3, 500)), cover(Disc(4.6, 50.9, 20.0)))
    assert both
    assert all(one.hi < following.lo for one, following in pairwise(both))


def test_an_intersection_with_nothing_is_nothing() -> None:
    cells = cover(Disc(4.6, 50.9, 20.0))
    assert intersect(cells, []) == []
    assert intersect([], cells) == []
    assert intersect(cells, cover(Disc(30.0, 50.9, 20.0))) == []


def test_a_shape_meets_itself_in_itself() -> None:
    for shape in (Disc(4.6, 50.9, 20.0), star(random.Random(4), 4.4, 50.8, 0.3, 200)):
        cells = cover(shape)
        assert intersect(cells, cells) == cells
        assert share_outside(cells, cells) == 0.0


def test_a_target_inside_the_territory_keeps_only_its_own_tests() -> None:
    territory = cover(Ring(((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 51.0), (4.0, 50.0))))
    target = cover(Disc(4.5, 50.5, 5.0))
    assert {test for cell in intersect(target, territory) for test in cell.tests} == {Disc(4.5, 50.5, 5.0)}
    assert share_outside(target, territory) == 0.0


def test_the_share_outside_is_about_the_area_left_out() -> None:
    territory = cover(Ring(((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 51.0), (4.0, 50.0))))
    half = cover(Ring(((4.75, 50.2), (5.25, 50.2), (5.25, 50.8), (4.75, 50.8), (4.75, 50.2))))
    assert share_outside(half, territory) == pytest.approx(0.5, abs=0.03)
    assert share_outside(cover(Disc(8.0, 50.0, 3.0)), territory) == 1.0


@pytest.mark.parametrize("shape", [Disc(4.4, 50.8, 10.0), Disc(179.9, -17.0, 60.0), Disc(4.4, 50.8, 900.0)])
def test_cells_come_nearest_first_and_are_small(shape: Disc) -> None:
    centre = (shape.lon, shape.lat)
    cells = cover(shape)
    ordered = nearest_first(cells, centre)
    assert len(ordered) <= 4000
    assert sum(cell.hi - cell.lo + 1 for cell in ordered) == sum(cell.hi - cell.lo + 1 for cell in cells)
    boxes = [quad_of(cell).box() for cell in ordered]
    middles = [distance_km(*centre, (box.west + box.east) / 2, (box.south + box.north) / 2) for box in boxes]
    corner = max(distance_km(box.west, box.south, box.east, box.north) for box in boxes)
    assert all(one <= following + corner for one, following in pairwise(middles))
    assert corner < shape.radius_km / 2
    assert contains(ordered[:1], *centre)


@given(st.floats(4.3, 4.9), st.floats(50.6, 51.2))
def test_a_graded_cell_is_finest_where_the_place_is_and_loses_no_point(lon: float, lat: float) -> None:
    size = 1 << 2 * (BITS - 10)  # 0.35 by 0.18 degrees: some places lie in it, others beside
    lo = morton(4.6, 50.9) // size * size
    whole = Cell(lo, lo + size - 1, (Disc(4.6, 50.9, 20.0),))
    parts = graded(whole, (lon, lat))
    by_curve = sorted(parts)
    assert by_curve[0].lo == whole.lo and by_curve[-1].hi == whole.hi
    assert all(one.hi + 1 == following.lo for one, following in pairwise(by_curve))
    assert {part.tests for part in parts} == {whole.tests}
    boxes = [quad_of(part).box() for part in parts]
    away_km = [2 * EARTH_RADIUS_KM * math.asin(math.sqrt(nearest_and_farthest(lon, lat, box)[0])) for box in boxes]
    assert away_km == sorted(away_km)
    for part, box, km in zip(parts, boxes, away_km, strict=True):
        assert part.hi - part.lo + 1 == SMALL_SIZE or distance_km(0.0, box.south, 0.0, box.north) <= km * (1 + 1e-9)
    if whole.lo <= morton(lon, lat) <= whole.hi:
        assert parts[0].lo <= morton(lon, lat) <= parts[0].hi and parts[0].hi - parts[0].lo + 1 == SMALL_SIZE
    assert len(parts) < 200


def test_a_cell_that_is_small_or_far_has_no_parts() -> None:
    small = Quad(20, 537000, 800000).cell()
    assert graded(small, (4.35, 50.85)) == [small]
    far = Quad(10, 525, 790).cell()
    assert graded(far, (-60.0, -30.0)) == [far]


@pytest.mark.parametrize(("level", "count"), [(8, 16), (BITS - 11, 16), (BITS - 10, 4), (BITS - 9, 1), (BITS - 3, 1)])
def test_sixteenths_are_the_cell_again_and_none_is_small(level: int, count: int) -> None:
    cell = Quad(level, 3, 5).cell((Disc(4.6, 50.9, 20.0),))
    parts = sixteenths(cell)
    assert len(parts) == count and parts[0].lo == cell.lo and parts[-1].hi == cell.hi
    assert all(one.hi + 1 == following.lo for one, following in pairwise(parts))
    assert {part.tests for part in parts} == {cell.tests}
    assert as_columns(parts) == as_columns([cell]), "asked for as one"


def test_a_limit_bounds_the_cells() -> None:
    cells = cover(star(random.Random(9), 4.5, 50.6, 1.0, 400))
    assert len(nearest_first(cells, (4.5, 50.6), limit=500)) <= 500
    assert nearest_first([], (4.5, 50.6)) == []


def test_a_place_on_the_antimeridian_is_one_place() -> None:
    cells = cover(Disc(180.0, 10.0, 1.0))
    assert contains(cells, 180.0, 10.0)
    assert contains(cells, -180.0, 10.0)


@settings(max_examples=60)
@given(st.floats(3.9, 4.5), st.floats(50.5, 50.9), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_what_is_surely_inside_is_inside_by_another_geometry(w: float, s: float, width: float, height: float) -> None:
    land = [(4.0, 50.6), (4.5, 50.55), (4.6, 50.9), (4.3, 50.8), (4.0, 50.95), (4.0, 50.6)]
    target = Ring(((w, s), (w + width, s), (w + width, s + height), (w, s + height), (w, s)))
    sure = Land(cover(Ring(tuple(land)))).surely_holds(target, first_quads(target))
    whole = shapely.Polygon(land)
    assert not sure or whole.buffer(1e-9).contains(shapely.Polygon(target.points))
    if whole.buffer(-0.02).contains(shapely.Polygon(target.points)):
        assert sure  # what keeps its distance from the border needs no closer look


def test_a_territory_of_several_rings_holds_what_lies_over_the_seam_of_whole_cells() -> None:
    west = Ring(((0.0, 45.0), (45.0, 45.0), (45.0, 67.5), (0.0, 67.5), (0.0, 45.0)))
    land = Land(cover_union([west]))
    assert land.surely_holds(Disc(20.0, 55.0, 300.0), first_quads(Disc(20.0, 55.0, 300.0)))
    assert not land.surely_holds(Disc(1.0, 55.0, 300.0), first_quads(Disc(1.0, 55.0, 300.0)))
    assert not land.surely_holds(Disc(-20.0, 55.0, 300.0), first_quads(Disc(-20.0, 55.0, 300.0)))
