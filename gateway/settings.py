"""Everything an operator decides, from one TOML file and a few environment variables, as one frozen value.

Knows: every section and key with its default, unit and bounds; the settings types of the channels.
Never knows: who uses a setting. config/gateway.toml says each of them in prose.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.channels.email_settings import EmailSettings, RelaySettings
from gateway.channels.sms_settings import CanarySettings, SmsProviderSettings
from gateway.channels.voice_settings import Trunk, VoiceSettings
from gateway.errors import SettingsError
from gateway.flows.dispatch_settings import DispatchSection
from gateway.flows.feed_settings import FeedSettings
from gateway.flows.forgetting import RetentionSettings
from gateway.flows.hub_settings import HubSettings
from gateway.flows.registration_settings import RegistrationSettings
from gateway.flows.retry_settings import RetrySection
from gateway.flows.sources_settings import SourcesSection
from gateway.flows.webhook_settings import WebhookSettings
from gateway.mailbox.settings import MailboxSection
from gateway.model import ChannelName
from gateway.policy.compose import ComposeRules, CountSms
from gateway.toml_model import checked, schema, shown
from gateway.web.sign_in_settings import SignInSettings


class Role(StrEnum):
    """What a node does; a gateway needs each role on at least one of its nodes."""

    API = "api"
    FEED = "feed"
    CALLBACKS = "callbacks"
    MAILBOX = "mailbox"
    DISPATCH = "dispatch"


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NodeSection(Section):
    """This process among the others that share its database."""

    name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,63}$")
    roles: tuple[Role, ...] = Field(default=tuple(Role), min_length=1)


class DatabaseSection(Section):
    """PostgreSQL: `dsn` of the application's role, `owner_dsn` of the schema's owner, which only migrate uses."""

    dsn: SecretStr = SecretStr("")
    owner_dsn: SecretStr = SecretStr("")
    password: SecretStr = SecretStr("")
    app_role: str = Field(default="gateway_app", pattern=r"^[a-z_][a-z0-9_]{0,54}$")
    embedded: Path | None = None
    pool_min: int = Field(default=2, ge=1, le=100)
    pool_max: int = Field(default=10, ge=2, le=100)
    connect_timeout_s: float = Field(default=10.0, gt=0, le=300)
    command_timeout_s: float = Field(default=60.0, gt=0, le=300)
    failover_s: float = Field(default=300.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if bool(self.dsn.get_secret_value()) == (self.embedded is not None):
            raise ValueError("give dsn (a server) or embedded (a folder), exactly one of them")
        if self.pool_min > self.pool_max:
            raise ValueError("pool_min is above pool_max")
        return self


class HttpSection(Section):
    """Where the gateway listens, and how others name it."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    max_body_bytes: int = Field(default=4_194_304, ge=1024, le=1_073_741_824)
    parse_workers: int = Field(default=1, ge=1, le=64)

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("it should be http(s)://host, perhaps with a path, without ? and #")
        return value.rstrip("/")


