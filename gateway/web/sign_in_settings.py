"""The settings of signing in: how long sessions last, who we are to authenticators.

Knows: keys, their bounds and defaults. Never knows: where settings are read from, who signs in.
"""

from pydantic import BaseModel, ConfigDict, Field

from gateway.store.sessions import Lasting


class SignInSettings(BaseModel):
    """Sessions of persons. Times in seconds: `idle_s` unused, `longest_s` whatever happens. `rp_id` is the domain that
    passkeys are for, that of http.public_url when it is empty; changed later, no passkey works any more."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    idle_s: float = Field(default=3_600.0, ge=60, le=86_400)
    longest_s: float = Field(default=43_200.0, ge=300, le=604_800)
    rp_id: str = Field(default="", pattern=r"^([a-z0-9-]+\.)*[a-z0-9-]*$")
    rp_name: str = Field(default="Alert gateway", min_length=1, max_length=100)

    def lasting(self) -> Lasting:
        """The same in the words of the store."""
        return Lasting(self.idle_s, self.longest_s)
