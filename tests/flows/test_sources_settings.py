"""The section [sources]."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.flows.sources_settings import SourcesSection
from gateway.policy.relay import RelayTexts


def test_the_defaults_are_rules_that_fit_together() -> None:
    rules = SourcesSection().rules(alert_bytes=1_000, callback_url="https://we.example/cap/incoming")
    assert (rules.poll.least_s, rules.poll.most_s, rules.alert_bytes) == (30.0, 300.0, 1_000)
    assert rules.callback_url == "https://we.example/cap/incoming"
    assert rules.hub_schemes == {"https"}
    assert SourcesSection().keep_rules().alerts_per_day == 10_000


def test_without_websub_no_hub_is_asked() -> None:
    assert SourcesSection(websub=False).rules(alert_bytes=1, callback_url="https://we.example").callback_url == ""


def test_texts_are_templates_by_language() -> None:
    section = SourcesSection.model_validate({"texts": {"NL": {"headline": "{event}: {areas}"}}})
    assert section.relay_texts() == {"nl": RelayTexts(headline="{event}: {areas}")}


@pytest.mark.parametrize(
    "wrong",
    [
        {"least_s": 400.0},
        {"least_s": 0.5},
        {"texts": {"nl": {"headline": "{evnt}"}}},
        {"texts": {"nl": {"title": "x"}}},
        {"sender_domain": "a b"},
        {"allowed_networks": ["10.0.0.1/8"]},
        {"unknown": 1},
    ],
)
def test_what_can_not_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SourcesSection.model_validate(wrong)
