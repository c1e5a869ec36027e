"""The settings of one SMS provider: where it is, who we are there, how it takes texts, which numbers it is for.

Knows: keys, their bounds and defaults, how they translate into the words of the SMPP kit.
Never knows: where settings are read from, sockets, deliveries. SMPP 3.4 §5.2.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.channels.sms_breaker import Breaker
from gateway.channels.sms_routes import Rule
from gateway.smpp import text
from gateway.smpp.events import BindConfig, Role
from gateway.smpp.link import Backoff, Endpoint
from gateway.smpp.national import Language

Prefix = Annotated[str, Field(pattern=r"^\+[0-9]{0,15}$")]
"""The beginning of E.164 numbers; "+" alone is all of them."""
Table = Literal[
    "turkish", "spanish", "portuguese", "bengali", "gujarati", "hindi", "kannada", "malayalam", "oriya", "punjabi",
    "tamil", "telugu", "urdu",
]  # fmt: skip


class SmsProviderSettings(BaseModel):
    """One provider: where, as whom, with which sender, how fast, and how its ids and receipts look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    host: str = Field(min_length=1)
    port: int = Field(default=2775, ge=1, le=65535)
    system_id: str = Field(max_length=15)  # SMPP 3.4 §5.2.1
    password: SecretStr = Field(max_length=8)  # SMPP 3.4 §5.2.2
    system_type: str = Field(default="", max_length=12)  # SMPP 3.4 §5.2.3
    bind_as: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    binds: int = Field(default=1, ge=1, le=64)
    window: int = Field(default=100, ge=1, le=10_000)
    max_rate_per_s: float | None = Field(default=None, gt=0, le=100_000)
    bind_rate_per_s: float | None = Field(default=None, gt=0, le=100_000)
    account: str = Field(default="", pattern=r"^[a-z0-9-]{0,32}$")
    prefixes: tuple[Prefix, ...] = ("+",)
    priority: int = Field(default=0, ge=-100, le=100)
    weight: float = Field(default=1.0, gt=0, le=1000)
    breaker_failures: int = Field(default=20, ge=1, le=10_000)
    breaker_first_s: float = Field(default=5.0, gt=0, le=3600)
    breaker_longest_s: float = Field(default=120.0, gt=0, le=3600)
    source_addr: str = Field(pattern=r"^[ -~]{0,20}$")  # SMPP 3.4 §5.2.8
    source_ton: int = Field(default=5, ge=0, le=7)
    source_npi: int = Field(default=0, ge=0, le=255)
    dest_ton: int = Field(default=1, ge=0, le=7)
    dest_npi: int = Field(default=1, ge=0, le=255)
    receipts: bool = True
    message_id_rule: Literal["raw", "case-fold", "leading-zeros", "hex", "hex->decimal", "decimal->hex"] = "raw"
    long_messages: text.Carriage = text.Carriage.HEADER
    cancel_sm: bool = False
    replace_sm: bool = False
    wide_reference: bool = False
    national_tables: tuple[Table, ...] = ()
    validity: bool = True
    urgent_priority_flag: int = Field(default=1, ge=0, le=3)
    announce_mode: bool = False
    tls: bool = False
    tls_ca_file: Path | None = None
    connect_timeout_s: float = Field(default=10.0, gt=0)
    control_timeout_s: float = Field(default=10.0, gt=0)
    response_timeout_s: float = Field(default=60.0, gt=0)
    enquire_link_s: float = Field(default=15.0, ge=0)
    outbind_port: int = Field(default=0, ge=0, le=65535)
    outbind_host: str = Field(default="127.0.0.1", min_length=1)
    outbind_system_id: str = Field(default="", max_length=15)
    outbind_password: SecretStr = Field(default=SecretStr(""), max_length=8)
    reconnect_first_s: float = Field(default=1.0, gt=0)
    reconnect_longest_s: float = Field(default=60.0, gt=0)
    reconnect_refused_s: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _tables_need_a_header(self) -> "SmsProviderSettings":
        if self.national_tables and self.long_messages is not text.Carriage.HEADER:
            raise ValueError("national_tables needs long_messages 'header': nothing else can name a table")
        return self

    @model_validator(mode="after")
    def _names_messages_by_the_ids_as_given(self) -> "SmsProviderSettings":
        if (self.cancel_sm or self.replace_sm) and self.message_id_rule != "raw":
            key = "cancel_sm" if self.cancel_sm else "replace_sm"
            raise ValueError(f"{key} needs message_id_rule 'raw': other rules do not keep the ids as given")
        return self

    @property
    def account_name(self) -> str:
        """The account whose rate this provider's messages count for."""
        return self.account or self.name

    def rule(self) -> Rule:
        """Which numbers it is for."""
        return Rule(prefixes=self.prefixes, preference=self.priority, weight=self.weight)

    def breaker(self) -> Breaker:
        """When it is left alone."""
        return Breaker(failures=self.breaker_failures, first_s=self.breaker_first_s, longest_s=self.breaker_longest_s)

    def way(self) -> text.Way:
        """How texts travel."""
        languages = tuple(Language[name.upper()] for name in self.national_tables)
        return text.Way(self.long_messages, self.wide_reference, languages)

    def endpoint(self) -> Endpoint:
        """Where to connect, with a verified TLS context when TLS is asked for."""
        context = ssl.create_default_context(cafile=self.tls_ca_file) if self.tls else None
        return Endpoint(host=self.host, port=self.port, tls=context, connect_timeout_s=self.connect_timeout_s)

    def roles(self) -> tuple[Role, ...]:
        """One role for each connection."""
        if self.bind_as == "transceiver":
            return (Role.TRANSCEIVER,) * self.binds
        return (Role.TRANSMITTER, Role.RECEIVER) * self.binds

    def bind_config(self, role: Role) -> BindConfig:
        """What one connection asks its bind with."""
        return BindConfig(
            system_id=self.system_id,
            password=self.password.get_secret_value(),
            system_type=self.system_type,
            role=role,
            window=self.window,
            enquire_link_s=self.enquire_link_s,
            response_timeout_s=self.response_timeout_s,
            control_timeout_s=self.control_timeout_s,
        )

    def outbind(self) -> tuple[Endpoint, BindConfig] | None:
        """Where the provider may connect to us and ask for a receiver, where it does."""
        if not self.outbind_port:
            return None
        secret = (self.outbind_system_id, self.outbind_password.get_secret_value())
        config = replace(self.bind_config(Role.RECEIVER), outbind=secret)
        return Endpoint(host=self.outbind_host, port=self.outbind_port, listens=True), config

    def backoff(self) -> Backoff:
        """How long to wait between connections."""
        return Backoff(
            first_s=self.reconnect_first_s, longest_s=self.reconnect_longest_s, refused_s=self.reconnect_refused_s
        )


