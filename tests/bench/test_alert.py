"""The alerts that benches post."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.alert import LASTS, SMS_CHARACTERS, capacity_alert, text_of
from gateway.bench.places import areas
from gateway.cap.area import Ring
from gateway.cap.check import check
from gateway.model import ChannelName, MessageClass
from gateway.policy.audience import read_wishes, shapes_of
from gateway.policy.figures import figures_of
from gateway.smpp.text import count

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("area", areas(), ids=lambda area: area.name)
def test_the_alert_is_valid_and_asks_for_these_channels_in_this_area(area: object) -> None:
    city, municipality, country = areas()
    chosen = {str(of): of for of in (city, municipality, country)}[str(area)]
    verdict = check(capacity_alert(chosen, ["sms", "voice"], now=NOW), received_at=NOW + timedelta(seconds=1))
    assert verdict.errors == ()
    assert verdict.alert is not None
    wishes, problems = read_wishes(verdict.alert)
    assert problems == []
    assert wishes.channels == (ChannelName.SMS, ChannelName.VOICE)
    assert wishes.message_class is MessageClass.URGENT
    assert wishes.by_place
    (info,) = verdict.alert.info
    assert shapes_of(info, {}, figures_of(verdict.alert)) == [Ring(chosen.ring)]
    assert info.expires == NOW + LASTS


def test_a_channel_that_is_not_asked_for_has_no_text_in_the_alert() -> None:
    alert = capacity_alert(areas()[0], ["email"], now=NOW)
    assert b"gateway:channels" in alert
    assert b"gateway:sms" not in alert and b"gateway:voice" not in alert


def test_an_sms_is_one_full_part_and_no_two_alerts_are_the_same() -> None:
    assert len(text_of(SMS_CHARACTERS)) == SMS_CHARACTERS
    assert count(text_of(SMS_CHARACTERS)).parts == 1
    city = areas()[0]
    assert capacity_alert(city, ["sms"], now=NOW) != capacity_alert(city, ["sms"], now=NOW)


@given(st.integers(2, 2000))
def test_a_text_has_the_length_that_was_asked_for(characters: int) -> None:
    text = text_of(characters)
    assert len(text) == characters
    assert text == text.strip()
