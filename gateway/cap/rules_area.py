"""Rules about areas: shapes that can be read and used, heights, and whether there is a place at all.

Knows: shapes as CAP writes them, and area.py's judgement of them. Never knows: whose territory it is.
Standard: CAP 1.2 §3.2.4 (rules S20, S29-S36).
"""

from collections.abc import Iterator
from itertools import pairwise, permutations
from operator import eq

from gateway.cap import geocodes
from gateway.cap.area import MAX_VERTICES, figure_problems, in_ring
from gateway.cap.draft import Draft, rings_of
from gateway.cap.findings import quoted
from gateway.cap.model import Circle, Polygon
from gateway.cap.places import number_or_none
from gateway.cap.rules_message import Context, Mark

COMMON_VERTICES = 1_000
"""What receivers of many makes can take; above it the finding says so."""

MOST_COMPARED = 30
"""Polygons of one area that are compared with each other."""

MOST_JUDGED_VERTICES = 20_000
"""Vertices of one alert that are searched for crossings; more could take longer than a second."""

_HALF_EARTH_KM = 20_040


def area_is_described(draft: Draft, _: Context) -> Iterator[Mark]:
    """S20."""
    for area in draft.areas:
        leaf = area.leaf("areaDesc")
        if leaf and not leaf.value:
            yield leaf, "areaDesc is blank; name the place as people call it"


def _unreadable(draft: Draft, rule: str) -> Iterator[Mark]:
    for leaf, reading in draft.flawed:
        if reading.problem and reading.problem.rule == rule and reading.shape is None and leaf.value:
            yield leaf, reading.problem.message


def polygon_can_be_read(draft: Draft, _: Context) -> Iterator[Mark]:
    """S29."""
    yield from _unreadable(draft, "S29")


def shape_lies_on_earth(draft: Draft, _: Context) -> Iterator[Mark]:
    """S30."""
    yield from _unreadable(draft, "S30")


def circle_can_be_read(draft: Draft, _: Context) -> Iterator[Mark]:
    """S32."""
    yield from _unreadable(draft, "S32")


def _repairable(draft: Draft, rule: str) -> Iterator[Mark]:
    """Empty shapes, and rings that only lack their last point: lenient reading gets past both."""
    for leaf, reading in draft.flawed:
        if reading.problem and reading.problem.rule == rule and (reading.shape is not None or not leaf.value):
            yield leaf, reading.problem.message


def polygon_is_closed_and_not_empty(draft: Draft, _: Context) -> Iterator[Mark]:
    """S29."""
    yield from _repairable(draft, "S29")


def circle_is_not_empty(draft: Draft, _: Context) -> Iterator[Mark]:
    """S32."""
    yield from _repairable(draft, "S32")


def polygon_is_a_simple_figure(draft: Draft, _: Context) -> Iterator[Mark]:
    """S31: no crossing, no line without area."""
    rings = {leaf.text: (leaf, ring) for leaf, ring in draft.rings}  # one polygon in every language is judged once
    left = MOST_JUDGED_VERTICES
    for leaf, ring in (pair for pair in rings.values() if len(pair[1]) - 1 <= MAX_VERTICES):
        left -= len(ring)
        if left < 0:
            yield leaf, f"the alert has over {MOST_JUDGED_VERTICES} vertices; crossings are not looked for from here on"
            return
        for message in figure_problems([(lon, lat) for lat, lon in ring]):
            yield leaf, f"{message}; receivers may draw it differently"


def polygon_has_no_point_twice_in_a_row(draft: Draft, _: Context) -> Iterator[Mark]:
    """S31."""
    # the same in every language: looked for once, said of each
    repeating = {text for text, ring in draft.drawn.items() if any(map(eq, ring, ring[1:]))}
    for leaf, ring in draft.rings if repeating else ():
        if leaf.text in repeating:
            twice = next(n for n, (one, two) in enumerate(pairwise(ring), 1) if one == two)
            yield leaf, f"points {twice} and {twice + 1} of the polygon are the same; leave one out"


def polygon_stays_on_one_side_of_the_date_line(draft: Draft, _: Context) -> Iterator[Mark]:
    """S31: an edge over more than half the earth is read as crossing the antimeridian by some, by others not."""
    jumping = {text for text, ring in draft.drawn.items() if _jumps(ring)}
    for leaf, _ring in draft.rings if jumping else ():
        if leaf.text in jumping:
            yield leaf, "the polygon jumps over the 180th meridian; give one polygon on each side of it"