class CanarySettings(BaseModel):
    """A telephone of ours with one operator, how often a message goes to it, and by whom if not by the routes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    number: str = Field(pattern=r"^\+[1-9][0-9]{3,14}$")
    provider: str = ""
    interval_s: float = Field(default=600.0, ge=10, le=86_400)
    text: str = Field(default="Canary", min_length=1, max_length=70)


def account_rates(providers: Sequence[SmsProviderSettings]) -> dict[str, float]:
    """Parts a second of each account that has a rate; the lowest where its providers disagree."""
    rates: dict[str, float] = {}
    for one in providers:
        if one.max_rate_per_s is not None:
            rates[one.account_name] = min(one.max_rate_per_s, rates.get(one.account_name, one.max_rate_per_s))
    return rates


_ALPHABETS = {text.Encoding.GSM: "gsm7", text.Encoding.UCS2: "ucs2"}


def sms_counter(providers: Sequence[SmsProviderSettings]) -> Callable[[str], tuple[str, int]]:
    """Encoding and parts of an SMS, by whichever of these providers needs the most."""
    ways = tuple(dict.fromkeys(provider.way() for provider in providers)) or (text.PLAIN,)

    def count(words: str) -> tuple[str, int]:
        most = max((text.count(words, way) for way in ways), key=lambda counted: counted.parts)
        return _ALPHABETS[most.encoding], most.parts

    return count
