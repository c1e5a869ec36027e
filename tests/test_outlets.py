"""The ways out put together: which channels the settings give a node, and what runs beside them."""

from typing import Any

from gateway.flows.gate import StoreGate
from gateway.flows.lane import Fence
from gateway.metrics import Metrics
from gateway.model import ChannelName, Transport
from gateway.outlets import Outlets
from gateway.settings import parse
from gateway.store.pool import Store

PROVIDER = {"name": "smsc", "host": "h.example", "system_id": "me", "password": "secret", "source_addr": "Alert"}
RELAY = {"name": "relay", "host": "h.example", "security": "none"}
EMAIL = {"from_address": "a@b.example", "envelope_address": "c@b.example", "message_id_domain": "b.example"}


def outlets(document: dict[str, Any]) -> Outlets:
    settings = parse({"database": {"dsn": "postgresql:///x"}} | document)
    nothing: Any = None
    store: Store = nothing
    gate: StoreGate = nothing
    return Outlets(settings, store, metrics=Metrics(), gate=gate, fence=Fence(lambda: 0.0, 8.0))


def test_without_providers_there_is_no_way_out() -> None:
    made = outlets({})
    assert not made.open()
    assert not made.parts
    assert made.states() == ({}, dict.fromkeys(ChannelName, 0))


async def test_every_provider_and_relay_of_both_transports_is_a_way_out() -> None:
    made = outlets(
        {
            "sms": {"providers": [PROVIDER], "simulated": [PROVIDER | {"name": "sim", "max_rate_per_s": 5}]},
            "email": EMAIL | {"relays": [RELAY]},
        }
    )
    found = [(channel.name, channel.transport) for channel in made.open()]
    assert found == [
        (ChannelName.SMS, Transport.LIVE),
        (ChannelName.SMS, Transport.SIMULATED),
        (ChannelName.EMAIL, Transport.LIVE),
    ]
    links, flight = made.states()
    assert links == {"smsc/1": False, "sim/1": False, "relay": False}
    assert flight == dict.fromkeys(ChannelName, 0)
    assert len(made.parts) == 2
    made.call_settled("nobody's")
