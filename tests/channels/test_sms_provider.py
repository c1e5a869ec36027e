"""A provider's settings, the templates that it makes of a text, and the answers for long messages."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.channels import sms_provider
from gateway.channels.sms_provider import (
    LongMessage,
    PartTicket,
    Provider,
    Replacement,
    absolute_time,
    delivery_of,
)
from gateway.channels.sms_settings import SmsProviderSettings
from gateway.model import (
    ChannelName,
    Delivery,
    Earlier,
    Lease,
    MessageClass,
    Mode,
    Outcome,
    OutcomeKind,
    Receipt,
    ReceiptKind,
    Text,
    Transport,
)
from gateway.smpp import header, pdu, text, tlv
from gateway.smpp.events import Role
from gateway.smpp.receipt import DeliveryReceipt, Fate
from gateway.smpp.status import BY_NAME

EXPIRES = datetime(2026, 11, 21, 23, 5, 9, tzinfo=UTC)
WORDS = Text(
    campaign=1,
    key=1,
    channel=ChannelName.SMS,
    language="nl",
    body="Brand",
    mode=Mode.TEST,
    message_class=MessageClass.URGENT,
    expires_at=EXPIRES,
    reference="r",
)
LEASE = Lease(campaign=1, channel=ChannelName.SMS, transport=Transport.SIMULATED, lo=0, epoch=1, remaining=1)
DELIVERY = Delivery(LEASE, 1, "+32470000001", WORDS)


def settings(**more: object) -> SmsProviderSettings:
    given = {"name": "sim", "host": "h", "system_id": "gateway", "password": "secret", "source_addr": "BE-Alert"}
    return SmsProviderSettings.model_validate({**given, **more})


def submitted(provider: Provider, words: Text) -> list[pdu.Message]:
    """The submit_sm of every part, read again."""
    found = []
    for part in provider.prepared(words).parts:
        data = pdu.from_template(part, pdu.SUBMIT_SM, 1, b"32470")
        message = pdu.parse_message(data, pdu.HEADER_BYTES, len(data))
        assert isinstance(message, pdu.Message)
        found.append(message)
    return found


def test_a_text_leaves_with_sender_validity_priority_and_receipt_as_set() -> None:
    (message,) = submitted(Provider(settings(announce_mode=True, urgent_priority_flag=2)), WORDS)
    assert message.source_addr == b"BE-Alert"
    assert message.validity_period == b"261121230509000+"
    assert (message.priority_flag, message.registered_delivery, message.esm_class) == (2, 1, 0)
    assert message.tlvs == {tlv.CAMPAIGN_MODE: b"test\0"}


def test_only_urgent_messages_have_priority_and_what_is_switched_off_is_not_sent() -> None:
    news = replace(WORDS, message_class=MessageClass.NEWS)
    (message,) = submitted(Provider(settings(receipts=False, validity=False)), news)
    assert (message.priority_flag, message.registered_delivery, message.validity_period) == (0, 0, b"")
    assert message.tlvs == {}


@given(st.text(max_size=500))
def test_the_parts_of_any_text_say_the_clean_text(body: str) -> None:
    messages = submitted(Provider(settings()), replace(WORDS, body=body))
    bodies = [header.split(m.short_message, m.esm_class)[1] for m in messages]
    assert "".join(text.decode(b, messages[0].data_coding) for b in bodies) == text.clean(body)


def test_a_text_is_prepared_once_and_the_least_lately_used_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms_provider, "_MOST_TEXTS", 2)
    provider = Provider(settings())
    first = provider.prepared(WORDS)
    assert provider.prepared(WORDS) is first
    assert provider.prepared(replace(WORDS)) is first
    provider.prepared(replace(WORDS, key=2))
    provider.prepared(replace(WORDS, key=3))
    assert len(provider._texts) == 2
    assert provider.prepared(WORDS) is not first


def test_another_text_under_the_same_key_is_another_text() -> None:
    provider = Provider(settings())
    provider.prepared(WORDS)
    assert submitted(provider, replace(WORDS, body="Water"))[0].short_message == b"Water"


def test_long_texts_of_two_campaigns_have_different_references() -> None:
    provider = Provider(settings())
    heads = set()
    for campaign in range(1, 21):
        for message in submitted(provider, replace(WORDS, body="x" * 200, campaign=campaign)):
            head, _ = header.split(message.short_message, message.esm_class)
            assert head.part is not None
            heads.add(head.part[0])
    assert len(heads) == 20


def test_a_text_that_no_window_can_hold_is_refused_with_a_reason() -> None:
    prepared = Provider(settings(window=2)).prepared(replace(WORDS, body="x" * 400))
    assert (prepared.parts, prepared.refusal) == ((), "too many parts")


def test_roles_are_one_for_each_connection() -> None:
    assert settings(binds=2).roles() == (Role.TRANSCEIVER, Role.TRANSCEIVER)
    assert Counter(settings(binds=2, bind_as="transmitter+receiver").roles()) == {
        Role.TRANSMITTER: 2,
        Role.RECEIVER: 2,
    }


def test_an_answer_without_an_id_is_settled_because_no_receipt_can_find_it() -> None:
    with_id, without = Provider(settings()).accepted([DELIVERY, DELIVERY], ["77", ""])
    assert (with_id.message_ids, with_id.settled) == (("77",), False)
    assert (without.message_ids, without.settled) == ((), True)


def test_answers_of_deliveries_alone_say_the_same_as_beside_a_part() -> None:
    provider = Provider(settings())
    alone = provider.accepted([DELIVERY, DELIVERY], ["77", "78"])
    long = PartTicket(LongMessage(DELIVERY, 1), 0)
    beside = provider.accepted([DELIVERY, DELIVERY, long], ["77", "78", "79"])
    named = [
        Outcome(DELIVERY, OutcomeKind.ACCEPTED, provider.settings.name, detail="ESME_ROK", message_ids=(one,))
        for one in ("77", "78", "79")
    ]
    assert alone == named[:2]
    assert beside == named
    assert {type(one) for one in alone} == {Outcome}


def test_a_receipt_has_all_that_it_would_have_by_names() -> None:
    found = DeliveryReceipt("77", Fate.DELIVERED, "DELIVRD", 3, from_tlv=False)
    provider = Provider(settings())
    assert provider.received([found]) == [
        Receipt(provider.settings.name, "77", ReceiptKind.DELIVERED, code=3, detail="DELIVRD")
    ]
    assert {type(one) for one in provider.received([found])} == {Receipt}


def test_ids_of_answers_and_receipts_are_brought_to_one_form() -> None:
    provider = Provider(settings(message_id_rule="hex->decimal"))
    (outcome,) = provider.accepted([DELIVERY], ["00FF"])
    told = [DeliveryReceipt("0255", Fate.DELIVERED, "DELIVRD", 0, from_tlv=False)]
    told.append(DeliveryReceipt("ff", Fate.FAILED, "UNDELIV", 34, from_tlv=True))
    told.append(DeliveryReceipt("ff", Fate.INTERMEDIATE, "ENROUTE", 0, from_tlv=True))
    receipts = provider.received(told)
    assert [receipt.message_id for receipt in receipts] == [*outcome.message_ids] * 2
    assert [(r.kind, r.code, r.detail) for r in receipts] == [
        (ReceiptKind.DELIVERED, 0, "DELIVRD"),
        (ReceiptKind.FAILED, 34, "UNDELIV"),
    ]


def answer(provider: Provider, ticket: PartTicket, what: OutcomeKind) -> list[Outcome]:
    match what:
        case OutcomeKind.ACCEPTED:
            return provider.accepted([ticket], [f"id{ticket.number}"])
        case OutcomeKind.UNKNOWN:
            return provider.unknown([ticket], "lost")
        case OutcomeKind.RETRY:
            return provider.refused(ticket, 0x58)
        case _:
            return provider.refused(ticket, 0x0B)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((OutcomeKind.ACCEPTED,) * 3, OutcomeKind.ACCEPTED),
        ((OutcomeKind.ACCEPTED, OutcomeKind.RETRY, OutcomeKind.ACCEPTED), OutcomeKind.RETRY),
        ((OutcomeKind.ACCEPTED, OutcomeKind.RETRY, OutcomeKind.UNKNOWN), OutcomeKind.UNKNOWN),
        ((OutcomeKind.FAILED, OutcomeKind.RETRY, OutcomeKind.UNKNOWN), OutcomeKind.FAILED),
    ],
)
def test_of_a_long_message_the_gravest_answer_counts_in_any_order(
    parts: tuple[OutcomeKind, ...], whole: OutcomeKind
) -> None:
    provider = Provider(settings())
    for order in permutations(range(3)):
        long = LongMessage(DELIVERY, 3)
        told = [outcome for n in order for outcome in answer(provider, PartTicket(long, n), parts[n])]
        assert [outcome.kind for outcome in told] == [whole]
        assert told[0].message_ids == (("id0", "id1", "id2") if whole is OutcomeKind.ACCEPTED else ())
        assert told[0].delivery is DELIVERY


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_long_message_is_taken_late_only_when_every_part_is_and_is_told_once(order: tuple[int, ...]) -> None:
    """Two of three parts are overdue; the third and their answers come in any order."""
    provider = Provider(settings())
    long = LongMessage(DELIVERY, 3)
    told = provider.unknown([PartTicket(long, 0), PartTicket(long, 1)], "no answer in time")
    late: list[Outcome] = []
    for number in order:
        if number == 2:
            told += provider.accepted([PartTicket(long, 2)], ["c"])
        else:
            late += [one.outcome for one in provider.belated(PartTicket(long, number), 0, "ab"[number])]
    in_time = order[-1] == 2
    assert [outcome.kind for outcome in told] == [OutcomeKind.ACCEPTED if in_time else OutcomeKind.UNKNOWN]
    taken = told if in_time else late
    assert [(one.kind, one.message_ids, one.settled) for one in taken] == [
        (OutcomeKind.ACCEPTED, ("a", "b", "c"), False)
    ]
    assert not (in_time and late)


def test_a_part_that_is_refused_late_makes_the_message_what_a_refusal_does() -> None:
    provider = Provider(settings())
    long = LongMessage(DELIVERY, 2)
    assert provider.unknown([PartTicket(long, 0)], "no answer in time") == []
    (whole,) = provider.accepted([PartTicket(long, 1)], ["b"])
    assert whole.kind is OutcomeKind.UNKNOWN
    (late,) = provider.belated(PartTicket(long, 0), 0x08, "")
    assert (late.outcome.kind, late.outcome.code, late.outcome.message_ids) == (OutcomeKind.RETRY, 0x08, ())


def test_a_probe_that_is_answered_late_says_nothing() -> None:
    assert Provider(settings()).belated(object(), 0, "8") == []


@pytest.mark.parametrize(
    ("status", "kind", "ids"),
    [
        ("ESME_ROK", OutcomeKind.REPLACED, ("7",)),
        ("ESME_RREPLACEFAIL", OutcomeKind.RETRY, ()),
        ("ESME_RTHROTTLED", OutcomeKind.RETRY, ()),
    ],
)
def test_a_replacement_that_is_answered_late_took_the_place_or_has_not_left(
    status: str, kind: OutcomeKind, ids: tuple[str, ...]
) -> None:
    ticket = Replacement(DELIVERY, Earlier("sim", "7", "Brand"))
    (late,) = Provider(settings()).belated(ticket, BY_NAME[status].code, "")
    assert (late.outcome.kind, late.outcome.message_ids, late.outcome.settled) == (kind, ids, False)
    assert late.outcome.delivery is DELIVERY


def test_an_expiry_is_an_absolute_time_in_utc() -> None:
    moment = EXPIRES.astimezone()
    assert absolute_time(moment) == "261121230509000+"
    assert absolute_time(EXPIRES + timedelta(hours=1)) == "261122000509000+"


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "longer than eight"},
        {"system_id": "x" * 16},
        {"window": 0},
        {"binds": 0},
        {"source_addr": "é"},
        {"message_id_rule": "guess"},
        {"sender": "me"},
        {"name": "Not A Slug"},
    ],
)
def test_settings_that_can_not_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(settings())


OLD = Earlier("sim", "4F2A", "Old words")


def test_a_text_takes_the_place_of_another_of_one_part_in_the_same_alphabet() -> None:
    body = Provider(settings()).replacement(WORDS, OLD)
    source = pdu.Address(5, 0, b"BE-Alert")
    until = absolute_time(EXPIRES)
    assert body == pdu.replace_sm(b"4F2A", source, b"Brand", validity_period=until, registered_delivery=1)
    assert Provider(settings(validity=False, receipts=False)).replacement(WORDS, OLD) == pdu.replace_sm(
        b"4F2A", source, b"Brand"
    )


@pytest.mark.parametrize(
    ("new", "old", "more"),
    [
        ("Brand", "\u041f\u043e\u0436\u0430\u0440", {}),
        ("Brand", "x" * 161, {}),
        ("x" * 161, "Brand", {}),
        ("ş" * 80, "ş" * 80, {"national_tables": ["turkish"]}),
    ],
)
def test_what_a_replace_sm_can_not_say_is_sent_anew(new: str, old: str, more: dict[str, object]) -> None:
    provider = Provider(settings(**more))
    assert provider.replacement(replace(WORDS, body=new), OLD._replace(body=old)) is None


def test_the_outcome_of_a_replacement_has_the_id_that_the_message_had() -> None:
    provider, ticket = Provider(settings()), Replacement(DELIVERY, OLD)
    assert delivery_of(ticket) is DELIVERY
    (told,) = provider.accepted([ticket], [""])
    assert (told.kind, told.message_ids, told.settled) == (OutcomeKind.REPLACED, ("4F2A",), False)
    (told,) = provider.unknown([ticket], "no answer in time")
    assert (told.kind, told.message_ids) == (OutcomeKind.UNKNOWN, ())
