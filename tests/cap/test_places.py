import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap import places
from gateway.cap.model import Circle
from gateway.cap.write import _circle, _polygon  # the other direction is the oracle

SQUARE = "51.05,3.71 51.06,3.71 51.06,3.73 51.05,3.71"


def test_a_polygon_is_pairs_of_latitude_and_longitude() -> None:
    reading = places.read_polygon(SQUARE)
    assert reading.shape == ((51.05, 3.71), (51.06, 3.71), (51.06, 3.73), (51.05, 3.71))
    assert reading.problem is None


@pytest.mark.parametrize("text", [SQUARE.replace(" ", "\n"), f"\t{SQUARE}  ", "1,1 +2,.5 -2.,1 1.0,1.00"])
def test_any_white_space_and_any_decimal_will_do(text: str) -> None:
    assert places.read_polygon(text).problem is None


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("", "S29", "empty"),
        ("51,050,3,71 51,06,3,71", "S29", "point, not a comma"),
        ("51.05 3.71 51.06 3.71", "S29", "put a comma"),
        ("51.05,3.71 51.06,3.71 51.06,3.73 51.05,3.73", "S29", "not closed"),
        ("51.05,3.71 51.06,3.71 51.05,3.71", "S29", "3 points"),
        ("51.05,3.71", "S29", "1 points"),
        ("1e1,1 2,2 3,3 1e1,1", "S29", "not a pair"),
        ("nan,1 2,2 3,3 nan,1", "S29", "not a pair"),
        ("inf,1 2,2 3,3 inf,1", "S29", "not a pair"),
        ("٥,1 2,2 3,3 ٥,1", "S29", "not a pair"),
        (f"{'1' * 100},1 2,2 3,3 1,1", "S29", "not a pair"),
        ("91,3 91,4 89,4 91,3", "S30", "latitude"),
        ("151.2,-33.8 151.3,-33.8 151.3,-33.9 151.2,-33.8", "S30", "longitude seems to stand first"),
        ("0,181 1,1 2,2 0,181", "S30", "longitude"),
    ],
)
def test_a_polygon_that_can_not_be_read_says_why(text: str, rule: str, said: str) -> None:
    reading = places.read_polygon(text)
    assert reading.shape is None
    assert reading.problem is not None
    assert reading.problem.rule == rule
    assert said in reading.problem.message


def test_a_ring_left_open_can_be_closed_on_request() -> None:
    reading = places.read_polygon("51.05,3.71 51.06,3.71 51.06,3.73", close=True)
    assert reading.shape == ((51.05, 3.71), (51.06, 3.71), (51.06, 3.73), (51.05, 3.71))
    assert reading.problem is not None


def test_two_points_do_not_become_a_polygon_by_closing() -> None:
    assert places.read_polygon("51.05,3.71 51.06,3.71", close=True).shape is None


def test_a_circle_is_a_pair_a_space_and_a_radius() -> None:
    assert places.read_circle(" 50.85,4.35\n12.5 ").shape == Circle(50.85, 4.35, 12.5)
    assert places.read_circle("50.85,4.35 0").shape == Circle(50.85, 4.35, 0.0)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "S32"),
        ("50,4", "S32"),
        ("50,4,5", "S32"),
        ("50 4 5", "S32"),
        ("50,4 5km", "S32"),
        ("50,4 -1", "S32"),
        ("50,4 nan", "S32"),
        ("50,4 inf", "S32"),
        ("50,4 1e3", "S32"),
        ("95,4.35 5", "S30"),
        ("4.35,190 5", "S30"),
    ],
)
def test_a_circle_that_can_not_be_read_says_why(text: str, rule: str) -> None:
    reading = places.read_circle(text)
    assert reading.shape is None
    assert reading.problem is not None
    assert reading.problem.rule == rule


@pytest.mark.parametrize(("text", "expected"), [("1.5", 1.5), (" -3 ", -3.0), ("", None), ("1e3", None), ("1 2", None)])
def test_a_height_is_a_plain_decimal(text: str, expected: float | None) -> None:
    assert places.number_or_none(text) == expected


def _not_tiny(degrees: float) -> float:
    return 0.0 if abs(degrees) < 1e-20 else degrees  # far below an atom's width; not written


LAT = st.floats(-90, 90, allow_nan=False).map(_not_tiny)
LON = st.floats(-180, 180, allow_nan=False).map(_not_tiny)


@given(st.lists(st.tuples(LAT, LON), min_size=3, max_size=30))
def test_a_polygon_written_is_read_back_exactly(points: list[tuple[float, float]]) -> None:
    ring = (*points, points[0])
    assert places.read_polygon(_polygon(ring)).shape == ring


@given(LAT, LON, st.floats(0, 20_000).map(_not_tiny))
def test_a_circle_written_is_read_back_exactly(lat: float, lon: float, radius_km: float) -> None:
    read = places.read_circle(_circle(Circle(lat, lon, radius_km))).shape
    assert read == Circle(lat, lon, radius_km)


@given(st.text() | st.text("0123456789.,- "))
def test_no_text_upsets_the_reading(text: str) -> None:
    for reading in (places.read_polygon(text), places.read_polygon(text, close=True), places.read_circle(text)):
        assert (reading.shape is None) <= (reading.problem is not None)
