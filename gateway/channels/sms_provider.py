"""A provider of SMS: its settings, the templates of a text as it wants them, and the answers for a long message.

Knows: sender, numbering, validity, priority, ids and refusals of one provider.
Never knows: sockets, the store, what is sent when.
SMPP 3.4 §5.2 through gateway.smpp.
"""

import ssl
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.model import Delivery, MessageClass, Outcome, OutcomeKind, Receipt, ReceiptKind, Text
from gateway.smpp import pdu, text, tlv
from gateway.smpp.events import BindConfig, Role
from gateway.smpp.link import Backoff, Endpoint
from gateway.smpp.receipt import ID_RULES, DeliveryReceipt, Fate, normal_id
from gateway.smpp.status import BY_NAME, StatusKind, lookup

_MOST_TEXTS = 1_000
_THROTTLE_PAUSE_S = 1.0
_LINK_FAULT_PAUSE_S = 5.0
_OK = BY_NAME["ESME_ROK"].name

_RECEIPTS = {
    Fate.DELIVERED: ReceiptKind.DELIVERED,
    Fate.FAILED: ReceiptKind.FAILED,
    Fate.EXPIRED: ReceiptKind.EXPIRED,
}
# kind of command_status -> (outcome, seconds until another try makes sense)
_REFUSALS: dict[StatusKind, tuple[OutcomeKind, float | None]] = {
    StatusKind.OK: (OutcomeKind.ACCEPTED, None),
    StatusKind.RETRY: (OutcomeKind.RETRY, None),
    StatusKind.THROTTLE: (OutcomeKind.RETRY, _THROTTLE_PAUSE_S),
    StatusKind.FAILED: (OutcomeKind.FAILED, None),
    StatusKind.LINK_FAULT: (OutcomeKind.RETRY, _LINK_FAULT_PAUSE_S),
}
# of a long message the gravest answer counts: never sent twice without saying so, never again what can not succeed
_GRAVITY = {OutcomeKind.ACCEPTED: 0, OutcomeKind.RETRY: 1, OutcomeKind.UNKNOWN: 2, OutcomeKind.FAILED: 3}


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
    max_rate_per_s: float | None = Field(default=None, gt=0)
    source_addr: str = Field(pattern=r"^[ -~]{0,20}$")  # SMPP 3.4 §5.2.8
    source_ton: int = Field(default=5, ge=0, le=7)
    source_npi: int = Field(default=0, ge=0, le=255)
    dest_ton: int = Field(default=1, ge=0, le=7)
    dest_npi: int = Field(default=1, ge=0, le=255)
    receipts: bool = True
    message_id_rule: Literal["raw", "case-fold", "leading-zeros", "hex", "hex->decimal", "decimal->hex"] = "raw"
    wide_reference: bool = False
    validity: bool = True
    urgent_priority_flag: int = Field(default=1, ge=0, le=3)
    announce_mode: bool = False
    tls: bool = False
    tls_ca_file: Path | None = None
    connect_timeout_s: float = Field(default=10.0, gt=0)
    control_timeout_s: float = Field(default=10.0, gt=0)
    response_timeout_s: float = Field(default=60.0, gt=0)
    enquire_link_s: float = Field(default=15.0, ge=0)
    reconnect_first_s: float = Field(default=1.0, gt=0)
    reconnect_longest_s: float = Field(default=60.0, gt=0)
    reconnect_refused_s: float = Field(default=30.0, gt=0)

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

    def backoff(self) -> Backoff:
        """How long to wait between connections."""
        return Backoff(
            first_s=self.reconnect_first_s, longest_s=self.reconnect_longest_s, refused_s=self.reconnect_refused_s
        )


class Prepared(NamedTuple):
    """A text as one provider sends it: a template for each part, or why it can not be sent."""

    text: Text
    parts: tuple[pdu.Template, ...]
    refusal: str


class LongMessage:
    """A message of several parts: one outcome when all its parts have their answers."""

    __slots__ = ("delivery", "ids", "left", "worst")

    def __init__(self, delivery: Delivery, parts: int) -> None:
        self.delivery = delivery
        self.left = parts
        self.ids = [""] * parts
        self.worst: Outcome | None = None

    def answered(self, number: int, outcome: Outcome) -> Outcome | None:
        """The outcome of the whole message, once the last part has its answer."""
        self.ids[number] = outcome.message_ids[0] if outcome.message_ids else ""
        if self.worst is None or _GRAVITY[outcome.kind] > _GRAVITY[self.worst.kind]:
            self.worst = outcome
        self.left -= 1
        if self.left:
            return None
        return self.worst._replace(message_ids=tuple(filter(None, self.ids)) if not _GRAVITY[self.worst.kind] else ())


class PartTicket(NamedTuple):
    """The ticket of one part."""

    long: LongMessage
    number: int


