"""The settings of signing in."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.web.sign_in_settings import SignInSettings

PROVIDER = {"name": "p", "issuer": "https://p.example", "client_id": "g"}


def test_a_session_lasts_an_hour_unused_and_half_a_day_at_most() -> None:
    assert SignInSettings().lasting() == (3600.0, 43200.0)


@pytest.mark.parametrize(
    "wrong",
    [{"idle_s": 1}, {"longest_s": 10**7}, {"rp_id": "https://x"}, {"rp_name": ""}, {"page": "https://evil.example"},
     {"page": "//evil.example"}, {"page": "/\\evil.example"}, {"providers": [PROVIDER]},
     {"secret": "short", "providers": [PROVIDER]}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SignInSettings.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong", [{"issuer": "http://p.example"}, {"issuer": "https://p.example?x"}, {"name": "P"}, {"clock_skew_s": 3600}]
)
def test_a_provider_has_to_be_a_guarded_one(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SignInSettings.model_validate({"secret": "x" * 32, "providers": [PROVIDER | wrong]})


def test_two_providers_are_two() -> None:
    other = PROVIDER | {"name": "q", "issuer": "https://q.example"}
    assert len(SignInSettings.model_validate({"secret": "x" * 32, "providers": [PROVIDER, other]}).providers) == 2
    for same in ({"name": "q"}, {"issuer": "https://q.example"}):
        with pytest.raises(ValidationError):
            SignInSettings.model_validate({"secret": "x" * 32, "providers": [PROVIDER, PROVIDER | same]})


def test_a_provider_that_asks_twice_itself_needs_no_secret_of_ours() -> None:
    assert SignInSettings.model_validate({"providers": [PROVIDER | {"second_way": "provider"}]}).providers
