"""What an operator decides about citizens who register themselves.

Knows: keys, defaults, bounds. Never knows: who registers, how a message leaves.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.policy.registration import RegistrationRules

LEAST_SECRET_CHARACTERS = 32
CONFIRM_PATH = "/citizens/confirm/{handle}.{code}"


class RegistrationSettings(BaseModel):
    """Without `secret` nobody can register. `page` is a page of one's own behind the links of mails."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    secret: SecretStr = SecretStr("")
    service: str = Field(default="Public alerts", min_length=1, max_length=30)
    page: str = Field(default="", pattern=r"^(|https?://[^\s]+)$", max_length=500)
    code_s: float = Field(default=900.0, ge=60, le=3600)
    tries: int = Field(default=5, ge=1, le=10)
    session_s: float = Field(default=1800.0, ge=60, le=86_400)
    per_source_per_hour: int = Field(default=20, ge=1, le=100_000)
    per_endpoint_per_hour: int = Field(default=4, ge=1, le=100)
    in_all_per_hour: int = Field(default=3600, ge=1, le=10_000_000)
    lookups_per_source_per_hour: int = Field(default=600, ge=1, le=1_000_000)
    region: str = Field(default="BE", pattern="^[A-Z]{2}$")
    countries: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        secret = self.secret.get_secret_value()
        if secret and len(secret) < LEAST_SECRET_CHARACTERS:
            raise ValueError(f"secret: at least {LEAST_SECRET_CHARACTERS} characters, for codes are made of it")
        if self.page and not ("{handle}" in self.page and "{code}" in self.page):
            raise ValueError("page: it holds {handle} and {code}, by which it is told what to confirm")
        self.networks()
        return self

    @property
    def enabled(self) -> bool:
        """Whether anybody can register."""
        return bool(self.secret.get_secret_value())

    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Proxies of ours, whose X-Forwarded-For is believed."""
        try:
            return tuple(ip_network(one) for one in self.proxies)
        except ValueError as error:
            raise ValueError(f"proxies: {error}") from None

    def rules(self, url: str) -> RegistrationRules:
        """The rules; `url` is how people reach this gateway."""
        return RegistrationRules(
            secret=self.secret.get_secret_value().encode(),
            service=self.service,
            link=self.page or url + CONFIRM_PATH,
            code_s=self.code_s,
            tries=self.tries,
            session_s=self.session_s,
            per_source=self.per_source_per_hour,
            per_endpoint=self.per_endpoint_per_hour,
            in_all=self.in_all_per_hour,
            lookups=self.lookups_per_source_per_hour,
            countries=self.countries,
            region=self.region,
            proxies=self.networks(),
        )
