"""Delivery receipts in the dialects that providers write, and ids in one form."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp import pdu, receipt, tlv
from gateway.smpp.receipt import ID_RULES, STATES, DeliveryReceipt, Fate, IdRule, NotReceipt


def message(
    short: bytes = b"", *, esm_class: int = 4, data_coding: int = 0, tlvs: dict[int, bytes] | None = None
) -> pdu.Message:
    return pdu.Message(b"32470", b"Alert", esm_class, 0, b"", 0, data_coding, short, tlvs or {}, ())


def parsed(short: bytes = b"", **more: object) -> DeliveryReceipt:
    found = receipt.parse(message(short, **more))  # type: ignore[arg-type]
    assert isinstance(found, DeliveryReceipt), found
    return found


STANDARD = b"id:%b sub:001 dlvrd:001 submit date:2611212200 done date:2611212201 stat:%b err:%b text:Brand"


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.word)
def test_every_state_is_read_from_the_text_and_from_message_state(state: receipt.State) -> None:
    text = parsed(STANDARD % (b"0123", state.word.encode()[:7], b"000")) if len(state.word) == 7 else None
    assert text is None or (text.fate, text.word) == (state.fate, state.word)
    coded = parsed(tlvs={tlv.RECEIPTED_MESSAGE_ID: b"0123\0", tlv.MESSAGE_STATE: bytes((state.code,))})
    assert coded == DeliveryReceipt("0123", state.fate, state.word, 0, True)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (STANDARD % (b"1a2B", b"DELIVRD", b"000"), ("1a2B", Fate.DELIVERED, "DELIVRD", 0)),
        (STANDARD % (b"7", b"UNDELIV", b"034"), ("7", Fate.FAILED, "UNDELIV", 34)),
        (b"id:9 stat:EXPIRED err:000", ("9", Fate.EXPIRED, "EXPIRED", 0)),
        (b"ID:9 SUB:001 DLVRD:001 STAT:DELIVRD ERR:000 TEXT:x", ("9", Fate.DELIVERED, "DELIVRD", 0)),
        (b"id: 9, stat: delivered, err: 1f", ("9", Fate.DELIVERED, "DELIVRD", 31)),
        (b"id=9;stat=FAILED;err=12", ("9", Fate.FAILED, "UNDELIV", 12)),
        (b"stat:REJECTD id:9", ("9", Fate.FAILED, "REJECTD", 0)),
        (b"id:c7b1e3a0-0c6f-4a9e-8d3f-0a1b2c3d4e5f stat:DELIVRD err:000 text:", None),
        (b"id:9 status:BUFFERED err:000", ("9", Fate.INTERMEDIATE, "ENROUTE", 0)),
    ],
)
def test_dialects_of_the_text_are_read(said: bytes, expected: tuple[str, Fate, str, int] | None) -> None:
    if expected is None:
        assert parsed(said).message_id == "c7b1e3a0-0c6f-4a9e-8d3f-0a1b2c3d4e5f"
    else:
        assert parsed(said) == (*expected, False)


def test_the_words_of_our_own_message_are_not_taken_for_fields() -> None:
    assert parsed(b"id:9 stat:DELIVRD err:000 text:stat:REJECTD err:999 id:5").word == "DELIVRD"
    assert isinstance(receipt.parse(message(b"id:9 Text:stat:DELIVRD err:000")), NotReceipt)


def test_parameters_win_over_the_text() -> None:
    tlvs = {tlv.RECEIPTED_MESSAGE_ID: b"FF\0", tlv.MESSAGE_STATE: b"\2", tlv.NETWORK_ERROR_CODE: b"\3\1\2"}
    found = parsed(STANDARD % (b"255", b"UNDELIV", b"034"), tlvs=tlvs)
    assert found == DeliveryReceipt("FF", Fate.DELIVERED, "DELIVRD", 0x0102, True)


def test_the_text_fills_in_what_the_parameters_leave_out() -> None:
    found = parsed(STANDARD % (b"255", b"UNDELIV", b"034"), tlvs={tlv.RECEIPTED_MESSAGE_ID: b"FF\0"})
    assert found == DeliveryReceipt("FF", Fate.FAILED, "UNDELIV", 34, True)
    found = parsed(STANDARD % (b"255", b"UNDELIV", b"034"), tlvs={tlv.MESSAGE_STATE: b"\2"})
    assert found == DeliveryReceipt("255", Fate.DELIVERED, "DELIVRD", 34, False)


def test_the_text_may_stand_in_message_payload() -> None:
    assert parsed(tlvs={tlv.MESSAGE_PAYLOAD: STANDARD % (b"77", b"DELIVRD", b"000")}).message_id == "77"


def test_a_receipt_in_ucs2_is_read() -> None:
    assert parsed("id:77 stat:DELIVRD err:000".encode("utf-16-be"), data_coding=8).message_id == "77"


def test_an_intermediate_notification_settles_nothing() -> None:
    said = STANDARD % (b"77", b"DELIVRD", b"000")
    assert parsed(said, esm_class=pdu.ESM_INTERMEDIATE).fate is Fate.INTERMEDIATE
    tlvs = {tlv.RECEIPTED_MESSAGE_ID: b"77\0", tlv.MESSAGE_STATE: b"\2"}
    assert parsed(b"", esm_class=pdu.ESM_INTERMEDIATE, tlvs=tlvs).fate is Fate.INTERMEDIATE


def test_a_person_can_not_write_a_receipt() -> None:
    forged = message(STANDARD % (b"77", b"DELIVRD", b"000"), esm_class=0)
    assert receipt.parse(forged) == NotReceipt("no receipt")


def test_a_receipt_that_lacks_only_its_esm_class_is_known_by_its_parameter() -> None:
    tlvs = {tlv.RECEIPTED_MESSAGE_ID: b"77\0", tlv.MESSAGE_STATE: b"\2"}
    assert parsed(b"", esm_class=0, tlvs=tlvs).fate is Fate.DELIVERED


@pytest.mark.parametrize(
    "said", [b"", b"hello", b"id:9", b"stat:DELIVRD", b"id:9 stat:FOO err:000", b"id:" + b"9" * 80]
)
def test_a_receipt_without_id_or_state_is_none(said: bytes) -> None:
    assert isinstance(receipt.parse(message(said)), NotReceipt)


def normal_id(rule: IdRule, found: DeliveryReceipt) -> str:
    return (rule.response if found.from_tlv else rule.receipt_text)(found.message_id)


@given(st.binary(max_size=300), st.sampled_from([0, 4, 0x20, 0x3C, 0xFF]), st.integers(0, 255), st.booleans())
def test_any_bytes_are_a_receipt_or_none_and_ids_can_be_stored(raw: bytes, esm: int, coding: int, coded: bool) -> None:
    tlvs = {tlv.RECEIPTED_MESSAGE_ID: raw[:70], tlv.MESSAGE_STATE: raw[-1:]} if coded else {}
    found = receipt.parse(message(raw, esm_class=esm, data_coding=coding, tlvs=tlvs))
    if isinstance(found, DeliveryReceipt):
        assert 0 < len(found.message_id) < receipt.MAX_ID_CHARS
        assert "\0" not in found.message_id
        for rule in ID_RULES.values():
            assert normal_id(rule, found)


@given(st.binary(max_size=60))
def test_ids_in_a_standard_text_never_hold_what_a_database_refuses(message_id: bytes) -> None:
    found = receipt.parse(message(STANDARD % (message_id, b"DELIVRD", b"000")))
    if isinstance(found, DeliveryReceipt):
        assert found.message_id.isascii()
        assert found.message_id.isprintable()


@given(st.integers(0, 2**63), st.sampled_from(["%X", "%x", "%08X", "%016x"]), st.sampled_from(["%d", "%010d", "%020d"]))
def test_hexadecimal_and_decimal_ids_of_one_message_are_one(number: int, as_hex: str, as_decimal: str) -> None:
    in_text = DeliveryReceipt(as_decimal % number, Fate.DELIVERED, "DELIVRD", 0, from_tlv=False)
    in_tlv = DeliveryReceipt(as_hex % number, Fate.DELIVERED, "DELIVRD", 0, from_tlv=True)
    rule = ID_RULES["hex->decimal"]
    assert rule.response((as_hex % number).upper()) == normal_id(rule, in_text) == normal_id(rule, in_tlv)


@given(st.integers(0, 2**63))
def test_the_other_way_round_as_well(number: int) -> None:
    rule = ID_RULES["decimal->hex"]
    in_text = DeliveryReceipt(f"{number:X}", Fate.DELIVERED, "DELIVRD", 0, from_tlv=False)
    assert rule.response(f"{number:010d}") == normal_id(rule, in_text)


@pytest.mark.parametrize(
    ("rule", "written", "same"),
    [
        ("raw", "00B8BE19", "00B8BE19"),
        ("case-fold", "1101C1AB", "1101c1ab"),
        ("leading-zeros", "00012", "12"),
        ("leading-zeros", "0a0b", "0a0b"),
        ("leading-zeros", "00c7b1e3-0c6f", "00c7b1e3-0c6f"),
        ("hex", "00b8BE19", str(0xB8BE19)),
        ("hex", "not-hex", "not-hex"),
        ("hex->decimal", "0x10", "16"),
        ("hex->decimal", "1_0", "1_0"),
        ("leading-zeros", "²", "²"),
    ],
)
def test_rules_change_only_what_they_are_for(rule: str, written: str, same: str) -> None:
    assert ID_RULES[rule].response(written) == same


def body(short: bytes, *, esm_class: int = 4, data_coding: int = 0, rest: bytes = b"", service: bytes = b"") -> str:
    """A deliver_sm's body among other octets, a character each."""
    head = service + b"\0\1\1" + b"32470000001\0" + b"\5\0Alert\0" + bytes((esm_class, 0, 0)) + b"\0\0"
    return (head + bytes((0, 0, data_coding, 0, len(short))) + short + rest).decode("latin-1")


