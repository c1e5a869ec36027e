"""The demands that no profile's own test shows on both sides."""

import pytest

from gateway.cap import profile_demands as demand
from gateway.cap.draft import Draft, read
from gateway.cap.parse import Limits, parse
from gateway.cap.rules_message import Context
from gateway.cap.tree import path_of
from tests.cap.samples import INFO, POLYGON, SHAPE, before, edited


def draft_of(*changes: tuple[str, str]) -> Draft:
    parsed = parse(edited(*changes), Limits())
    assert parsed.root is not None
    assert parsed.version is not None
    return read(parsed.root, parsed.version)


def places(check: demand.Check, *changes: tuple[str, str]) -> list[str]:
    return [path_of(where.element) for where, _ in check(draft_of(*changes), Context())]


def test_every_demand_passes_an_alert_that_has_it_all() -> None:
    fine = [
        demand.has_info(),
        demand.gives("expires", "area", "headline"),
        demand.has_shapes(),
        demand.in_languages("nl-BE"),
        demand.not_unknown("urgency"),
        demand.at_most_characters("event", 5),
        demand.at_most_vertices(4),
        demand.texts_differ("headline", "description"),
        demand.radius_above_zero(),
        demand.without("note", "x"),
        demand.offset_is_local(),
        demand.value_matches("identifier", "BE-.*", "BE-1"),
        demand.same_in_every_info("category"),
        demand.is_test_only(),
    ]
    assert [places(check) for check in fine] == [[]] * len(fine)


@pytest.mark.parametrize(
    ("check", "changes", "expected"),
    [
        (demand.has_shapes(), [(SHAPE, "")], "alert/info[1]/area[1]"),
        (demand.gives("area"), [(INFO[INFO.index("<area>") : INFO.index("</area>") + 7], "")], "alert/info[1]"),
        (demand.at_most_vertices(3), [], "alert/info[1]/area[1]/polygon[1]"),
        (demand.in_languages("nl-BE", "fr-BE"), [], "alert/info[1]"),
        (demand.without("note", "x"), [before("info", "<note>n</note>")], "alert/note"),
        (demand.without("headline", "x", kinds=("Alert",)), [], "alert/info[1]/headline"),
        (demand.carries_code("a+", "a"), [before("info", "<code>b</code>")], "alert"),
        (demand.texts_differ("headline", "event"), [("Rook: sluit ramen en deuren", "Brand")], "alert/info[1]/event"),
        (demand.is_signed(), [], "alert"),
    ],
)
def test_a_demand_points_at_the_place(check: demand.Check, changes: list[tuple[str, str]], expected: str) -> None:
    assert places(check, *changes) == [expected]


def test_a_demand_for_some_message_types_leaves_the_others_alone() -> None:
    assert places(demand.without("headline", "x", kinds=("Cancel",))) == []


def test_a_shape_that_can_not_be_read_is_not_counted() -> None:
    assert places(demand.at_most_vertices(1), (POLYGON, "x")) == []
