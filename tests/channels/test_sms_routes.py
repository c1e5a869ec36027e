"""Routes: the longest prefix wins, then preference, then shares by weight; whoever is out is passed over."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.sms_routes import Routes, Rule

RULES = [
    ("belgian", Rule(prefixes=("+32",))),
    ("proximus", Rule(prefixes=("+3247", "+32492"))),
    ("spare", Rule(prefixes=("+32", ""), preference=1)),
    ("world", Rule()),
    ("world-2", Rule(weight=3)),
]
ALL = [name for name, _ in RULES]


@pytest.mark.parametrize(
    ("address", "tiers"),
    [
        ("+32470000001", [("proximus",), ("belgian",), ("spare",), ("world", "world-2")]),
        ("+32480000001", [("belgian",), ("spare",), ("world", "world-2")]),
        ("+33600000001", [("world", "world-2"), ("spare",)]),
        ("+3", [("world", "world-2"), ("spare",)]),
    ],
)
def test_the_longest_prefix_comes_first_and_shorter_ones_stand_in(address: str, tiers: list[tuple[str, ...]]) -> None:
    assert list(Routes(RULES).tiers(address)) == tiers


def test_whoever_is_out_is_passed_over_and_nobody_is_found_when_all_are() -> None:
    routes = Routes(RULES)
    assert routes.choose("+32470000001", ALL) == "proximus"
    assert routes.choose("+32470000001", {"belgian", "world"}) == "belgian"
    assert routes.choose("+32470000001", {"spare", "world"}) == "spare"
    assert routes.choose("+32470000001", ()) is None


def test_a_number_that_no_rule_takes_has_no_tier() -> None:
    assert Routes([("national", Rule(prefixes=("+32",)))]).tiers("+33600000001") == ()


@given(
    st.lists(st.floats(0.1, 100), min_size=2, max_size=5),
    st.lists(st.integers(1, 5), min_size=50, max_size=100),
)
def test_shares_are_those_of_the_weights_within_one_message(weights: list[float], costs: list[int]) -> None:
    routes = Routes([(number, Rule(weight=weight)) for number, weight in enumerate(weights)])
    given_to: Counter[int] = Counter()
    for cost in costs:
        to = routes.choose("+32470000001", range(len(weights)), cost)
        assert to is not None
        given_to[to] += cost
    levels = [given_to[number] / weight for number, weight in enumerate(weights)]
    assert max(levels) - min(levels) <= 5 / min(weights) * 1.001


def test_one_that_comes_back_makes_up_for_nothing_that_it_missed() -> None:
    routes = Routes([("a", Rule()), ("b", Rule())])
    routes.present({"a"})
    for _ in range(100):
        assert routes.choose("+1", {"a"}) == "a"
    routes.present({"a", "b"})
    counted = Counter(routes.choose("+1", {"a", "b"}) for _ in range(10))
    assert counted == {"a": 5, "b": 5}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.channels.sms_routes._MOST_KNOWN", 10)
    routes = Routes([("a", Rule(prefixes=("+3247",)))])
    for number in range(10_000):
        routes.tiers(f"+{number:04d}")
    assert len(routes._known) <= 10
