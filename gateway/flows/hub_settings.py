"""What an operator decides about the hub.

Knows: the keys of the section [hub] with their defaults and bounds. Never knows: who subscribes.
"""

from ipaddress import ip_network
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.policy.subscription import HubRules


class HubSettings(BaseModel):
    """The WebSub hub. Networks are written such as 10.1.0.0/16; leases in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = True
    subscribers: int = Field(default=10_000, ge=0, le=1_000_000)
    subscribers_per_host: int = Field(default=100, ge=1, le=1_000_000)
    lease_default_s: int = Field(default=864_000, ge=60, le=31_536_000)
    lease_min_s: int = Field(default=3_600, ge=1, le=31_536_000)
    lease_max_s: int = Field(default=2_592_000, ge=60, le=31_536_000)
    failures: int = Field(default=12, ge=1, le=100)
    workers: int = Field(default=100, ge=1, le=1_000)
    timeout_s: float = Field(default=10.0, gt=0, le=25)
    allowed_networks: tuple[str, ...] = ()
    refused_networks: tuple[str, ...] = ()

    @field_validator("allowed_networks", "refused_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    @model_validator(mode="after")
    def _leases_fit(self) -> Self:
        if not self.lease_min_s <= self.lease_default_s <= self.lease_max_s:
            raise ValueError("lease_default_s has to lie between lease_min_s and lease_max_s")
        return self

    def rules(self) -> HubRules:
        """The same as policy.subscription takes it."""
        return HubRules(
            lease_default_s=self.lease_default_s,
            lease_min_s=self.lease_min_s,
            lease_max_s=self.lease_max_s,
            subscribers=self.subscribers,
            subscribers_per_host=self.subscribers_per_host,
            failures=self.failures,
        )
