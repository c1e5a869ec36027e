"""PDUs as bytes, with smpplib as the independent oracle.

Known faults of smpplib 2.2.4, and therefore not compared: a password is cut to 8 characters, a system_id to 15; a
known parameter that smpplib does not list for a PDU raises KeyError; an integer parameter of another length raises
struct.error; a truncated deliver_sm is taken with None fields.
"""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import smpp as oracle

from gateway.smpp import pdu, tlv

octet = st.integers(0, 255)
name = st.text(string.ascii_letters + string.digits, max_size=20)
number = st.text(string.digits, min_size=1, max_size=20)
sequence = st.integers(1, pdu.MAX_SEQUENCE)
validity = st.sampled_from(["", "261121221500000+", "000000010000000R"])
message_id = st.text(string.ascii_letters + string.digits + "-", max_size=63)


class Numbers:
    """What smpplib asks of a client."""

    sequence = 0

    def next_sequence(self) -> int:
        return self.sequence


def theirs(command: str, number: int, **fields: Any) -> bytes:
    made = oracle.make_pdu(command, client=Numbers(), **fields)
    made.sequence = number
    return bytes(made.generate())


def read(data: bytes) -> Any:
    return oracle.parse_pdu(data, client=Numbers(), allow_unknown_opt_params=True)


fields = st.fixed_dictionaries(
    {
        "source_addr": name,
        "short_message": st.binary(min_size=1, max_size=254),
        "data_coding": octet,
        "esm_class": octet,
        "priority_flag": octet,
        "registered_delivery": octet,
        "validity_period": validity,
    }
)
numbering = st.fixed_dictionaries({"source_ton": octet, "source_npi": octet, "dest_ton": octet, "dest_npi": octet})
_THEIR_NAMES = {
    "source_ton": "source_addr_ton",
    "source_npi": "source_addr_npi",
    "dest_ton": "dest_addr_ton",
    "dest_npi": "dest_addr_npi",
}


@given(fields, numbering, number, sequence)
def test_submit_sm_is_byte_for_byte_smpplibs(f: dict[str, Any], n: dict[str, int], to: str, seq: int) -> None:
    made = pdu.template(**{**f, **n})
    ours = pdu.from_template(made, pdu.SUBMIT_SM, seq, to.encode())
    their = theirs("submit_sm", seq, destination_addr=to, **f, **{_THEIR_NAMES[k]: v for k, v in n.items()})
    assert ours == their


@given(fields, number, sequence)
def test_a_submit_sm_is_read_as_it_was_written(f: dict[str, Any], to: str, seq: int) -> None:
    tlvs = ((tlv.CAMPAIGN_MODE, b"test\0"),)
    data = pdu.from_template(pdu.template(**f, tlvs=tlvs), pdu.SUBMIT_SM, seq, to.encode())
    message = pdu.parse_message(data, pdu.HEADER_BYTES, len(data))
    assert isinstance(message, pdu.Message)
    assert message._asdict() == {
        **f,
        "source_addr": f["source_addr"].encode(),
        "validity_period": f["validity_period"].encode(),
        "destination_addr": to.encode(),
        "tlvs": dict(tlvs),
        "findings": (),
    }


@given(fields, number, sequence)
def test_a_deliver_sm_of_smpplib_is_read(f: dict[str, Any], to: str, seq: int) -> None:
    data = theirs("deliver_sm", seq, destination_addr=to, receipted_message_id="4711", message_state=2, **f)
    message = pdu.parse_message(data, pdu.HEADER_BYTES, len(data))
    assert isinstance(message, pdu.Message)
    assert message.short_message == f["short_message"]
    assert message.source_addr == f["source_addr"].encode()
    assert message.esm_class == f["esm_class"]
    assert message.tlvs == {tlv.RECEIPTED_MESSAGE_ID: b"4711\0", tlv.MESSAGE_STATE: b"\2"}
    assert message.findings == ()


@given(fields, number, sequence)
def test_smpplib_reads_our_deliver_sm(f: dict[str, Any], to: str, seq: int) -> None:
    data = pdu.from_template(pdu.template(**f), pdu.DELIVER_SM, seq, to.encode())
    message = read(data)
    assert message.command == "deliver_sm"
    assert message.sequence == seq
    assert message.short_message == f["short_message"]
    assert message.destination_addr == to.encode()
    assert message.data_coding == f["data_coding"]


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (pdu.BIND_TRANSCEIVER, "bind_transceiver"),
        (pdu.BIND_TRANSMITTER, "bind_transmitter"),
        (pdu.BIND_RECEIVER, "bind_receiver"),
    ],
)
@given(
    system_id=st.text(string.ascii_letters, min_size=1, max_size=15),
    password=st.text(string.ascii_letters, min_size=1, max_size=8),
    system_type=st.text(string.ascii_letters, max_size=12),
    seq=sequence,
)
def test_binds_are_byte_for_byte_smpplibs(
    command: int, word: str, system_id: str, password: str, system_type: str, seq: int
) -> None:
    ours = pdu.encode_bind(command, seq, system_id=system_id, password=password, system_type=system_type)
    their = theirs(word, seq, system_id=system_id, password=password, system_type=system_type, addr_ton=0, addr_npi=0)
    assert ours == their
    read_back = pdu.parse_bind(ours, pdu.HEADER_BYTES, len(ours))
    assert read_back == (system_id.encode(), password.encode(), system_type.encode(), 0x34)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (pdu.ENQUIRE_LINK, "enquire_link"),
        (pdu.ENQUIRE_LINK_RESP, "enquire_link_resp"),
        (pdu.UNBIND, "unbind"),
        (pdu.UNBIND_RESP, "unbind_resp"),
    ],
)
@given(seq=sequence)
def test_pdus_without_a_body_are_byte_for_byte_smpplibs(command: int, word: str, seq: int) -> None:
    assert pdu.encode(command, 0, seq) == theirs(word, seq)


