"""What a trial run says: exact numbers where they may be said, and small ones that nobody can work out."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ChannelName
from gateway.policy.forecast import BLUR_BELOW, Means, Window, Wording, blurred, forecast

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL
PRICE = Decimal("0.055")
MEANS = {
    SMS: Means(per_s=500.0, eur=PRICE), EMAIL: Means(per_s=2500.0), VOICE: Means(per_s=10.0, eur=PRICE),
}  # fmt: skip
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
DAY = Window(opens=NOW, ends=NOW + timedelta(days=1))
Reached = Mapping[tuple[ChannelName, str], int]
WORDINGS = [
    Wording(channel=SMS, language="fr", units=2, encoding="gsm"),
    Wording(channel=SMS, language="nl", units=3),
    Wording(channel=VOICE, language="fr", units=1),
    Wording(channel=EMAIL, language="fr", units=1),
]


def seen(
    reached: Reached, means: Mapping[ChannelName, Means] = MEANS, window: Window = DAY
) -> tuple[dict[str, Any], dict[str, Any]]:
    body: dict[str, Any] = forecast(reached, WORDINGS, means, window)
    return body, {channel["channel"]: channel for channel in body["channels"]}


def test_numbers_of_some_size_are_exact() -> None:
    body, channels = seen({(SMS, "fr"): 1000, (SMS, "nl"): 500, (VOICE, "fr"): 20, (EMAIL, "fr"): 5000})
    assert body["recipients"] == 6520
    assert body["cost_eur"] == f"{Decimal('0.055') * (2000 + 1500 + 20):.3f}"
    assert body["small_left_out"] is False
    assert channels["sms"] | {"languages": []} == {
        "channel": "sms", "messages": 1500, "units": 3500, "seconds": 7.0, "per_second": 500.0, "unit_eur": "0.055",
        "finish": "2026-11-22T09:00:07+00:00", "share_too_late": 0.0, "cost_eur": "192.500", "languages": [],
    }  # fmt: skip
    assert channels["sms"]["languages"] == [
        {"language": "fr", "messages": 1000, "units_each": 2, "encoding": "gsm", "cost_eur": "110.000"},
        {"language": "nl", "messages": 500, "units_each": 3, "encoding": "", "cost_eur": "82.500"},
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
    assert [(one["language"], one["messages"]) for one in channels["sms"]["languages"]] == [("fr", 20)]


def test_a_channel_without_a_text_reaches_nobody() -> None:
    body: dict[str, Any] = forecast({(SMS, "fr"): 10, (EMAIL, "fr"): 10}, WORDINGS[:1], MEANS, DAY)
    assert body["recipients"] == 10
    assert [channel["channel"] for channel in body["channels"]] == ["sms"]


def test_of_several_wordings_the_longest_is_reckoned_with() -> None:
    words = [Wording(channel=SMS, language="fr", units=units) for units in (1, 3, 2)]
    body: dict[str, Any] = forecast({(SMS, "fr"): 10}, words, MEANS, DAY)
    assert body["channels"][0]["units"] == 30


def test_a_channel_without_a_rate_says_no_time() -> None:
    assert seen({(EMAIL, "fr"): 50}, MEANS | {EMAIL: Means(per_s=0.0)})[1]["email"]["seconds"] is None


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
    assert forecast({k: smaller[k] for k in keep}, WORDINGS, MEANS, DAY) == forecast(
        {k: larger[k] for k in keep}, WORDINGS, MEANS, DAY
    )


@given(COUNTS)
def test_what_is_shown_is_never_more_than_there_is(reached: Reached) -> None:
    body, channels = seen(reached)
    shown = body["recipients"] if isinstance(body["recipients"], int) else 0
    assert shown <= sum(reached.values())
    sums = [c["messages"] for c in channels.values() if isinstance(c["messages"], int)]
    assert shown == sum(sums)


def test_a_cheaper_spelling_is_shown_with_what_it_saves() -> None:
    words = [Wording(channel=SMS, language="nl", units=3, encoding="ucs2", cheaper="cafe", cheaper_units=1)]
    body: dict[str, Any] = forecast({(SMS, "nl"): 100}, words, MEANS, DAY)
    assert body["channels"][0]["languages"][0]["cheaper"] == {
        "text": "cafe", "units_each": 1, "saves_eur": "11.000",
    }  # fmt: skip


def test_what_leaves_before_delays_the_end_and_costs_nothing() -> None:
    _, channels = seen({(SMS, "fr"): 250}, MEANS | {SMS: Means(per_s=10.0, before=100, eur=PRICE)})
    assert (channels["sms"]["seconds"], channels["sms"]["finish"]) == (50.0, "2026-11-22T09:01:00+00:00")
    assert channels["sms"]["cost_eur"] == "27.500"


def test_the_share_that_would_start_too_late_is_told() -> None:
    window = Window(opens=NOW, ends=NOW + timedelta(seconds=30))
    for before, share in ((0, 0.4), (300, 1.0)):
        _, channels = seen({(SMS, "fr"): 250}, MEANS | {SMS: Means(per_s=10.0, before=before)}, window)
        assert channels["sms"]["share_too_late"] == share
    assert seen({(SMS, "fr"): 5}, window=Window(opens=NOW, ends=NOW))[1]["sms"]["share_too_late"] == 1.0


def test_a_channel_without_a_link_never_ends() -> None:
    _, channels = seen({(SMS, "fr"): 250}, MEANS | {SMS: Means(per_s=0.0)})
    assert (channels["sms"]["finish"], channels["sms"]["share_too_late"]) == (None, 1.0)
    _, channels = seen({(SMS, "fr"): 250}, MEANS | {SMS: Means(per_s=1e-300)})
    assert (channels["sms"]["finish"], channels["sms"]["share_too_late"]) == (None, 1.0)


def test_a_number_by_itself_is_blurred_alike() -> None:
    assert [blurred(n) for n in (0, 1, 4, 5)] == [0, "<5", "<5", 5]