def _jumps(ring: Polygon) -> bool:
    longitudes = [lon for _, lon in ring]
    wide = max(longitudes) - min(longitudes) > 180
    return wide and any(abs(one - two) > 180 for one, two in pairwise(longitudes))


def polygon_inside_another_is_no_hole(draft: Draft, _: Context) -> Iterator[Mark]:
    """S31: an area is the union of its shapes, so what looks like a hole is alerted, too. # CAP 1.2 §3.2.4"""
    for area in draft.areas:
        if len(area.polygons) < 2:
            continue
        rings = [(leaf, [(lon, lat) for lat, lon in ring]) for leaf, ring in rings_of(area.polygons)]
        if not 1 < len(rings) <= MOST_COMPARED:
            continue
        for (leaf, inner), (_other, outer) in permutations(rings, 2):
            if _lies_inside(inner, outer):
                yield leaf, "the polygon lies inside another of its area; it is no hole, people in it are alerted, too"
                break


def _lies_inside(inner: list[tuple[float, float]], outer: list[tuple[float, float]]) -> bool:
    few = inner[:: max(1, len(inner) // 16)]
    boxes = [(min(p[axis] for p in ring), max(p[axis] for p in ring)) for ring in (inner, outer) for axis in (0, 1)]
    within = all(boxes[axis + 2][0] < boxes[axis][0] and boxes[axis][1] < boxes[axis + 2][1] for axis in (0, 1))
    return within and all(in_ring(outer, x, y) for x, y in few)


def polygon_is_not_too_detailed(draft: Draft, _: Context) -> Iterator[Mark]:
    """S31: nothing forbids it, and receivers suffer."""
    for leaf, ring in draft.rings:
        if len(ring) - 1 > COMMON_VERTICES:
            more = f"; above {MAX_VERTICES} people are sought in a simpler one that holds it" * (
                len(ring) > MAX_VERTICES
            )
            yield leaf, f"the polygon has {len(ring) - 1} vertices; many receivers stop at {COMMON_VERTICES}{more}"


def circle_has_a_radius(draft: Draft, _: Context) -> Iterator[Mark]:
    """S33."""
    for leaf, reading in draft.shapes:
        if isinstance(reading.shape, Circle) and reading.shape.radius_km == 0:
            yield (
                leaf,
                "the circle's radius is 0, a point; receivers differ in how they read it. Give the radius in km",
            )


def circle_is_smaller_than_the_earth(draft: Draft, _: Context) -> Iterator[Mark]:
    """S32, the lesser part."""
    for leaf, reading in draft.shapes:
        if isinstance(reading.shape, Circle) and reading.shape.radius_km >= _HALF_EARTH_KM:
            yield leaf, "the circle covers the whole earth; the radius is in kilometres"


def ceiling_stands_above_altitude(draft: Draft, _: Context) -> Iterator[Mark]:
    """S34."""
    for area in draft.areas:
        ceiling = area.leaf("ceiling")
        if ceiling is None or not ceiling.value:
            continue
        low, high = number_or_none(area.text("altitude")), number_or_none(ceiling.text)
        if not area.text("altitude"):
            yield ceiling, "ceiling is given without altitude; give both, in feet above mean sea level"
        elif low is not None and high is not None and high < low:
            yield ceiling, "ceiling is below altitude; altitude is the lower of the two"


def area_has_a_shape(draft: Draft, _: Context) -> Iterator[Mark]:
    """S35."""
    for area in draft.areas:
        if not area.all("polygon") and not area.all("circle"):
            only = "geocodes" if area.pairs.get("geocode") else "a description"
            yield area, f"the area has only {only}; give a polygon or a circle as well, so that all can draw it"


def alert_says_where(draft: Draft, _: Context) -> Iterator[Mark]:
    """S35: without a place, people can not be found by place."""
    if draft.text("msgType") in ("Ack", "Error", "Cancel"):
        return
    for info in draft.infos:
        if not any(area.shapes or area.pairs.get("geocode") for area in info.areas):
            yield info, "no area with polygon, circle or geocode; people can not be reached by place with it"


def geocode_has_the_form_of_its_system(draft: Draft, _: Context) -> Iterator[Mark]:
    """S36."""
    for area in draft.areas:
        for pair in area.pairs.get("geocode", []):
            scheme = geocodes.known(pair.value_name)
            wrong = next((code for code in pair.value.split() if scheme and not scheme.form.fullmatch(code)), "")
            if scheme and wrong:
                yield pair, f"{quoted(wrong)} is not a {scheme.name} code, which looks like {scheme.example}"
