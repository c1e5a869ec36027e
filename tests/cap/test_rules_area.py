import math

import pytest

from gateway.cap.check import check
from tests.cap.samples import INFO, POLYGON, SHAPE, before, edited, findings, found

GEOCODE = "<geocode><valueName>{}</valueName><value>{}</value></geocode>"


def polygon(*points: tuple[float, float]) -> tuple[str, str]:
    return POLYGON, " ".join(f"{lat},{lon}" for lat, lon in points)


def ring(count: int) -> tuple[str, str]:
    turns = [2 * math.pi * (number % count) / count for number in range(count + 1)]
    return polygon(*((round(50 + math.cos(t), 6), round(4 + math.sin(t), 6)) for t in turns))


def test_a_blank_description_is_refused() -> None:
    assert found(("Gent centrum", " ")) == {("S20", "error")}
    assert found(("Gent centrum", " "), lenient=True) == {("S20", "warning")}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("51,050,3,71 51,06,3,71", "S29"),
        ("51.05,3.71 51.06,3.71 51.05,3.71", "S29"),
        ("91,3 91,4 89,4 91,3", "S30"),
    ],
)
def test_a_polygon_that_can_not_be_read_is_refused(text: str, rule: str) -> None:
    assert found((POLYGON, text)) == {(rule, "error")}
    assert found((POLYGON, text), lenient=True) == {(rule, "error")}


def test_an_open_ring_is_refused_and_in_a_feed_closed() -> None:
    raw = edited((" 51.0500,3.7100</polygon>", "</polygon>"))
    assert findings(check(raw)) == {("S29", "error")}
    verdict = check(raw, lenient=True)
    assert findings(verdict) == {("S29", "warning")}
    assert verdict.alert is not None
    (shape,) = verdict.alert.info[0].area[0].polygon
    assert shape[0] == shape[-1]
    assert len(shape) == 5


@pytest.mark.parametrize(("empty", "rule"), [("<polygon/>", "S29"), ("<circle> </circle>", "S32")])
def test_an_empty_shape_is_refused_and_in_a_feed_left_out(empty: str, rule: str) -> None:
    raw = edited((SHAPE, SHAPE + empty))
    assert findings(check(raw)) == {(rule, "error")}
    verdict = check(raw, lenient=True)
    assert findings(verdict) == {(rule, "warning")}
    assert verdict.alert is not None
    assert len(verdict.alert.info[0].area[0].polygon) == 1
    assert verdict.alert.info[0].area[0].circle == ()


@pytest.mark.parametrize(
    "points",
    [
        ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)),
        ((50.0, 4.0), (51.0, 5.0), (52.0, 6.0), (50.0, 4.0)),
        ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0)),
        ((0.0, 179.0), (0.0, -179.0), (1.0, -179.0), (1.0, 179.0), (0.0, 179.0)),
        ((0.0, 0.0), (2.0, 0.0), (1.0, 1.0), (2.0, 2.0), (0.0, 2.0), (1.0, 1.0), (0.0, 0.0)),
    ],
    ids=["crossing", "no area", "point twice", "date line", "touching itself"],
)
def test_a_polygon_that_receivers_draw_differently_is_said(points: tuple[tuple[float, float], ...]) -> None:
    assert found(polygon(*points)) == {("S31", "warning")}


def test_what_looks_like_a_hole_is_said_to_be_none() -> None:
    outer, inner = ((0, 0), (0, 9), (9, 9), (9, 0), (0, 0)), ((4, 4), (4, 5), (5, 5), (5, 4), (4, 4))
    inside = (SHAPE, "".join(f"<polygon>{polygon(*shape)[1]}</polygon>" for shape in (outer, inner)))
    beside = (SHAPE, SHAPE + f"<polygon>{polygon(*outer)[1]}</polygon>")
    assert found(inside) == {("S31", "warning")}
    assert found(beside) == set()


