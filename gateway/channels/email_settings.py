"""The settings of the e-mail channel: who mails come from, through which relays they go.

Knows: keys, their bounds and defaults, how they translate into the words of the SMTP kit.
Never knows: where settings are read from, sockets, alerts.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.channels.email_domains import PATIENCE_S, DomainSettings
from gateway.channels.email_signing import DkimSettings
from gateway.channels.email_writer import Identity
from gateway.smtp.link import LinkSettings, PoolSettings, Security
from gateway.smtp.message import parse_address, url_field
from gateway.smtp.session import SessionSettings


class RelaySettings(BaseModel):
    """One SMTP relay; the lowest `priority` that is up is used, equal ones share the load. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    host: str = Field(min_length=1)
    port: int = Field(default=25, ge=1, le=65535)
    security: Security = Security.STARTTLS
    ca_file: Path | None = None
    username: str = ""
    password: SecretStr = SecretStr("")
    priority: int = 0
    connections: int = Field(default=10, ge=1, le=1000)
    messages_per_connection: int = Field(default=1000, ge=1)
    max_per_s: float | None = Field(default=None, gt=0)
    pipelining: bool = True
    dsn: bool = True
    connect_timeout_s: float = Field(default=10.0, gt=0)
    command_timeout_s: float = Field(default=30.0, gt=0)
    dot_timeout_s: float = Field(default=60.0, gt=0)
    idle_s: float = Field(default=30.0, gt=0)
    backoff_first_s: float = Field(default=0.5, gt=0)
    backoff_max_s: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> "RelaySettings":
        if self.username and self.security is Security.NONE:
            raise ValueError("username needs security 'starttls' or 'tls'")
        return self

    def pool(self, client_name: str, *, paced: bool = True) -> PoolSettings:
        """The same in the words of the SMTP kit; not `paced`: somebody else keeps to `max_per_s`."""
        session = SessionSettings(
            client_name=client_name,
            starttls=self.security is Security.STARTTLS,
            username=self.username,
            password=self.password.get_secret_value(),
            pipelining=self.pipelining,
            dsn=self.dsn,
            messages=self.messages_per_connection,
            command_s=self.command_timeout_s,
            dot_s=self.dot_timeout_s,
            idle_s=self.idle_s,
        )
        return PoolSettings(
            name=self.name,
            link=LinkSettings(
                host=self.host,
                port=self.port,
                security=self.security,
                ca_file=self.ca_file,
                connect_s=self.connect_timeout_s,
                session=session,
            ),
            connections=self.connections,
            per_s=self.max_per_s if paced else None,
            backoff_first_s=self.backoff_first_s,
            backoff_most_s=self.backoff_max_s,
        )


def relay_rates(relays: Sequence[RelaySettings]) -> dict[str, float]:
    """Mails a second of each relay that has a rate."""
    return {relay.name: relay.max_per_s for relay in relays if relay.max_per_s is not None}


class EmailSettings(BaseModel):
    """Who the mails come from and where they go.

    `envelope_address` gets a tag behind a plus (bounce@x -> bounce+TAG@x); `unsubscribe_url` holds {tag} and is
    never used for urgent messages; `max_unrecorded` bounds the answers that the store has not confirmed yet.
    `dkim` are keys that sign, in `dkim_workers` processes of their own. `domains` are ceilings of recipients' domains,
    `domain_max_per_s` that of every other one (None: no ceiling).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_address: str
    from_name: str = ""
    envelope_address: str
    message_id_domain: str
    client_name: str = Field(default="localhost", pattern=r"^[A-Za-z0-9.\[\]:-]{1,255}$")
    verp_secret: SecretStr = SecretStr("")
    unsubscribe_url: str = ""
    relays: tuple[RelaySettings, ...] = ()
    dkim: tuple[DkimSettings, ...] = ()
    dkim_workers: int = Field(default=1, ge=1, le=64)
    domains: tuple[DomainSettings, ...] = ()
    domain_max_per_s: float | None = Field(default=None, gt=0, le=1_000_000)
    max_unrecorded: int = Field(default=2000, ge=1)
    drain_s: float = Field(default=5.0, ge=0)

    @field_validator("from_address", "envelope_address")
    @classmethod
    def _is_plain_address(cls, value: str) -> str:
        address = parse_address(value)
        if address is None or address.utf8:
            raise ValueError("not an e-mail address")
        return value

    @field_validator("message_id_domain")
    @classmethod
    def _is_domain(cls, value: str) -> str:
        if not value.isascii() or parse_address(f"x@{value}") is None:
            raise ValueError("not a domain")
        return value

    @field_validator("unsubscribe_url")
    @classmethod
    def _is_url_with_tag(cls, value: str) -> str:
        if value and (value.count("{tag}") != 1 or not value.startswith("https://")):
            raise ValueError("must be an https URL that holds {tag} once")
        url_field("List-Unsubscribe", value.replace("{tag}", "1") or "x")
        return value

    @model_validator(mode="after")
    def _signs_for_its_sender(self) -> "EmailSettings":
        sender = self.from_address.rpartition("@")[2].lower()
        for one in self.dkim:
            if sender != one.domain and not sender.endswith("." + one.domain):
                raise ValueError(
                    f"dkim: {one.domain} is not the domain of from_address, so receivers would not count it"
                )
        return self

    def domain_rates(self) -> dict[str, float]:
        """Mails a second of each provider of mailboxes that nodes can share, by its first name: at a slower one nobody
        waits beside the links, so nobody would be there when a slot is granted."""
        return {one.names[0]: one.max_per_s for one in self.domains if one.max_per_s * PATIENCE_S >= 1.0}

    def identity(self) -> Identity:
        """The part that the writer of mails needs."""
        return Identity(
            from_address=self.from_address,
            from_name=self.from_name,
            envelope_address=self.envelope_address,
            message_id_domain=self.message_id_domain,
            secret=self.verp_secret.get_secret_value().encode(),
            unsubscribe_url=self.unsubscribe_url,
        )
