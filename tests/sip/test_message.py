"""SIP messages: what is read, what is refused, and answers that carry what the standard wants."""

import time

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.message import DATAGRAM_MAX_BYTES, Parties, SipRequest, SipResponse, in_dialog, parse, respond

SOURCE = ("127.0.0.1", 5060)
INVITE = (
    b"INVITE sip:+3247000000@127.0.0.1:5070 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK1;rport\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alert" <sip:+3222345678@127.0.0.1>;tag=caller\r\n'
    b"To: <sip:+3247000000@127.0.0.1>\r\n"
    b"Call-ID: abc@alert\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:alert@127.0.0.1:5061>\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def read(datagram: bytes = INVITE) -> SipRequest:
    request = parse(datagram)
    assert isinstance(request, SipRequest)
    return request


def test_an_invite_is_read() -> None:
    request = read()
    assert (request.method, request.cseq, request.branch, request.called) == ("INVITE", 1, "z9hG4bK1", "+3247000000")
    assert request.parties == Parties("abc@alert", "caller", "")
    assert str(request.target) == "sip:alert@127.0.0.1:5061"


def test_a_response_is_read() -> None:
    response = parse(respond(read(), 200, "OK", source=SOURCE, to_tag="x"))
    assert isinstance(response, SipResponse)
    assert (response.code, response.method, response.parties.to_tag) == (200, "INVITE", "x")


def test_an_answer_repeats_what_names_the_transaction() -> None:
    answer = sipmessage.Message.parse(
        respond(read(), 180, "Ringing", source=("192.0.2.9", 4711), to_tag="called", headers=(("X", "y"),), body=b"b")
    )
    asked = sipmessage.Message.parse(INVITE)
    assert isinstance(answer, sipmessage.Response)
    assert (answer.code, answer.phrase, answer.body, answer.content_length) == (180, "Ringing", b"b", 1)
    assert (answer.call_id, answer.cseq, answer.from_address) == (asked.call_id, asked.cseq, asked.from_address)
    assert answer.to_address.parameters["tag"] == "called"
    assert [via.host for via in answer.via] == ["127.0.0.1", "10.0.0.1"]
    assert dict(answer.via[0].parameters) == {"branch": "z9hG4bK1", "rport": "4711", "received": "192.0.2.9"}


def test_a_request_of_the_called_side_turns_the_dialog_round() -> None:
    data = in_dialog(read(), "BYE", cseq=1, branch="z9hG4bK9", to_tag="called", local=("127.0.0.1", 5070))
    request = sipmessage.Message.parse(data)
    assert isinstance(request, sipmessage.Request)
    assert (request.method, str(request.uri)) == ("BYE", "sip:alert@127.0.0.1:5061")
    assert request.from_address.parameters["tag"] == "called"
    assert request.to_address.parameters["tag"] == "caller"
    assert (request.cseq.sequence, request.call_id) == (1, "abc@alert")


def test_folded_lines_and_compact_names_are_read() -> None:
    folded = INVITE.replace(b"Call-ID: abc", b"i:\r\n  abc").replace(b"To: ", b"t: ")
    assert read(folded).parties.call_id == "abc@alert"


def test_a_body_ends_where_its_length_says() -> None:
    assert read(INVITE.replace(b"Length: 0", b"Length: 3") + b"abcdef").body == b"abc"
    assert parse(INVITE.replace(b"Length: 0", b"Length: 7") + b"abcdef") is None


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 4,
        INVITE[:-2],
        INVITE.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        INVITE.replace(b"CSeq: 1", b"CSeq: 99999999999"),
        INVITE.replace(b"CSeq: 1", b"CSeq: " + b"9" * 900),
        INVITE.replace(b"Call-ID: abc@alert\r\n", b""),
        INVITE.replace(b"Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK1;rport\r\nVia", b"Vla"),
        INVITE.replace(b"tag=caller", b"self=1;tag=caller"),
        INVITE.replace(b"Content-Length: 0", b"Content-Length: -1"),
        INVITE.replace(b"Alert", b"\xff\xfe"),
        INVITE.replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia", 1),
        INVITE.replace(b"Max-Forwards: 70\r\n", b"X: " + b"a" * 2000 + b"\r\n"),
        INVITE.replace(b"Max-Forwards: 70\r\n", b"X: y\r\n" * 200),
        INVITE + b"a" * DATAGRAM_MAX_BYTES,
    ],
)
def test_what_is_no_message_is_nothing(datagram: bytes) -> None:
    assert parse(datagram) is None


@given(st.binary(max_size=300))
def test_no_datagram_raises(datagram: bytes) -> None:
    assert parse(datagram) is None or datagram


@given(at=st.integers(0, len(INVITE) - 1), new=st.binary(max_size=6), cut=st.integers(0, 6))
def test_a_damaged_message_is_read_or_refused_and_what_is_read_can_be_answered(at: int, new: bytes, cut: int) -> None:
    request = parse(INVITE[:at] + new + INVITE[at + cut :])
    if isinstance(request, SipRequest):
        assert sipmessage.Message.parse(respond(request, 200, "OK", source=SOURCE, to_tag="t")).call_id
        assert in_dialog(request, "BYE", cseq=1, branch="z", to_tag="t", local=SOURCE).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("filler", [b"a.", b"a-", b";a=b", b" ", b'"', b'\\"', b"1:", b"%41", b",", b"<"])
@pytest.mark.parametrize("field", [b"127.0.0.1:5061", b"sip:+3247000000@127.0.0.1>", b"caller"])
def test_no_field_takes_long_to_read(filler: bytes, field: bytes) -> None:
    hostile = INVITE.replace(field, field + filler * (900 // len(filler)) + b"!")
    began = time.perf_counter()
    parse(hostile)
    assert time.perf_counter() - began < 1.0
