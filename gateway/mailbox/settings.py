"""The settings of alerts by mail: which mailboxes are watched, what a mail may be, how answers go back.

Knows: keys, bounds and defaults. Never knows: where settings are read from, sockets, alerts.
"""

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.cap.words import token_problem
from gateway.channels.email_settings import EmailSettings
from gateway.mailbox.mime import Limits
from gateway.smtp.message import parse_address


class BoxSettings(BaseModel):
    """One mailbox. `addresses` are those it is known by: mails proven by DKIM must name one of them in To or Cc.

    `takes` 'alerts', or 'returns': what comes back for sent mails, to email.envelope_address with any tag.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    takes: Literal["alerts", "returns"] = "alerts"
    host: str = Field(min_length=1)
    port: int = Field(default=993, ge=1, le=65535)
    security: Literal["tls", "none"] = "tls"
    ca_file: Path | None = None
    username: str = Field(min_length=1)
    password: SecretStr
    folder: str = Field(default="INBOX", min_length=1, max_length=200, pattern=r"^[ -~]+$")
    addresses: tuple[str, ...] = ()
    command_timeout_s: float = Field(default=30.0, gt=0, le=300)
    mail_timeout_s: float = Field(default=180.0, gt=0, le=3600)
    look_s: float = Field(default=60.0, ge=1, le=1740)
    backoff_first_s: float = Field(default=1.0, gt=0, le=60)
    backoff_max_s: float = Field(default=60.0, gt=0, le=3600)

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [value for value in values if parse_address(value) is None]
        if wrong:
            raise ValueError(f"{wrong[0]} is not an e-mail address")
        return tuple(value.lower() for value in values)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.security == "none" and not _is_this_machine(self.host):
            raise ValueError("security 'none' sends the password in the clear: it is for this machine itself only")
        return self

    def tls_context(self) -> ssl.SSLContext | None:
        """A context that verifies certificate and name, or None without TLS."""
        if self.security == "none":
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8314 §4.1
        return context


class MailboxSection(BaseModel):
    """Alerts by mail. `sender` is the gateway's own CAP sender in Ack and Error; without it nothing is answered.

    `nameservers`: where keys are asked for instead of the machine's resolver; one that validates DNSSEC is best.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    boxes: tuple[BoxSettings, ...] = ()
    sender: str = ""
    answers_per_hour: int = Field(default=60, ge=0, le=10_000)
    max_mail_bytes: int = Field(default=33_554_432, ge=65_536, le=268_435_456)
    max_parts: int = Field(default=200, ge=1, le=10_000)
    max_alerts: int = Field(default=20, ge=1, le=1000)
    proof_patience_s: float = Field(default=3600.0, ge=0, le=604_800)
    dns_timeout_s: float = Field(default=5.0, gt=0, le=60)
    nameservers: tuple[str, ...] = ()
    dns_port: int = Field(default=53, ge=1, le=65535)
    openssl: str = Field(default="openssl", min_length=1)

    @field_validator("sender")
    @classmethod
    def _is_token(cls, value: str) -> str:
        if value and (token_problem(value) or not value.isprintable()):
            raise ValueError("not a CAP sender: no spaces, commas, < or &")
        return value

    @field_validator("nameservers")
    @classmethod
    def _are_literals(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ip_address(value)
        return values

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [box.name for box in self.boxes]
        if len(names) > len(set(names)):
            raise ValueError("two boxes have the same name")
        return self

    def problem(self, email: EmailSettings | None) -> str:
        """Why this can not be with such a section [email]; "" when it can."""
        if self.sender and not (email and email.relays):
            return "mailbox.sender: answers leave by email.relays, and there are none"
        secret = email.verp_secret.get_secret_value() if email else ""
        if any(box.takes == "returns" for box in self.boxes) and not secret:
            return "mailbox.boxes: one that takes returns needs email.verp_secret, by which they are believed"
        return ""

    def limits(self) -> Limits:
        """What a mail may be, in the words of its reader."""
        return Limits(parts=self.max_parts, decoded_bytes=self.max_mail_bytes)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
