"""The hub's keys: safe without any, refused when they contradict each other."""

import pytest
from pydantic import ValidationError

from gateway.flows.hub_settings import HubSettings
from gateway.policy.subscription import HubRules


def test_without_any_key_the_rules_are_the_policys_own() -> None:
    assert HubSettings().rules() == HubRules()
    assert HubSettings().enabled


@pytest.mark.parametrize(
    "keys",
    [
        {"lease_min_s": 7200, "lease_default_s": 3600},
        {"lease_max_s": 60, "lease_min_s": 60},
        {"allowed_networks": ["10.0.0.1/8"]},
        {"refused_networks": ["example.org"]},
        {"timeout_s": 60},
        {"failures": 0},
        {"unknown": 1},
    ],
)
def test_keys_that_can_not_be_right_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HubSettings(**keys)


def test_networks_are_kept_as_they_are_written() -> None:
    found = HubSettings(allowed_networks=("10.1.0.0/16", "::1"), refused_networks=("193.190.0.0/16",))
    assert found.allowed_networks == ("10.1.0.0/16", "::1")
