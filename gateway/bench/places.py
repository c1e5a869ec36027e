"""The country of the benches: outlines of a city, a municipality and the whole, and where its people live.

Knows: rings of longitude and latitude, chance with a fixed seed. Never knows: CAP, databases.
"""

import math
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from gateway.cap.area import Point

CENTRE: Point = (4.5, 50.6)
CITY_RADIUS_KM, MUNICIPALITY_RADIUS_KM, COUNTRY_RADIUS_KM = 5.0, 8.0, 120.0
IN_CITY = 0.1
KM_PER_DEGREE = 111.2


class Area(NamedTuple):
    """A named outline; the ring is closed."""

    name: str
    ring: tuple[Point, ...]

    @property
    def vertices(self) -> int:
        """Corners, the closing point not counted."""
        return len(self.ring) - 1


def outline(radius_km: float, vertices: int, *, roughness: float = 0.0, seed: int = 1) -> tuple[Point, ...]:
    """A closed ring around CENTRE whose corners lie `radius_km` away, up to `roughness` of it nearer."""
    chance = Random(seed)  # noqa: S311 - places, not secrets
    points = []
    for number in range(vertices):
        angle = 2 * math.pi * number / vertices
        # the nearer corners alternate slowly, so that the border bends as borders do
        near = 1 - roughness * (0.5 + 0.5 * math.sin(7 * angle)) * chance.random()
        points.append(away(radius_km * near, angle))
    return (*points, points[0])


def away(distance_km: float, angle: float) -> Point:
    """The place at this distance from CENTRE, angle counted from the east."""
    lon = CENTRE[0] + distance_km * math.cos(angle) / (KM_PER_DEGREE * math.cos(math.radians(CENTRE[1])))
    return round(lon, 6), round(CENTRE[1] + distance_km * math.sin(angle) / KM_PER_DEGREE, 6)


def areas() -> tuple[Area, Area, Area]:
    """Small and plain, middling and finely drawn, everything."""
    return (
        Area("city", outline(CITY_RADIUS_KM, 12)),
        Area("municipality", outline(MUNICIPALITY_RADIUS_KM, 2_000, roughness=0.2)),
        Area("country", outline(COUNTRY_RADIUS_KM, 400, roughness=0.02)),
    )


def territory() -> tuple[Point, ...]:
    """What the authority of the benches may target: more than the country."""
    return outline(COUNTRY_RADIUS_KM * 1.2, 8)


def homes(count: int, *, within_km: float = COUNTRY_RADIUS_KM * 0.9, seed: int = 1) -> Iterator[Point]:
    """Where people live: a tenth of them in the city, the others evenly, always the same for the same seed."""
    chance = Random(seed)  # noqa: S311 - places, not secrets
    city_km = min(CITY_RADIUS_KM, within_km)
    for _ in range(count):
        reach_km = city_km if chance.random() < IN_CITY else within_km
        yield away(reach_km * math.sqrt(chance.random()), 2 * math.pi * chance.random())
