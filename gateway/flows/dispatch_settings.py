"""What an operator decides about dispatch.

Knows: the keys of the section [dispatch] with their defaults and bounds. Never knows: lanes, leases, the store.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.model import ChannelName


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ChunkSizes(_Section):
    """Deliveries leased together: one or two seconds of a channel's rate."""

    sms: int = Field(default=500, ge=1, le=10_000)
    email: int = Field(default=500, ge=1, le=10_000)
    voice: int = Field(default=10, ge=1, le=1000)

    def of(self, channel: ChannelName) -> int:
        """The size for a channel."""
        return {ChannelName.SMS: self.sms, ChannelName.EMAIL: self.email, ChannelName.VOICE: self.voice}[channel]


class DispatchSection(_Section):
    """How deliveries go from the database to the channels and how their outcomes come back."""

    lease_s: float = Field(default=8.0, ge=2, le=300)
    heartbeat_s: float = Field(default=2.0, ge=0.1, le=100)
    mark_ahead: int = Field(default=500, ge=1, le=100_000)
    batch_rows: int = Field(default=2000, ge=1, le=10_000)
    linger_ms: float = Field(default=20.0, ge=0, le=1000)
    unknown_grace_s: float = Field(default=10.0, ge=0, le=3600)
    receipt_window_s: float = Field(default=900.0, ge=0, le=604_800)
    drain_s: float = Field(default=20.0, ge=0, le=600)
    chunk: ChunkSizes = ChunkSizes()

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> Self:
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError("lease_s has to be at least twice heartbeat_s")
        return self
