"""What an operator decides about webhooks.

Knows: the keys of the section [webhooks] with their defaults and bounds. Never knows: who is told what.
"""

from ipaddress import ip_network

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.policy.webhooks import WebhookRules


class WebhookSettings(BaseModel):
    """Webhooks of entities. Networks are written such as 10.1.0.0/16."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    workers: int = Field(default=20, ge=1, le=1_000)
    timeout_s: float = Field(default=15.0, gt=0, le=25)
    disable_after_s: float = Field(default=432_000.0, ge=60, le=31_536_000)
    old_secret_s: float = Field(default=86_400.0, ge=0, le=31_536_000)
    plain_http: bool = False
    allowed_networks: tuple[str, ...] = ()
    refused_networks: tuple[str, ...] = ()

    @field_validator("allowed_networks", "refused_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    def rules(self) -> WebhookRules:
        """The same as policy.webhooks takes it."""
        return WebhookRules(
            disable_after_s=self.disable_after_s, old_secret_s=self.old_secret_s, plain_http=self.plain_http
        )