def test_a_polygon_of_many_vertices_is_a_matter_of_policy() -> None:
    assert found(ring(1_000)) == set()
    assert found(ring(1_001)) == {("S31", "policy")}
    (finding,) = check(edited(ring(10_001))).findings
    assert "a simpler one that holds it" in finding.message


def test_crossings_are_looked_for_only_up_to_a_number_of_vertices() -> None:
    _, text = ring(9_000)
    many = "".join(
        f"<polygon>{text.replace('50.', f'{lat}.').replace('49.', f'{lat - 1}.')}</polygon>" for lat in (50, 20, 30)
    )
    assert ("S31", "warning") in found((SHAPE, many))


@pytest.mark.parametrize("text", ["50,4", "50,4 -1", "50 4 5", "50,4 5km"])
def test_a_circle_that_can_not_be_read_is_refused(text: str) -> None:
    assert found((SHAPE, f"<circle>{text}</circle>")) == {("S32", "error")}


def test_a_circle_off_the_earth_is_refused() -> None:
    assert found((SHAPE, "<circle>95,4.35 5</circle>")) == {("S30", "error")}


def test_a_circle_as_large_as_the_earth_is_said() -> None:
    assert found((SHAPE, "<circle>50,4 25000</circle>")) == {("S32", "warning")}


def test_a_radius_of_zero_is_a_point_and_is_said() -> None:
    verdict = check(edited((SHAPE, "<circle>50,4 0.0</circle>")))
    assert findings(verdict) == {("S33", "warning")}
    assert verdict.alert is not None
    assert verdict.alert.info[0].area[0].circle[0].radius_km == 0


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ("<altitude>0</altitude><ceiling>100.5</ceiling>", set()),
        ("<altitude>100</altitude>", set()),
        ("<altitude>100</altitude><ceiling>100</ceiling>", set()),
        ("<ceiling>100</ceiling>", {("S34", "error")}),
        ("<altitude>200</altitude><ceiling>100</ceiling>", {("S34", "error")}),
        ("<altitude>100</altitude><ceiling>-100</ceiling>", {("S34", "error")}),
    ],
)
def test_a_ceiling_stands_above_an_altitude(heights: str, expected: set[tuple[str, str]]) -> None:
    assert found(("</area>", f"{heights}</area>")) == expected


def test_an_area_without_a_shape_is_said() -> None:
    assert found((SHAPE, "")) == {("S35", "warning"), ("S35", "policy")}
    assert found((SHAPE, GEOCODE.format("NIS", "44021"))) == {("S35", "warning")}


def test_an_alert_without_a_place_reaches_nobody_by_place() -> None:
    assert found((INFO[INFO.index("<area>") : INFO.index("</area>") + 7], "")) == {("S35", "policy")}


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("SAME", "006109", True),
        ("SAME", "6109", False),
        ("FIPS6", "041003 041005", True),
        ("UGC", "ORZ007", True),
        ("UGC", "007", False),
        ("EMMA_ID", "BE004", True),
        ("EMMA_ID", "Gent", False),
        ("NIS", "44021", True),
        ("NIS", "4402", False),
        ("INS", "4402", False),
        ("ISO3166-2", "BE-VOV", True),
        ("ISO 3166-2", "Oost-Vlaanderen", False),
        ("my own scheme", "anything", True),
    ],
)
def test_a_geocode_has_the_form_of_its_system(name: str, value: str, good: bool) -> None:
    assert found(("</area>", f"{GEOCODE.format(name, value)}</area>")) == (set() if good else {("S36", "warning")})


def test_the_same_polygon_in_every_language_is_judged_once() -> None:
    crossing = polygon((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0))
    info = INFO.replace(*crossing)
    raw = edited((INFO, info + info))
    assert [f.id for f in check(raw).findings] == ["S31"]


def test_a_place_before_the_polygon_is_out_of_order() -> None:
    assert found(before("polygon", GEOCODE.format("NIS", "44021"))) == {("X2", "error"), ("X14", "error")}
