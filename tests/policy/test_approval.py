"""Who must agree, who may, to what: the whole table of a partnership's rule, the two-person rule, the seal."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import MessageClass, Role
from gateway.policy.approval import asks_for_size, gives, may_break_glass, needed, seal
from gateway.policy.rights import Authority, EntityPolicy, Refusal
from tests.policy.test_rights import COMMUNE

PLP = 4
PERSON = replace(COMMUNE, person_id=7)
TWO = replace(COMMUNE, policy=EntityPolicy(approval=frozenset({MessageClass.URGENT})))
MANY = replace(COMMUNE, policy=EntityPolicy(approval_above=((MessageClass.NEWS, 100),)))

AGREEMENTS = {
    ("none", None): (),
    ("none", "coordinator"): (),
    ("none", "co-coordinator"): (),
    ("none", "police"): (),
    ("coordinator", None): ("coordinator:4",),
    ("coordinator", "coordinator"): (),
    ("coordinator", "co-coordinator"): (),
    ("coordinator", "police"): ("coordinator:4",),
    ("police", None): ("police:4",),
    ("police", "coordinator"): ("police:4",),
    ("police", "co-coordinator"): ("police:4",),
    ("police", "police"): (),
    ("both", None): ("coordinator:4", "police:4"),
    ("both", "coordinator"): ("police:4",),
    ("both", "co-coordinator"): ("police:4",),
    ("both", "police"): ("coordinator:4",),
}
"""What the partnership asks for, what the sender is in it -> whose agreement is still missing."""


def holding(role: str | None, place: int = PLP) -> Authority:
    return replace(PERSON, partner_roles=frozenset({(place, role)} if role else ()))


@pytest.mark.parametrize(
    ("agreement", "role"),
    list(product(("none", "coordinator", "police", "both"), (None, "coordinator", "co-coordinator", "police"))),
)
def test_a_partnership_asks_for_those_whom_its_rule_names(agreement: str, role: str | None) -> None:
    asked = needed(holding(role), MessageClass.NEWS, [(PLP, agreement), (PLP, agreement)], 5)
    assert asked == AGREEMENTS[agreement, role]


def test_a_coordinator_of_another_partnership_is_nobody_here() -> None:
    assert needed(holding("coordinator", 5), MessageClass.NEWS, [(PLP, "coordinator")], 5) == ("coordinator:4",)
    assert isinstance(gives(holding("coordinator", 5), ["coordinator:4"], "token:1"), Refusal)
    assert gives(holding("co-coordinator"), ["second", "coordinator:4"], "token:1") == ("coordinator:4",)


@pytest.mark.parametrize(("message_class", "messages"), list(product(MessageClass, (0, 100, 101))))
def test_a_second_person_is_asked_by_class_or_by_size(message_class: MessageClass, messages: int) -> None:
    assert needed(TWO, message_class, [], messages) == (("second",) if message_class is MessageClass.URGENT else ())
    large = message_class is MessageClass.NEWS and messages > 100
    assert needed(MANY, message_class, [], messages) == (("second",) if large else ())
    assert asks_for_size(MANY, message_class) is (message_class is MessageClass.NEWS)


def reason(answer: Any) -> str | None:
    return answer.reason if isinstance(answer, Refusal) else None


def test_the_author_is_never_the_second_person_and_a_person_needs_the_role() -> None:
    approver = replace(PERSON, roles=frozenset({Role.APPROVER}))
    assert gives(approver, ["second"], "person:8") == ("second",)
    assert reason(gives(approver, ["second"], "person:7")) == "own-alert"
    assert reason(gives(PERSON, ["second"], "person:8")) == "not-approver"
    assert gives(COMMUNE, ["second"], "token:9") == ("second",)
    assert reason(gives(COMMUNE, ["second"], "token:3")) == "own-alert"
    assert reason(gives(approver, ["second"], "token:9", one_hand=True)) == "own-alert"
    assert gives(holding("police"), ["second", "police:4"], "token:9", one_hand=True) == ("police:4",)


def test_glass_is_broken_by_named_persons_with_a_reason() -> None:
    named = replace(PERSON, roles=frozenset({Role.BREAK_GLASS}))
    assert may_break_glass(named, "the tank may burst any minute") is None
    assert reason(may_break_glass(named, "  now!   ")) == "no-reason"
    assert reason(may_break_glass(PERSON, "the tank may burst any minute")) == "no-glass"
    machine = replace(COMMUNE, roles=frozenset({Role.BREAK_GLASS}))
    assert reason(may_break_glass(machine, "the tank may burst any minute")) == "no-glass"


PLAN = {
    "variants": [{"shapes": [{"disc": [4.3, 50.8, 1.0]}]}],
    "territory": [],
    "groups": [[1, False]],
    "channels": ["sms"],
}
TEXTS = [(0, 1, "nl", "", "brand", ""), (1, 1, "fr", "", "feu", "")]
CHANGES: list[Any] = [
    (PLAN | {"variants": [{"shapes": [{"disc": [4.3, 50.8, 1.1]}]}]}, TEXTS, 5),
    (PLAN | {"groups": [[2, False]]}, TEXTS, 5),
    (PLAN | {"channels": ["sms", "email"]}, TEXTS, 5),
    (PLAN | {"territory": [{"disc": [4.3, 50.8, 1.0]}]}, TEXTS, 5),
    (PLAN, [TEXTS[0], (1, 1, "fr", "", "feu!", "")], 5),
    (PLAN, TEXTS[:1], 5),
    (PLAN, TEXTS, 6),
]


@pytest.mark.parametrize("changed", range(len(CHANGES)))
def test_a_seal_breaks_when_any_of_what_was_agreed_to_changes(changed: int) -> None:
    assert seal(*CHANGES[changed]) != seal(PLAN, TEXTS, 5)


@given(order=st.permutations(TEXTS))
def test_a_seal_is_the_same_for_the_same(order: list[Any]) -> None:
    assert seal(dict(reversed(PLAN.items())), order, 5) == seal(PLAN, TEXTS, 5)
