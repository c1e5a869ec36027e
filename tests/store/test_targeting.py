"""Who is reached by place, exact to the row: the real statements over thousands of addresses, shapely and the great
circle as the oracles."""

import asyncio
import itertools
import math
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.area import EARTH_RADIUS_KM, Disc, Point, Ring, Shape
from gateway.cap.cells import Cell, intersect, nearest_first
from gateway.cap.cover import cover_union
from gateway.model import ChannelName, MessageClass
from gateway.store import admin, registry
from gateway.store.embedded import Cluster
from gateway.store.fan_out import NewRows, Slice
from gateway.store.pool import Connection
from gateway.store.registry import Citizen, Target
from tests.store import made
from tests.store.reach import tell
from tests.support.database import Servers

T = TypeVar("T")
NEAR_EDGE_DEGREES = 1e-7
NEAR_RIM_KM = 1e-5
EMAIL = [ChannelName.EMAIL]
PLACES = 5000


class Country:
    """A database of addresses and the way to ask who is reached."""

    def __init__(self, cluster: Cluster) -> None:
        self.loop = asyncio.new_event_loop()
        self.points = spread(random.Random(20260101), PLACES)
        self.run(self._fill(cluster))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _fill(self, cluster: Cluster) -> None:
        self.leave = admin.connected(cluster.app_dsn)
        self.connection = await self.leave.__aenter__()
        self.entity_id = await made.entity(self.connection)
        await self._put(self.connection, "p", self.points)
        self.campaign = await made.campaign(self.connection, self.entity_id, channels=EMAIL)

    async def _put(self, connection: Connection, name: str, points: Sequence[Point]) -> None:
        people = [
            Citizen(f"{name}{n}", "", "nl", None, None, f"{name}{n}@example.org", [("", *point)])
            for n, point in enumerate(points)
        ]
        await registry.put_citizens(connection, self.entity_id, people, "test")

    def reached(self, slices: Sequence[Sequence[Cell]], more: Sequence[Point] = ()) -> list[bool]:
        """Whether each point, and then each of `more`, is reached by the slices of one campaign."""
        return self.run(self._reached(slices, more))

    async def _reached(self, slices: Sequence[Sequence[Cell]], more: Sequence[Point]) -> list[bool]:
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self._put(self.connection, "more", more)
            counted = await registry.count_targets(
                self.connection, self.entity_id, MessageClass.NEWS, EMAIL, Target(cells=list(itertools.chain(*slices)))
            )
            next_seq = 1
            for cells in slices:
                for rows in await self._fan_out(cells, next_seq):
                    assert rows.lo == next_seq
                    next_seq = rows.hi + 1
            found = await self.connection.fetch("SELECT seq, address FROM delivery ORDER BY seq")
        finally:
            await transaction.rollback()
        assert [row["seq"] for row in found] == list(range(1, next_seq))
        assert sum(counted.values()) == len(found), "what was counted is not what was planned"
        names = {row["address"].split("@")[0] for row in found}
        return [f"p{n}" in names for n in range(len(self.points))] + [f"more{n}" in names for n in range(len(more))]

    async def _fan_out(self, cells: Sequence[Cell], first_seq: int) -> list[NewRows]:
        return await tell(
            self.connection, self.campaign, self.entity_id, Slice(cells=cells), channels=EMAIL, transport=0,
            message_class=MessageClass.NEWS, first_seq=first_seq, texts=[("nl", ChannelName.EMAIL, 0)],
        )  # fmt: skip

    def close(self) -> None:
        self.run(self.leave.__aexit__(None, None, None))
        self.loop.close()


