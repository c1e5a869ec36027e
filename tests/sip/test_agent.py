"""The calling agent against a called side written out by hand: every way a call can go, with a clock that is moved."""

from typing import Any

import pytest

from gateway.sip.agent import Asked, Digit, Ended, Moved, Progress, Up
from gateway.sip.message import SipRequest, SipResponse
from tests.sip.sip_pair import ANSWER, OFFER, PEER, Pair


def test_an_invite_says_who_calls_whom_and_offers_audio() -> None:
    pair = Pair(asserted="+3222000000")
    invite = pair.call("+32470123456")
    headers = invite.raw.headers
    assert str(invite.raw.uri) == "sip:+32470123456@trunk.example"
    assert invite.called == "+32470123456"
    assert headers["From"].startswith("<sip:+3222345678@trunk.example>;tag=")
    assert headers["P-Asserted-Identity"] == "<sip:+3222000000@trunk.example>"
    assert headers["Contact"] == "<sip:+3222345678@192.0.2.9:5060>"
    assert headers["Content-Type"] == "application/sdp"
    assert invite.body == OFFER
    assert invite.branch.startswith("z9hG4bK")


def test_a_call_that_is_answered_is_acknowledged_played_and_ended_with_a_bye() -> None:
    pair = Pair()
    invite = pair.call()
    assert pair.answer(invite, 100) == [Progress("call@test", 100)]
    assert pair.answer(invite, 180) == [Progress("call@test", 180)]
    assert pair.answer(invite, 200, body=ANSWER) == [Up("call@test", ANSWER)]
    ack = pair.one()
    assert (ack.method, ack.cseq, str(ack.raw.uri)) == ("ACK", 1, "sip:called@192.0.2.1:5070;x=a%3Ab")
    assert b"ACK sip:called@192.0.2.1:5070;x=a:b SIP/2.0" in bytes(pair.agent._calls["call@test"].ack)
    assert ack.branch != invite.branch
    assert pair.agent.hang_up("call@test", pair.at)
    bye = pair.one()
    assert (bye.method, bye.cseq, bye.parties.to_tag) == ("BYE", 2, "called")
    assert pair.answer(bye, 200) == [Ended("call@test", 200, answered=True)]
    assert pair.agent.calls == 0


@pytest.mark.parametrize(("code", "fields", "ended"), [
    (486, {}, Ended("call@test", 486)),
    (404, {"Reason": 'Q.850;cause=1;text="Unallocated"'}, Ended("call@test", 404, 1)),
    (503, {"Retry_After": "120 (later)"}, Ended("call@test", 503, 0, 120.0)),
    (302, {}, Ended("call@test", 302)),
])  # fmt: skip
def test_a_refusal_is_acknowledged_in_its_transaction_and_told_once(
    code: int, fields: dict[str, Any], ended: Ended
) -> None:
    pair = Pair()
    invite = pair.call()
    assert pair.answer(invite, code, **fields) == [ended]
    ack = pair.one()
    assert (ack.method, ack.branch, ack.cseq, ack.parties.to_tag) == ("ACK", invite.branch, 1, "called")
    assert pair.answer(invite, code, **fields) == []
    assert pair.one().method == "ACK"


def test_an_invite_without_any_answer_is_repeated_and_given_up_after_32_seconds() -> None:
    pair = Pair()
    pair.call()
    assert pair.later(31.9) == []
    assert [m.method for m in pair.sent()] == ["INVITE"] * 6  # 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
    assert pair.agent.retransmissions == 6
    assert pair.later(0.2) == [Ended("call@test", 408)]


def test_over_a_reliable_transport_nothing_is_repeated() -> None:
    pair = Pair(transport="TCP")
    pair.call()
    assert pair.later(31.9) == []
    assert pair.sent() == []


def test_a_ringing_call_is_cancelled_in_its_own_transaction() -> None:
    pair = Pair()
    invite = pair.call()
    pair.answer(invite, 180)
    pair.agent.hang_up("call@test", pair.at)
    cancel = pair.one()
    assert (cancel.method, cancel.branch, cancel.cseq) == ("CANCEL", invite.branch, 1)
    assert str(cancel.raw.uri) == str(invite.raw.uri)
    assert cancel.parties.to_tag == ""
    assert pair.answer(cancel, 200) == []
    assert pair.answer(invite, 487) == [Ended("call@test", 487)]


