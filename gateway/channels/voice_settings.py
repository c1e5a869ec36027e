"""The settings of the voice channel and of its trunks.

Knows: every key with its meaning, unit and bounds; the spoken phrases that frame an announcement.
Never knows: how a call is placed. Caller ids come from here only, never from an alert.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

TrunkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]

PROMPTS: Mapping[str, str] = {
    "nl": "Druk op 1 om te bevestigen dat u dit bericht hebt gehoord.",
    "fr": "Appuyez sur 1 pour confirmer que vous avez entendu ce message.",
    "de": "Drücken Sie die 1, um zu bestätigen, dass Sie diese Nachricht gehört haben.",
    "en": "Press 1 to confirm that you have heard this message.",
}
THANKS: Mapping[str, str] = {
    "nl": "Dank u. Uw bevestiging is ontvangen.",
    "fr": "Merci. Votre confirmation est reçue.",
    "de": "Danke. Ihre Bestätigung ist angekommen.",
    "en": "Thank you. Your confirmation was received.",
}
VOICES: Mapping[str, str] = {"nl": "nl-NL", "fr": "fr-FR", "de": "de-DE", "en": "en-GB"}


def phrase(phrases: Mapping[str, str], language: str) -> str:
    """The phrase for `fr`, `fr-BE` or `FR`; "" when there is none."""
    return phrases.get(language) or phrases.get(language.partition("-")[0].lower(), "")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RestTrunk(_Settings):
    """A provider with a Twilio-compatible Calls API."""

    driver: Literal["rest"] = "rest"
    name: TrunkName = Field(description="Names the trunk in metrics, receipts and callback URLs.")
    base_url: str = Field(description="For example https://api.provider.example; the path of the API is added.")
    account_sid: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    auth_token: SecretStr = Field(description="Signs in to the API, and verifies the signature of its callbacks.")
    caller_id: PhoneNumber = Field(description="The number that people see: one that the provider lets us use.")
    public_url: str = Field(default="", description="How the provider reaches us. Empty: calls are polled instead.")
    plaintext: bool = Field(default=False, description="Allow http:// to a host that is not this machine.")
    voices: dict[str, str] = Field(default_factory=lambda: dict(VOICES), description="Language of a text -> of <Say>.")
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    answer_timeout_s: float = Field(default=15.0, gt=0, le=120)
    poll_interval_s: float = Field(default=5.0, gt=0, le=300)
    connections: int = Field(default=16, ge=4, le=200)

    @model_validator(mode="after")
    def _urls_are_safe(self) -> Self:
        for key, url in (("base_url", self.base_url), ("public_url", self.public_url)):
            parts = urlsplit(url)
            if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
                raise ValueError(f"{key} must be an http(s) URL without query and fragment")
        base = urlsplit(self.base_url)
        if base.scheme != "https" and not self.plaintext and not _is_this_machine(base.hostname or ""):
            raise ValueError("base_url must be https://, or the password would travel in clear (plaintext = true)")
        return self


class VoiceSettings(_Settings):
    """How announcements are made, whatever the trunk."""

    trunk: RestTrunk | None = None
    max_starts_per_minute: int = Field(default=600, ge=1, le=600, description="In any sliding 60 s, on all nodes.")
    max_concurrent_calls: int = Field(default=600, ge=1, le=10_000)
    ring_timeout_s: int = Field(default=45, ge=5, le=300)
    repeat: int = Field(default=2, ge=1, le=5, description="How often the text is read.")
    key_timeout_s: int = Field(default=5, ge=1, le=30, description="How long to wait for the key after the prompt.")
    max_call_s: int = Field(default=300, ge=10, le=1800)
    characters_per_s: float = Field(
        default=12.0, ge=5, le=30, description="Speed of speech, to estimate how long a reading takes: rather too low."
    )
    prompts: dict[str, str] = Field(default_factory=lambda: dict(PROMPTS), description="Asks for the key, by language.")
    thanks: dict[str, str] = Field(default_factory=lambda: dict(THANKS), description="Said after the key, by language.")
    drain_s: float = Field(default=5.0, ge=0, le=60, description="How long a stopping node waits for answers.")

    def reading_s(self, text: str) -> float:
        """Estimated seconds that one reading of the text takes: a call at least this long has played it."""
        return round(len(text) / self.characters_per_s, 1)

    def longest_s(self, text: str) -> int:
        """Seconds after which a call is ended by the provider: all readings, the prompt, the key, and some air."""
        return min(self.max_call_s, int(self.repeat * self.reading_s(text) * 1.5) + self.key_timeout_s + 20)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
