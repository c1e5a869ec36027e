"""[webhooks]."""

import pytest
from pydantic import ValidationError

from gateway.flows.webhook_settings import WebhookSettings


def test_what_an_operator_chose_reaches_the_policy() -> None:
    rules = WebhookSettings(disable_after_s=60, old_secret_s=5, plain_http=True).rules()
    assert (rules.disable_after_s, rules.old_secret_s, rules.plain_http) == (60, 5, True)
    assert not WebhookSettings().rules().plain_http


@pytest.mark.parametrize("wrong", [{"allowed_networks": ["10.0.0.1/8"]}, {"refused_networks": ["x"]}, {"workers": 0}])
def test_what_can_not_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate(wrong)