def read_at_once(octets: str) -> DeliveryReceipt | None:
    return receipt.standard(f"before{octets}behind", 6, 6 + len(octets))


@pytest.mark.parametrize("state", [state for state in STATES if len(state.word) == 7], ids=lambda state: state.word)
def test_a_receipt_just_as_appendix_b_has_it_is_read_at_once(state: receipt.State) -> None:
    said = STANDARD % (b"01a", state.word.encode(), b"034")
    assert read_at_once(body(said)) == DeliveryReceipt("01a", state.fate, state.word, 34, False)
    assert read_at_once(body(said.partition(b" text:")[0])) == read_at_once(body(said))


@pytest.mark.parametrize(
    "octets",
    [
        body(STANDARD % (b"77", b"DELIVRD", b"000"), esm_class=0),
        body(STANDARD % (b"77", b"DELIVRD", b"000"), esm_class=pdu.ESM_INTERMEDIATE),
        body("id:77 stat:DELIVRD err:000".encode("utf-16-be"), data_coding=8),
        body(STANDARD % (b"77", b"DELIVRD", b"000"), rest=tlv.encode([(tlv.RECEIPTED_MESSAGE_ID, b"FF\0")])),
        body(b"id:9 text:x stat:DELIVRD err:000"),
        body(b"id:77 stat:DELIVRD err:000")[:-1],
        body(STANDARD % (b"c7b1-77", b"DELIVRD", b"000")),
        body(STANDARD % (b"77", b"NEVRSEN", b"000")),
        body(b"hello"),
    ],
)
def test_everything_else_is_for_the_patient_reader(octets: str) -> None:
    assert read_at_once(octets) is None


