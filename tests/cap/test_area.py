"""Which shapes can be used, and what lies inside them, against shapely and plain geometry."""

import math
import time

import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.cap.area import (
    EARTH_RADIUS_KM,
    Box,
    Disc,
    Point,
    Ring,
    centre,
    disc_limit,
    distance_km,
    haversine,
    in_ring,
    nearest_and_farthest,
    shapes,
    unwrapped,
    validate,
)

lons = st.floats(-180, 180, allow_nan=False)
lats = st.floats(-90, 90, allow_nan=False)
SQUARE = Ring(((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 51.0), (4.0, 50.0)))
FIJI = Ring(((177.0, -19.0), (-178.0, -19.0), (-178.0, -16.0), (177.0, -16.0), (177.0, -19.0)))


def test_a_square_and_a_ring_over_the_antimeridian_can_be_used() -> None:
    assert validate(SQUARE) == []
    assert validate(FIJI) == []


@given(
    st.lists(st.floats(0.2, 1.0), min_size=4, max_size=12),
    st.sampled_from([1, 1, -1, 2]),
    st.sampled_from([4e-9, 1e-8, 1e-6, 1e-3, 1.0, 30.0]),
)
def test_a_ring_around_its_middle_has_the_verdict_that_it_has_on_the_lattice(
    reaches: list[float], rounds: int, scale: float
) -> None:
    step = rounds * math.tau / len(reaches)
    turns = enumerate(reaches)
    points = [(4 + scale * far * math.cos(step * n), 50 + scale * far * math.sin(step * n)) for n, far in turns]
    on_lattice = shapely.Polygon([(round(x * 10**9), round(y * 10**9)) for x, y in points])
    assert (validate(Ring((*points, points[0]))) == []) == (on_lattice.is_valid and on_lattice.area > 0)


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        (Ring(()), "0 points"),
        (Ring(((4.0, 50.0), (5.0, 50.0), (4.0, 50.0))), "at least 4"),
        (Ring(SQUARE.points[:-1]), "not closed"),
        (Ring(((4.0, 50.0), (5.0, math.nan), (5.0, 51.0), (4.0, 50.0))), "point 2"),
        (Ring(((4.0, 50.0), (5.0, 50.0), (50.0, 95.0), (4.0, 50.0))), "point 3"),
        (Ring(((4.0, 50.0), (5.0, 50.0), (math.inf, 5.0), (4.0, 50.0))), "point 3"),
        (Ring(((4.0, 50.0), (5.0, 51.0), (6.0, 52.0), (4.0, 50.0))), "no area"),
        (Ring(((4.0, 50.0),) * 6), "no area"),
        (
            Ring(((4.0, 50.0), (5.0, 51.0), (5.0, 50.0), (4.0, 51.0), (4.0, 50.0))),
            "edges from point 1 and from point 3",
        ),
        (Ring(((0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (-90.0, 80.0), (0.0, 80.0))), "pole"),
        (Ring(SQUARE.points * 3000), "more than the 10000"),
        (Disc(4.0, 91.0, 1.0), "centre"),
        (Disc(math.nan, 50.0, 1.0), "centre"),
        (Disc(4.0, 50.0, -1.0), "radius"),
        (Disc(4.0, 50.0, math.inf), "radius"),
    ],
)
def test_what_can_not_be_used_is_said(shape: Ring | Disc, word: str) -> None:
    problems = validate(shape)
    assert len(problems) == 1
    assert word in problems[0]


def test_shapes_turn_the_order_of_cap_around() -> None:
    assert shapes([[(50.0, 4.0), (51.0, 4.0), (51.0, 5.0), (50.0, 4.0)]], [(50.5, 4.5, 2.0)]) == [
        Ring(((4.0, 50.0), (4.0, 51.0), (5.0, 51.0), (4.0, 50.0))),
        Disc(4.5, 50.5, 2.0),
    ]


def test_a_lenient_reader_lets_a_ring_with_a_spike_pass() -> None:
    spike = Ring((*SQUARE.points[:2], (6.0, 50.0), *SQUARE.points[1:]))
    assert "touches itself" in validate(spike)[0]
    assert validate(spike, simple=False) == []


def test_a_ring_that_winds_around_the_earth_more_than_once_is_refused() -> None:
    out = [(lon % 360.0 - 180.0, 10.0 + lon / 100) for lon in range(0, 721, 60)]
    back = [(lon, lat + 1.0) for lon, lat in reversed(out)]
    assert "once around" in validate(Ring((*out, *back, out[0])))[0]


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=12), st.booleans())
def test_validation_never_raises(points: list[Point], close: bool) -> None:
    ring = Ring((*points, *points[:1])) if close else Ring(tuple(points))
    assert isinstance(validate(ring), list)