@given(message_id, sequence)
def test_responses_are_byte_for_byte_smpplibs(named: str, seq: int) -> None:
    assert pdu.encode(pdu.SUBMIT_SM_RESP, 0, seq, named.encode() + b"\0") == theirs(
        "submit_sm_resp", seq, message_id=named
    )
    assert pdu.encode(pdu.DELIVER_SM_RESP, 0, seq, b"\0") == theirs("deliver_sm_resp", seq, message_id="")
    assert pdu.encode(pdu.DATA_SM_RESP, 0, seq, b"\0") == theirs("data_sm_resp", seq, message_id="")
    body = b"SMSC\0" + tlv.encode([(tlv.SC_INTERFACE_VERSION, b"\x34")])
    their = theirs("bind_transceiver_resp", seq, system_id="SMSC", sc_interface_version=0x34)
    assert pdu.encode(pdu.RESPONSE | pdu.BIND_TRANSCEIVER, 0, seq, body) == their


@given(fields, number, sequence)
def test_a_deliver_sm_is_byte_for_byte_smpplibs(f: dict[str, Any], to: str, seq: int) -> None:
    ours = pdu.from_template(pdu.template(**f), pdu.DELIVER_SM, seq, to.encode())
    assert ours == theirs("deliver_sm", seq, destination_addr=to, dest_addr_ton=1, dest_addr_npi=1, **f)


@given(fields, number, sequence, st.integers(0, 0xFFFF), st.integers(1, 255), st.integers(1, 255))
def test_a_submit_sm_with_sar_parameters_is_byte_for_byte_smpplibs(
    f: dict[str, Any], to: str, seq: int, reference: int, total: int, part: int
) -> None:
    sar = (
        (tlv.SAR_MSG_REF_NUM, reference.to_bytes(2)),
        (tlv.SAR_TOTAL_SEGMENTS, bytes((total,))),
        (tlv.SAR_SEGMENT_SEQNUM, bytes((part,))),
    )
    ours = pdu.from_template(pdu.template(**f, tlvs=sar), pdu.SUBMIT_SM, seq, to.encode())
    named = {"sar_msg_ref_num": reference, "sar_total_segments": total, "sar_segment_seqnum": part}
    where = {"destination_addr": to, "dest_addr_ton": 1, "dest_addr_npi": 1}
    assert ours == theirs("submit_sm", seq, **where, **f, **named)


@given(number, sequence, st.binary(min_size=1, max_size=1_000))
def test_a_submit_sm_with_its_text_in_message_payload_is_byte_for_byte_smpplibs(
    to: str, seq: int, payload: bytes
) -> None:
    made = pdu.template(source_addr="Alert", short_message=b"", tlvs=((tlv.MESSAGE_PAYLOAD, payload),))
    ours = pdu.from_template(made, pdu.SUBMIT_SM, seq, to.encode())
    where = {"source_addr": "Alert", "destination_addr": to, "dest_addr_ton": 1, "dest_addr_npi": 1}
    assert ours == theirs("submit_sm", seq, **where, message_payload=payload)


@given(message_id, sequence)
def test_the_id_of_a_submit_sm_resp_of_smpplib_is_read(wanted: str, seq: int) -> None:
    data = theirs("submit_sm_resp", seq, message_id=wanted)
    assert pdu.parse_c_octets(data, pdu.HEADER_BYTES, len(data)) == wanted


def test_a_response_without_a_body_or_without_its_nul_is_understood() -> None:
    assert pdu.parse_c_octets(b"x" * 16, 16, 16) == ""
    assert pdu.parse_c_octets(b"x" * 16 + b"abc", 16, 19) == "abc"


def test_smpplib_reads_our_deliver_sm_resp() -> None:
    answer = read(pdu.encode(pdu.DELIVER_SM_RESP, 0, 7, b"\0"))
    assert (answer.command, answer.sequence, answer.status) == ("deliver_sm_resp", 7, 0)


