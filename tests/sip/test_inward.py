"""What is answered to the other side's requests: the codes, and what is learned from each."""

import pytest

from gateway.sip.call import SipCall
from gateway.sip.inward import Reply, key_of, reply
from gateway.sip.message import SipRequest, SipResponse, parse
from gateway.sip.request import Leg
from tests.sip.sip_pair import ANSWER, MEDIA, OFFER, PEER, Pair, identity


def call(to_tag: str = "called") -> SipCall:
    leg = Leg(call_id="call@test", sender="<sip:us@x>;tag=us", to="<sip:b@x>", target="sip:b@x")
    return SipCall(leg=leg, offer=OFFER, media=MEDIA, branch="b", to_tag=to_tag)


def asked(method: str, fields: str = "", body: bytes = b"") -> SipRequest:
    request = parse(Pair().ask(method, fields=fields, body=body))
    assert isinstance(request, SipRequest)
    return request


def replied(request: SipRequest, to: SipCall | None) -> tuple[SipResponse, Reply]:
    found = reply(request, to, PEER, identity())
    answer = parse(found.data)
    assert isinstance(answer, SipResponse)
    return answer, found


@pytest.mark.parametrize(("method", "code"), [
    ("BYE", 200), ("INFO", 200), ("OPTIONS", 200), ("UPDATE", 200), ("INVITE", 200), ("REFER", 405), ("CANCEL", 405),
])  # fmt: skip
def test_inside_a_call(method: str, code: int) -> None:
    assert replied(asked(method), call())[0].code == code


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE"])
def test_outside_every_call_there_is_none(method: str) -> None:
    for known in (None, call("other"), call("")):
        answer, found = replied(asked(method), known)
        assert answer.code == 481
        assert not (found.bye or found.digit or found.moved)


def test_nobody_can_call_us() -> None:
    request = parse(Pair().ask("INVITE").replace(b";tag=gone", b""))
    assert isinstance(request, SipRequest)
    assert replied(request, None)[0].code == 480


def test_new_audio_is_answered_with_ours() -> None:
    answer, found = replied(asked("INVITE", "Content-Type: application/sdp\r\n", ANSWER), call())
    assert found.moved == ANSWER
    assert b"m=audio 16384 RTP/AVP 8" in answer.body


def test_audio_that_we_do_not_speak_is_refused_and_the_call_goes_on() -> None:
    answer, found = replied(asked("INVITE", body=b"v=0\r\nm=audio 1 RTP/AVP 96\r\nc=IN IP4 192.0.2.1\r\n"), call())
    assert answer.code == 488
    assert found == Reply(found.data)


@pytest.mark.parametrize(("kind", "body", "key"), [
    ("application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", "1"),
    ("application/dtmf-relay", b"Signal= #\n", "#"),
    ("application/dtmf-relay;x=y", b"Duration=1\r\nsignal=d\r\n", "D"),
    ("application/dtmf", b"1", "1"),
    ("application/dtmf", b"12", ""),
    ("application/dtmf-relay", b"Signal=\r\n", ""),
    ("text/plain", b"1", ""),
    ("application/dtmf", b"\xff", ""),
])  # fmt: skip
def test_keys_in_info(kind: str, body: bytes, key: str) -> None:
    assert key_of(asked("INFO", f"Content-Type: {kind}\r\n", body)) == key
