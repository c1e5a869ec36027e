"""JSON Feed as its specification wants it, GeoJSON as shapely and RFC 7946 want it."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import shapely
import shapely.geometry
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.area import distance_km
from gateway.cap.feed import FeedEntry
from gateway.cap.feed_json import geojson, json_feed
from gateway.cap.model import Circle, Polygon
from tests.cap.test_feed import NOON, entry, text
from tests.cap.test_feed_xml import INFO, RICH


def placed(polygons: tuple[Polygon, ...] = (), circles: tuple[Circle, ...] = ()) -> FeedEntry:
    return entry(1, replace(text("nl"), polygons=polygons, circles=circles))


def features(*entries: FeedEntry) -> list[dict[str, Any]]:
    document = json.loads(geojson(INFO, entries).body)
    assert document["type"] == "FeatureCollection"
    return list(document["features"])


def drawn(feature: dict[str, Any]) -> Any:
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.is_valid
    for polygon in getattr(shape, "geoms", [shape]):
        if polygon.geom_type == "Polygon":
            assert polygon.exterior.is_ccw
            assert polygon.bounds[0] >= -180
            assert polygon.bounds[2] <= 180
    return shape


def test_a_json_feed_has_what_its_version_asks_for() -> None:
    feed = json.loads(json_feed(INFO, [RICH, entry(2)]).body)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == INFO.self_url
    assert feed["hubs"] == [{"type": "WebSub", "url": INFO.hub_url}]
    assert "next_url" not in feed
    newest, item = feed["items"]
    assert newest["id"] == "urn:example:2"
    assert item["id"] == "urn:example:1"
    assert item["title"] == "Brand <b>& rook</b>"
    assert item["content_text"] == "Close the windows."
    assert item["date_published"] == "2026-11-21T12:01:00.000Z"
    assert item["attachments"] == [{"url": RICH.cap_url, "mime_type": "application/cap+xml"}]
    assert item["_cap"]["sent"] == "2026-11-21T12:00:00+00:00"
    assert item["_cap"]["expires"] == "2026-11-21T14:00:00-00:00"
    assert item["_cap"]["circles"] == [{"lat": 50.8, "lon": 4.3, "radius_km": 2.5}]
    assert item["_cap"]["geocodes"] == [["NIS", "21007"]]
    assert item["_cap"]["effective"] is None


def test_json_speaks_the_language_asked_for() -> None:
    assert json.loads(json_feed(INFO, [RICH], language="fr").body)["items"][0]["title"] == "Incendie"
    assert json.loads(geojson(INFO, [RICH], language="fr").body)["features"][0]["properties"]["title"] == "Incendie"


def test_long_feeds_have_pages() -> None:
    entries = [entry(number) for number in range(30)]
    first = json_feed(INFO, entries, max_bytes=10_000)
    assert len(first.body) <= 10_000
    assert json.loads(first.body)["next_url"] == INFO.self_url + "?page=2"
    last = json.loads(json_feed(INFO, entries, max_bytes=10_000, page=first.pages).body)
    assert "next_url" not in last
    assert last["items"][-1]["id"] == "urn:example:0"
    mapped = geojson(INFO, entries, max_bytes=10_000)
    assert mapped.pages > 1
    assert json.loads(mapped.body)["next"] == INFO.self_url + "?page=2"


def test_an_alert_is_one_feature_and_one_more_for_each_circle() -> None:
    polygon, circle = features(RICH)
    assert polygon["id"] == "urn:example:1"
    assert drawn(polygon).equals(shapely.Polygon([(4.3, 50.8), (4.3, 50.9), (4.4, 50.9)]))
    assert "circle" not in polygon["properties"]
    assert circle["id"] == "urn:example:1#circle-1"
    assert circle["properties"]["circle"] == {"lat": 50.8, "lon": 4.3, "radius_km": 2.5}
    assert circle["properties"]["severity"] == "Severe"
    assert len(circle["geometry"]["coordinates"][0]) == 65
    drawn(circle)


def test_an_alert_with_geocodes_only_has_no_geometry() -> None:
    (feature,) = features(placed())
    assert feature["geometry"] is None


def test_a_point_is_a_point() -> None:
    (feature,) = features(placed(circles=(Circle(50.8, 4.3, 0.0),)))
    assert feature["geometry"] == {"type": "Point", "coordinates": [4.3, 50.8]}


def test_two_polygons_are_one_feature() -> None:
    square = ((50.0, 4.0), (50.0, 5.0), (51.0, 5.0), (51.0, 4.0), (50.0, 4.0))
    other = tuple((lat, lon + 3) for lat, lon in square)
    (feature,) = features(placed((square, other)))
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert drawn(feature).area == pytest.approx(2.0)


def test_a_polygon_over_the_antimeridian_is_cut_there() -> None:
    fiji = ((-19.0, 177.0), (-19.0, -178.0), (-16.0, -178.0), (-16.0, 177.0), (-19.0, 177.0))
    (feature,) = features(placed((fiji,)))
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert drawn(feature).area == pytest.approx(15.0)
    assert sorted(part.bounds[0] for part in drawn(feature).geoms) == [-180.0, 177.0]


def test_a_box_up_to_the_antimeridian_stays_one_ring() -> None:
    box = ((10.0, 170.0), (10.0, 180.0), (20.0, 180.0), (20.0, 170.0), (10.0, 170.0))
    (feature,) = features(placed((box,)))
    assert feature["geometry"]["type"] == "Polygon"


circles = st.builds(
    Circle,
    st.floats(-89.9, 89.9),
    st.floats(-180, 180),
    st.one_of(st.floats(0.1, 500), st.floats(500, 9_000)),
)


@settings(max_examples=150, deadline=None)
@given(circles)
def test_a_drawn_circle_contains_the_true_one_and_little_more(circle: Circle) -> None:
    (feature,) = features(placed(circles=(circle,)))
    rings = feature["geometry"]["coordinates"]
    corners = [corner for ring in rings for corner in (ring if feature["geometry"]["type"] == "Polygon" else ring[0])]
    on_rim = [lat_lon for lat_lon in corners if abs(lat_lon[0]) < 179.999 and abs(lat_lon[1]) < 89.999]
    assert on_rim
    for lon, lat in on_rim:
        away = distance_km(circle.lon, circle.lat, lon, lat)
        assert circle.radius_km - 0.001 <= away <= circle.radius_km * 1.01 + 0.001
    assert all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in corners)


def test_a_circle_around_a_pole_takes_the_pole_in() -> None:
    (feature,) = features(placed(circles=(Circle(89.0, 20.0, 500.0),)))
    shape = drawn(feature)
    assert shape.covers(shapely.Point(-170.0, 89.9))
    assert shape.covers(shapely.Point(10.0, 85.0))
    assert not shape.covers(shapely.Point(10.0, 80.0))


def test_a_circle_of_more_than_half_the_earth_is_drawn_as_the_earth() -> None:
    (feature,) = features(placed(circles=(Circle(0.0, 20.0, 15_000.0),)))
    assert drawn(feature).area == pytest.approx(360 * 180)


def test_rings_are_closed_and_rounded_to_a_centimetre() -> None:
    ring = tuple((50 + math.sin(t) / 3, 4 + math.cos(t) / 3) for t in range(6))
    (feature,) = features(placed(((*ring, ring[0]),)))
    points = feature["geometry"]["coordinates"][0]
    assert points[0] == points[-1]
    assert all(round(value, 7) == value for point in points for value in point)
    assert all(one != following for one, following in pairwise(points))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_breaks_a_document(title: str, summary: str) -> None:
    hostile = entry(1, replace(RICH.texts[0], title=title, summary=summary, sender_name=title, web=summary))
    for document in (json_feed(INFO, [hostile]), geojson(INFO, [hostile])):
        assert json.loads(document.body.decode("utf-8"))


def test_the_time_of_the_document_is_the_feeds() -> None:
    assert json.loads(geojson(replace(INFO, updated=NOON), []).body)["updated"] == "2026-11-21T12:00:00.000Z"
