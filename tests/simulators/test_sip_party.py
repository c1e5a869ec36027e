"""Called parties without a socket: every outcome, every repetition, time as an argument."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators.sip_party import CALL_MAX_S, RING_MAX_S, TRANSACTION_S, CalledParties, by_last_digit
from gateway.sip.message import SipRequest, SipResponse, parse
from tests.sip.test_sdp import OFFER

CALLER = ("127.0.0.1", 5061)


def request(method: str, to: str = "+3247000000", *, tag: str = "", cseq: int = 1, body: bytes = b"") -> bytes:
    head = (
        f"{method} sip:{to}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK{to}\r\n"
        f"From: <sip:alert@127.0.0.1>;tag=caller\r\nTo: <sip:{to}@127.0.0.1>{tag and ';tag=' + tag}\r\n"
        f"Call-ID: {to}\r\nCSeq: {cseq} {method}\r\nContact: <sip:alert@127.0.0.1:5061>\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def invite(to: str = "+3247000000") -> bytes:
    return request("INVITE", to, body=OFFER)


class Wire:
    """Feeds called parties and reads what they say."""

    def __init__(self, calls_max: int = 100) -> None:
        self.called: list[str] = []
        self.parties = CalledParties(
            local=("127.0.0.1", 5070), media=("127.0.0.1", 40000), called=self.called.append, calls_max=calls_max
        )
        self.tag = ""

    def say(self, data: bytes, now: float = 0.0) -> list[int | str]:
        self.parties.receive_data(data, CALLER, now)
        return self.heard()

    def at(self, now: float) -> list[int | str]:
        self.parties.handle_timer(now)
        return self.heard()

    def heard(self) -> list[int | str]:
        """Status codes and methods; the newest tag of the called side is kept."""
        words: list[int | str] = []
        for datagram in self.parties.data_to_send():
            assert datagram.to == CALLER
            message = parse(datagram.data)
            if isinstance(message, SipResponse):
                self.tag = message.parties.to_tag or self.tag
                words.append(message.code)
            elif isinstance(message, SipRequest):
                words.append(message.method)
        return words


def test_a_call_rings_is_answered_and_ends_with_bye() -> None:
    wire = Wire()
    assert wire.say(invite()) == [100, 180]
    assert wire.at(0.09) == []
    assert wire.at(0.1) == [200]
    assert wire.say(request("ACK", tag=wire.tag), 0.2) == []
    assert wire.parties.in_progress == 1
    assert wire.say(request("BYE", tag=wire.tag, cseq=2), 5.0) == [200]
    assert wire.parties.in_progress == 0
    assert wire.called == ["+3247000000"]


def test_the_answer_is_repeated_until_the_ack_and_given_up_after_32_seconds() -> None:
    wire = Wire()
    wire.say(invite())
    sent_at = [now / 10 for now in range(1, 600) if wire.at(now / 10) == [200]]
    gaps = [round(b - a, 1) for a, b in itertools.pairwise(sent_at)]
    assert gaps[:5] == [0.5, 1.0, 2.0, 4.0, 4.0]  # RFC 3261 §13.3.1.4
    assert sent_at[-1] <= TRANSACTION_S + 0.2
    assert wire.parties.in_progress == 0


def test_an_ack_ends_the_repetition() -> None:
    wire = Wire()
    wire.say(invite())
    wire.at(0.1)
    wire.say(request("ACK", tag=wire.tag), 0.2)
    assert [wire.at(now) for now in (0.7, 1.7, 30.0)] == [[], [], []]
    assert wire.parties.retransmissions == 0


@pytest.mark.parametrize(("digit", "code"), [("6", 486), ("8", 404), ("9", 503)])
def test_a_refusal_is_repeated_until_the_ack(digit: str, code: int) -> None:
    wire, to = Wire(), f"+324700000{digit}"
    words = wire.say(invite(to))
    assert words[-1] == code
    assert wire.at(0.5) == [code]
    assert wire.say(request("ACK", to, tag=wire.tag), 0.6) == []
    assert wire.at(1.6) == []


def test_a_phone_that_is_not_answered_rings_until_cancel() -> None:
    wire, to = Wire(), "+3247000007"
    assert wire.say(invite(to)) == [100, 180]
    assert wire.at(60.0) == []
    assert wire.say(request("CANCEL", to), 61.0) == [200, 487]
    assert wire.say(request("ACK", to, tag=wire.tag), 61.1) == []
    assert wire.at(70.0) == []


def test_a_phone_does_not_ring_for_ever() -> None:
    wire = Wire()
    wire.say(invite("+3247000007"))
    assert wire.at(RING_MAX_S) == [480]


def test_cancel_after_the_answer_changes_nothing() -> None:
    wire = Wire()
    wire.say(invite())
    wire.at(0.1)
    assert wire.say(request("CANCEL"), 0.2) == [200]
    assert wire.parties.in_progress == 1


def test_early_media_has_a_session_description_before_the_answer() -> None:
    wire = Wire()
    assert wire.say(invite("+3247000004")) == [100, 183]
    assert wire.at(0.1) == [200]


@pytest.mark.parametrize(("digit", "after_s", "method"), [("1", 1.0, "INFO"), ("2", 1.0, "INFO"), ("3", 2.0, "BYE")])
def test_the_called_party_presses_a_key_or_hangs_up(digit: str, after_s: float, method: str) -> None:
    wire, to = Wire(), f"+324700000{digit}"
    wire.say(invite(to))
    wire.at(0.1)
    wire.say(request("ACK", to, tag=wire.tag), 0.2)
    assert wire.at(0.2 + after_s) == [method]
    assert wire.parties.in_progress == (method == "INFO")


def test_a_call_that_nobody_ends_is_ended() -> None:
    wire = Wire()
    wire.say(invite())
    wire.at(0.1)
    wire.say(request("ACK", tag=wire.tag), 0.2)
    assert wire.at(CALL_MAX_S + 1) == ["BYE"]


def test_a_repeated_invite_is_one_call_and_gets_the_last_response_again() -> None:
    wire = Wire()
    wire.say(invite())
    assert wire.say(invite(), 0.05) == [180]
    wire.at(0.1)
    assert wire.say(invite(), 0.2) == [200]
    assert wire.called == ["+3247000000"]


def test_an_ended_call_is_forgotten_after_its_repetitions_are_over() -> None:
    wire = Wire()
    wire.say(invite("+3247000006"))
    wire.say(request("ACK", "+3247000006", tag=wire.tag), 0.1)
    wire.at(TRANSACTION_S + 0.2)
    assert wire.parties.calls == {}
    assert wire.parties.next_timer() is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request("OPTIONS"), 200),
        (request("BYE", tag="x"), 481),
        (request("INFO", tag="x"), 481),
        (request("CANCEL"), 481),
        (request("REFER"), 405),
        (request("INVITE", tag="x", body=OFFER), 481),
    ],
)
def test_requests_outside_a_call_are_answered(data: bytes, code: int) -> None:
    assert Wire().say(data) == [code]


def test_an_ack_outside_a_call_is_not_answered() -> None:
    assert Wire().say(request("ACK")) == []


def test_a_caller_without_a_common_codec_is_refused() -> None:
    wire = Wire()
    wire.say(request("INVITE", body=OFFER.replace(b"18 8 0 101", b"18")))
    assert wire.at(0.1) == [488]


def test_a_change_of_the_session_is_refused() -> None:
    wire = Wire()
    wire.say(invite())
    assert wire.say(request("INVITE", cseq=2, body=OFFER), 0.1) == [488]


def test_more_calls_than_it_can_hold_are_told_to_come_later() -> None:
    wire = Wire(calls_max=2)
    assert [wire.say(invite(f"+32470000{n}0"))[-1] for n in range(3)] == [180, 180, 503]


def test_the_last_digit_decides() -> None:
    assert [by_last_digit(f"+3247{n}") for n in "06789"] == ["answered", "busy", "no-answer", "failed", "congestion"]
    assert by_last_digit("") == "answered"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["INVITE", "ACK", "CANCEL", "BYE", "INFO", "OPTIONS", "REGISTER", "garbage"]),
        st.integers(0, 9),
        st.integers(1, 2),
        st.floats(0, 5),
        st.booleans(),
    ),
    max_size=40,
)


@given(STEPS)
def test_any_order_of_requests_is_survived_and_in_the_end_nothing_is_left(
    steps: list[tuple[str, int, int, float, bool]],
) -> None:
    wire, now = Wire(calls_max=5), 0.0
    for method, digit, cseq, gap, tagged in steps:
        now += gap
        to, tag = f"+324700000{digit}", wire.tag if tagged else ""
        data = b"\x00\xff" if method == "garbage" else request(method, to, tag=tag, cseq=cseq, body=OFFER)
        wire.say(data, now)
        wire.at(now)
    assert len(wire.parties.calls) <= 5
    for _ in range(200):
        if (due_at := wire.parties.next_timer()) is None:
            break
        wire.at(max(now, due_at))
    assert wire.parties.calls == {}


@given(at=st.integers(0, 500), new=st.binary(max_size=8), cut=st.integers(0, 20))
def test_a_damaged_invite_is_answered_or_ignored(at: int, new: bytes, cut: int) -> None:
    data = invite()
    wire = Wire()
    words = wire.say(data[:at] + new + data[at + cut :])
    wire.at(1.0)
    assert all(isinstance(word, int) for word in words)


def test_tags_of_two_calls_differ() -> None:
    wire = Wire()
    wire.say(invite("+3247000000"))
    first = wire.tag
    wire.say(invite("+3247000005"))
    assert first != wire.tag
    assert re.fullmatch(r"called[0-9a-f]{8}", first)
