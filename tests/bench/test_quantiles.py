"""Percentiles."""

import statistics
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.quantiles import between, milliseconds, nearest_rank, of_buckets, read_buckets
from gateway.metrics import SUBMIT_BUCKETS_S, Metrics
from gateway.model import ChannelName

SECONDS = st.lists(st.floats(0.0001, 29.0), min_size=1, max_size=200)
NAME = "gateway_submit_seconds"


@given(SECONDS, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_the_nearest_rank_is_the_smallest_that_covers_the_share(values: list[float], share: float) -> None:
    found = nearest_rank(values, share)
    assert found is not None
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9
    assert sum(v < found for v in values) < share * len(values)


def test_the_middle_is_the_lower_median() -> None:
    assert nearest_rank([4.0, 1.0, 3.0, 2.0], 0.5) == statistics.median_low([1.0, 2.0, 3.0, 4.0])
    assert nearest_rank([], 0.5) is None


@given(SECONDS, st.sampled_from([0.5, 0.99]))
def test_a_share_of_the_gateways_own_histogram_lies_in_the_right_bucket(values: list[float], share: float) -> None:
    metrics = Metrics()
    metrics.submit_seconds(ChannelName.SMS, values)
    metrics.submit_seconds(ChannelName.EMAIL, [30.0] * 7)
    page = metrics.render()[0].decode()
    buckets = read_buckets(page, NAME, {"channel": "sms"})
    assert sorted(buckets) == [*SUBMIT_BUCKETS_S, inf]
    assert buckets[inf] == len(values)
    found, exact = of_buckets(buckets, share), nearest_rank(values, share)
    assert found is not None
    assert exact is not None
    upper = min(bound for bound in buckets if bound >= exact)
    lower = max((bound for bound in buckets if bound < upper), default=0.0)
    assert lower - 1e-9 <= found <= upper + 1e-9


def test_values_beyond_the_last_bound_are_said_to_lie_at_it() -> None:
    assert of_buckets({1.0: 0.0, 2.0: 0.0, inf: 5.0}, 0.5) == 2.0


def test_what_was_counted_before_is_left_out() -> None:
    counted = between({1.0: 10.0, inf: 12.0}, {1.0: 10.0, inf: 14.0})
    assert counted == {1.0: 0.0, inf: 2.0}
    assert between({}, {1.0: 1.0, inf: 1.0}) == {1.0: 1.0, inf: 1.0}
    assert of_buckets({}, 0.5) is None
    assert of_buckets({1.0: 0.0, inf: 0.0}, 0.5) is None


@pytest.mark.parametrize(
    "page", ["", "# HELP x y\n", f'{NAME}_bucket{{channel="voice",le="1"}} 3\n', f"{NAME}_sum 3\n"]
)
def test_a_page_without_the_histogram_has_no_buckets(page: str) -> None:
    assert read_buckets(page, NAME, {"channel": "sms"}) == {}


def test_milliseconds_have_one_decimal() -> None:
    assert milliseconds(0.01234) == 12.3
    assert milliseconds(None) is None
