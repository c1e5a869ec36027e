"""What an operator decides about registration."""

import pytest
from pydantic import ValidationError

from gateway.flows.registration_settings import RegistrationSettings


def test_without_a_secret_nobody_registers() -> None:
    assert not RegistrationSettings().enabled
    assert RegistrationSettings(secret="s" * 32).enabled


@pytest.mark.parametrize(("wrong", "said"), [
    ({"secret": "short"}, "at least 32"),
    ({"page": "https://x.example/"}, "{handle}"), ({"proxies": ["nowhere"]}, "proxies"),
])  # fmt: skip
def test_mistakes_are_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RegistrationSettings.model_validate(wrong)


def test_links_lead_to_the_gateway_or_to_a_page_of_ones_own() -> None:
    url = "https://alerts.example"
    assert RegistrationSettings().rules(url).link == f"{url}/citizens/confirm/{{handle}}.{{code}}"
    own = "https://town.example/#{handle}/{code}"
    assert RegistrationSettings(page=own).rules(url).link == own
