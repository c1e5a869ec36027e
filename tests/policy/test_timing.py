"""Quiet hours and the call after an SMS that did not arrive, as the entity chose them."""

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pytest

from gateway.model import ChannelName, EntityKind, MessageClass, Realm
from gateway.policy.rights import Authority, EntityPolicy
from gateway.policy.timing import is_quiet, timing

NIGHT = (time(22), time(7))
ZONE = "Europe/Brussels"
SMS_AND_MAIL = (ChannelName.SMS, ChannelName.EMAIL)
EVERYTHING = frozenset((c, h) for c in MessageClass for h in ChannelName)


def authority(**policy: Any) -> Authority:
    return Authority(
        entity_id=1, slug="a", name="A", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.LIVE,
        token_id=1, languages=("nl",), rings=(), mandates=EVERYTHING, policy=EntityPolicy(**policy),
    )  # fmt: skip


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, 10, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "quiet"),
    [((20, 59), False), ((21, 0), True), ((22, 59), True), ((0, 0), True), ((5, 59), True), ((6, 0), False)],
)
def test_a_night_goes_over_midnight_and_is_local(local: tuple[int, int], quiet: bool) -> None:
    """In January Brussels is an hour ahead of UTC."""
    assert is_quiet(NIGHT, ZONE, at(*local)) is quiet


def test_a_siesta_does_not_go_over_midnight() -> None:
    siesta = (time(13), time(15))
    assert [is_quiet(siesta, "UTC", at(hour)) for hour in (12, 13, 14, 15, 23)] == [False, True, True, False, False]


def test_urgent_messages_know_no_quiet_hours() -> None:
    found = timing(authority(quiet=NIGHT), MessageClass.URGENT, SMS_AND_MAIL, ZONE, at(23))
    assert (found.quiet, found.findings) == (None, ())


def test_who_writes_in_the_night_is_told_that_it_waits() -> None:
    found = timing(authority(quiet=NIGHT), MessageClass.NEWS, SMS_AND_MAIL, ZONE, at(23))
    assert found.quiet == NIGHT
    assert [(f.id, "07:00" in f.message) for f in found.findings] == [("G21", True)]


def test_by_day_and_for_mail_nothing_is_said() -> None:
    policy = authority(quiet=NIGHT)
    assert timing(policy, MessageClass.NEWS, SMS_AND_MAIL, ZONE, at(12)).findings == ()
    assert timing(policy, MessageClass.NEWS, (ChannelName.EMAIL,), ZONE, at(23)).findings == ()


def test_only_the_classes_that_the_entity_named_escalate_and_only_from_sms() -> None:
    policy = authority(escalation=((MessageClass.URGENT, 600.0),))
    assert timing(policy, MessageClass.URGENT, SMS_AND_MAIL, ZONE, at(12)).escalate_after_s == 600.0
    assert timing(policy, MessageClass.PREVENTION, SMS_AND_MAIL, ZONE, at(12)).escalate_after_s is None
    assert timing(policy, MessageClass.URGENT, (ChannelName.EMAIL,), ZONE, at(12)).escalate_after_s is None


def test_without_a_mandate_for_calls_nobody_is_called_and_it_is_said() -> None:
    may_not = replace(
        authority(escalation=((MessageClass.URGENT, 600.0),)),
        mandates=frozenset((c, h) for c, h in EVERYTHING if h is not ChannelName.VOICE),
    )
    found = timing(may_not, MessageClass.URGENT, SMS_AND_MAIL, ZONE, at(12))
    assert found.escalate_after_s is None
    assert [f.id for f in found.findings] == ["G20"]
