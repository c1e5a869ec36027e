"""What people are sought in: each figure judged once, never smaller than drawn, never much larger."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon as Oracle

from gateway.cap.area import MAX_VERTICES, Disc, Ring
from gateway.cap.model import CapAlert, CapArea, Circle, NameValue, Polygon
from gateway.policy import figures
from gateway.policy.audience import area_problems, variants
from gateway.policy.figures import LEAST_RADIUS_KM, MOST_GROWTH, drawn_in, figures_of, marks_of
from tests.support.scene import an_alert, square, with_infos

ALERT = an_alert(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
POINT = Circle(50.8, 4.3, 0.0)


def coast(vertices: int, wave: float = 0.0005) -> Polygon:
    """A ring of small bays around Brussels, as fine as a surveyor's outline."""
    turn = 2 * math.pi / vertices
    reach = [0.4 + wave * (step % 2) for step in range(vertices)]
    ring = [(50.8 + r * math.sin(i * turn), 4.4 + r * math.cos(i * turn)) for i, r in enumerate(reach)]
    return (*ring, ring[0])


def alert_with(*areas: CapArea) -> CapAlert:
    return with_infos(replace(ALERT, info=ALERT.info[:2]), area=areas)


def drawn(*polygons: Polygon, circles: tuple[Circle, ...] = (), codes: tuple[NameValue, ...] = ()) -> CapArea:
    return CapArea(area_desc="here", polygon=polygons, circle=circles, geocode=codes)


def test_a_figure_that_every_language_repeats_is_judged_once() -> None:
    many = figures_of(alert_with(drawn(square(4.3, 50.8), square(4.3, 50.8), circles=(Circle(50.8, 4.3, 1.0),))))
    assert [type(figure.shape) for figure in many.values()] == [Ring, Disc]
    assert all(figure.problems == () and figure.remark == "" for figure in many.values())


def test_an_outline_with_too_many_vertices_is_replaced_by_a_simpler_one_that_holds_it() -> None:
    fine = coast(MAX_VERTICES + 2_000)
    (figure,) = figures_of(alert_with(drawn(fine))).values()
    assert isinstance(figure.shape, Ring)
    assert len(figure.shape.points) - 1 <= MAX_VERTICES
    before, after = Oracle([(lon, lat) for lat, lon in fine]), Oracle(figure.shape.points)
    assert before.difference(after).area <= 1e-12
    assert 0 <= after.area / before.area - 1 <= MOST_GROWTH
    assert figure.remark.startswith(f"the polygon has {len(fine) - 1} vertices; people are sought in one of")


def test_the_sender_is_told_of_the_simpler_outline_and_people_are_sought_in_it() -> None:
    alert = alert_with(drawn(coast(MAX_VERTICES + 10)))
    findings = area_problems(alert, {})
    assert [(f.id, f.severity, f.element) for f in findings] == [
        ("S31", "policy", f"alert/info[{i}]/area[1]/polygon[1]") for i in (1, 2)
    ]
    ((shape,),) = [variant.shapes for variant in variants(alert, {})]
    assert isinstance(shape, Ring)
    assert len(shape.points) - 1 <= MAX_VERTICES


def test_an_outline_that_would_grow_too_much_is_refused_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MAX_VERTICES", 200)
    (figure,) = figures_of(alert_with(drawn(coast(300, wave=0.3)))).values()
    assert figure.shape is None
    assert "larger. Send it with fewer vertices" in figure.problems[0]


def test_an_outline_of_far_too_many_vertices_is_refused_and_not_worked_on() -> None:
    (figure,) = figures_of(alert_with(drawn(coast(2 * MAX_VERTICES + 1)))).values()
    assert figure.shape is None
    assert "more than the 20000 that are accepted" in figure.problems[0]


def test_a_ring_that_crosses_itself_is_not_used_however_many_vertices_it_has() -> None:
    bow = ((50.0, 4.0), (51.0, 5.0), (51.0, 4.0), (50.0, 5.0), (50.0, 4.0))
    (figure,) = figures_of(alert_with(drawn(bow))).values()
    assert figure.shape is None
    assert "crosses or touches itself" in figure.problems[0]


def test_a_point_alone_is_read_as_a_small_circle_and_said() -> None:
    area = drawn(circles=(POINT,))
    (figure,) = figures_of(alert_with(area)).values()
    assert figure.shape == Disc(4.3, 50.8, LEAST_RADIUS_KM)
    assert figure.remark == "the circle has no radius; 100 m around it are alerted"
    assert list(marks_of(area)) == []


@pytest.mark.parametrize(
    "area",
    [
        drawn(square(4.3, 50.8), circles=(POINT,)),
        drawn(circles=(POINT, Circle(50.8, 4.3, 2.0))),
        drawn(circles=(POINT,), codes=(NameValue("NIS", "21001"),)),
    ],
)
def test_a_point_beside_other_places_only_marks_them(area: CapArea) -> None:
    assert list(marks_of(area)) == ["circle[1]"]
    assert "circle[1]" not in [name for name, _ in drawn_in(area)]
    assert POINT not in figures_of(alert_with(area))
    marked = [f for f in area_problems(alert_with(area), {("NIS", "21001"): ()}) if f.id == "S33"]
    assert [f.severity for f in marked] == ["policy", "policy"]


@settings(max_examples=50)
@given(st.floats(0, 25_000), st.floats(-90, 90), st.floats(-180, 180))
def test_no_circle_becomes_smaller(radius_km: float, lat: float, lon: float) -> None:
    (figure,) = figures_of(alert_with(drawn(circles=(Circle(lat, lon, radius_km),)))).values()
    assert isinstance(figure.shape, Disc)
    assert figure.shape.radius_km >= radius_km