def test_ten_thousand_hostile_vertices_are_judged_in_good_time() -> None:
    teeth = [(4.0 + i / 10_000, 50.0 if i % 2 else 51.0) for i in range(9_997)]
    ring = Ring((*teeth, (5.0, 52.0), (4.0, 52.0), teeth[0]))
    start = time.process_time()
    assert validate(ring) == []
    assert time.process_time() - start < 10.0  # far above what it takes, far below what a pairwise check takes


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=9))
def test_inside_is_shapelys_for_simple_rings(vertices: list[tuple[int, int]]) -> None:
    polygon = shapely.Polygon(vertices)
    assume(polygon.is_valid and polygon.area > 0)
    points = [(float(x), float(y)) for x, y in vertices]
    for x in range(31):
        for y in range(0, 31, 3):
            where = (x + 0.37, y + 0.41)
            if polygon.exterior.distance(shapely.Point(where)) > 1e-7:
                assert in_ring(points, *where) == polygon.contains(shapely.Point(where))


def test_unwrapping_takes_the_shorter_way_round() -> None:
    assert unwrapped(FIJI.points) == [(177.0, -19.0), (182.0, -19.0), (182.0, -16.0), (177.0, -16.0), (177.0, -19.0)]


def test_known_distances() -> None:
    assert distance_km(0.0, 0.0, 90.0, 0.0) == pytest.approx(EARTH_RADIUS_KM * math.pi / 2)
    assert distance_km(4.3517, 50.8466, 4.4025, 51.2211) == pytest.approx(41.8, abs=0.1)  # Brussels to Antwerp
    assert distance_km(179.9, 0.0, -179.9, 0.0) == pytest.approx(0.2 * EARTH_RADIUS_KM * math.pi / 180)


@given(st.floats(0, 20015))
def test_the_rim_of_a_disc_is_at_its_radius(radius_km: float) -> None:
    rim_lat = -90.0 + math.degrees(radius_km / EARTH_RADIUS_KM)
    assert haversine(0.0, -90.0, 33.0, rim_lat) == pytest.approx(disc_limit(radius_km), abs=1e-12)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    west, south = draw(lons), draw(lats)
    return Box(west, south, west + draw(st.floats(0, 360)), min(90.0, south + draw(st.floats(0, 180))))


@given(lons, lats, boxes())
def test_no_point_of_a_box_is_nearer_or_farther_than_said(lon: float, lat: float, box: Box) -> None:
    width = box.east - box.west
    least, most = nearest_and_farthest(lon, lat, box)
    seen = [
        haversine(lon, lat, box.west + width * i / 12, box.south + (box.north - box.south) * j / 12)
        for i in range(13)
        for j in range(13)
    ]
    assert least <= min(seen) + 1e-12
    assert most >= max(seen) - 1e-12
    # and the bounds are reached, up to the step of the lattice
    step = math.radians(max(width, box.north - box.south)) / 12
    assert math.asin(min(1, math.sqrt(min(seen)))) - math.asin(min(1, math.sqrt(least))) <= step + 1e-7
    assert math.asin(min(1, math.sqrt(most))) - math.asin(min(1, math.sqrt(max(seen)))) <= step + 1e-7


def test_the_centre_of_a_disc_is_its_centre() -> None:
    assert centre([Disc(4.35, 50.85, 3.0)]) == pytest.approx((4.35, 50.85))
    assert centre([Disc(4.35, 50.85, 0.0)]) == pytest.approx((4.35, 50.85))


def test_the_centre_of_a_polygon_is_its_centroid() -> None:
    ring = Ring(((4.0, 50.0), (4.9, 50.1), (4.6, 50.8), (4.2, 50.3), (4.0, 50.0)))
    centroid = shapely.Polygon(ring.points).centroid
    assert centre([ring]) == pytest.approx((centroid.x, centroid.y))


def test_the_centre_is_found_across_the_antimeridian() -> None:
    lon, lat = centre([FIJI])
    assert (lon, lat) == pytest.approx((179.5, -17.5))
    lon, _ = centre([Disc(179.0, 0.0, 10.0), Disc(-179.0, 0.0, 10.0)])
    assert abs(lon) == pytest.approx(180.0)