def test_a_call_without_an_answer_yet_is_cancelled_when_the_first_one_comes() -> None:
    pair = Pair()
    invite = pair.call()
    assert pair.agent.hang_up("call@test", pair.at)
    assert pair.sent() == []
    pair.answer(invite, 100)
    assert pair.one().method == "CANCEL"


def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    pair = Pair()
    invite = pair.call()
    pair.answer(invite, 180)
    pair.agent.hang_up("call@test", pair.at)
    pair.sent()
    assert pair.answer(invite, 200, body=ANSWER) == []
    ack, bye = pair.sent()
    assert isinstance(ack, SipRequest) and isinstance(bye, SipRequest)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert pair.answer(bye, 200) == [Ended("call@test", 200)]


def test_a_cancel_that_nobody_answers_ends_the_call_all_the_same() -> None:
    pair = Pair()
    invite = pair.call()
    pair.answer(invite, 180)
    pair.agent.hang_up("call@test", pair.at)
    assert [event for event in pair.later(33) if isinstance(event, Ended)] == [Ended("call@test", 180)]
    assert pair.agent.calls == 0


def test_a_bye_that_nobody_answers_ends_the_call_all_the_same() -> None:
    pair = Pair()
    pair.up()
    pair.agent.hang_up("call@test", pair.at)
    assert pair.later(33) == [Ended("call@test", 200, answered=True)]


def test_an_answer_that_is_repeated_is_acknowledged_again_and_told_once() -> None:
    pair = Pair()
    invite = pair.call()
    assert len(pair.answer(invite, 200, body=ANSWER)) == 1
    assert pair.one().method == "ACK"
    assert pair.answer(invite, 200, body=ANSWER) == []
    assert pair.one().method == "ACK"


def test_a_second_phone_that_answers_is_hung_up_and_the_first_one_stays() -> None:
    pair = Pair()
    invite = pair.call()
    pair.answer(invite, 200, body=ANSWER, tag="first")
    pair.sent()
    assert pair.answer(invite, 200, body=ANSWER, tag="second") == []
    ack, bye = pair.sent()
    assert isinstance(ack, SipRequest) and isinstance(bye, SipRequest)
    assert (ack.method, bye.method, bye.parties.to_tag) == ("ACK", "BYE", "second")
    assert pair.agent.calls == 1


def test_the_route_that_was_recorded_is_followed_backwards() -> None:
    pair = Pair()
    invite = pair.call()
    pair.answer(invite, 200, body=ANSWER, Record_Route="<sip:last.example;lr>, <sip:first.example;lr>")
    ack = pair.one()
    assert ack.raw.headers.getlist("Route") == ["<sip:first.example;lr>", "<sip:last.example;lr>"]


# passwords ----------------------------------------------------------------------------------------------------------

CHALLENGE = 'Digest realm="trunk", nonce="n1", algorithm=MD5, qop="auth,auth-int"'


@pytest.mark.parametrize(("code", "asks", "answers"), [
    (401, "WWW_Authenticate", "Authorization"), (407, "Proxy_Authenticate", "Proxy-Authorization"),
])  # fmt: skip
def test_a_challenge_is_answered_in_the_same_call_and_remembered(code: int, asks: str, answers: str) -> None:
    pair = Pair(username="gw", password="secret")
    invite = pair.call()
    challenge: dict[str, Any] = {asks: CHALLENGE}
    assert pair.answer(invite, code, **challenge) == []
    ack, again = pair.sent()
    assert isinstance(ack, SipRequest) and isinstance(again, SipRequest)
    assert (ack.method, again.method, again.cseq) == ("ACK", "INVITE", 2)
    assert again.parties.call_id == invite.parties.call_id and again.branch != invite.branch
    assert 'username="gw"' in again.raw.headers[answers] and "nc=00000001" in again.raw.headers[answers]
    pair.answer(again, 200, body=ANSWER)
    pair.sent()
    pair.agent.hang_up("call@test", pair.at)
    bye = pair.one()
    assert "nc=00000003" in bye.raw.headers[answers]  # the ACK had the second
    assert bye.cseq == 3


