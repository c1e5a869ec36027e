"""The sections [retry.*]."""

import pytest
from pydantic import ValidationError

from gateway.flows.retry_settings import RetrySection
from gateway.model import ChannelName
from gateway.policy.retry import DEFAULT_RULES


def test_the_defaults_are_the_rules_of_each_channel() -> None:
    assert RetrySection().by_channel() == DEFAULT_RULES
    assert RetrySection.model_validate({"sms": {"max_attempts": 3}}).of(ChannelName.SMS).attempts == 3


@pytest.mark.parametrize("wrong", [{"first_s": 0}, {"factor": 0.5}, {"max_attempts": 0}, {"pause_s": 1}])
def test_what_can_not_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RetrySection.model_validate({"sms": wrong})
