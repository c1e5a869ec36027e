"""What an operator decides about the feeds that are read: one section of the configuration.

Knows: keys, bounds, defaults. Never knows: who uses a setting.
"""

from ipaddress import ip_network
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.policy.polling import KeepRules, PollRules, SourceRules
from gateway.policy.relay import RelayTexts, unknown_places


class RelayTextSettings(BaseModel):
    """The texts of a relayed alert in one language, with places in braces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headline: str = Field(default="{headline}", min_length=1, max_length=1_000)
    description: str = Field(default="{description}", max_length=10_000)
    instruction: str = Field(default="{instruction}", max_length=10_000)

    @field_validator("headline", "description", "instruction")
    @classmethod
    def _places_are_known(cls, value: str) -> str:
        if unknown := unknown_places(value):
            raise ValueError(f"no place is called {', '.join(unknown)}")
        return value


class SourcesSection(BaseModel):
    """Feeds of others: how often they are asked, how much is taken, what a draft made from their alerts says."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    least_s: float = Field(default=30.0, ge=1, le=86_400)
    most_s: float = Field(default=300.0, ge=1, le=86_400)
    pushed_s: float = Field(default=1_800.0, ge=60, le=86_400)
    failed_s: float = Field(default=3_600.0, ge=60, le=86_400)
    timeout_s: float = Field(default=15.0, gt=0, le=120)
    at_once: int = Field(default=8, ge=1, le=100)
    alerts_per_day: int = Field(default=10_000, ge=1, le=1_000_000)
    websub: bool = True
    http_hubs: bool = False
    sender_domain: str = Field(default="", pattern=r"^([A-Za-z0-9.-]{1,200})?$")
    allowed_networks: tuple[str, ...] = ()
    texts: dict[str, RelayTextSettings] = {}

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.least_s > self.most_s:
            raise ValueError("least_s is above most_s")
        return self

    def rules(self, *, alert_bytes: int, callback_url: str) -> SourceRules:
        """The same as the poller takes it."""
        poll = PollRules(least_s=self.least_s, most_s=self.most_s, pushed_s=self.pushed_s, failed_s=self.failed_s)
        return SourceRules(
            poll=poll,
            at_once=self.at_once,
            alert_bytes=alert_bytes,
            callback_url=callback_url if self.websub else "",
            hub_schemes=frozenset({"https", "http"} if self.http_hubs else {"https"}),
        )

    def keep_rules(self) -> KeepRules:
        """How much is kept."""
        return KeepRules(alerts_per_day=self.alerts_per_day)

    def relay_texts(self) -> dict[str, RelayTexts]:
        """The texts of drafts by two-letter language, where they are not the gateway's own."""
        return {
            language.lower(): RelayTexts(
                headline=texts.headline, description=texts.description, instruction=texts.instruction
            )
            for language, texts in self.texts.items()
        }