class Provider:
    """Settings of one provider and its prepared texts."""

    def __init__(self, settings: SmsProviderSettings) -> None:
        self.settings = settings
        self.rule = ID_RULES[settings.message_id_rule]
        self._texts: OrderedDict[tuple[int, int], Prepared] = OrderedDict()

    def prepared(self, words: Text) -> Prepared:
        """The templates of a text, made once; the least lately used are forgotten."""
        key = (words.campaign, words.key)
        found = self._texts.get(key)
        if found is None or (found.text is not words and found.text != words):
            found = self._texts[key] = self._prepare(words)
            if len(self._texts) > _MOST_TEXTS:
                self._texts.popitem(last=False)
        else:
            self._texts.move_to_end(key)
        return found

    def accepted(self, tickets: Sequence[object], ids: Sequence[str]) -> list[Outcome]:
        """Outcomes of what the peer took; one without an id can get no receipt."""
        name, receipts, normal, kind = (
            self.settings.name,
            self.settings.receipts,
            self.rule.response,
            OutcomeKind.ACCEPTED,
        )
        told: list[Outcome] = []
        for ticket, message_id in zip(tickets, ids, strict=True):
            known = (normal(message_id),) if message_id else ()
            settled = not (receipts and known)
            if isinstance(ticket, Delivery):
                told.append(Outcome(ticket, kind, name, 0, _OK, known, settled))
            else:
                told += self._answered(ticket, kind, 0, _OK, known, settled)
        return told

    def refused(self, ticket: object, status: int) -> list[Outcome]:
        """The outcome of a refusal, by the table of command_status."""
        row = lookup(status)
        kind, pause_s = _REFUSALS[row.kind]
        return [told._replace(retry_after_s=pause_s) for told in self._answered(ticket, kind, status, row.name)]

    def unknown(self, tickets: Sequence[object], why: str) -> list[Outcome]:
        """Outcomes of what left and was never answered."""
        return [told for ticket in tickets for told in self._answered(ticket, OutcomeKind.UNKNOWN, 0, why)]

    def received(self, receipts: Sequence[DeliveryReceipt]) -> list[Receipt]:
        """Receipts with their ids in the form of the responses; those that settle nothing are left out."""
        name, rule = self.settings.name, self.rule
        return [
            Receipt(name, normal_id(rule, found), _RECEIPTS[found.fate], found.error, found.word)
            for found in receipts
            if found.fate in _RECEIPTS
        ]

    def _answered(
        self,
        ticket: object,
        kind: OutcomeKind,
        code: int,
        detail: str,
        ids: tuple[str, ...] = (),
        settled: bool = False,
    ) -> list[Outcome]:
        """One answer: a delivery's own, or a part's, which is the delivery's when it was the last."""
        if isinstance(ticket, PartTicket):
            outcome = Outcome(ticket.long.delivery, kind, self.settings.name, code, detail, ids, settled)
            whole = ticket.long.answered(ticket.number, outcome)
            return [whole] if whole is not None else []
        assert isinstance(ticket, Delivery)
        return [Outcome(ticket, kind, self.settings.name, code, detail, ids, settled)]

    def _prepare(self, words: Text) -> Prepared:
        settings = self.settings
        body = text.clean(words.body)
        needed = text.count(body, wide_reference=settings.wide_reference).parts
        if needed > min(settings.window, text.MAX_PARTS):
            return Prepared(words, (), "too many parts")
        reference = (words.campaign * 31 + words.key) & 0xFFFF
        parts = text.encode(body, reference, wide_reference=settings.wide_reference)
        return Prepared(words, tuple(self._template(words, part) for part in parts), "")

    def _template(self, words: Text, part: text.Part) -> pdu.Template:
        settings = self.settings
        mode = ((tlv.CAMPAIGN_MODE, words.mode.value.encode() + b"\0"),) if settings.announce_mode else ()
        urgent = words.message_class is MessageClass.URGENT
        return pdu.template(
            source_addr=settings.source_addr,
            short_message=part.payload,
            data_coding=part.data_coding,
            esm_class=part.esm_class,
            source_ton=settings.source_ton,
            source_npi=settings.source_npi,
            dest_ton=settings.dest_ton,
            dest_npi=settings.dest_npi,
            priority_flag=settings.urgent_priority_flag if urgent else 0,
            validity_period=absolute_time(words.expires_at) if settings.validity else "",
            registered_delivery=int(settings.receipts),
            tlvs=mode,
        )


def absolute_time(moment: datetime) -> str:
    """A moment as schedule_delivery_time and validity_period want it, in UTC."""
    # SMPP 3.4 §7.1.1: YYMMDDhhmmss, tenths, quarters of an hour from UTC, sign
    return moment.astimezone(UTC).strftime("%y%m%d%H%M%S") + "000+"
