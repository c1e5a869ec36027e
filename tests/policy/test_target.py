"""Whether a target is safe: inside the territory, never widened, never nobody by accident, never after its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon as Figure

from gateway.cap.area import Disc, Ring
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType, Scope
from gateway.model import ChannelName, EntityKind, MessageClass, Mode, Realm
from gateway.policy.audience import Variant, read_wishes, variants
from gateway.policy.rights import Authority, EntityPolicy, Refusal
from gateway.policy.target import expiry, in_feed, inside_territory, nobody, unknown_groups, without_places
from tests.support.scene import HOME, an_alert, area, square, with_infos

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALERT = an_alert(at=AT)
COMMUNE = Authority(
    entity_id=7, slug="commune", name="Commune", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.LIVE,
    token_id=3, languages=("fr",), rings=(HOME.points,), policy=EntityPolicy(),
    mandates=frozenset(product(MessageClass, ChannelName)),
)  # fmt: skip


def box(west: float, south: float, east: float, north: float) -> Ring:
    return Ring(((west, south), (east, south), (east, north), (west, north), (west, south)))


def judged(*shapes: Ring | Disc, **policy: Any) -> list[Finding] | Refusal:
    authority = replace(COMMUNE, policy=EntityPolicy(**policy))
    return inside_territory([Variant(infos=(0,), shapes=shapes)], authority)


def reason(answer: object) -> str:
    assert isinstance(answer, Refusal)
    return answer.reason


def test_a_target_inside_the_territory_has_no_remark() -> None:
    assert judged(box(4.25, 50.75, 4.3, 50.8), Disc(4.3, 50.8, 1.0)) == []
    assert judged(HOME) == []


def test_a_target_wholly_outside_is_refused() -> None:
    refusal = judged(box(5.0, 50.0, 5.1, 50.1))
    assert reason(refusal) == "outside-territory"
    assert isinstance(refusal, Refusal)
    assert refusal.status == 403


@pytest.mark.parametrize("west", [4.4, 4.4005, 4.41, 4.43])
def test_a_neighbour_s_area_is_wholly_outside_however_near_it_is(west: float) -> None:
    assert reason(judged(box(west, 50.7, 4.5, 50.9))) == "outside-territory"
    assert reason(judged(Disc(west + 0.0143, 50.8, 1.0))) == "outside-territory"


def test_a_target_much_larger_than_the_territory_holds_it() -> None:
    (finding,) = judged(box(-10.0, 40.0, 20.0, 60.0))  # type: ignore[misc]
    assert isinstance(finding, Finding)
    assert finding.id == "G4"


def test_a_small_part_inside_is_not_overlooked() -> None:
    (finding,) = judged(box(4.399, 50.799, 4.5, 50.801))  # type: ignore[misc]
    assert isinstance(finding, Finding)
    assert finding.id == "G4"


def test_what_lies_partly_outside_is_cut_and_said() -> None:
    (finding,) = judged(box(4.3, 50.75, 4.5, 50.85))  # type: ignore[misc]
    assert isinstance(finding, Finding)
    assert (finding.id, finding.severity, finding.element) == ("G4", "policy", "alert/info/area")
    share, said = finding.message.split("% ", 1)
    assert 45 <= int(share) <= 55
    assert said == "of the area lies outside the territory of Commune: nobody is alerted there"


def test_an_entity_may_want_a_refusal_instead_of_a_cut() -> None:
    assert reason(judged(box(4.3, 50.75, 4.5, 50.85), clip=False)) == "partly-outside"
    assert judged(box(4.25, 50.75, 4.3, 50.8), clip=False) == []


def test_one_of_two_areas_outside_is_partly_outside() -> None:
    (finding,) = judged(box(4.25, 50.75, 4.3, 50.8), box(5.25, 50.75, 5.3, 50.8))  # type: ignore[misc]
    assert isinstance(finding, Finding)
    assert finding.id == "G4"


def test_areas_of_all_variants_are_judged_together() -> None:
    inside, outside = (Variant(infos=(i,), shapes=(s,)) for i, s in enumerate((HOME, box(5, 50, 5.1, 50.1))))
    assert reason(inside_territory([outside], COMMUNE)) == "outside-territory"
    both = inside_territory([inside, outside], COMMUNE)
    assert not isinstance(both, Refusal)
    assert [finding.id for finding in both] == ["G4"]


def test_no_shape_is_not_judged_by_place() -> None:
    assert judged() == []


@settings(max_examples=60)
@given(st.floats(4.0, 4.5), st.floats(50.6, 51.0), st.floats(0.02, 0.2), st.floats(0.02, 0.2))
def test_the_verdict_is_that_of_another_geometry(west: float, south: float, width: float, height: float) -> None:
    target = box(west, south, west + width, south + height)
    figure, home = Figure(target.points), Figure(HOME.points)
    share = figure.difference(home).area / figure.area
    verdict = judged(target)
    if isinstance(verdict, Refusal):
        assert figure.intersection(home).area < 1e-9
    elif not verdict:
        assert share < 0.05  # slivers may be missed; who is reached is decided exactly elsewhere
    else:
        assert share > 0
        told = verdict[0].message.split(" of the area")[0]
        said = 0.0 if told.startswith("less") else int(told.rstrip("%")) / 100
        assert said == pytest.approx(share, abs=0.05)


def test_a_group_that_the_entity_does_not_have_is_an_error() -> None:
    wishes = read_wishes(replace(ALERT, addresses=("known", "other")))[0]
    (finding,) = unknown_groups(wishes, ["known"])
    assert (finding.id, finding.severity, finding.element) == ("G3", "error", "alert/addresses")
    assert "'other'" in finding.message


def refused(alert: CapAlert) -> str | None:
    wishes = read_wishes(alert)[0]
    found = variants(alert, {}) if wishes.by_place else without_places(alert, {})
    refusal = nobody(alert, wishes, found)
    return refusal.reason if refusal else None


def test_an_alert_with_a_usable_area_reaches_somebody() -> None:
    assert refused(ALERT) is None


def test_no_usable_area_is_refused_and_never_widened() -> None:
    assert refused(with_infos(ALERT, area=())) == "nobody"
    assert refused(with_infos(ALERT, area=(area(called="everywhere"),))) == "nobody"


@pytest.mark.parametrize("scope", [Scope.RESTRICTED, Scope.PRIVATE, None])
def test_other_scopes_need_a_group_and_their_areas_do_not_count(scope: Scope | None) -> None:
    assert refused(replace(ALERT, scope=scope)) == "nobody"
    assert refused(replace(ALERT, scope=scope, addresses=("group",))) is None


def test_groups_are_enough_without_an_area() -> None:
    assert refused(replace(with_infos(ALERT, area=()), addresses=("group",))) is None


@pytest.mark.parametrize("kind", [MsgType.ALERT, MsgType.UPDATE])
def test_an_alert_without_info_has_nothing_to_say(kind: MsgType) -> None:
    assert refused(replace(ALERT, msg_type=kind, info=(), addresses=("group",))) == "no-text"


@pytest.mark.parametrize("kind", [MsgType.CANCEL, MsgType.ACK, MsgType.ERROR])
def test_a_cancel_needs_neither_area_nor_group_nor_info(kind: MsgType) -> None:
    assert refused(replace(ALERT, msg_type=kind, info=())) is None


def test_places_are_dropped_where_they_do_not_count() -> None:
    many = without_places(with_infos(ALERT, area=(area(square(4.3, 50.8)),)), {})
    assert [variant.shapes for variant in many] == [()]
    assert [variant.infos for variant in many] == [(0, 1, 2, 3)]


def test_the_alert_ends_with_its_latest_info() -> None:
    one, *others = ALERT.info
    assert one.expires is not None
    later = replace(one, expires=one.expires + timedelta(hours=1))
    hours = timedelta(hours=5)
    assert expiry(replace(ALERT, info=(later, *others)), AT, hours) == later.expires
    assert expiry(with_infos(ALERT, expires=None), AT, hours) == AT + hours
    assert expiry(replace(ALERT, info=()), AT, hours) == AT + hours


@pytest.mark.parametrize("kind", [MsgType.ACK, MsgType.ERROR])
def test_what_machines_say_to_each_other_is_not_published(kind: MsgType) -> None:
    assert not in_feed(replace(ALERT, msg_type=kind), Mode.LIVE, COMMUNE)
    assert in_feed(replace(ALERT, msg_type=MsgType.CANCEL), Mode.LIVE, COMMUNE)
