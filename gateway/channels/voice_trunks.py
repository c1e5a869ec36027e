"""The settings of trunks: a provider's Calls API, a SIP trunk of our own, an Asterisk.

Knows: every key with its meaning, unit and bounds. Never knows: how a call is placed.
Caller ids come from here only, never from an alert.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

TrunkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]

VOICES: Mapping[str, str] = {"nl": "nl-NL", "fr": "fr-FR", "de": "de-DE", "en": "en-GB"}


class TrunkSettings(BaseModel):
    """What all trunks have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: TrunkName = Field(description="Names the trunk in metrics, receipts and callback URLs.")
    caller_id: PhoneNumber = Field(description="The number that people see: one that the provider lets us use.")
    max_starts_per_minute: int | None = Field(default=None, ge=1, le=600, description="This trunk's own ceiling.")
    max_concurrent_calls: int | None = Field(default=None, ge=1, le=10_000, description="Lines of this trunk, a node.")


class RestTrunk(TrunkSettings):
    """A provider with a Twilio-compatible Calls API."""

    driver: Literal["rest"] = "rest"
    base_url: str = Field(description="For example https://api.provider.example; the path of the API is added.")
    account_sid: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    auth_token: SecretStr = Field(description="Signs in to the API, and verifies the signature of its callbacks.")
    public_url: str = Field(default="", description="How the provider reaches us. Empty: calls are polled instead.")
    plaintext: bool = Field(default=False, description="Allow http:// to a host that is not this machine.")
    voices: dict[str, str] = Field(default_factory=lambda: dict(VOICES), description="Language of a text -> of <Say>.")
    machine_detection: bool = Field(
        default=True, description="Have the provider tell machines, if voice.machine.detect does; it may charge for it."
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    answer_timeout_s: float = Field(default=15.0, gt=0, le=120)
    poll_interval_s: float = Field(default=5.0, gt=0, le=300)
    connections: int = Field(
        default=40,
        ge=4,
        le=200,
        description="40 are enough for ten starts a second, each answered after three seconds.",
    )

    @model_validator(mode="after")
    def _urls_are_safe(self) -> Self:
        for key, url in (("base_url", self.base_url), ("public_url", self.public_url)):
            if url:
                check_url(key, url)
        if urlsplit(self.base_url).scheme != "https" and not self.plaintext and not of_this_machine(self.base_url):
            raise ValueError("base_url must be https://, or the password would travel in clear (plaintext = true)")
        return self


class SipServer(BaseModel):
    """One way into a SIP trunk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: HostName
    port: int = Field(default=5060, ge=1, le=65535)
    transport: Literal["udp", "tcp", "tls"] = "udp"
    ca_file: str = Field(default="", description="Certificates that the server's is checked against; empty: system's.")


class SipTrunk(TrunkSettings):
    """A SIP trunk that the gateway calls through by itself: signalling, audio and keys."""

    driver: Literal["sip"]
    servers: tuple[SipServer, ...] = Field(min_length=1, description="In the order in which they are tried.")
    domain: str = Field(default="", description="The trunk's name in SIP addresses; empty: the first server's host.")
    username: str = Field(default="", description="For digest authentication; empty: the trunk knows our address.")
    password: SecretStr = Field(default=SecretStr(""))
    asserted_id: str = Field(
        default="", pattern=r"^(\+[1-9][0-9]{6,14})?$", description="P-Asserted-Identity, where the trunk wants it."
    )
    local_host: str = Field(default="", description="Our address towards the trunk; empty: as the system routes.")
    local_port: int = Field(default=0, ge=0, le=65535, description="Our SIP port over UDP; 0: any.")
    public_host: str = Field(default="", description="Our address as the trunk sees it, behind a translating router.")
    rtp_ports: tuple[int, int] = Field(default=(16384, 32766), description="First and last UDP port for audio.")
    media_networks: tuple[str, ...] = Field(
        default=(), description="Where the trunk may want its audio; empty: anywhere. Of a trunk on this machine: here."
    )
    laws: tuple[Literal["pcma", "pcmu"], ...] = Field(default=("pcma", "pcmu"), min_length=1, max_length=2)
    keep_alive_s: float = Field(default=30.0, ge=1, le=3600, description="Between two OPTIONS.")
    answer_timeout_s: float = Field(
        default=4.0, gt=0, le=30, description="Without any answer to a call for so long, the next server is tried."
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        first, last = self.rtp_ports
        if not 1024 <= first < last <= 65535:
            raise ValueError("rtp_ports must be two ports from 1024 to 65535, the first below the last")
        for network in self.media_networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"media_networks: {error}") from error
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password go together")
        return self


class AriTrunk(TrunkSettings):
    """An Asterisk that calls for us, told over its REST interface and one websocket."""

    driver: Literal["ari"]
    base_url: str = Field(description="For example http://127.0.0.1:8088/ari")
    username: str = Field(min_length=1)
    password: SecretStr
    app: str = Field(default="cap-alert-gateway", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    endpoint: str = Field(
        default="PJSIP/{number}@trunk", description="What Asterisk dials; {number} is the number with its plus."
    )
    sounds_folder: str = Field(description="Where the gateway writes announcements, and Asterisk reads them.")
    sounds_prefix: str = Field(default="", description="The same folder as Asterisk names it; empty: the same path.")
    plaintext: bool = Field(default=False, description="Allow http:// to a host that is not this machine.")
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    answer_timeout_s: float = Field(default=10.0, gt=0, le=120)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_url("base_url", self.base_url)
        if urlsplit(self.base_url).scheme != "https" and not self.plaintext and not of_this_machine(self.base_url):
            raise ValueError("base_url must be https://, or the password would travel in clear (plaintext = true)")
        if "{number}" not in self.endpoint:
            raise ValueError("endpoint must contain {number}")
        return self


def check_url(key: str, url: str) -> None:
    """Raises ValueError when it is no plain http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{key} must be an http(s) URL without query and fragment")


def of_this_machine(url: str) -> bool:
    """Whether a URL's host is this machine by its very name."""
    return is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