def spread(rng: random.Random, count: int) -> list[Point]:
    """Towns of a small country, islands on the antimeridian, the poles, and the rest of the world."""
    towns = [(rng.uniform(2.6, 6.3), rng.uniform(49.6, 51.4)) for _ in range(40)]
    points = []
    for n in range(count):
        if n % 10 < 7:
            lon, lat = rng.choice(towns)
            points.append((rng.gauss(lon, 0.06), rng.gauss(lat, 0.04)))
        elif n % 10 == 7:
            points.append(((rng.gauss(180.0, 2.0) + 180.0) % 360.0 - 180.0, rng.gauss(-17.0, 1.5)))
        elif n % 10 == 8:
            points.append((rng.uniform(-180.0, 179.99), rng.choice((-1, 1)) * rng.uniform(80.0, 90.0)))
        else:
            points.append((rng.uniform(-180.0, 179.99), rng.uniform(-90.0, 90.0)))
    return points


@pytest.fixture(scope="module")
def country(servers: Servers) -> Iterator[Country]:
    with servers.database("embedded") as cluster:
        country = Country(cluster)
        yield country
        country.close()


def star(rng: random.Random, centre: Point, radius: float, vertices: int, roughness: float) -> list[Point]:
    """A simple ring around a point; it may run on past 180 degrees."""
    reach = [radius * (1 + roughness * (rng.random() - 0.5)) for _ in range(vertices)]
    angles = [math.tau * n / vertices for n in range(vertices)]
    points = [
        (centre[0] + 1.4 * r * math.cos(angle), max(-90.0, min(90.0, centre[1] + r * math.sin(angle))))
        for r, angle in zip(reach, angles, strict=True)
    ]
    return [*points, points[0]]


def wrapped(points: Sequence[Point]) -> list[Point]:
    return [((lon + 180.0) % 360.0 - 180.0, lat) for lon, lat in points]


def beside(rng: random.Random, line: Sequence[Point], count: int) -> list[Point]:
    """Places a metre or a hundred from a border, either side."""
    found = []
    for _ in range(count):
        (ax, ay), (bx, by) = rng.choice(list(pairwise(line)))
        along, off = rng.random(), rng.choice((1e-6, 1e-5, 1e-3))
        found.append((ax + along * (bx - ax) + rng.uniform(-off, off), ay + along * (by - ay) + rng.uniform(-off, off)))
    return [(lon, max(-90.0, min(90.0, lat))) for lon, lat in wrapped(found)]


