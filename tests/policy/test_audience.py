"""Who is meant by an alert: classes, channels, groups, places, and several infos of one language."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.area import Disc, Ring
from gateway.cap.model import CapAlert, CapArea, CapInfo, Circle, MsgType, NameValue, Scope, Severity, Urgency
from gateway.model import ChannelName, MessageClass, Purpose
from gateway.policy.audience import (
    PRIORITY,
    Wishes,
    area_problems,
    default_class,
    geocodes_of,
    read_wishes,
    shape_as_json,
    shape_from_json,
    shapes_of,
    variants,
)
from gateway.policy.figures import figures_of
from tests.support.scene import HOME, an_alert, area, asking, square, with_infos

ALERT = an_alert(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
NIS = ("NIS", "21007")
HERE, THERE = area(square(4.3, 50.8)), area(square(4.35, 50.85))


def plain(**changes: Any) -> CapAlert:
    """The sample without parameters of the gateway."""
    return with_infos(asking(ALERT), **changes)


def wishes(alert: CapAlert) -> Wishes:
    found, problems = read_wishes(alert)
    assert problems == []
    return found


def found(alert: CapAlert) -> list[tuple[str, str]]:
    return [(problem.id, problem.element) for problem in read_wishes(alert)[1]]


@pytest.mark.parametrize(
    ("severity", "urgency", "expected"),
    [
        (Severity.EXTREME, Urgency.FUTURE, MessageClass.URGENT),
        (Severity.SEVERE, Urgency.UNKNOWN, MessageClass.URGENT),
        (Severity.MINOR, Urgency.IMMEDIATE, MessageClass.URGENT),
        (Severity.MODERATE, Urgency.EXPECTED, MessageClass.PREVENTION),
        (Severity.UNKNOWN, Urgency.FUTURE, MessageClass.PREVENTION),
        (Severity.MODERATE, Urgency.PAST, MessageClass.OTHER),
        (Severity.UNKNOWN, Urgency.UNKNOWN, MessageClass.OTHER),
    ],
)
def test_the_class_follows_severity_and_urgency(severity: Severity, urgency: Urgency, expected: MessageClass) -> None:
    alert = plain(severity=severity, urgency=urgency)
    assert default_class(alert) is expected
    assert wishes(alert).message_class is expected
    assert not wishes(alert).class_said


def test_one_urgent_info_makes_the_alert_urgent() -> None:
    calm = plain(severity=Severity.MINOR, urgency=Urgency.PAST)
    loud = replace(calm.info[0], severity=Severity.EXTREME)
    assert default_class(replace(calm, info=(*calm.info[1:], loud))) is MessageClass.URGENT


def test_what_the_alert_asks_for_wins() -> None:
    asked = wishes(asking(ALERT, channels="email sms email", **{"class": "news", "purpose": "risk"}))
    assert asked.message_class is MessageClass.NEWS
    assert asked.class_said
    assert asked.purpose is Purpose.RISK
    assert asked.channels == (ChannelName.EMAIL, ChannelName.SMS)


def test_without_parameters_the_entity_decides_the_channels() -> None:
    asked = wishes(plain())
    assert asked.channels is None
    assert asked.purpose is Purpose.EMERGENCY
    assert wishes(plain(severity=Severity.MINOR, urgency=Urgency.PAST)).purpose is Purpose.PUBLIC_INTEREST


@pytest.mark.parametrize(
    ("name", "value"), [("class", "URGENT"), ("purpose", "fun"), ("channels", "sms fax"), ("class", "")]
)
def test_a_word_that_is_not_known_is_an_error(name: str, value: str) -> None:
    problems = read_wishes(asking(ALERT, **{name: value}))[1]
    assert {problem.id for problem in problems} == {"G1"}
    assert {problem.severity for problem in problems} == {"error"}
    assert problems[0].element == "alert/info[1]/parameter"


def test_two_classes_in_one_alert_are_an_error() -> None:
    one, *others = asking(ALERT, **{"class": "urgent"}).info
    other = replace(one, parameter=(NameValue("gateway:class", "news"),))
    assert ("G2", "alert") in found(replace(ALERT, info=(other, *others)))


def test_groups_count_in_every_scope_and_once() -> None:
    for scope in Scope:
        assert wishes(replace(ALERT, scope=scope, addresses=("a", "key actors", "a"))).groups == ("a", "key actors")


def test_only_public_reaches_by_place() -> None:
    assert wishes(ALERT).by_place
    assert not wishes(replace(ALERT, scope=Scope.RESTRICTED)).by_place
    assert not wishes(replace(ALERT, scope=Scope.PRIVATE)).by_place
    assert not wishes(replace(ALERT, scope=None)).by_place
    assert not wishes(with_infos(ALERT, area=())).by_place


@pytest.mark.parametrize("kind", [MsgType.CANCEL, MsgType.ACK, MsgType.ERROR])
def test_a_message_that_tells_nobody_new_asks_for_nobody(kind: MsgType) -> None:
    asked = wishes(replace(ALERT, msg_type=kind, addresses=("a",)))
    assert (asked.groups, asked.by_place) == ((), False)


def test_urgent_overtakes_the_others() -> None:
    assert min(PRIORITY, key=lambda of: PRIORITY[of]) is MessageClass.URGENT
    assert set(PRIORITY) == set(MessageClass)


def info(language: str, *areas: CapArea, severity: Severity = Severity.SEVERE, **more: Any) -> CapInfo:
    return replace(ALERT.info[0], language=language, area=areas, severity=severity, **more)


def layers(*infos: CapInfo) -> list[tuple[int, ...]]:
    return [variant.infos for variant in variants(replace(ALERT, info=infos), {})]


def test_one_info_per_language_is_one_message_to_the_union_of_their_areas() -> None:
    (only,) = variants(replace(ALERT, info=(info("nl-BE", HERE), info("fr-BE", THERE))), {})
    assert only.infos == (0, 1)
    assert len(only.shapes) == 2


def test_languages_are_told_apart_by_their_language_not_by_their_tag() -> None:
    assert layers(info("nl-BE", HERE), info("NLD", THERE)) == [(0,), (1,)]
    assert layers(info("fr-BE", HERE), info("fra", THERE)) == [(0,), (1,)]


def test_several_infos_of_one_language_address_their_own_areas() -> None:
    assert layers(info("nl", HERE), info("nl", THERE)) == [(0,), (1,)]


def test_the_same_places_with_names_in_each_language_are_one_message() -> None:
    ici, la = replace(HERE, area_desc="ici"), replace(THERE, area_desc="là")
    assert layers(info("nl", HERE), info("nl", THERE), info("fr", ici), info("fr", la)) == [(0, 2), (1, 3)]


def test_the_most_severe_then_the_most_urgent_comes_first() -> None:
    mild = info("nl", HERE, severity=Severity.MINOR)
    later = info("nl", THERE, urgency=Urgency.EXPECTED)
    now = info("nl", area(square(4.1, 50.7)), urgency=Urgency.IMMEDIATE)
    assert layers(mild, later, now) == [(2,), (1,), (0,)]


def test_two_infos_of_one_language_for_the_same_place_are_not_one_message() -> None:
    mild, severe = info("nl", HERE, severity=Severity.MINOR), info("nl", HERE, severity=Severity.EXTREME)
    french = info("fr", HERE, severity=Severity.EXTREME)
    assert layers(mild, severe, french) == [(1, 2), (0,)]


def test_an_alert_without_info_has_no_variant() -> None:
    assert variants(replace(ALERT, info=()), {}) == ()


@given(
    st.lists(st.tuples(st.sampled_from(["nl", "fr", "de"]), st.integers(0, 3), st.sampled_from(Severity)), max_size=8)
)
def test_every_info_is_in_exactly_one_variant_and_no_variant_has_a_language_twice(
    facts: Sequence[tuple[str, int, Severity]],
) -> None:
    infos = tuple(info(tag, area(square(4.3 + place / 10, 50.8)), severity=s) for tag, place, s in facts)
    many = variants(replace(ALERT, info=infos), {})
    assert sorted(i for variant in many for i in variant.infos) == list(range(len(infos)))
    for variant in many:
        tags = [infos[i].language for i in variant.infos]
        assert len(tags) == len(set(tags))


def test_shapes_are_those_that_can_be_used() -> None:
    bow = ((50.0, 4.0), (51.0, 5.0), (51.0, 4.0), (50.0, 5.0), (50.0, 4.0))
    mixed = CapArea(area_desc="x", polygon=(square(4.3, 50.8), bow), circle=(Circle(50.8, 4.3, 2.0),))
    ring, disc = shapes_of(info("nl", mixed), {}, figures_of(replace(ALERT, info=(info("nl", mixed),))))
    assert isinstance(ring, Ring)
    assert ring.points[0] == (4.3 - 0.01, 50.8 - 0.01)  # longitude first
    assert disc == Disc(4.3, 50.8, 2.0)


def test_a_geocode_stands_for_its_outlines() -> None:
    coded = info("nl", area(geocodes=[NIS]))
    assert shapes_of(coded, {NIS: (HOME,)}, {}) == [HOME]
    assert shapes_of(coded, {}, {}) == []
    assert geocodes_of(replace(ALERT, info=(coded, coded))) == [NIS]


@pytest.mark.parametrize("name", ["INS", "NIS/INS", "nis code"])
def test_a_geocode_is_known_by_every_name_of_its_scheme(name: str) -> None:
    spelt = info("nl", area(geocodes=[(name, NIS[1])]))
    assert NIS[0] == "NIS"
    assert geocodes_of(replace(ALERT, info=(spelt,))) == [NIS]
    assert shapes_of(spelt, {NIS: (HOME,)}, {}) == [HOME]
    assert area_problems(replace(ALERT, info=(spelt,)), {NIS: (HOME,)}) == []
    assert [problem.id for problem in area_problems(replace(ALERT, info=(spelt,)), {})] == ["S36"]


def test_geometry_that_says_nothing_certain_is_an_error() -> None:
    bow = ((50.0, 4.0), (51.0, 5.0), (51.0, 4.0), (50.0, 5.0), (50.0, 4.0))
    wild = CapArea(area_desc="x", polygon=(square(4.3, 50.8), bow), circle=(Circle(95.0, 4.3, 2.0),))
    problems = area_problems(replace(ALERT, info=(info("nl", wild),)), {})
    assert [(p.id, p.severity, p.element) for p in problems] == [
        ("S31", "error", "alert/info[1]/area[1]/polygon[2]"),
        ("S32", "error", "alert/info[1]/area[1]/circle[1]"),
    ]


def test_a_geocode_nobody_knows_is_an_error_unless_another_shape_speaks_for_its_area() -> None:
    alone, beside = area(geocodes=[NIS]), area(square(4.3, 50.8), geocodes=[NIS])
    assert [p.severity for p in area_problems(replace(ALERT, info=(info("nl", alone),)), {})] == ["error"]
    assert [p.severity for p in area_problems(replace(ALERT, info=(info("nl", beside),)), {})] == ["warning"]
    assert area_problems(replace(ALERT, info=(info("nl", alone),)), {NIS: (HOME,)}) == []


@given(st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.floats(0, 100)))
def test_shapes_come_back_from_json(disc: tuple[float, float, float]) -> None:
    for shape in (Disc(*disc), HOME):
        assert shape_from_json(json.loads(json.dumps(shape_as_json(shape)))) == shape
