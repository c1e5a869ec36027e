"""The settings of signing in."""

import pytest
from pydantic import ValidationError

from gateway.web.sign_in_settings import SignInSettings


def test_a_session_lasts_an_hour_unused_and_half_a_day_at_most() -> None:
    assert SignInSettings().lasting() == (3600.0, 43200.0)


@pytest.mark.parametrize("wrong", [{"idle_s": 1}, {"longest_s": 10**7}, {"rp_id": "https://x"}, {"rp_name": ""}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SignInSettings.model_validate(wrong)
