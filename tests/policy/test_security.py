"""What the platform asks of everybody: of two values the tighter one holds, and the looser one is named."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import EntityKind, MessageClass, Realm, SecondWay
from gateway.policy.rights import Authority, EntityPolicy, Refusal
from gateway.policy.security import PLAIN, TIGHTER, guarded, in_force, looser, may_come, networks_of

MINUTES, HOURS, DAYS = "session_idle_minutes", "session_hours", "token_days"


@pytest.mark.parametrize(
    ("key", "own", "platform", "holds"),
    [
        (MINUTES, 10, 30, 10),
        (MINUTES, 60, 30, 30),
        (MINUTES, 30, 30, 30),
        (MINUTES, None, 30, 30),
        (MINUTES, 60, None, 60),
        (HOURS, 8, 12, 8),
        (HOURS, 13, 12, 12),
        (DAYS, 365, 90, 90),
        (DAYS, 30, 90, 30),
        ("second_way", "passkey", "codes", "passkey"),
        ("second_way", "provider", "codes", "codes"),
        ("second_way", None, "provider", "provider"),
        ("networks", ["10.1.0.0/16"], ["10.0.0.0/8"], ["10.1.0.0/16"]),
        ("networks", ["0.0.0.0/0"], ["10.0.0.0/8", "2001:db8::/32"], ["10.0.0.0/8"]),
        ("networks", ["2001:db8:1::/48"], ["2001:db8::/32"], ["2001:db8:1::/48"]),
        ("networks", ["192.0.2.0/24"], ["10.0.0.0/8"], []),
        ("networks", ["192.0.2.0/24", "10.1.0.0/16"], ["10.0.0.0/8"], ["10.1.0.0/16"]),
        ("training_required", False, True, True),
        ("training_required", True, False, True),
        ("approval", ["urgent", "news"], ["news"], ["urgent", "news"]),
        ("approval", ["urgent"], ["news"], ["urgent", "news"]),
        ("declaration", ["news"], ["news", "other"], ["news", "other"]),
        ("approval_above.urgent", 100, 1000, 100),
        ("approval_above.urgent", 5000, 1000, 1000),
        ("approval_above.urgent", None, 1000, 1000),
    ],
)
def test_the_tighter_of_both_holds_and_the_looser_is_named(key: str, own: Any, platform: Any, holds: Any) -> None:
    mine, floor = policy(key, own), policy(key, platform)
    assert guarded(in_force(mine, floor)) == {key: holds}
    named = [] if own is None or platform is None or own == holds else [(key, own, platform)]
    assert [tuple(one) for one in looser(mine, floor)] == named
    assert not named or "looser than the platform's" in looser(mine, floor)[0].sentence


def policy(key: str, value: Any) -> dict[str, Any]:
    """A stored policy that says only this."""
    name, _, of = key.partition(".")
    if value is None:
        return {}
    if of:
        return {name: {of: value}}
    return {name: value} if name in PLAIN else {"security": {name: value}}


def test_every_guarded_key_is_in_the_table_above() -> None:
    (mark,) = (one for one in test_the_tighter_of_both_holds_and_the_looser_is_named.pytestmark if one.args)
    assert {row[0].partition(".")[0] for row in mark.args[1]} == set(TIGHTER)


VALUES = {
    MINUTES: st.integers(1, 1440),
    HOURS: st.integers(1, 168),
    "second_way": st.sampled_from([way.value for way in SecondWay]),
    "networks": st.lists(st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "0.0.0.0/0"]), unique=True),
}
POLICIES = st.builds(
    lambda security, approval: {"security": security, "approval": approval},
    st.fixed_dictionaries({}, optional=VALUES),
    st.lists(st.sampled_from([one.value for one in MessageClass]), unique=True),
)


@given(own=POLICIES, platform=POLICIES)
def test_what_holds_is_never_looser_than_the_platform_s(own: dict[str, Any], platform: dict[str, Any]) -> None:
    holds = in_force(own, platform)
    assert looser(holds, platform) == []
    assert guarded(in_force(holds, platform)) == guarded(holds)


ANYBODY = Authority(
    entity_id=1, slug="brugge", name="Brugge", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.LIVE,
    token_id=None, languages=("nl",), rings=(), mandates=frozenset(), policy=EntityPolicy(), person_id=7,
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "let_in"),
    [
        (None, ("passkey", "oidc:x", "oidc:x+code", "")),
        (SecondWay.PROVIDER, ("passkey", "oidc:x", "oidc:x+code")),
        (SecondWay.CODES, ("passkey", "oidc:x+code")),
        (SecondWay.PASSKEY, ("passkey",)),
    ],
)
def test_persons_sign_in_as_strongly_as_is_asked(wanted: SecondWay | None, let_in: tuple[str, ...]) -> None:
    person = replace(ANYBODY, policy=EntityPolicy(second_way=wanted))
    came = [way for way in ("passkey", "oidc:x", "oidc:x+code", "") if may_come(person, way, "192.0.2.1") is None]
    assert tuple(came) == let_in
    assert may_come(replace(person, person_id=None, token_id=3), "", "192.0.2.1") is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [("10.1.2.3", None), ("192.0.2.1", "wrong-network"), ("2001:db8::1", "wrong-network"), ("", "wrong-network")],
)
def test_an_entity_is_acted_for_from_its_networks(address: str, reason: str | None) -> None:
    found = may_come(replace(ANYBODY, policy=EntityPolicy(networks=networks_of(["10.0.0.0/8"]))), "passkey", address)
    assert (found.reason if isinstance(found, Refusal) else None) == reason