def test_a_bind_resp_tells_who_the_peer_is_and_which_version_it_speaks() -> None:
    body = b"SMSC\0" + tlv.encode([(tlv.SC_INTERFACE_VERSION, b"\x50")])
    assert pdu.parse_bind_resp(body) == ("SMSC", 0x50)
    assert pdu.parse_bind_resp(b"SMSC\0") == ("SMSC", None)
    assert pdu.parse_bind_resp(b"SMSC") == ("SMSC", None)
    assert pdu.parse_bind_resp(b"") == ("", None)


@given(st.binary(max_size=400), st.integers(0, 30), st.integers(0, 400))
def test_any_bytes_are_a_message_or_malformed_and_never_an_exception(data: bytes, start: int, length: int) -> None:
    end = min(start + length, len(data))
    for parse in (pdu.parse_message, pdu.parse_data_sm, pdu.parse_bind):
        parse(data, min(start, end), end)
    pdu.parse_bind_resp(data)


@given(fields, number, st.data())
def test_every_cut_of_a_message_is_malformed_or_shorter_and_reads_nothing_behind_it(
    f: dict[str, Any], to: str, data: st.DataObject
) -> None:
    whole = pdu.from_template(pdu.template(**f), pdu.SUBMIT_SM, 1, to.encode())
    end = data.draw(st.integers(pdu.HEADER_BYTES, len(whole) - 1))
    assert isinstance(pdu.parse_message(whole + whole, pdu.HEADER_BYTES, end), pdu.Malformed)


def test_a_data_sm_is_read_with_its_text_in_message_payload() -> None:
    body = b"\0\1\1" + b"324700" + b"\0\5\0Alert\0\4\0\0" + tlv.encode([(tlv.MESSAGE_PAYLOAD, b"id:1 stat:DELIVRD")])
    message = pdu.parse_data_sm(body, 0, len(body))
    assert isinstance(message, pdu.Message)
    assert (message.source_addr, message.destination_addr, message.esm_class) == (b"324700", b"Alert", 4)
    assert message.tlvs == {tlv.MESSAGE_PAYLOAD: b"id:1 stat:DELIVRD"}


def test_more_than_254_bytes_and_nul_in_strings_are_refused() -> None:
    with pytest.raises(ValueError, match="254"):
        pdu.template(source_addr="A", short_message=b"x" * 255)
    with pytest.raises(ValueError, match="NUL"):
        pdu.template(source_addr="A\0B", short_message=b"x")
    with pytest.raises(UnicodeEncodeError):
        pdu.encode_bind(pdu.BIND_TRANSCEIVER, 1, system_id="é", password="x")


# smpplib 2.2.4 knows neither cancel_sm nor replace_sm: the bytes are those of the standard's tables

ALERT, PHONE = pdu.Address(5, 0, b"BE-Alert"), pdu.Address(1, 1, b"32470000001")


def test_cancel_sm_and_replace_sm_have_the_fields_of_the_standard_in_their_order() -> None:
    cancel = b"\x00" + b"4F2A\x00" + b"\x05\x00BE-Alert\x00" + b"\x01\x0132470000001\x00"
    assert pdu.cancel_sm(b"4F2A", ALERT, PHONE) == cancel
    made = pdu.replace_sm(b"4F2A", ALERT, b"new", validity_period="261121230509000+", registered_delivery=1)
    source = b"4F2A\x00" + b"\x05\x00BE-Alert\x00"
    assert made == source + b"\x00" + b"261121230509000+\x00" + b"\x01\x00\x03new"


@given(st.binary(min_size=1, max_size=64).filter(lambda one: b"\0" not in one), number)
def test_a_cancel_sm_is_read_as_it_was_written_and_every_cut_is_malformed(message_id: bytes, to: str) -> None:
    body = pdu.cancel_sm(message_id, ALERT, pdu.Address(1, 1, to.encode()))
    assert pdu.parse_cancel(body, 0, len(body)) == (message_id, to.encode())
    assert isinstance(pdu.parse_cancel(body, 0, len(body) - 1), pdu.Malformed)


def test_nothing_is_cancelled_without_its_id() -> None:
    with pytest.raises(ValueError, match="message_id"):
        pdu.cancel_sm(b"", ALERT, PHONE)
    with pytest.raises(ValueError, match="254"):
        pdu.replace_sm(b"1", ALERT, b"x" * 255)


@given(
    st.binary(min_size=1, max_size=64).filter(lambda one: b"\0" not in one),
    st.binary(max_size=254),
    st.sampled_from(["", "261121230509000+"]),
)
def test_a_replace_sm_is_read_as_it_was_written_and_every_cut_is_malformed(
    message_id: bytes, words: bytes, until: str
) -> None:
    body = pdu.replace_sm(message_id, ALERT, words, validity_period=until, registered_delivery=1)
    assert pdu.parse_replace(b"xx" + body, 2, 2 + len(body)) == (message_id, words)
    assert isinstance(pdu.parse_replace(body, 0, len(body) - 1), pdu.Malformed)
