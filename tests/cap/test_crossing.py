"""The sweep finds a contact of a ring with itself exactly when shapely calls the ring invalid."""

import math
import random

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.crossing import first_contact

Ring = list[tuple[int, int]]


def distinct_neighbours(points: Ring) -> Ring:
    kept = [point for number, point in enumerate(points) if point != points[number - 1]]
    return kept if len(kept) >= 3 else []


small_rings = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=3, max_size=10).map(
    distinct_neighbours
)


@given(small_rings.filter(bool))
def test_the_verdict_is_shapelys(ring: Ring) -> None:
    assert (first_contact(ring) is None) == shapely.Polygon(ring).is_valid


@given(small_rings.filter(bool))
def test_the_edges_named_really_meet(ring: Ring) -> None:
    met = first_contact(ring)
    if met is None:
        return
    a, b = (shapely.LineString([ring[i], ring[(i + 1) % len(ring)]]) for i in met)
    assert a.intersects(b)
    if (met[0] - met[1]) % len(ring) in (1, len(ring) - 1):
        assert a.intersection(b).length > 0


@given(st.lists(st.floats(0.2, 1.0), min_size=5, max_size=40), st.integers(1, 3))
def test_a_ring_around_its_middle_is_simple_only_if_it_goes_round_once(reaches: list[float], rounds: int) -> None:
    step = rounds * math.tau / len(reaches)
    ring = distinct_neighbours(
        [
            (round(1e6 * reach * math.cos(step * n)), round(1e6 * reach * math.sin(step * n)))
            for n, reach in enumerate(reaches)
        ]
    )
    if ring:
        assert (first_contact(ring) is None) == shapely.Polygon(ring).is_valid


def comb(teeth: int) -> Ring:
    """A simple ring of long thin teeth: the case that breaks grids."""
    top = [(x, 10**9 if x % 2 else 10) for x in range(2 * teeth)]
    return [*top, (2 * teeth, 0), (-1, 0)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_comb_of_ten_thousand_vertices_is_simple(turned: bool) -> None:
    ring = [(y, x) if turned else (x, y) for x, y in comb(5000)]
    assert first_contact(ring) is None


def test_one_crossing_in_ten_thousand_vertices_is_found() -> None:
    circle = [
        (round(1e9 * math.cos(t * math.tau / 10_000)), round(1e9 * math.sin(t * math.tau / 10_000)))
        for t in range(10_000)
    ]
    assert first_contact(circle) is None
    circle[6000], circle[6001] = circle[6001], circle[6000]
    met = first_contact(circle)
    assert met is not None
    assert {5998, 5999, 6000, 6001, 6002}.issuperset(met)


@given(st.integers(0, 2**32))
def test_a_star_is_simple_and_a_scramble_of_it_is_as_shapely_says(seed: int) -> None:
    rng = random.Random(seed)
    angles = sorted({rng.randrange(10**6) for _ in range(40)})
    star = [
        (round(r * math.cos(a * math.tau / 1e6)), round(r * math.sin(a * math.tau / 1e6)))
        for a in angles
        for r in [rng.randrange(10**7, 10**8)]
    ]
    rng.shuffle(star)
    assert (first_contact(star) is None) == shapely.Polygon(star).is_valid
