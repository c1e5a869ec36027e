"""Who may send what, in which mode: the table of the interface in full, and every refusal with its reason."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from gateway.cap.model import Scope, Status
from gateway.model import ChannelName, EntityKind, MessageClass, Mode, Realm
from gateway.policy.rights import Authority, EntityPolicy, may_act, may_send, mode_of
from gateway.policy.target import in_feed
from tests.support.scene import HOME, an_alert

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALERT = an_alert(at=AT)
ALL = frozenset(product(MessageClass, ChannelName))
COMMUNE = Authority(
    entity_id=7, slug="commune", name="Commune", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.LIVE,
    token_id=3, languages=("fr", "nl"), rings=(HOME.points,), mandates=ALL, policy=EntityPolicy(),
)  # fmt: skip

MODES = {
    (Realm.LIVE, Status.ACTUAL): Mode.LIVE,
    (Realm.LIVE, Status.EXERCISE): Mode.EXERCISE,
    (Realm.LIVE, Status.TEST): Mode.TEST,
    (Realm.LIVE, Status.SYSTEM): Mode.TEST,
    (Realm.LIVE, Status.DRAFT): Mode.TEST,
} | {(Realm.TEST, status): Mode.TEST for status in Status}
"""Token and status -> mode, as the interface says it."""


@pytest.mark.parametrize(("realm", "status"), list(product(Realm, Status)))
def test_the_mode_is_that_of_the_table(realm: Realm, status: Status) -> None:
    assert mode_of(realm, status) is MODES[realm, status]


@pytest.mark.parametrize(("realm", "status", "scope"), list(product(Realm, Status, Scope)))
def test_only_public_actual_or_exercise_of_a_live_token_is_in_a_feed(
    realm: Realm, status: Status, scope: Scope
) -> None:
    alert = replace(ALERT, status=status, scope=scope)
    wanted = realm is Realm.LIVE and status in (Status.ACTUAL, Status.EXERCISE) and scope is Scope.PUBLIC
    assert in_feed(alert, mode_of(realm, status), replace(COMMUNE, realm=realm)) is wanted


def reason(authority: Authority, *, by_place: bool = True, **more: Any) -> str | None:
    words = {"message_class": MessageClass.URGENT, "channels": (ChannelName.SMS,)} | more
    refusal = may_act(authority) or may_send(authority, by_place=by_place, **words)
    return refusal.reason if refusal else None


def test_an_authority_with_every_right_may_send() -> None:
    assert reason(COMMUNE) is None


def test_a_suspended_authority_sends_nothing_even_in_rehearsal() -> None:
    assert reason(replace(COMMUNE, suspended=True)) == "suspended"
    assert reason(replace(COMMUNE, suspended=True, realm=Realm.TEST)) == "suspended"


def test_an_authority_that_is_not_live_rehearses_only() -> None:
    assert reason(replace(COMMUNE, live=False)) == "not-live"
    assert reason(replace(COMMUNE, live=False, realm=Realm.TEST)) is None


@pytest.mark.parametrize(("realm", "message_class"), list(product(Realm, MessageClass)))
def test_type_2_never_reaches_anybody_by_place(realm: Realm, message_class: MessageClass) -> None:
    police = replace(COMMUNE, kind=EntityKind.TYPE2, realm=realm)
    assert reason(police, message_class=message_class) == "groups-only"
    assert reason(police, message_class=message_class, by_place=False) is None


def test_without_a_territory_no_place_can_be_named() -> None:
    assert reason(replace(COMMUNE, rings=())) == "no-territory"
    assert reason(replace(COMMUNE, rings=()), by_place=False) is None


def test_a_mandate_is_for_a_class_and_a_channel() -> None:
    only = replace(COMMUNE, mandates=frozenset({(MessageClass.NEWS, ChannelName.SMS)}))
    assert reason(only, message_class=MessageClass.NEWS) is None
    assert reason(only, message_class=MessageClass.URGENT) == "no-mandate"
    assert reason(only, message_class=MessageClass.NEWS, channels=(ChannelName.SMS, ChannelName.VOICE)) == "no-mandate"


def test_a_refusal_says_which_channels_are_missing() -> None:
    only = replace(COMMUNE, mandates=frozenset({(MessageClass.NEWS, ChannelName.SMS)}))
    refusal = may_send(only, MessageClass.NEWS, tuple(ChannelName), by_place=False)
    assert refusal is not None
    assert refusal.status == 403
    assert "voice, email" in refusal.message


def test_no_channel_at_all_is_refused_and_not_taken_for_all() -> None:
    refusal = may_send(COMMUNE, MessageClass.NEWS, (), by_place=True)
    assert refusal is not None
    assert (refusal.reason, refusal.status) == ("no-channel", 422)


def test_an_entity_s_channels_are_by_class() -> None:
    usual = EntityPolicy()
    assert usual.channels_for(MessageClass.URGENT) == tuple(ChannelName)
    assert usual.channels_for(MessageClass.PREVENTION) == (ChannelName.SMS, ChannelName.EMAIL)
    assert usual.channels_for(MessageClass.NEWS) == usual.channels_for(MessageClass.OTHER) == (ChannelName.EMAIL,)
    own = EntityPolicy(channels=((MessageClass.URGENT, (ChannelName.VOICE,)),))
    assert own.channels_for(MessageClass.URGENT) == (ChannelName.VOICE,)
    assert own.channels_for(MessageClass.NEWS) == (ChannelName.EMAIL,)
