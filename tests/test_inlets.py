"""The ways in put together: what they take from the settings."""

from gateway.inlets import intake_rules
from gateway.settings import parse


def test_the_rules_of_the_intake_are_those_of_the_settings() -> None:
    document = {"intake": {"default_expiry_s": 7200}, "support": {"phone": "112"}, "sms": {"max_parts": 2}}
    rules = intake_rules(parse({"database": {"dsn": "postgresql:///x"}} | document), "https://we.example")
    assert (rules.default_expiry.total_seconds(), rules.public_url) == (7200, "https://we.example")
    assert rules.help == {"phone": "112"}
    assert rules.compose.sms_max_parts == 2
