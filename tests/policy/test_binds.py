"""Fair shares: every bind has one holder, nobody has two more than another, and the first is nowhere without one."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.binds import fair_share, let_go


@given(st.integers(1, 64), st.integers(1, 70))
def test_the_shares_are_all_binds_and_alike(binds: int, nodes: int) -> None:
    shares = [fair_share(binds, nodes, place) for place in range(nodes)]
    assert sum(shares) == binds
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)
    assert shares[0] >= 1


def test_who_is_alone_has_them_all() -> None:
    assert fair_share(7, 1, 0) == 7


@given(st.dictionaries(st.integers(1, 20), st.booleans()), st.integers(0, 20))
def test_what_is_given_away_is_down_before_it_is_up(held: dict[int, bool], share: int) -> None:
    given_away = let_go(held, share)
    kept = held.keys() - set(given_away)
    assert len(kept) == min(len(held), share)
    assert all(held[one] for one in kept) or not any(held[one] for one in given_away)


def test_of_equals_the_last_ones_go() -> None:
    assert let_go({1: True, 2: True, 3: False, 4: True}, 2) == [3, 4]
