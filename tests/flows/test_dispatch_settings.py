"""What may be said about dispatch."""

import pytest
from pydantic import ValidationError

from gateway.flows.dispatch_settings import ChunkSizes, DispatchSection
from gateway.model import ChannelName


def test_every_channel_has_a_size_of_its_chunks() -> None:
    sizes = ChunkSizes(sms=1, email=2, voice=3)
    assert [sizes.of(ChannelName(name)) for name in ("sms", "email", "voice")] == [1, 2, 3]


def test_a_lease_outlives_two_heartbeats() -> None:
    assert DispatchSection(lease_s=8, heartbeat_s=4)
    with pytest.raises(ValidationError, match="at least twice"):
        DispatchSection(lease_s=8, heartbeat_s=4.1)
