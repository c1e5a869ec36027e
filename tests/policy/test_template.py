"""Templates: filled, warned about, and made into alerts that are valid."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.check import check
from gateway.cap.model import Scope, Status
from gateway.cap.write import write
from gateway.policy.template import Launch, alert_of, filled, places, template_of, unclear, warnings

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
BODY: dict[str, Any] = {
    "class": "urgent", "purpose": "emergency", "event": "Brand", "category": "Fire", "urgency": "Immediate",
    "severity": "Severe", "certainty": "Observed", "response": ["Shelter"], "channels": ["sms"], "groups": [],
    "areas": [{"description": "Haven", "polygons": [], "circles": ["50.815,4.325 1"], "geocodes": []}], "minutes": 60,
    "texts": {
        "nl": {"headline": "Brand in {street}", "instruction": "Sluit ramen en deuren."},
        "fr": {"headline": "Incendie {street}", "instruction": "Fermez les portes."},
    },
}  # fmt: skip
VALUES = {"street": "Kaai", "street@fr": "Quai"}


def a_launch(**more: Any) -> Launch:
    return Launch(sender="a@b.example", name="Stad Brugge", identifier="x-1", now=NOW, **more)


def ids(text: str, listed: tuple[str, ...] = ()) -> list[str]:
    body = BODY | {"texts": {"nl": {"headline": "Brand", "instruction": text}}}
    return [one.id for one in warnings(template_of(body), {}, ["nl"], listed)]


def test_a_filled_template_is_a_valid_alert_for_its_places_in_each_language() -> None:
    verdict = check(write(alert_of(template_of(BODY), a_launch(values=VALUES))))
    assert verdict.valid, verdict.findings
    assert verdict.alert is not None
    assert [info.headline for info in verdict.alert.info] == ["Brand in Kaai", "Incendie Quai"]
    assert (verdict.alert.scope, verdict.alert.status) == (Scope.PUBLIC, Status.ACTUAL)
    assert verdict.alert.info[0].expires == NOW + timedelta(hours=1)
    assert verdict.alert.info[0].parameters("gateway:purpose") == ("emergency",)


def test_without_areas_it_goes_to_its_groups_alone() -> None:
    body = BODY | {"areas": [], "groups": ["plp", "key actors"], "purpose": None}
    alert = alert_of(template_of(body), a_launch(values=VALUES, exercise=True))
    assert check(write(alert)).valid
    assert (alert.scope, alert.addresses, alert.status) == (Scope.RESTRICTED, ("plp", "key actors"), Status.EXERCISE)


def test_places_are_found_filled_and_missed() -> None:
    template = template_of(BODY)
    assert places(template) == ["street"]
    assert warnings(template, VALUES, ["nl", "fr"], ()) == []
    found = warnings(template, {}, ["nl"], ())
    assert [(one.id, one.where, one.waivable) for one in found] == [
        ("unfilled-place", "texts/nl/headline", False), ("unfilled-place", "texts/fr/headline", False),
    ]  # fmt: skip


@given(st.text(max_size=50))
def test_what_a_value_says_in_braces_is_no_place(value: str) -> None:
    assert filled("a {x} b", {"x": value}, "nl") == f"a {value or '{x}'} b"


def test_a_language_of_the_entity_that_is_missing_is_told_and_may_be_waived() -> None:
    (found,) = warnings(template_of(BODY), VALUES, ["nl", "fr", "de"], ())
    assert (found.id, found.where, found.waivable) == ("missing-language", "texts/de", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bel 02 506 47 11.", ["unlisted-number"]), ("Bel +32 2 506 47 11", ["unlisted-number"]),
        ("Bel 1722", ["unlisted-number"]), ("Zie https://x.example/a", ["unlisted-link"]),
        ("Zie brugge.be", ["unlisted-link"]),
        ("Tot 22-11-2026 12.30", ["unlisted-date"]), ("Tot 2026-11-22", ["unlisted-date"]),
        ("Blijf 20 minuten binnen", []),
        ("Blijf 500 m weg, 3,5 km ver", []),
    ],
)  # fmt: skip
def test_numbers_links_and_dates_that_are_not_on_the_list_are_told(text: str, expected: list[str]) -> None:
    assert ids(text) == expected


def test_what_is_on_the_list_is_not_told() -> None:
    listed = ("+32 2 506 47 11", "1722", "https://www.brugge.be", "22-11-2026")
    assert ids("Bel 02/506.47.11 of 1722, zie brugge.be/alarm, tot 22-11-2026", listed) == []
    assert ids("Zie brugge.be.evil.example.com", listed) == ["unlisted-link"]


def test_the_first_characters_owe_who_what_where_and_what_to_do() -> None:
    (info, _) = alert_of(template_of(BODY), a_launch(values=VALUES)).info
    assert unclear("Stad Brugge: Brand in Haven. Sluit ramen en deuren.", info) == []
    assert unclear("x" * 160 + " Stad Brugge: Brand in Haven. Sluit ramen", info) == [
        "who",
        "what",
        "where",
        "what to do",
    ]
    assert unclear("Stad Brugge: Brand.", info) == ["where", "what to do"]
    assert unclear("Stad Brugge: Brand. Sluit ramen.", replace(info, area=())) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": "x"}, {"class": "x"}, {"channels": ["fax"]},
        {"areas": [{"description": "x", "polygons": ["1,2"], "circles": [], "geocodes": []}]},
    ],
)  # fmt: skip
def test_what_can_not_become_an_alert_is_no_template(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"x|fax|polygon"):
        template_of(BODY | wrong)
