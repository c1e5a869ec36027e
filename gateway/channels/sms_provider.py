"""A provider of SMS: the templates of a text as it wants them, and what its answers say of a delivery.

Knows: sender, numbering, validity, priority, ids and refusals of one provider.
Never knows: sockets, the store, what is sent when.
SMPP 3.4 §5.2 through gateway.smpp.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, repeat
from typing import NamedTuple

from gateway.channels.base import may_leave
from gateway.channels.sms_settings import SmsProviderSettings
from gateway.model import (
    Belated,
    Delivery,
    Earlier,
    MessageClass,
    Outcome,
    OutcomeKind,
    Receipt,
    ReceiptKind,
    Text,
    Transport,
)
from gateway.smpp import pdu, text, tlv
from gateway.smpp.receipt import ID_RULES, DeliveryReceipt, Fate
from gateway.smpp.status import BY_NAME, Status, StatusKind, lookup

_E164 = re.compile(r"\+[1-9][0-9]{3,14}")
_MOST_TEXTS = 1_000
_MOST_PARTS = 30  # a bit each in the row of a delivery says whose receipts have come
_THROTTLE_PAUSE_S = 1.0
_LINK_FAULT_PAUSE_S = 5.0
_OK = BY_NAME["ESME_ROK"].name
_TAKEN = OutcomeKind.ACCEPTED
_ONLY_DELIVERIES = {Delivery}
# from all their fields in order, for less than a call by names costs
_as_outcome = partial(tuple.__new__, Outcome)
_as_receipt = partial(tuple.__new__, Receipt)

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
_GRAVITY = {
    OutcomeKind.ACCEPTED: 0,
    OutcomeKind.UNSENT: 1,
    OutcomeKind.RETRY: 2,
    OutcomeKind.UNKNOWN: 3,
    OutcomeKind.FAILED: 4,
}


def _gravity(outcome: Outcome) -> int:
    return _GRAVITY[outcome.kind]


class Prepared(NamedTuple):
    """A text as one provider sends it: a template for each message, what one recipient costs in SMS parts, or why it
    can not be sent."""

    text: Text
    parts: tuple[pdu.Template, ...]
    cost: int
    refusal: str


class LongMessage:
    """A message of several parts: one outcome when all its parts have their answers."""

    __slots__ = ("_parts", "delivery", "left")

    def __init__(self, delivery: Delivery, parts: int) -> None:
        self.delivery = delivery
        self.left = parts
        self._parts: list[Outcome | None] = [None] * parts

    def answered(self, number: int, outcome: Outcome) -> Outcome | None:
        """The outcome of the whole message, once the last part has its answer."""
        self.left -= 1
        return self.belated(number, outcome)

    def belated(self, number: int, outcome: Outcome) -> Outcome | None:
        """The same for a part that was said to be unknown: as long as another part is, so is the message."""
        self._parts[number] = outcome
        if self.left:
            return None
        parts = [part for part in self._parts if part is not None]
        worst = max(parts, key=_gravity)
        taken = [part.message_ids for part in parts] if worst.kind is _TAKEN else []
        return worst._replace(message_ids=tuple(chain.from_iterable(taken)))


class PartTicket(NamedTuple):
    """The ticket of one part."""

    long: LongMessage
    number: int


class Replacement(NamedTuple):
    """The ticket of a text that is to take the place of an earlier one."""

    delivery: Delivery
    earlier: Earlier


Ticket = Delivery | PartTicket | Replacement


def delivery_of(ticket: Ticket) -> Delivery:
    """The delivery that a ticket is for."""
    if isinstance(ticket, PartTicket):
        return ticket.long.delivery
    return ticket.delivery if isinstance(ticket, Replacement) else ticket


class Probe:
    """The ticket of a message that is no delivery: `answer` gets the id that the provider gave it, or nothing."""

    __slots__ = ("answer",)

    def __init__(self, answer: Callable[[str], None]) -> None:
        self.answer = answer


class Provider:
    """Settings of one provider and its prepared texts."""

    def __init__(self, settings: SmsProviderSettings) -> None:
        self.settings = settings
        self.rule = ID_RULES[settings.message_id_rule]
        self._way = settings.way()
        self._texts: OrderedDict[tuple[int, int], Prepared] = OrderedDict()
        self._plain: dict[str, text.Part | None] = {}

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
        name, receipts, normal = self.settings.name, self.settings.receipts, self.rule.response
        if all(ids) and set(map(type, tickets)) == _ONLY_DELIVERIES:  # nearly always: no Python for each of them
            known, settled, later = zip(map(normal, ids)), repeat(not receipts), repeat(None)
            fields = zip(tickets, repeat(_TAKEN), repeat(name), repeat(0), repeat(_OK), known, settled, later)
            return list(map(_as_outcome, fields))
        told: list[Outcome] = []
        for ticket, message_id in zip(tickets, ids, strict=True):
            of_it = (normal(message_id),) if message_id else ()
            told += self._answered(ticket, _TAKEN, 0, _OK, of_it, not (receipts and of_it))
        return told

    def replacement(self, words: Text, earlier: Earlier) -> bytes | None:
        """The body of the replace_sm that puts this text in the place of that one; None when they do not fit: a
        replace_sm can name no other alphabet, and no parts."""
        new, old = self._one_part(words.body), self._one_part(earlier.body)
        if new is None or old is None or new.data_coding != old.data_coding:
            return None
        settings = self.settings
        source = pdu.Address(settings.source_ton, settings.source_npi, settings.source_addr.encode())
        return pdu.replace_sm(
            earlier.message_id.encode("latin-1", "replace"),
            source,
            new.payload,
            validity_period=absolute_time(words.expires_at) if settings.validity else "",
            registered_delivery=int(settings.receipts),
        )

    def _one_part(self, body: str) -> text.Part | None:
        """The part of a text that needs one and no more than its short_message to say."""
        if body not in self._plain:
            if len(self._plain) >= _MOST_TEXTS:
                self._plain.clear()
            first, *more = text.encode(text.clean(body), 0, self._way)
            self._plain[body] = None if more or first.esm_class or first.tlvs else first
        return self._plain[body]

    def refused(self, ticket: object, status: int) -> list[Outcome]:
        """The outcome of a refusal, by the table of command_status."""
        row = lookup(status)
        kind, pause_s = _REFUSALS[row.kind]
        return [told._replace(retry_after_s=pause_s) for told in self._answered(ticket, kind, status, row.name)]

    def belated(self, ticket: object, status: int, message_id: str) -> list[Belated]:
        """What the answer to a ticket that was unknown says of its delivery; nothing while another part is unknown.
        What did not take an earlier one's place has not left, and may leave like any other."""
        if isinstance(ticket, Replacement):
            return [Belated(told) for told in self._replaced_late(ticket, lookup(status))]
        if not isinstance(ticket, Delivery | PartTicket):
            return []
        row, known = lookup(status), (self.rule.response(message_id),) if message_id else ()
        kind, pause_s = _REFUSALS[row.kind]
        settled = kind is _TAKEN and not (self.settings.receipts and known)
        told = Outcome(delivery_of(ticket), kind, self.settings.name, status, row.name, known, settled, pause_s)
        whole = ticket.long.belated(ticket.number, told) if isinstance(ticket, PartTicket) else told
        return [Belated(whole)] if whole is not None and whole.kind is not OutcomeKind.UNKNOWN else []

    def _replaced_late(self, ticket: Replacement, row: Status) -> list[Outcome]:
        kind = _TAKEN if row.kind is StatusKind.OK else OutcomeKind.RETRY
        return self._answered(ticket, kind, row.code, row.name)

    def unknown(self, tickets: Sequence[object], why: str) -> list[Outcome]:
        """Outcomes of what left and was never answered."""
        return [told for ticket in tickets for told in self._answered(ticket, OutcomeKind.UNKNOWN, 0, why)]

    def given_up(self, part: PartTicket, why: str = "") -> list[Outcome]:
        """The outcome of a part that does not leave after all: a reason is final, none means not now."""
        return self._answered(part, OutcomeKind.FAILED if why else OutcomeKind.UNSENT, 0, why)

    def received(self, receipts: Sequence[DeliveryReceipt]) -> list[Receipt]:
        """Receipts with their ids in the form of the responses; those that settle nothing are left out."""
        name, of_response, of_text = self.settings.name, *self.rule
        return [
            _as_receipt((name, (of_response if from_tlv else of_text)(message_id), kind, error, word, 0.0))
            for message_id, fate, word, error, from_tlv in receipts
            if (kind := _RECEIPTS.get(fate)) is not None
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
        if isinstance(ticket, Replacement):
            if kind is OutcomeKind.ACCEPTED:  # its receipt comes under the id that the message had
                kind, ids, settled = OutcomeKind.REPLACED, (ticket.earlier.message_id,), False
            return [Outcome(ticket.delivery, kind, self.settings.name, code, detail, ids, settled)]
        if isinstance(ticket, Probe):
            ticket.answer(ids[0] if ids else "")
            return []
        assert isinstance(ticket, Delivery)
        return [Outcome(ticket, kind, self.settings.name, code, detail, ids, settled)]

    def _prepare(self, words: Text) -> Prepared:
        settings = self.settings
        body = text.clean(words.body)
        cost = text.count(body, self._way).parts
        if cost > min(settings.window, _MOST_PARTS):
            return Prepared(words, (), cost, "too many parts")
        reference = (words.campaign * 31 + words.key) & 0xFFFF
        parts = text.encode(body, reference, self._way)
        return Prepared(words, tuple(self._template(words, part) for part in parts), cost, "")

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
            tlvs=(*part.tlvs, *mode),
        )


def refusal_of(delivery: Delivery, transport: Transport, now: datetime) -> str:
    """Why this delivery may not leave by this transport now, or nothing."""
    return stopped(delivery, transport, now) or wrong_number(delivery.address)


def stopped(delivery: Delivery, transport: Transport, now: datetime) -> str:
    """Why neither this delivery nor any other of its lease and text may leave by this transport now, or nothing."""
    if not may_leave(delivery, transport):
        return "mode refused"
    return "expired before it was sent" if delivery.text.expires_at <= now else ""


def wrong_number(address: str) -> str:
    """Why this address can not be sent to, or nothing."""
    return "" if _E164.fullmatch(address) else "not an E.164 number"


def absolute_time(moment: datetime) -> str:
    """A moment as schedule_delivery_time and validity_period want it, in UTC."""
    # SMPP 3.4 §7.1.1: YYMMDDhhmmss, tenths, quarters of an hour from UTC, sign
    return moment.astimezone(UTC).strftime("%y%m%d%H%M%S") + "000+"
