"""The ways out put together: which channels the settings give a node, and what runs beside them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.channels.email import EmailChannel
from gateway.channels.sms import SmsChannel
from gateway.channels.sms_settings import CanarySettings
from gateway.flows.fence import Fence
from gateway.flows.gate import Gates
from gateway.flows.rates import SharedRates
from gateway.metrics import Metrics
from gateway.model import ChannelName, MessageClass, Mode, Transport
from gateway.outlets import Outlets, canary_text
from gateway.settings import parse
from gateway.store.pool import Store

PROVIDER = {"name": "smsc", "host": "h.example", "system_id": "me", "password": "secret", "source_addr": "Alert"}
RELAY = {"name": "relay", "host": "h.example", "security": "none"}
EMAIL = {"from_address": "a@b.example", "envelope_address": "c@b.example", "message_id_domain": "b.example"}


def outlets(document: dict[str, Any]) -> Outlets:
    settings = parse({"database": {"dsn": "postgresql:///x"}} | document)
    nothing: Any = None
    store: Store = nothing
    gates: Gates = nothing
    return Outlets(
        settings, store, metrics=Metrics(), gates=gates, fence=Fence(lambda: 0.0, 8.0), utcnow=lambda: datetime.now(UTC)
    )


def test_without_providers_there_is_no_way_out() -> None:
    made = outlets({})
    assert not made.open()
    assert not made.parts
    assert made.states() == ({}, dict.fromkeys(ChannelName, 0))


async def test_every_provider_and_relay_of_both_transports_is_a_way_out() -> None:
    made = outlets(
        {
            "sms": {
                "providers": [PROVIDER | {"outbind_port": 1}],
                "simulated": [PROVIDER | {"name": "sim", "max_rate_per_s": 5}],
            },
            "email": EMAIL | {"relays": [RELAY]},
        }
    )
    found = [(channel.name, channel.transport) for channel in made.open()]
    assert found == [
        (ChannelName.SMS, Transport.LIVE),
        (ChannelName.SMS, Transport.SIMULATED),
        (ChannelName.EMAIL, Transport.LIVE),
    ]
    assert made.states()[0] == {"relay": False}  # no bind is this node's before its lease
    assert not made.sms_able()
    for channel in made.channels:
        if isinstance(channel, SmsChannel):
            for provider in channel.leases.wanted():
                channel.leases.open(provider, 1)
    links, flight = made.states()
    assert links == {"smsc/1": False, "sim/1": False, "relay": False}
    assert flight == dict.fromkeys(ChannelName, 0)
    assert len(made.parts) == 4  # rates shared with other nodes: of both kinds of accounts, of relays, of domains
    made.call_settled("trunk", "nobody's", False)


async def test_canaries_leave_by_the_live_channel_alone() -> None:
    canaries = [{"name": "one", "number": "+32470000001"}]
    without = outlets({"sms": {"simulated": [PROVIDER], "canaries": canaries}})
    without.open()
    without.watch_operators(lambda: True)
    assert len(without.parts) == 1  # the account's gate
    made = outlets({"sms": {"providers": [PROVIDER], "canaries": canaries}})
    made.open()
    made.watch_operators(lambda: True)
    assert len(made.parts) == 2


def test_a_canary_says_its_words_and_is_worth_nothing_after_the_next() -> None:
    words = canary_text(CanarySettings(name="one", number="+32470000001", interval_s=60, text="Piep"))
    assert (words.body, words.mode, words.message_class) == ("Piep", Mode.LIVE, MessageClass.OTHER)
    assert timedelta(seconds=50) < words.expires_at - datetime.now(UTC) <= timedelta(seconds=60)


async def test_what_relays_and_listed_domains_take_is_shared_with_other_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: list[tuple[str, dict[str, float], SharedRates]] = []

    class Noted(SharedRates):
        def __init__(self, store: Store, rates_per_s: Mapping[str, float], *, kind: str, **others: Any) -> None:
            super().__init__(store, rates_per_s, kind=kind, **others)
            shared.append((kind, dict(rates_per_s), self))

    monkeypatch.setattr("gateway.outlets.SharedRates", Noted)
    domains = [{"names": ["big.example", "big.test"], "max_per_s": 20.0}]
    relays = {"relays": [RELAY | {"max_per_s": 5.0}], "simulated": [RELAY | {"name": "sink"}]}
    channels = outlets({"email": EMAIL | relays | {"domains": domains}}).open()
    assert [(kind, rates) for kind, rates, _ in shared] == [
        ("relay", {"relay": 5.0}),
        ("domain live", {"big.example": 20.0}),  # a rehearsal takes nothing from an alert
        ("relay", {}),
        ("domain simulated", {"big.example": 20.0}),
    ]
    told = [rates.granted for _, _, rates in shared]
    assert told == [channel.granted for channel in channels if isinstance(channel, EmailChannel) for _ in range(2)]
