"""The settings of signing in: how long sessions last, who we are to authenticators, which providers are asked.

Knows: keys, their bounds and defaults. Never knows: where settings are read from, who signs in.
"""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.store.sessions import Lasting

LEAST_SECRET = 32


class ProviderSettings(BaseModel):
    """One provider of OpenID Connect. `second_way`: codes of the gateway's own after it, or the provider's word that it
    asks for one itself. `clock_skew_s`: how far its clock may be off."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    title: str = Field(default="", max_length=100)
    issuer: str
    client_id: str = Field(min_length=1, max_length=255)
    client_secret: SecretStr = SecretStr("")
    second_way: Literal["codes", "provider"] = "codes"
    clock_skew_s: int = Field(default=60, ge=0, le=600)
    timeout_s: float = Field(default=10.0, gt=0, le=60)

    @field_validator("issuer")
    @classmethod
    def _is_guarded(cls, value: str) -> str:
        parts = urlsplit(value)
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or here):
            raise ValueError("it should be https://host, perhaps with a path, without ? and #")
        return value


class SignInSettings(BaseModel):
    """Sessions of persons. Times in seconds: `idle_s` unused, `longest_s` whatever happens. `rp_id` is the domain that
    passkeys are for, that of http.public_url when it is empty; changed later, no passkey works any more. `secret` seals
    the keys of time-based codes; `page` is where a provider's answer leads people, "" for an answer in JSON.
    `invitation_link` is where mails with an invitation lead, with {invitation} in it, "" for our own page."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    idle_s: float = Field(default=3_600.0, ge=60, le=86_400)
    longest_s: float = Field(default=43_200.0, ge=300, le=604_800)
    rp_id: str = Field(default="", pattern=r"^([a-z0-9-]+\.)*[a-z0-9-]*$")
    rp_name: str = Field(default="Alert gateway", min_length=1, max_length=100)
    secret: SecretStr = SecretStr("")
    page: str = Field(default="", pattern=r"^(|/[^\s\\]*)$")
    invitation_link: str = Field(default="", pattern=r"^(|https?://[^\s]*\{invitation\}[^\s]*)$", max_length=500)
    providers: tuple[ProviderSettings, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "SignInSettings":
        if len({provider.name for provider in self.providers}) < len(self.providers):
            raise ValueError("providers: two have one name")
        if len({provider.issuer for provider in self.providers}) < len(self.providers):
            raise ValueError("providers: two have one issuer")
        codes = any(provider.second_way == "codes" for provider in self.providers)
        if codes and len(self.secret.get_secret_value()) < LEAST_SECRET:
            raise ValueError(f"secret: codes after a provider need one of at least {LEAST_SECRET} characters")
        if self.page.startswith("//"):
            raise ValueError("page: it should be a path of the gateway")
        return self

    def lasting(self) -> Lasting:
        """The same in the words of the store."""
        return Lasting(self.idle_s, self.longest_s)
