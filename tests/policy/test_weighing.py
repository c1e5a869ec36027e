"""Weighing: what is refused, for which of several reasons first, and that a case travels to another process."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from gateway.cap.model import CapAlert, MsgType, Scope, Status
from gateway.model import ChannelName, EntityKind, MessageClass, Mode, Realm
from gateway.policy.rights import Authority, EntityPolicy, Refusal
from gateway.policy.weighing import Case, Weighed, weigh
from tests.support.scene import HOME, an_alert, area, square, with_infos

ALERT = an_alert(at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
COMMUNE = Authority(
    entity_id=7, slug="commune", name="Commune", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.LIVE,
    token_id=3, languages=("fr",), rings=(HOME.points,), policy=EntityPolicy(),
    mandates=frozenset(product(MessageClass, ChannelName)),
)  # fmt: skip


def case(alert: CapAlert = ALERT, authority: Authority = COMMUNE, groups: tuple[str, ...] = ()) -> Case:
    return Case(alert, (), authority, MessageClass.NEWS, (ChannelName.EMAIL,), {}, groups)


def weighed(*arguments: Any, **more: Any) -> Weighed:
    found = weigh(case(*arguments, **more))
    assert isinstance(found, Weighed), found
    return found


def test_an_alert_for_a_place_has_its_shapes_its_channels_and_its_mode() -> None:
    found = weighed()
    assert (found.mode, found.channels, found.groups) == (Mode.LIVE, tuple(ChannelName), ())
    assert [len(variant.shapes) for variant in found.variants] == [2]


@pytest.mark.parametrize("change", [{"status": Status.TEST}, {"status": Status.SYSTEM}, {"msg_type": MsgType.ACK}])
def test_what_is_only_recorded_needs_neither_territory_nor_mandate_nor_groups(change: dict[str, Any]) -> None:
    bare = replace(COMMUNE, rings=(), mandates=frozenset())
    found = weighed(replace(ALERT, addresses=("nobody-s",), **change), bare)
    assert (found.variants, found.groups) == ((), ())


def test_groups_are_those_that_the_alert_names_and_the_entity_has() -> None:
    alert = replace(ALERT, scope=Scope.PRIVATE, addresses=("one",))
    assert weighed(alert, groups=("one",)).groups == ("one",)
    refusal = weigh(case(alert))
    assert isinstance(refusal, Refusal)
    assert [finding.id for finding in refusal.findings] == ["G3"]


@pytest.mark.parametrize(
    ("alert", "authority", "reason"),
    [
        (with_infos(ALERT, area=(area(square(9.0, 9.0)),)), COMMUNE, "outside-territory"),
        (ALERT, replace(COMMUNE, suspended=True), "suspended"),
        (ALERT, replace(COMMUNE, mandates=frozenset()), "no-mandate"),
        (ALERT, replace(COMMUNE, rings=()), "no-territory"),
        (with_infos(ALERT, area=(area(geocodes=[("NIS", "1")]),)), COMMUNE, "invalid"),
    ],
)
def test_a_refusal_gives_its_reason(alert: CapAlert, authority: Authority, reason: str) -> None:
    refusal = weigh(case(alert, authority))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def test_a_cancel_is_of_the_class_and_on_the_channels_of_what_it_ends() -> None:
    found = weighed(with_infos(replace(ALERT, msg_type=MsgType.CANCEL), parameter=()))
    assert (found.wishes.message_class, found.channels) == (MessageClass.NEWS, (ChannelName.EMAIL,))


def test_a_case_and_its_answer_travel_to_another_process() -> None:
    travelled = pickle.loads(pickle.dumps(case()))
    assert travelled == case()
    assert pickle.loads(pickle.dumps(weigh(travelled))) == weigh(case())


def test_a_figure_that_languages_repeat_counts_once_as_work() -> None:
    one = replace(ALERT, info=ALERT.info[:1])
    assert case(one).corners() == case(ALERT).corners() > 0
