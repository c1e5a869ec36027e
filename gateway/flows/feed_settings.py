"""What an operator decides about the public feed: its own words, and the keys that sign what it publishes.

Knows: the keys of the section [feed] with their defaults and bounds. Never knows: what is published.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.cap.signing import KeyPair, key_pair


class SigningSettings(BaseModel):
    """One key and its certificate (PEM), those that certify it after it. The dates in it say when it is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: SecretStr
    certificate: SecretStr

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        self.pair()
        return self

    def pair(self) -> KeyPair:
        """Both, read."""
        return key_pair(self.key.get_secret_value().encode(), self.certificate.get_secret_value().encode())


class FeedSettings(BaseModel):
    """The public feed. Without `signing` alerts are published as they came."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: str = Field(default="Public alerts", min_length=1, max_length=200)
    author: str = Field(default="cap-alert-gateway", min_length=1, max_length=200)
    max_age_s: int = Field(default=15, ge=0, le=3600)
    heartbeat_s: int = Field(default=300, ge=0, le=86_400)
    signing: tuple[SigningSettings, ...] = Field(default=(), max_length=8)

    def pairs(self) -> list[KeyPair]:
        """The keys, read."""
        return [one.pair() for one in self.signing]
