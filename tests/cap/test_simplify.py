"""Rings with fewer vertices: nobody who was inside is outside after, said by shapely."""

import math
import random
import time

import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.cap.area import Point, Ring, unwrapped, validate
from gateway.cap.simplify import LEAST_VERTICES, simplify

ROUGHNESS = st.sampled_from([0.0, 0.01, 0.3, 0.9, 0.99])


def star(size: int, rough: float, seed: int, *, at: Point = (4.0, 50.0), radius: float = 1.0, digits: int = 12) -> Ring:
    """A ring whose vertices go round a place at changing distance."""
    chance = random.Random(seed)
    points = []
    for number in range(size):
        angle, far = math.tau * number / size, radius * (1 - rough * chance.random())
        points.append((round(at[0] + far * math.cos(angle), digits), round(at[1] + far * math.sin(angle), digits)))
    return Ring((*points, points[0]))


def area_of(ring: Ring) -> shapely.Polygon:
    return shapely.Polygon(unwrapped(ring.points))


@given(
    st.integers(9, 60), ROUGHNESS, st.integers(0, 10_000), st.integers(LEAST_VERTICES, 40), st.sampled_from([2, 5, 12])
)
def test_every_point_of_the_original_is_in_the_simplified_ring(
    size: int, rough: float, seed: int, most: int, digits: int
) -> None:
    ring = star(size, rough, seed, digits=digits)
    assume(not validate(ring))
    found = simplify(ring, most)
    assert len(found.points) - 1 <= most
    assert validate(found) == []
    assert area_of(found).covers(area_of(ring))
    assert all(area_of(found).covers(shapely.Point(point)) for point in ring.points)


@given(
    st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=9, max_size=40, unique=True),
    st.integers(8, 20),
)
def test_a_ring_through_any_points_is_covered(points: list[tuple[int, int]], most: int) -> None:
    # sorted around their middle they make a ring that does not cross itself, often with edges in one line
    x = sum(p[0] for p in points) / len(points)
    y = sum(p[1] for p in points) / len(points)
    line = sorted(
        ((float(a), float(b)) for a, b in points),
        key=lambda p: (math.atan2(p[1] - y, p[0] - x), math.hypot(p[0] - x, p[1] - y)),
    )
    ring = Ring((*line, line[0]))
    assume(not validate(ring))
    found = simplify(ring, most)
    assert validate(found) == []
    assert area_of(found).covers(area_of(ring))


@pytest.mark.parametrize("clockwise", [False, True])
def test_both_directions_are_covered(clockwise: bool) -> None:
    ring = star(300, 0.5, 7)
    given_ = Ring(ring.points[::-1]) if clockwise else ring
    assert area_of(simplify(given_, 30)).covers(area_of(ring))


def test_a_ring_that_is_small_enough_stays_as_it_is() -> None:
    ring = star(20, 0.3, 1)
    assert simplify(ring, 20) is ring


def test_a_coast_keeps_most_of_its_form() -> None:
    ring = star(2_000, 0.05, 3)
    found = simplify(ring, 100)
    assert area_of(found).area < 1.06 * area_of(ring).area


def test_vertices_in_one_line_cost_nothing() -> None:
    side = [(x / 10, 0.0) for x in range(10)]
    points = [*side, (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    found = simplify(Ring((*points, points[0])), 8)
    assert area_of(found).area == pytest.approx(1.0)


@pytest.mark.parametrize("at", [(179.9, 10.0), (-179.5, -40.0), (180.0, 0.0)])
def test_a_ring_across_the_antimeridian_stays_there(at: Point) -> None:
    ring = star(200, 0.4, 5, at=at)
    wrapped = Ring(tuple((x - 360 if x > 180 else x + 360 if x < -180 else x, y) for x, y in ring.points))
    assert validate(wrapped) == []
    found = simplify(wrapped, 20)
    assert validate(found) == []
    assert all(-180 <= x <= 180 for x, _ in found.points)
    shift = 360 * round((unwrapped(wrapped.points)[0][0] - unwrapped(found.points)[0][0]) / 360)
    moved = shapely.Polygon([(x + shift, y) for x, y in unwrapped(found.points)])
    assert moved.buffer(1e-12).covers(area_of(wrapped))


@pytest.mark.parametrize(
    "ring",
    [
        star(40, 0.1, 1, at=(0.0, 80.0), radius=10.0),
        star(40, 0.1, 2, at=(175.0, 85.0), radius=5.0),
        Ring(
            (
                *((float(x), 60.0 + x % 7) for x in range(-170, 171, 10)),
                *((170.0, -60.0), (0.0, -70.0), (-170.0, -60.0), (-170.0, 65.0)),
            )
        ),
    ],
)
def test_the_end_of_the_map_is_not_passed(ring: Ring) -> None:
    ring = Ring((*ring.points[:-1], ring.points[0]))
    assert validate(ring) == []
    found = simplify(ring, 8)
    assert validate(found) == []
    assert all(abs(x) <= 180 and abs(y) <= 90 for x, y in found.points)
    assert area_of(found).covers(area_of(ring))


def test_a_scribble_is_covered_in_bounded_time() -> None:
    teeth = [(4 + n * 1e-4, 50 + n % 2) for n in range(5_000)]
    points = [*teeth, *((x, y + 1.5) for x, y in reversed(teeth))]
    ring = Ring((*points, points[0]))
    begin = time.process_time()
    found = simplify(ring, 100)
    assert time.process_time() - begin < 10.0
    assert area_of(found).covers(area_of(ring))


def test_too_few_vertices_are_not_promised() -> None:
    with pytest.raises(ValueError, match="less than 8"):
        simplify(star(20, 0.1, 1), 7)
