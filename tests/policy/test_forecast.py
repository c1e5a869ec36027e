"""What a trial run says: exact numbers where they may be said, and small ones that nobody can work out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ChannelName
from gateway.policy.forecast import BLUR_BELOW, Wording, forecast, units_of

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL
RATES = {SMS: 500.0, EMAIL: 2500.0, VOICE: 10.0}
Reached = Mapping[tuple[ChannelName, str], int]
WORDINGS = [
    Wording(channel=SMS, language="fr", units=2),
    Wording(channel=SMS, language="nl", units=3),
    Wording(channel=VOICE, language="fr", units=1),
    Wording(channel=EMAIL, language="fr", units=1),
]


def seen(reached: Reached, rates: Mapping[ChannelName, float] = RATES) -> tuple[dict[str, Any], dict[str, Any]]:
    body: dict[str, Any] = forecast(reached, WORDINGS, rates)
    return body, {channel["channel"]: channel for channel in body["channels"]}


def test_numbers_of_some_size_are_exact() -> None:
    body, channels = seen({(SMS, "fr"): 1000, (SMS, "nl"): 500, (VOICE, "fr"): 20, (EMAIL, "fr"): 5000})
    assert body["recipients"] == 6520
    assert body["cost_eur"] == f"{Decimal('0.055') * (2000 + 1500 + 20):.3f}"
    assert body["small_left_out"] is False
    assert channels["sms"] | {"languages": []} == {
        "channel": "sms", "messages": 1500, "units": 3500, "seconds": 7.0, "cost_eur": "192.500", "languages": [],
    }  # fmt: skip
    assert channels["sms"]["languages"] == [
        {"language": "fr", "messages": 1000, "units_each": 2}, {"language": "nl", "messages": 500, "units_each": 3},
    ]  # fmt: skip
    assert channels["voice"]["seconds"] == 2.0  # calls are paced by starts, not by minutes
    assert channels["email"]["cost_eur"] == "0.000"


def test_below_five_is_said_as_less_than_five() -> None:
    body, channels = seen({(SMS, "fr"): 4})
    assert body["recipients"] == "<5"
    assert channels["sms"]["messages"] == "<5"
    assert channels["sms"]["languages"][0]["messages"] == "<5"
    assert channels["sms"]["units"] == 0
    assert seen({(SMS, "fr"): 5})[0]["recipients"] == 5
    assert seen({(SMS, "fr"): 0})[0]["recipients"] == 0


def test_a_small_number_is_in_no_sum_so_nobody_can_subtract_it() -> None:
    body, channels = seen({(SMS, "fr"): 100, (SMS, "nl"): 3})
    assert body["recipients"] == channels["sms"]["messages"] == 100
    assert channels["sms"]["units"] == 200
    assert body["small_left_out"] is True
    assert seen({(SMS, "fr"): 3, (SMS, "nl"): 4})[0]["recipients"] == "<10"


def test_who_has_no_text_of_their_own_gets_the_entity_s_first() -> None:
    _, channels = seen({(SMS, "pl"): 10, (SMS, "fr"): 10})
    assert channels["sms"]["languages"] == [{"language": "fr", "messages": 20, "units_each": 2}]


def test_a_channel_without_a_text_reaches_nobody() -> None:
    body: dict[str, Any] = forecast({(SMS, "fr"): 10, (EMAIL, "fr"): 10}, WORDINGS[:1], RATES)
    assert body["recipients"] == 10
    assert [channel["channel"] for channel in body["channels"]] == ["sms"]


def test_of_several_wordings_the_longest_is_reckoned_with() -> None:
    words = [Wording(channel=SMS, language="fr", units=units) for units in (1, 3, 2)]
    body: dict[str, Any] = forecast({(SMS, "fr"): 10}, words, RATES)
    assert body["channels"][0]["units"] == 30


def test_a_channel_without_a_rate_says_no_time() -> None:
    assert seen({(EMAIL, "fr"): 50}, RATES | {EMAIL: 0.0})[1]["email"]["seconds"] is None


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from([SMS, EMAIL, VOICE]), st.sampled_from(["fr", "nl"])), st.integers(0, 30), max_size=6
)


@given(COUNTS)
def test_small_numbers_leave_no_trace(reached: Reached) -> None:
    smaller = {key: 1 if 0 < n < BLUR_BELOW else n for key, n in reached.items()}
    larger = {key: 4 if 0 < n < BLUR_BELOW else n for key, n in reached.items()}
    own = [
        (channel, language)
        for channel, language in reached
        if (channel, language) not in {(EMAIL, "nl"), (VOICE, "nl")}
    ]
    keep = {key: reached[key] for key in own}  # a language that is added to another may cross the limit honestly
    assert forecast({k: smaller[k] for k in keep}, WORDINGS, RATES) == forecast(
        {k: larger[k] for k in keep}, WORDINGS, RATES
    )


@given(COUNTS)
def test_what_is_shown_is_never_more_than_there_is(reached: Reached) -> None:
    body, channels = seen(reached)
    shown = body["recipients"] if isinstance(body["recipients"], int) else 0
    assert shown <= sum(reached.values())
    sums = [c["messages"] for c in channels.values() if isinstance(c["messages"], int)]
    assert shown == sum(sums)


@pytest.mark.parametrize(("length", "minutes"), [(0, 1), (360, 1), (361, 2), (720, 2), (721, 3)])
def test_a_call_says_its_text_twice_and_costs_started_minutes(length: int, minutes: int) -> None:
    assert units_of(VOICE, "x" * length, 1) == minutes


def test_an_sms_costs_its_parts_and_an_e_mail_is_one() -> None:
    assert units_of(SMS, "x", 3) == 3
    assert units_of(EMAIL, "x" * 5000, 7) == 1