Truth = Callable[[Sequence[Point]], tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def of_ring(line: Sequence[Point]) -> Truth:
    """(inside, sure) of places by shapely; the line may run on past 180 degrees, so each place is asked thrice."""
    polygon = shapely.Polygon(line)
    shapely.prepare(polygon)

    def truth(points: Sequence[Point]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        inside, sure = np.zeros(len(points), bool), np.ones(len(points), bool)
        for turn in (-360.0, 0.0, 360.0):
            places = shapely.points(np.array(points) + np.array((turn, 0.0)))
            inside |= shapely.covers(polygon, places)
            sure &= shapely.distance(polygon.exterior, places) > NEAR_EDGE_DEGREES
        return inside, sure

    return truth


def of_disc(disc: Disc) -> Truth:
    """(inside, sure) of places by the angle between vectors."""

    def vectors(points: Sequence[Point]) -> np.ndarray[Any, Any]:
        lon, lat = np.radians(np.array(points)).T
        return np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))

    def truth(points: Sequence[Point]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        one, others = vectors([(disc.lon, disc.lat)]), vectors(points)
        angle = np.arctan2(np.linalg.norm(np.cross(others, one, axis=0), axis=0), (others * one).sum(axis=0))
        gap_km = EARTH_RADIUS_KM * angle - disc.radius_km
        return gap_km <= 0, abs(gap_km) > NEAR_RIM_KM

    return truth


Drawn = tuple[Shape, Truth, list[Point]]
SEEDS = st.integers(0, 2**32)


@st.composite
def ring_shapes(draw: st.DrawFn, centre: Point | None = None) -> Drawn:
    """A ring, what shapely says of it, and places about its border."""
    rng = random.Random(draw(SEEDS))
    middle = centre or rng.choice(spread(random.Random(20260101), 200))
    radius = draw(st.sampled_from([0.003, 0.03, 0.2, 1.5]))
    vertices = draw(st.sampled_from([3, 4, 9, 60, 300]))
    line = star(rng, middle, radius, vertices, draw(st.sampled_from([0.05, 0.6, 1.8])))
    ring = Ring(tuple(wrapped(line)))
    return ring, of_ring(line), beside(rng, line, 120)


@st.composite
def disc_shapes(draw: st.DrawFn) -> Drawn:
    """A disc about one of the places, what the great circle says, and no more places than there are."""
    rng = random.Random(draw(SEEDS))
    lon, lat = rng.choice(spread(random.Random(20260101), 200))
    disc = Disc(lon, lat, draw(st.sampled_from([0.0, 0.3, 4.0, 30.0, 700.0, 15_000.0])))
    return disc, of_disc(disc), []


def compare(country: Country, slices: Sequence[Sequence[Cell]], groups: Sequence[Sequence[Drawn]]) -> None:
    """Reached are exactly those in some shape of each group."""
    more = [point for group in groups for _, _, beside_it in group for point in beside_it]
    points = [*country.points, *more]
    expected, sure = np.ones(len(points), bool), np.ones(len(points), bool)
    for group in groups:
        some = np.zeros(len(points), bool)
        for _, truth, _ in group:
            inside, certain = truth(points)
            some |= inside
            sure &= certain
        expected &= some
    found = np.array(country.reached(slices, more))
    wrong = np.flatnonzero((found != expected) & sure)
    assert not len(wrong), [(points[n], bool(found[n])) for n in wrong[:5]]


@settings(max_examples=25, deadline=None)
@given(drawn=ring_shapes())
def test_a_polygon_reaches_exactly_those_inside(country: Country, drawn: Drawn) -> None:
    compare(country, [cover_union([drawn[0]])], [[drawn]])


@settings(max_examples=15, deadline=None)
@given(drawn=disc_shapes())
def test_a_circle_reaches_exactly_those_within_its_radius(country: Country, drawn: Drawn) -> None:
    compare(country, [cover_union([drawn[0]])], [[drawn]])


@settings(max_examples=8, deadline=None)
@given(drawn=ring_shapes(centre=(180.0, -17.0)))
def test_a_polygon_over_the_antimeridian_reaches_both_sides(country: Country, drawn: Drawn) -> None:
    compare(country, [cover_union([drawn[0]])], [[drawn]])


@settings(max_examples=8, deadline=None)
@given(drawn=st.lists(st.one_of(ring_shapes(centre=(4.4, 50.5)), disc_shapes()), min_size=2, max_size=4))
def test_overlapping_shapes_reach_everybody_in_one_of_them_once(country: Country, drawn: list[Drawn]) -> None:
    compare(country, [cover_union([shape for shape, _, _ in drawn])], [drawn])


@settings(max_examples=10, deadline=None)
@given(
    drawn=st.lists(st.one_of(ring_shapes(centre=(4.4, 50.5)), disc_shapes()), min_size=1, max_size=2),
    territory=st.lists(ring_shapes(centre=(4.9, 50.6)), min_size=1, max_size=2),
    slices=st.integers(1, 5),
)
def test_nobody_outside_the_territory_is_reached_however_it_is_sliced(
    country: Country, drawn: list[Drawn], territory: list[Drawn], slices: int
) -> None:
    inside = intersect(cover_union([d[0] for d in drawn]), cover_union([d[0] for d in territory]))
    cells = nearest_first(inside, (4.4, 50.5))
    size = max(1, math.ceil(len(cells) / slices))
    compare(country, [cells[at : at + size] for at in range(0, len(cells), size)], [drawn, territory])


def test_a_plan_that_reaches_nobody_by_place_reaches_nobody(country: Country) -> None:
    assert not any(country.reached([[]]))
    assert not any(country.reached([cover_union([Disc(-40.0, 40.0, 0.01)])]))