class MetricsSection(Section):
    """`listen` moves /metrics away from the public port, for example to 127.0.0.1:9464."""

    listen: str = Field(default="", pattern=r"^(|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5})$")

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None for the main port."""
        host, _, port = self.listen.rpartition(":")
        return (host.strip("[]"), int(port)) if port else None


class SmsSection(Section):
    """SMS: rates count parts. `simulated` providers take exercises and rehearsals."""

    max_parts: int = Field(default=3, ge=1, le=10)
    rate_per_s: float = Field(default=500.0, gt=0, le=100_000)
    max_unrecorded: int = Field(default=3000, ge=1)
    drain_s: float = Field(default=3.0, ge=0, le=5)
    providers: tuple[SmsProviderSettings, ...] = ()
    simulated: tuple[SmsProviderSettings, ...] = ()
    canaries: tuple[CanarySettings, ...] = ()

    @model_validator(mode="after")
    def _canaries_have_a_way(self) -> Self:
        names = {provider.name for provider in self.providers}
        for one in self.canaries:
            if one.provider and one.provider not in names:
                raise ValueError(f"the canary {one.name} asks for the provider {one.provider}, which is not there")
        if len({one.name for one in self.canaries}) < len(self.canaries):
            raise ValueError("two canaries have one name")
        return self

    def all(self) -> tuple[SmsProviderSettings, ...]:
        """Every provider, real ones first."""
        return (*self.providers, *self.simulated)


class EmailSection(EmailSettings):
    """E-mail: who it comes from and the relays. `simulated` relays take exercises and rehearsals."""

    rate_per_s: float = Field(default=2500.0, gt=0, le=1_000_000)
    simulated: tuple[RelaySettings, ...] = ()


class VoiceSection(VoiceSettings):
    """Voice: how announcements are made and the trunk. The `simulated` trunk takes exercises and rehearsals."""

    simulated: Trunk | None = None


class ComposeSection(Section):
    """What the gateway adds to authors' words. `all_clear` is by two-letter language."""

    time_zone: str = "Europe/Brussels"
    voice_max_characters: int = Field(default=1500, ge=160, le=10_000)
    all_clear: dict[str, str] = {}
    email_map: bool = True

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise ValueError("it should be a name like Europe/Brussels") from error
        return value


class SupportSection(Section):
    """Whom an authority may ask; said in the answers that refuse something."""

    name: str = ""
    email: str = ""
    phone: str = ""
    url: str = ""

    def said(self) -> dict[str, str]:
        """What is filled in."""
        return {name: value for name, value in self.model_dump().items() if value}


class IntakeSection(Section):
    """What an alert may be."""

    max_bytes: int = Field(default=1_048_576, ge=1024, le=104_857_600)
    default_expiry_s: float = Field(default=86_400.0, ge=60, le=31_536_000)


