"""The figures that people are sought in, made of what an alert draws; each judged once, whoever repeats it.

Knows: which polygons and circles can be used, and how one that has too many vertices or no radius becomes usable.
Never knows: geocodes, territories, SQL. A figure is never smaller than what was drawn.
Standard: CAP 1.2 §3.2.4 (polygon, circle).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.cap.area import MAX_VERTICES, Disc, Ring, Shape, validate
from gateway.cap.model import CapAlert, CapArea, Circle, Polygon
from gateway.cap.simplify import growth, simplify

LEAST_RADIUS_KM = 0.1
"""What a circle of radius 0 that stands alone is read as."""

MOST_GROWTH = 0.02
"""A simpler ring that is larger by more than this share would reach people who were not meant."""

_MOST_DRAWN = 2 * MAX_VERTICES

Drawn = Polygon | Circle


class Figure(NamedTuple):
    """The shape to seek in; None with the problems why there is none. `remark`: how it differs from what was drawn."""

    shape: Shape | None
    problems: tuple[str, ...] = ()
    remark: str = ""


Figures = Mapping[Drawn, Figure]


def figures_of(alert: CapAlert) -> Figures:
    """Every figure that the alert draws."""
    drawn = (one for info in alert.info for area in info.area for _, one in drawn_in(area))
    return {one: _disc(one) if isinstance(one, Circle) else _ring(one) for one in dict.fromkeys(drawn)}


def drawn_in(area: CapArea) -> Iterator[tuple[str, Drawn]]:
    """What an area draws, with the name of each element; a mere point beside other places is left out (`points_of`)."""
    yield from ((f"polygon[{k}]", polygon) for k, polygon in enumerate(area.polygon, 1))
    for k, circle in enumerate(area.circle, 1):
        if not _is_mark(circle, area):
            yield f"circle[{k}]", circle


def marks_of(area: CapArea) -> Iterator[str]:
    """The circles without radius that only mark a point in an area which other places describe."""
    yield from (f"circle[{k}]" for k, circle in enumerate(area.circle, 1) if _is_mark(circle, area))


def _is_mark(circle: Circle, area: CapArea) -> bool:
    others = area.polygon or area.geocode or any(other.radius_km > 0 for other in area.circle)
    return circle.radius_km == 0 and bool(others)


def _disc(circle: Circle) -> Figure:
    radius_km = circle.radius_km or LEAST_RADIUS_KM
    disc = Disc(circle.lon, circle.lat, radius_km)
    problems = tuple(validate(disc))
    remark = "" if circle.radius_km else f"the circle has no radius; {LEAST_RADIUS_KM * 1000:g} m around it are alerted"
    return Figure(None, problems) if problems else Figure(disc, (), remark)


def _ring(polygon: Polygon) -> Figure:
    ring = Ring(tuple((lon, lat) for lat, lon in polygon))
    problems = tuple(validate(ring, max_vertices=_MOST_DRAWN))
    if problems:
        return Figure(None, problems)
    count = len(ring.points) - 1
    if count <= MAX_VERTICES:
        return Figure(ring)
    plain = simplify(ring, MAX_VERTICES)
    grown = growth(ring, plain)
    if grown > MOST_GROWTH:
        problem = (
            f"the polygon has {count} vertices; with the {MAX_VERTICES} that are used it would be {grown:.0%} larger. "
            "Send it with fewer vertices, or as several polygons"
        )
        return Figure(None, (problem,))
    remark = (
        f"the polygon has {count} vertices; people are sought in one of {len(plain.points) - 1} that holds all of it"
    )
    return Figure(plain, (), f"{remark} and is {grown:.2%} larger")
