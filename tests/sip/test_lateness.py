"""Percentiles of lateness against a sorted list."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.lateness import STEPS_PER_S, Lateness


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_list(steps: list[int]) -> None:
    late = Lateness()
    for step in steps:
        late.note((step + 0.5) / STEPS_PER_S)
    ranked = sorted(steps)
    expected = {name: ranked[ceil(share * len(steps)) - 1] / 10 for name, share in (("p50", 0.5), ("max", 1.0))}
    found = late.figures()
    assert {name: pytest.approx(value) for name, value in expected.items()} == {n: found[n] for n in expected}
    assert found["p50"] <= found["p99"] <= found["max"]


def test_many_packets_at_once_count_as_many_and_early_is_not_late() -> None:
    late = Lateness()
    late.note(-1.0, 98)
    late.note(0.02, 2)
    assert late.figures() == {"p50": 0.0, "p99": 20.0, "max": 20.0}
    late.forget()
    assert late.figures() == {"p50": 0.0, "p99": 0.0, "max": 0.0}