def test_a_wrong_password_is_not_tried_for_ever() -> None:
    pair = Pair(username="gw", password="wrong")
    pair.answer(pair.call(), 401, WWW_Authenticate=CHALLENGE)
    again = pair.sent()[1]
    assert isinstance(again, SipRequest)
    assert pair.answer(again, 401, WWW_Authenticate=CHALLENGE) == [Ended("call@test", 401)]


def test_a_stale_nonce_is_replaced() -> None:
    pair = Pair(username="gw", password="secret")
    pair.answer(pair.call(), 401, WWW_Authenticate=CHALLENGE)
    again = pair.sent()[1]
    assert isinstance(again, SipRequest)
    assert pair.answer(again, 401, WWW_Authenticate=CHALLENGE.replace("n1", "n2") + ", stale=true") == []
    third = pair.sent()[1]
    assert isinstance(third, SipRequest)
    assert 'nonce="n2"' in third.raw.headers["Authorization"] and "nc=00000001" in third.raw.headers["Authorization"]


def test_without_a_password_a_challenge_is_an_end() -> None:
    pair = Pair()
    assert pair.answer(pair.call(), 401, WWW_Authenticate=CHALLENGE) == [Ended("call@test", 401)]


# the other side's requests ------------------------------------------------------------------------------------------


def test_the_other_side_may_hang_up_and_its_bye_is_answered_every_time() -> None:
    pair = Pair()
    pair.up()
    bye = pair.ask("BYE", fields="Reason: Q.850;cause=16\r\n")
    assert pair.receive(bye) == [Ended("call@test", 200, 16, answered=True, by_peer=True)]
    assert pair.receive(bye) == []
    codes = [message.code for message in pair.sent() if isinstance(message, SipResponse)]
    assert codes == [200, 200]


def test_a_key_by_info_is_told() -> None:
    pair = Pair()
    pair.up()
    body = b"Signal=1\r\nDuration=160\r\n"
    info = pair.ask("INFO", fields="Content-Type: application/dtmf-relay\r\n", body=body)
    assert pair.receive(info) == [Digit("call@test", "1")]
    assert pair.receive(info) == []  # a repetition is no second key


def test_audio_that_moves_is_answered_with_ours_and_told() -> None:
    pair = Pair()
    pair.up()
    body = ANSWER.replace(b"20000", b"20002")
    assert pair.receive(pair.ask("INVITE", fields="Content-Type: application/sdp\r\n", body=body)) == [
        Moved("call@test", body)
    ]
    (answer,) = pair.sent()
    assert isinstance(answer, SipResponse)
    assert answer.code == 200 and b"m=audio 16384 RTP/AVP 8" in answer.body


def test_a_stranger_gets_no_call_and_learns_nothing() -> None:
    pair = Pair()
    pair.up()
    stranger = pair.ask("BYE").replace(b"tag=called", b"tag=forged")
    assert pair.receive(stranger) == []
    assert pair.receive(pair.ask("INVITE").replace(b"call@test", b"other@test")) == []
    assert [m.code for m in pair.sent() if isinstance(m, SipResponse)] == [481, 481]
    assert pair.agent.calls == 1


# links --------------------------------------------------------------------------------------------------------------


def test_options_tell_whether_the_trunk_is_there() -> None:
    pair = Pair()
    pair.agent.ask(pair.at, within_s=5)
    options = pair.one()
    assert options.method == "OPTIONS" and str(options.raw.uri) == "sip:trunk.example"
    assert pair.answer(options, 200) == [Asked(200)]
    pair.agent.ask(pair.at, within_s=5)
    assert pair.later(6) == [Asked(0)]


def test_a_lost_connection_ends_calls_that_were_not_answered_and_leaves_the_others() -> None:
    pair = Pair(transport="TCP")
    pair.up()
    pair.agent.invite("second@test", "+3247000001", offer=OFFER, media=PEER, now=pair.at)
    pair.agent.broken(pair.at)
    assert pair.agent.events() == [Ended("second@test", 0)]
    assert pair.agent.calls == 1


def test_what_is_over_is_forgotten() -> None:
    pair = Pair()
    for n in range(50):
        pair.agent.invite(f"{n}@test", "+3247000000", offer=OFFER, media=PEER, now=pair.at)
        invite = pair.one()
        pair.answer(invite, 486)
        pair.sent()
    pair.later(40)
    assert (pair.agent.calls, len(pair.agent._sent), pair.agent.next_timer()) == (0, 0, None)
