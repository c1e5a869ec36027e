"""Receipts in every form and dialect, and the joining of long messages."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators import smsc_behaviour
from gateway.simulators.smsc_behaviour import Behaviour, Joiner
from gateway.smpp import pdu, text, tlv
from gateway.smpp.national import Language
from gateway.smpp.receipt import DeliveryReceipt, parse


def read(made: pdu.Template) -> pdu.Message:
    data = pdu.from_template(made, pdu.DELIVER_SM, 1, b"Alert")
    message = pdu.parse_message(data, pdu.HEADER_BYTES, len(data))
    assert isinstance(message, pdu.Message)
    return message


def as_message(part: text.Part) -> pdu.Message:
    coding, esm_class, payload, tlvs = part
    made = pdu.template(source_addr="A", short_message=payload, data_coding=coding, esm_class=esm_class, tlvs=tlvs)
    return read(made)


@pytest.mark.parametrize("dialect", ["standard", "short", "upper"])
@pytest.mark.parametrize("receipts", ["text", "tlv", "both"])
@pytest.mark.parametrize("ids", ["decimal", "hex", "hex-decimal", "decimal-hex"])
@pytest.mark.parametrize(("outcome", "word"), [("delivered", "DELIVRD"), ("failed", "UNDELIV"), ("expired", "EXPIRED")])
def test_a_receipt_says_its_outcome_in_every_form(
    dialect: str, receipts: str, ids: str, outcome: str, word: str
) -> None:
    behaviour = Behaviour(dialect=dialect, receipts=receipts, ids=ids)
    found = parse(read(behaviour.receipt(b"32470", 4711, outcome)))
    assert isinstance(found, DeliveryReceipt)
    assert found.word == word
    assert found.message_id.encode() == behaviour.id(4711, in_text=receipts == "text")


@given(
    st.text(min_size=1, max_size=700),
    st.integers(0, 0xFFFF),
    st.booleans(),
    st.sampled_from(text.Carriage),
    st.randoms(use_true_random=False),
)
def test_a_long_message_is_joined_whatever_the_order_of_its_parts(
    words: str, reference: int, wide: bool, carriage: text.Carriage, shuffle: random.Random
) -> None:
    parts = list(text.encode(words, reference, text.Way(carriage, wide, tuple(Language))))
    shuffle.shuffle(parts)
    joiner = Joiner()
    told = [joiner.join(as_message(part)) for part in parts]
    assert told[:-1] == [None] * (len(parts) - 1)
    assert told[-1] == text.decode(words.encode("utf-16-be", "replace"), 8)


def test_a_text_in_message_payload_is_read() -> None:
    made = pdu.template(source_addr="A", short_message=b"", tlvs=((tlv.MESSAGE_PAYLOAD, b"hello"),))
    assert Joiner().join(read(made)) == "hello"


def test_incomplete_messages_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smsc_behaviour, "_MOST_INCOMPLETE", 10)
    joiner = Joiner()
    for reference in range(50):
        payload = bytes((5, 0, 3, reference, 2, 1)) + b"x"
        assert joiner.join(read(pdu.template(source_addr="A", short_message=payload, esm_class=pdu.ESM_UDHI))) is None
    assert len(joiner._parts) == 10


def test_decoded_texts_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smsc_behaviour, "_MOST_TEXTS", 10)
    joiner = Joiner()
    for n in range(50):
        assert joiner.join(read(pdu.template(source_addr="A", short_message=b"%d" % n))) == str(n)
    assert len(joiner._texts) <= 10