@given(
    st.one_of(
        st.builds(
            lambda *said: STANDARD % said,
            st.binary(max_size=70),
            st.sampled_from([state.word.encode() for state in STATES] + [b"DELIVRD text:"]),
            st.sampled_from([b"000", b"12", b"1f", b"0011", b""]),
        ),
        st.binary(max_size=255),
    ).map(lambda said: said[:255]),
    st.sampled_from([0, 4, 4, 4, 0x20, 0x44]),
    st.sampled_from([0, 3, 8]),
    st.binary(max_size=8),
    st.binary(max_size=6),
)
def test_what_is_read_at_once_is_what_the_patient_reader_reads(
    said: bytes, esm_class: int, data_coding: int, rest: bytes, service: bytes
) -> None:
    octets = body(said, esm_class=esm_class, data_coding=data_coding, rest=rest, service=service)
    found = read_at_once(octets)
    if found is not None:
        raw = octets.encode("latin-1")
        patient = pdu.parse_message(raw, 0, len(raw))
        assert isinstance(patient, pdu.Message)
        assert receipt.parse(patient) == found
        assert patient.findings == ()


@pytest.mark.parametrize("piece", ["x", "\0", "id:1 stat:", "id:1 sub:1", "1", "\0..\0..\0\4..\0\0..\0.\xffid:1"])
def test_the_longest_body_is_looked_at_in_no_time(piece: str) -> None:
    octets = piece * (pdu.MAX_PDU_BYTES // len(piece))
    started = time.process_time()
    for _ in range(10):
        receipt.standard(octets, 0, len(octets))
    assert time.process_time() - started < 1.0
