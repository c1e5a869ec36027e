"""Outlines from GeoJSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.area import Ring
from gateway.policy.outlines import MAX_BYTES, Outline, read_outlines

SQUARE = [[4.0, 50.0], [5.0, 50.0], [5.0, 51.0], [4.0, 51.0], [4.0, 50.0]]
RING = Ring(tuple((lon, lat) for lon, lat in SQUARE))


def polygon(*rings: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def document(content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "content",
    [
        polygon(SQUARE),
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        feature(polygon(SQUARE)),
        {"type": "FeatureCollection", "features": [feature(polygon(SQUARE))]},
        polygon([[*point, 12.5] for point in SQUARE]),
    ],
)
def test_every_way_to_write_a_polygon_is_read(content: object) -> None:
    assert read_outlines(document(content)) == ((Outline("", (RING,)),), ())


def test_features_of_one_value_belong_together() -> None:
    content = {
        "type": "FeatureCollection",
        "features": [
            feature(polygon(SQUARE), nis="21004"),
            feature(polygon(SQUARE), nis="21005"),
            feature(polygon(SQUARE), nis="21004"),
        ],
    }
    found = read_outlines(document(content), value_property="nis")
    assert found.outlines == (Outline("21004", (RING, RING)), Outline("21005", (RING,)))


def test_a_whole_number_is_a_value_and_a_feature_without_one_is_a_problem() -> None:
    content = {"type": "FeatureCollection", "features": [feature(polygon(SQUARE), nis=21004), feature(polygon(SQUARE))]}
    found = read_outlines(document(content), value_property="nis")
    assert found.outlines == (Outline("21004", (RING,)),)
    assert found.problems == ("feature 2: it has no property nis",)


@pytest.mark.parametrize(
    "geometry",
    [
        polygon(SQUARE, SQUARE),
        polygon(SQUARE[:3]),
        polygon(SQUARE[:4]),
        polygon([[4, 50], [5, 51], [5, 50], [4, 51], [4, 50]]),
        polygon([[50, 400], [51, 400], [51, 401], [50, 400]]),
        polygon([["4", "50"]] * 4),
        polygon(None),
        polygon(),
        {"type": "Point", "coordinates": [4, 50]},
        {"type": "MultiPolygon", "coordinates": []},
        {"type": "MultiPolygon", "coordinates": [4]},
        None,
    ],
)
def test_a_shape_that_can_not_be_used_for_targeting_is_a_problem(geometry: object) -> None:
    found = read_outlines(document(feature(geometry)))
    assert len(found.problems) == 1
    assert found.problems[0].startswith("feature 1: ")


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"1" * 5000, b"{}", b"[]", b"null"])
def test_what_is_no_geojson_is_a_problem(data: bytes) -> None:
    assert read_outlines(data).problems
    assert not read_outlines(data).outlines


def test_a_file_over_the_limit_is_not_parsed() -> None:
    assert "larger" in read_outlines(b" " * (MAX_BYTES + 1)).problems[0]


def test_a_file_of_wrong_features_is_not_reported_without_end() -> None:
    content = {"type": "FeatureCollection", "features": [None] * 5000}
    assert len(read_outlines(document(content)).problems) == 101


WORDS = st.sampled_from(["type", "geometry", "coordinates", "features", "properties"])
LEAVES = st.none() | st.booleans() | st.floats() | st.sampled_from(["Polygon", "Feature", "FeatureCollection", "x"])


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner)))
def test_any_json_gives_outlines_or_problems(content: object) -> None:
    found = read_outlines(document(content))
    assert found.outlines or found.problems
