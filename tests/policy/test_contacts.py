"""Who sees and keeps whose contacts, in one table; how well somebody can be reached."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import Role
from gateway.policy.contacts import GroupFilter, Reach, Wanted, classes_of, may_keep, may_see, reachability, wanted
from gateway.policy.rights import Refusal
from tests.policy.test_rights import COMMUNE

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("role", list(Role))
def test_seeing_and_keeping_are_rights_of_their_own(role: Role) -> None:
    person = replace(COMMUNE, person_id=1, roles=frozenset({role}))
    assert isinstance(may_see(person), Reach) is (role in (Role.VIEWER, Role.EDITOR))
    assert isinstance(may_keep(person), Reach) is (role is Role.EDITOR)


@pytest.mark.parametrize(("role", "own"), [("coordinator", True), ("co-coordinator", True), ("police", False)])
def test_a_coordinator_reaches_their_own_partnerships_and_no_others(role: str, own: bool) -> None:
    person = replace(COMMUNE, person_id=1, partner_roles=frozenset({(4, role)}))
    for may in (may_see, may_keep):
        found = may(person)
        assert found == Reach(partnerships=(4,)) if own else isinstance(found, Refusal)


def test_machines_and_the_suspended_see_nobody() -> None:
    assert isinstance(may_see(COMMUNE), Refusal)
    suspended = replace(COMMUNE, person_id=1, roles=frozenset({Role.EDITOR}), suspended=True)
    assert isinstance(may_keep(suspended), Refusal)


def test_reachability_counts_endpoints_and_halves_what_nobody_checked_for_a_year() -> None:
    fresh, old = NOW - timedelta(days=364), NOW - timedelta(days=365)
    assert reachability("+32", "+32", "a@b", fresh, NOW) == 100
    assert reachability("+32", None, None, fresh, NOW) == 60
    assert reachability("+32", None, None, old, NOW) == 30
    assert reachability(None, None, "a@b", None, NOW) == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0470 12.34/56", Wanted(exact=("+32470123456",))), ("+33 6", Wanted(exact=("+336",))),
        ("+3", Wanted(text="+3")),
        ("+33 6 1", Wanted(exact=("+3361",))), ("0032 470", Wanted(exact=("+32470",))),
        (" Jan@X ", Wanted(exact=("jan@x",))),
        ("An 12", Wanted(text="an 12")),
    ],
)  # fmt: skip
def test_what_looks_like_a_number_is_one_in_the_entity_s_region(text: str, expected: Wanted) -> None:
    assert wanted(text, "BE") == expected


def test_a_filter_that_asks_for_nothing_is_none() -> None:
    assert not GroupFilter()
    assert GroupFilter(tags=("a",))
    assert classes_of(2 | 8) == ["prevention", "other"]
