"""The settings of the e-mail channel: what is wrong is refused, what is right reaches the kit."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from gateway.channels.email_settings import EmailSettings, RelaySettings, relay_rates
from gateway.smtp.link import Security

EMAIL: dict[str, Any] = {
    "from_address": "no-reply@alerts.example",
    "envelope_address": "bounce@alerts.example",
    "message_id_domain": "alerts.example",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"from_address": "nobody"},
        {"from_address": "jérôme@alerts.example"},
        {"envelope_address": "a@b.example\r\nRCPT TO:<x@y.example>"},
        {"message_id_domain": "alerts"},
        {"message_id_domain": "bücher.example"},
        {"unsubscribe_url": "https://alerts.example/u/"},
        {"unsubscribe_url": "http://alerts.example/u/{tag}"},
        {"unsubscribe_url": "https://alerts.example/ u/{tag}"},
        {"client_name": "a b"},
        {"unknown": 1},
    ],
)
def test_what_is_wrong_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmailSettings(**{**EMAIL, **changes})


@pytest.mark.parametrize("changes", [{"port": 0}, {"connections": 0}, {"name": "A B"}, {"host": ""}, {"max_per_s": 0}])
def test_a_relay_has_its_bounds(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RelaySettings(**{"name": "relay", "host": "mx.example", **changes})


def test_a_password_never_goes_over_an_open_line() -> None:
    with pytest.raises(ValidationError, match="starttls"):
        RelaySettings(name="relay", host="mx.example", security=Security.NONE, username="gw")


def test_tls_is_demanded_unless_told_otherwise() -> None:
    pool = RelaySettings(name="relay", host="mx.example").pool("gw.example")
    assert pool.link.security is Security.STARTTLS
    assert pool.link.session.starttls
    assert pool.link.session.client_name == "gw.example"


def test_a_relay_reaches_the_kit_whole() -> None:
    relay = RelaySettings(
        name="relay",
        host="mx.example",
        port=465,
        security=Security.TLS,
        username="gw",
        password=SecretStr("hunter2"),
        connections=7,
        messages_per_connection=99,
        max_per_s=12.5,
        command_timeout_s=3,
        dot_timeout_s=4,
        idle_s=5,
        pipelining=False,
        dsn=False,
    )
    pool = relay.pool("x")
    session = pool.link.session
    assert (pool.name, pool.connections, pool.per_s, pool.link.port) == ("relay", 7, 12.5, 465)
    assert (session.starttls, session.username, session.password, session.messages) == (False, "gw", "hunter2", 99)
    assert (session.command_s, session.dot_s, session.idle_s) == (3, 4, 5)
    assert (session.pipelining, session.dsn) == (False, False)
    assert "hunter2" not in repr(relay) + repr(pool)


def test_the_secret_of_the_tags_never_shows() -> None:
    settings = EmailSettings(**EMAIL, verp_secret=SecretStr("hunter2"))
    assert settings.identity().secret == b"hunter2"
    assert "hunter2" not in repr(settings) + repr(settings.identity())


def test_rates_that_nodes_share_are_those_of_relays_and_of_listed_domains_that_are_not_too_slow() -> None:
    domains = [{"names": ["big.example", "big.test"], "max_per_s": 20.0}, {"names": ["slow.example"], "max_per_s": 0.1}]
    one = {"name": "one", "host": "h.example"}
    settings = EmailSettings.model_validate(
        EMAIL | {"domains": domains, "relays": [one | {"max_per_s": 5.0}, one | {"name": "other"}]}
    )
    assert settings.domain_rates() == {"big.example": 20.0}
    first, second = settings.relays
    assert relay_rates(settings.relays) == {first.name: 5.0}
    assert (first.pool("me").per_s, first.pool("me", paced=False).per_s, second.pool("me").per_s) == (5.0, None, None)
