"""Outlines of places from GeoJSON: the territory of an authority, the shapes behind geocodes.

Knows: GeoJSON's polygons, and which of them can be used for targeting. Never knows: files, the database, alerts.
Standard: RFC 7946 §3.1.6 (Polygon), §3.2 (Feature), §3.3 (FeatureCollection).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gateway.cap.area import Point, Ring, validate

MAX_BYTES = 64 * 2**20
MAX_PROBLEMS = 100


class Outline(NamedTuple):
    """One feature: what the wanted property calls it ("" when nothing was wanted), and its outer rings."""

    value: str
    rings: tuple[Ring, ...]


class Outlines(NamedTuple):
    """What a file holds. With a problem in it, nothing of it should be used."""

    outlines: tuple[Outline, ...] = ()
    problems: tuple[str, ...] = ()


class Unusable(Exception):
    """One feature can not be used; never leaves the readers of outlines."""


def read_outlines(document: bytes, *, value_property: str | None = None) -> Outlines:
    """The outlines in a GeoJSON document. `value_property` names the property whose value is wanted with each;
    features with the same value belong together."""
    if len(document) > MAX_BYTES:
        return Outlines(problems=(f"the file is larger than {MAX_BYTES // 2**20} MiB: simplify its outlines",))
    try:
        content = json.loads(document)
    except (ValueError, RecursionError) as error:
        return Outlines(problems=(f"this is not JSON: {error}",))
    found: dict[str, list[Ring]] = {}
    problems = []
    for number, feature in enumerate(_features(content), 1):
        try:
            value = _value(feature, value_property) if value_property else ""
            found.setdefault(value, []).extend(rings_of(feature.get("geometry")))
        except Unusable as unusable:
            problems.append(f"feature {number}: {unusable}")
        if len(problems) == MAX_PROBLEMS:
            problems.append("and perhaps more: reading ended here")
            break
    if not found and not problems:
        problems.append("no GeoJSON Polygon, MultiPolygon, Feature or FeatureCollection with a polygon in it")
    return Outlines(tuple(Outline(value, tuple(rings)) for value, rings in found.items()), tuple(problems))


def _features(content: Any) -> Iterator[dict[str, Any]]:
    """Each feature; a bare geometry is one without properties."""
    match content:
        case {"type": "FeatureCollection", "features": list(features)}:
            yield from (feature if isinstance(feature, dict) else {} for feature in features)
        case {"type": "Feature"}:
            yield content
        case {"type": "Polygon" | "MultiPolygon"}:
            yield {"geometry": content}


def _value(feature: dict[str, Any], value_property: str) -> str:
    match feature:
        case {"properties": {**properties}} if value_property in properties:
            value = properties[value_property]
        case {"id": value} if value_property == "id":
            pass
        case _:
            raise Unusable(f"it has no property {value_property}")
    if isinstance(value, bool) or not isinstance(value, str | int) or not 1 <= len(str(value)) <= 100:
        raise Unusable(f"its property {value_property} is not a short text or whole number")
    return str(value)


def rings_of(geometry: object) -> Iterator[Ring]:
    """The outer rings of a GeoJSON geometry. Raises Unusable."""
    match geometry:
        case {"type": "Polygon", "coordinates": list(polygon)}:
            yield _outer(polygon)
        case {"type": "MultiPolygon", "coordinates": list(polygons)} if polygons:
            yield from (_outer(polygon) for polygon in polygons)
        case _:
            raise Unusable("its geometry is no Polygon or MultiPolygon")


def _outer(polygon: object) -> Ring:
    """The outer ring of a polygon. One with a hole is refused: without the hole it would reach too many people."""
    if not isinstance(polygon, list) or not polygon:
        raise Unusable("a polygon of it is empty")
    if len(polygon) > 1:
        raise Unusable("a polygon of it has a hole: cut it into polygons without holes")
    if not isinstance(polygon[0], list):
        raise Unusable("a ring of it is not a list of points")
    return outer_ring(polygon[0])


def outer_ring(positions: Sequence[object]) -> Ring:
    """A ring that people can be sought in, of [longitude, latitude] positions. Raises Unusable."""
    ring = Ring(tuple(_point(position) for position in positions))
    problems = validate(ring)
    if problems:
        raise Unusable(problems[0])
    return ring


def _point(position: object) -> Point:
    match position:
        case [int() | float() as lon, int() | float() as lat, *_] if abs(lon) <= 180 and abs(lat) <= 90:
            return float(lon), float(lat)
    raise Unusable("a point of it is not [longitude, latitude] in degrees")