class LogSection(Section):
    """The log on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "logfmt"] = "json"


class Settings(Section):
    """The whole configuration."""

    node: NodeSection = NodeSection()
    database: DatabaseSection
    http: HttpSection = HttpSection()
    metrics: MetricsSection = MetricsSection()
    dispatch: DispatchSection = DispatchSection()
    retry: RetrySection = RetrySection()
    sms: SmsSection = SmsSection()
    email: EmailSection | None = None
    voice: VoiceSection = Field(default_factory=VoiceSection)
    feed: FeedSettings = FeedSettings()
    hub: HubSettings = HubSettings()
    mailbox: MailboxSection = MailboxSection()
    sources: SourcesSection = SourcesSection()
    webhooks: WebhookSettings = WebhookSettings()
    retention: RetentionSettings = RetentionSettings()
    citizens: RegistrationSettings = RegistrationSettings()
    compose: ComposeSection = ComposeSection()
    support: SupportSection = SupportSection()
    intake: IntakeSection = IntakeSection()
    sign_in: SignInSettings = SignInSettings()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.http.max_body_bytes < self.intake.max_bytes:
            raise ValueError("http.max_body_bytes is below intake.max_bytes: no alert of that size could arrive")
        if self.mailbox.sender and not (self.email and self.email.relays):
            raise ValueError("mailbox.sender: answers leave by email.relays, and there are none")
        returns = any(box.takes == "returns" for box in self.mailbox.boxes)
        if returns and not (self.email and self.email.verp_secret.get_secret_value()):
            raise ValueError(
                "mailbox.boxes: one that takes returns needs email.verp_secret, by which they are believed"
            )
        seen: set[str] = set()
        for name in self.provider_names():
            if name in seen:  # receipts are found again by this name
                raise ValueError(f"two providers, relays or trunks have the name {name}")
            seen.add(name)
        return self

    def provider_names(self) -> list[str]:
        """The names of all SMS providers, relays and trunks, real ones first."""
        relays = [*self.email.relays, *self.email.simulated] if self.email else []
        trunks = [trunk for trunk in (self.voice.trunk, self.voice.simulated) if trunk is not None]
        return [
            *(bind.name for bind in self.sms.all()),
            *(relay.name for relay in relays),
            *(trunk.name for trunk in trunks),
        ]

    def trunk_ceilings(self) -> dict[str, int]:
        """The starts a minute of trunks that have a ceiling of their own."""
        trunks = [trunk for trunk in (self.voice.trunk, self.voice.simulated) if trunk is not None]
        return {trunk.name: most for trunk in trunks if (most := trunk.max_starts_per_minute) is not None}

    def rates(self) -> dict[ChannelName, float]:
        """Agreed rates: SMS parts, e-mails and call starts per second."""
        return {
            ChannelName.SMS: self.sms.rate_per_s,
            ChannelName.EMAIL: self.email.rate_per_s if self.email else 0.0,
            ChannelName.VOICE: self.voice.max_starts_per_minute / 60,
        }

    def compose_rules(self, count_sms: CountSms, respell: Callable[[str], str] = str) -> ComposeRules:
        """The rules for texts."""
        return ComposeRules(
            count_sms=count_sms,
            respell=respell,
            sms_max_parts=self.sms.max_parts,
            voice_max_characters=self.compose.voice_max_characters,
            time_zone=self.compose.time_zone,
            all_clear=self.compose.all_clear,
            email_map=self.compose.email_map,
        )


def _words(value: str) -> list[str]:
    return [word for word in value.replace(",", " ").split() if word]


def _whole(value: str) -> int | str:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value


ENVIRONMENT: Mapping[str, tuple[str, str, Callable[[str], object]]] = {
    "GATEWAY_DATABASE_DSN": ("database", "dsn", str),
    "GATEWAY_DATABASE_OWNER_DSN": ("database", "owner_dsn", str),
    "GATEWAY_DATABASE_PASSWORD": ("database", "password", str),
    "GATEWAY_NODE_NAME": ("node", "name", str),
    "GATEWAY_NODE_ROLES": ("node", "roles", _words),
    "GATEWAY_HTTP_HOST": ("http", "host", str),
    "GATEWAY_HTTP_PORT": ("http", "port", _whole),
    "GATEWAY_HTTP_PUBLIC_URL": ("http", "public_url", str),
    "GATEWAY_METRICS_LISTEN": ("metrics", "listen", str),
    "GATEWAY_LOG_LEVEL": ("log", "level", str),
    "GATEWAY_LOG_FORMAT": ("log", "format", str),
}
"""Variables that win over the file, with their section, key and reading. An empty one counts as absent."""


def load(path: Path | None, *, environment: Mapping[str, str]) -> Settings:
    """The settings of a file (None: of the environment alone). Raises SettingsError with every mistake."""
    if path is None:
        return parse({}, environment=environment)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path} can not be read: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsError([f"{path} is not TOML: {error}"]) from error
    return parse(document, folder=path.parent, environment=environment)


def parse(
    document: Mapping[str, Any], *, folder: Path = Path(), environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a document; files of secrets are sought from `folder`."""
    found = checked(Settings, _overridden(document, environment or {}), folder)
    if isinstance(found, Settings):
        return found
    raise SettingsError(found)


def effective(settings: Settings) -> str:
    """What is in force, as TOML with its secrets hidden."""
    return shown(settings)


def schema_text() -> str:
    """JSON Schema of the file, for editors: what stands in schemas/config.schema.json."""
    whole = {**schema(Settings), "title": "Configuration of cap-alert-gateway"}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _overridden(document: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    changed = dict(document)
    for variable, (section, key, read) in ENVIRONMENT.items():
        value = environment.get(variable, "")
        table = changed.get(section, {})
        if value and isinstance(table, dict):
            changed[section] = {name: old for name, old in table.items() if name != f"{key}_file"} | {key: read(value)}
    return changed
