"""A feed as JSON Feed and as GeoJSON, for programs and maps.

Knows: feed entries; how rings and discs are drawn in GeoJSON.
Never knows: HTTP, targeting (a map may round, it may not).
Standard: JSON Feed 1.1; RFC 7946 (GeoJSON).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from gateway.cap import dates
from gateway.cap.area import EARTH_RADIUS_KM, Point, unwrapped
from gateway.cap.cells import clipped
from gateway.cap.feed import (
    CAP_MEDIA_TYPE,
    HEAD_BYTES,
    MAX_BYTES,
    Document,
    FeedEntry,
    FeedInfo,
    FeedText,
    clean,
    heading,
    newest_first,
    one_line,
    page_url,
    paged,
    web_url,
)
from gateway.cap.model import Circle

_CORNERS = 64
_QUARTER_KM = EARTH_RADIUS_KM * math.pi / 2
Json = Mapping[str, object]
Line = Sequence[Point]


def json_feed(
    info: FeedInfo,
    entries: Iterable[FeedEntry],
    *,
    language: str | None = None,
    page: int = 1,
    max_bytes: int = MAX_BYTES,
) -> Document:
    """The feed as JSON Feed 1.1; the alert's facts are in each item's `_cap`."""
    items = [_bytes(_item(entry, entry.text(language))) for entry in newest_first(entries)]
    part = paged([len(item) for item in items], page, max_bytes - HEAD_BYTES)
    head: dict[str, object] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": one_line(info.title),
        "home_page_url": info.home_url or info.self_url,
        "feed_url": page_url(info.self_url, page),
        "authors": [{"name": one_line(info.author)}],
        "language": language or info.language,
    }
    if info.hub_url:
        head["hubs"] = [{"type": "WebSub", "url": info.hub_url}]
    if part.following:
        head["next_url"] = page_url(info.self_url, part.following)
    return Document(_with_list(head, "items", items[part.first : part.last]), part.pages)


def _item(entry: FeedEntry, text: FeedText) -> Json:
    item: dict[str, object] = {
        "id": entry.id,
        "url": web_url(text) or entry.cap_url,
        "title": heading(entry, text),
        "content_text": "\n\n".join(clean(part) for part in (text.summary, text.instruction) if part),
        "summary": clean(text.summary),
        "date_published": _rfc3339(entry.published),
        "date_modified": _rfc3339(entry.updated),
        "authors": [{"name": one_line(text.sender_name or entry.sender)}],
        "tags": list(text.categories),
        "language": text.language,
        "attachments": [{"url": entry.cap_url, "mime_type": CAP_MEDIA_TYPE}],
        "_cap": {
            **_facts(entry, text),
            "polygons": [[[lat, lon] for lat, lon in ring] for ring in text.polygons],
            "circles": [circle._asdict() for circle in text.circles],
        },
    }
    return item


def geojson(
    info: FeedInfo,
    entries: Iterable[FeedEntry],
    *,
    language: str | None = None,
    page: int = 1,
    max_bytes: int = MAX_BYTES,
) -> Document:
    """The alerts' places as a FeatureCollection: one feature per alert for its polygons, one more for each circle.

    A circle is drawn as a polygon of 64 corners that contains it; its property `circle` has the true one.
    """
    drawn = [_features(entry, entry.text(language)) for entry in newest_first(entries)]
    part = paged([sum(map(len, features)) for features in drawn], page, max_bytes - HEAD_BYTES)
    shown = [feature for features in drawn[part.first : part.last] for feature in features]
    head: dict[str, object] = {
        "type": "FeatureCollection",
        "title": one_line(info.title),
        "updated": _rfc3339(info.updated),
    }
    if part.following:
        head["next"] = page_url(info.self_url, part.following)
    return Document(_with_list(head, "features", shown), part.pages)


def _features(entry: FeedEntry, text: FeedText) -> list[bytes]:
    facts: dict[str, object] = {
        **_facts(entry, text),
        "title": heading(entry, text),
        "summary": clean(text.summary),
        "language": text.language,
        "url": entry.cap_url,
    }
    features: list[Json] = []
    if text.polygons or not text.circles:
        rings = [ring for one in text.polygons for ring in _cut(unwrapped((lon, lat) for lat, lon in one))]
        features.append(_feature(entry.id, _geometry(rings), facts))
    for number, circle in enumerate(text.circles, 1):
        marked = {**facts, "circle": circle._asdict()}
        features.append(_feature(f"{entry.id}#circle-{number}", _circle(circle), marked))
    return [_bytes(feature) for feature in features]


def _feature(feature_id: str, geometry: Json | None, properties: Json) -> Json:
    return {"type": "Feature", "id": feature_id, "geometry": geometry, "properties": properties}


def _geometry(rings: Sequence[Line]) -> Json | None:
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": [rings[0]]}
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]} if rings else None


def _facts(entry: FeedEntry, text: FeedText) -> dict[str, object]:
    """The alert's facts under CAP's names, None where it says nothing."""
    times = {"effective": entry.effective, "onset": entry.onset, "expires": entry.expires}
    return {
        "identifier": one_line(entry.identifier),
        "sender": one_line(entry.sender),
        "sent": entry.sent_text or dates.write(entry.sent),
        **{name: None if at is None else dates.write(at) for name, at in times.items()},
        "status": entry.status,
        "msgType": entry.msg_type,
        "scope": entry.scope,
        "event": one_line(text.event),
        "categories": list(text.categories),
        "urgency": text.urgency,
        "severity": text.severity,
        "certainty": text.certainty,
        "senderName": one_line(text.sender_name),
        "areaDesc": one_line("; ".join(text.area_descs)),
        "geocodes": [[one_line(code.value_name), one_line(code.value)] for code in text.geocodes],
    }


# --- drawing


def _circle(circle: Circle) -> Json | None:
    if circle.radius_km == 0:
        return {"type": "Point", "coordinates": [circle.lon, circle.lat]}
    return _geometry(_cut(_rim(circle)))


def _cut(line: Line) -> list[Line]:
    """The closed line as rings between -180 and 180, each counter-clockwise and closed."""
    # RFC 7946 §3.1.9: cut at the antimeridian
    turns = range(
        math.floor((min(x for x, _ in line) + 180.0) / 360.0), math.ceil((max(x for x, _ in line) + 180.0) / 360.0)
    )
    rings = []
    for turn in turns:
        moved = [(x - 360.0 * turn, y) for x, y in line[:-1]]
        if len(turns) > 1:
            moved = clipped(clipped(moved, 0, -180.0, above=True), 0, 180.0, above=False)
        if len(moved) >= 3:
            rings.append(_counter_clockwise(moved))
    return rings


def _counter_clockwise(points: list[Point]) -> Line:
    """RFC 7946 §3.1.6: exterior rings follow the right-hand rule."""
    double = sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True))
    ordered = points[::-1] if double < 0 else points
    return [*((round(x, 7), round(y, 7)) for x, y in ordered), (round(ordered[0][0], 7), round(ordered[0][1], 7))]


def _rim(circle: Circle) -> Line:
    """A closed polygon around a circle, longitudes running on past ±180; around a pole it takes in the pole's edge."""
    if circle.radius_km > _QUARTER_KM:
        return [(-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0), (-180.0, -90.0)]
    # corners lie as far out as it takes for the sides to stay outside
    angle = math.atan(math.tan(circle.radius_km / EARTH_RADIUS_KM) / math.cos(math.pi / _CORNERS))
    rim = unwrapped(_toward(circle, angle, math.tau * corner / _CORNERS) for corner in range(_CORNERS + 1))
    if abs(rim[-1][0] - rim[0][0]) < 180.0:
        return [*rim[:-1], rim[0]]
    return _around_pole(rim[:-1], math.copysign(90.0, circle.lat))


def _around_pole(rim: Line, pole: float) -> Line:
    """The band of the map between a rim and its pole."""
    around = sorted(((lon + 180.0) % 360.0 - 180.0, lat) for lon, lat in rim)
    (west, west_lat), (east, east_lat) = around[0], around[-1]
    gap = west + 360.0 - east
    seam = east_lat + (west_lat - east_lat) * ((180.0 - east) / gap if gap else 0.0)
    band = [(-180.0, seam), *around, (180.0, seam), (180.0, pole), (-180.0, pole), (-180.0, seam)]
    return [point for point, following in pairwise([*band, band[1]]) if point != following]


def _toward(circle: Circle, angle: float, bearing: float) -> Point:
    """The place at an angular distance in a direction."""
    phi = math.radians(circle.lat)
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    turn = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(phi), math.cos(angle) - math.sin(phi) * max(-1.0, min(1.0, sine))
    )
    lon = (circle.lon + math.degrees(turn) + 180.0) % 360.0 - 180.0
    return lon, math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def _with_list(head: Mapping[str, object], name: str, items: Iterable[bytes]) -> bytes:
    return _bytes(head)[:-1] + f',"{name}":['.encode() + b",\n".join(items) + b"]}"


def _bytes(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
