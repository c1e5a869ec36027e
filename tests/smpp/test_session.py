"""One SMPP session against a peer made of bytes; times are arguments."""

import struct

import pytest

from gateway.smpp import pdu
from gateway.smpp.events import (
    TRANSITIONS,
    Accepted,
    Answered,
    Belated,
    BindConfig,
    Bound,
    Down,
    Finding,
    Inbound,
    Receipts,
    Refused,
    Role,
    State,
    Step,
    Unanswered,
)
from gateway.smpp.session import Session
from tests.smpp.peer import RECEIPT, bound, down, ok, receipt, sent, submit


def test_every_state_but_the_last_can_end_and_the_last_can_do_nothing() -> None:
    for state in State:
        assert ((state, Step.ENDED) in TRANSITIONS) == (state is not State.DOWN)
        if state is State.DOWN:
            assert not [key for key in TRANSITIONS if key[0] is state]


@pytest.mark.parametrize("role", list(Role))
def test_a_bind_is_asked_for_in_its_role_and_only_senders_have_room(role: Role) -> None:
    session = Session(BindConfig(system_id="gw", password="pw", role=role, window=7))
    assert session.room == 0
    session.bind(0.0)
    ((command, status, number, body),) = sent(session)
    assert (command, status) == (role.value, 0)
    assert body.startswith(b"gw\0pw\0\0\x34")
    session.receive_data(pdu.encode(pdu.RESPONSE | command, 0, number, b"SMSC\0"), 0.0)
    assert session.room == (0 if role is Role.RECEIVER else 7)


def test_a_refused_bind_ends_the_session_with_its_status() -> None:
    session = Session(BindConfig(system_id="gw", password="pw"))
    session.bind(0.0)
    session.receive_data(pdu.encode(pdu.RESPONSE | pdu.BIND_TRANSCEIVER, 0x0E, 1), 0.1)
    assert down(session) == Down("the peer refused the bind", [], 0x0E)


def test_a_nack_to_the_bind_is_a_refusal() -> None:
    session = Session(BindConfig(system_id="gw", password="pw"))
    session.bind(0.0)
    session.receive_data(pdu.encode(pdu.GENERIC_NACK, 3, 1), 0.1)
    assert down(session).status == 3


def test_a_bind_without_an_answer_ends_in_time() -> None:
    session = Session(BindConfig(system_id="gw", password="pw", control_timeout_s=10.0))
    session.bind(100.0)
    assert session.next_timer() == 110.0
    session.handle_timer(109.9)
    assert session.state is State.BINDING
    session.handle_timer(110.0)
    assert down(session).reason == "no answer to the bind"


def test_what_is_glued_before_and_behind_the_bind_resp_is_not_lost() -> None:
    session = Session(BindConfig(system_id="gw", password="pw"))
    session.bind(0.0)
    sent(session)
    answer = pdu.encode(pdu.RESPONSE | pdu.BIND_TRANSCEIVER, 0, 1, b"SMSC\0")
    session.receive_data(pdu.encode(pdu.ENQUIRE_LINK, 0, 9) + answer + receipt(10, b"77") + answer[:5], 0.1)
    first, second = session.events()
    assert first == Bound("SMSC", None)
    assert isinstance(second, Receipts)
    assert sent(session) == [(pdu.ENQUIRE_LINK_RESP, 0, 9, b"")]


def test_submits_leave_joined_and_their_answers_come_back_as_one_batch() -> None:
    session = bound()
    numbers = submit(session, "a", "b", "c")
    session.receive_data(b"".join(ok(n, b"id%d" % n) for n in reversed(numbers)), 0.1)
    assert session.events() == [Accepted(["c", "b", "a"], [f"id{n}" for n in reversed(numbers)])]
    assert session.in_flight == 0


def test_the_parts_of_a_long_message_leave_in_order() -> None:
    session = bound()
    parts = [pdu.template(source_addr="Alert", short_message=text) for text in (b"one", b"two")]
    session.submit_parts(["p1", "p2"], b"32470", parts, 0.0)
    assert [body[-3:] for _, _, _, body in sent(session)] == [b"one", b"two"]
    assert session.in_flight == 2


def test_refusals_carry_their_status_also_by_generic_nack() -> None:
    session = bound()
    one, two, three = submit(session, "a", "b", "c")
    refusals = [
        pdu.encode(pdu.SUBMIT_SM_RESP, 0x58, one),
        pdu.encode(pdu.GENERIC_NACK, 0, two),
        pdu.encode(pdu.SUBMIT_SM_RESP, 0x0B, three, b"\0"),
    ]
    session.receive_data(b"".join(refusals), 0.1)
    assert session.events() == [Refused("a", 0x58), Refused("b", 3), Refused("c", 0x0B)]


def test_a_full_window_has_no_room_and_more_is_an_error() -> None:
    session = bound(window=3)
    numbers = submit(session, 1, 2, 3)
    assert session.room == 0
    with pytest.raises(ValueError, match="window"):
        submit(session, 4)
    session.receive_data(ok(numbers[0], b"x"), 0.1)
    assert session.room == 1


def test_answers_that_nobody_waits_for_are_counted_and_nothing_else() -> None:
    session = bound()
    (number,) = submit(session, "a")
    session.receive_data(ok(number, b"x") * 3 + ok(999, b"y"), 0.1)
    assert session.events() == [
        Accepted(["a"], ["x"]),
        Finding("submit_sm_resp that no submit waits for", 3),
    ]


def test_an_answer_without_a_body_is_accepted_without_an_id() -> None:
    session = bound()
    (number,) = submit(session, "a")
    session.receive_data(pdu.encode(pdu.SUBMIT_SM_RESP, 0, number), 0.1)
    assert session.events() == [Accepted(["a"], [""])]


def test_an_id_of_any_length_is_cut_to_what_the_standard_allows() -> None:
    session = bound()
    (number,) = submit(session, "a")
    session.receive_data(ok(number, b"9" * 5_000), 0.1)
    assert session.events() == [Accepted(["a"], ["9" * 64])]


def test_answers_that_never_come_are_given_up_and_the_window_is_free_again() -> None:
    session = bound(window=4, response_timeout_s=60.0, enquire_link_s=0.0)
    first = submit(session, "a", "b", now=10.0)
    submit(session, "c", now=30.0)
    session.receive_data(ok(first[0], b"x"), 11.0)
    session.events()
    due = session.next_timer()
    assert due is not None
    assert 70.0 <= due <= 71.0
    session.handle_timer(69.9)
    assert session.events() == []
    session.handle_timer(due)
    assert session.events() == [Unanswered(["b"])]
    assert session.room == 3
    session.handle_timer(100.0)
    assert session.events() == [Unanswered(["c"])]
    assert session.next_timer() is None


def test_an_answer_after_its_timer_is_told_with_its_ticket_once() -> None:
    session = bound(response_timeout_s=1.0)
    one, two, three, four = submit(session, "a", "b", "c", "d")
    session.receive_data(ok(four, b"w"), 0.5)
    session.handle_timer(2.0)
    assert session.events() == [Accepted(["d"], ["w"]), Unanswered(["a", "b", "c"])]
    late = [ok(two, b"x" * 70), pdu.encode(pdu.SUBMIT_SM_RESP, 0x58, one), pdu.encode(pdu.GENERIC_NACK, 0, three)]
    session.receive_data(b"".join(late), 2.1)
    assert session.events() == [Belated("b", "x" * 64, 0), Belated("a", "", 0x58), Belated("c", "", 3)]
    session.receive_data(ok(two, b"x") + ok(four, b"w"), 2.2)
    assert session.events() == [Finding("submit_sm_resp that no submit waits for", 2)]


def test_an_answer_later_than_anybody_remembers_is_only_a_finding() -> None:
    session = bound(response_timeout_s=1.0, enquire_link_s=0.0)
    (number,) = submit(session, "a")
    session.handle_timer(2.0)
    session.receive_data(ok(number, b"x"), 3_000.0)
    assert session.events() == [Unanswered(["a"]), Finding("submit_sm_resp that no submit waits for", 1)]


def test_a_steady_stream_of_submits_keeps_few_timers() -> None:
    session = bound(window=10_000, response_timeout_s=60.0)
    for turn in range(1_000):
        numbers = submit(session, turn, now=turn / 1_000)
        session.receive_data(ok(numbers[0], b"x"), turn / 1_000)
    assert session._submits.timers <= 5


def test_receipts_are_acknowledged_only_when_told() -> None:
    session = bound()
    session.receive_data(receipt(5, b"77") + receipt(6, b"78"), 0.1)
    (event,) = session.events()
    assert isinstance(event, Receipts)
    assert [found.message_id for found in event.receipts] == ["77", "78"]
    assert sent(session) == []
    assert session.owed == 2
    session.acknowledge(event.handles)
    assert sent(session) == [(pdu.DELIVER_SM_RESP, 0, 5, b"\0"), (pdu.DELIVER_SM_RESP, 0, 6, b"\0")]
    assert session.owed == 0


def test_a_receipt_by_data_sm_is_acknowledged_by_data_sm_resp() -> None:
    session = bound()
    body = b"\0\1\1" + b"32470\0\5\0Alert\0\4\0\0" + struct.pack(">HH", 0x1E, 3) + b"77\0" + b"\x04\x27\0\1\2"
    session.receive_data(pdu.encode(pdu.DATA_SM, 0, 5, body), 0.1)
    (event,) = session.events()
    assert isinstance(event, Receipts)
    session.acknowledge(event.handles)
    assert sent(session) == [(pdu.DATA_SM_RESP, 0, 5, b"\0")]


def test_a_receipt_before_its_response_is_kept() -> None:
    session = bound()
    (number,) = submit(session, "a")
    session.receive_data(receipt(5, b"77"), 0.1)
    (early,) = session.events()
    session.receive_data(ok(number, b"77"), 0.2)
    assert isinstance(early, Receipts)
    assert early.receipts[0].message_id == "77"
    assert session.events() == [Accepted(["a"], ["77"])]


def test_in_one_turn_the_answer_is_told_before_the_receipt() -> None:
    session = bound()
    (number,) = submit(session, "a")
    session.receive_data(receipt(5, b"77") + ok(number, b"77"), 0.1)
    assert [type(event) for event in session.events()] == [Accepted, Receipts]


def test_a_persons_reply_is_handed_on_and_waits_to_be_acknowledged() -> None:
    session = bound()
    made = pdu.template(source_addr="32470", short_message=b"id:1 stat:DELIVRD err:000 text:")
    session.receive_data(pdu.from_template(made, pdu.DELIVER_SM, 8, b"Alert"), 0.1)
    (event,) = session.events()
    assert isinstance(event, Inbound)
    assert event.message.source_addr == b"32470"
    session.acknowledge([event.handle])
    assert sent(session) == [(pdu.DELIVER_SM_RESP, 0, 8, b"\0")]


def test_a_message_that_can_not_be_read_is_refused_and_the_session_goes_on() -> None:
    session = bound()
    session.receive_data(pdu.encode(pdu.DELIVER_SM, 0, 8, b"\0\1"), 0.1)
    assert session.events() == [Finding("a mandatory field is missing", 1)]
    assert sent(session) == [(pdu.DELIVER_SM_RESP, 0x65, 8, b"\0")]
    assert session.owed == 0
    assert session.state is State.BOUND


def test_broken_parameters_are_a_finding_and_the_receipt_is_kept() -> None:
    session = bound()
    made = pdu.template(source_addr="32470", short_message=RECEIPT % b"77", esm_class=4)
    whole = pdu.from_template(made, pdu.DELIVER_SM, 8, b"Alert") + b"\x14\x00\xff\xff\0"
    session.receive_data(struct.pack(">I", len(whole)) + whole[4:], 0.1)
    kept, finding = session.events()
    assert isinstance(kept, Receipts)
    assert kept.receipts[0].message_id == "77"
    assert finding == Finding("optional parameter is longer than its PDU", 1)


def test_a_silent_peer_is_asked_and_a_dead_one_is_found() -> None:
    session = bound(enquire_link_s=30.0, control_timeout_s=10.0)
    (number,) = submit(session, "a", now=1.0)
    assert session.next_timer() == 30.0
    session.handle_timer(30.0)
    ((command, _, _, _),) = sent(session)
    assert command == pdu.ENQUIRE_LINK
    assert session.next_timer() == 40.0
    session.handle_timer(40.0)
    assert down(session) == Down("no answer to enquire_link", ["a"])
    assert number


def test_any_sign_of_life_answers_the_probe() -> None:
    session = bound(enquire_link_s=30.0)
    session.handle_timer(30.0)
    session.receive_data(receipt(5, b"77"), 35.0)
    session.handle_timer(45.0)
    assert session.state is State.BOUND
    assert session.next_timer() == 65.0


def test_the_peers_probe_is_answered() -> None:
    session = bound()
    session.receive_data(pdu.encode(pdu.ENQUIRE_LINK, 0, 42), 0.1)
    assert sent(session) == [(pdu.ENQUIRE_LINK_RESP, 0, 42, b"")]


def test_without_a_probe_there_is_no_timer() -> None:
    assert bound(enquire_link_s=0.0).next_timer() is None


def test_our_unbind_waits_for_its_answer_and_still_takes_others() -> None:
    session = bound()
    (number,) = submit(session, "a")
    session.unbind(1.0)
    session.unbind(1.0)
    ((command, _, unbind, _),) = sent(session)
    assert command == pdu.UNBIND
    assert session.room == 0
    session.receive_data(ok(number, b"x") + pdu.encode(pdu.UNBIND_RESP, 0, unbind), 1.1)
    assert session.events() == [Accepted(["a"], ["x"]), Down("unbound", [])]


def test_an_unbind_without_an_answer_ends_in_time() -> None:
    session = bound(control_timeout_s=5.0)
    session.unbind(1.0)
    assert session.next_timer() == 6.0
    session.handle_timer(6.0)
    assert down(session).reason == "no answer to the unbind"


def test_the_peers_unbind_is_answered_and_tells_what_is_unknown() -> None:
    session = bound()
    submit(session, "a", "b")
    session.receive_data(pdu.encode(pdu.UNBIND, 0, 9), 0.1)
    assert sent(session) == [(pdu.UNBIND_RESP, 0, 9, b"")]
    assert down(session) == Down("the peer unbound", ["a", "b"])


def test_a_lost_connection_tells_exactly_what_was_not_answered() -> None:
    session = bound()
    numbers = submit(session, "a", "b", "c")
    session.receive_data(ok(numbers[1], b"x"), 0.1)
    session.events()
    session.connection_lost("connection lost")
    assert down(session) == Down("connection lost", ["a", "c"])
    session.connection_lost("again")
    assert session.events() == []


def test_after_the_end_nothing_is_read_written_or_timed() -> None:
    session = bound()
    session.receive_data(receipt(5, b"77"), 0.1)
    (event,) = session.events()
    session.connection_lost("gone")
    session.events()
    assert isinstance(event, Receipts)
    session.acknowledge(event.handles)
    session.receive_data(receipt(6, b"78"), 0.2)
    session.handle_timer(1_000.0)
    assert session.data_to_send() == b""
    assert session.events() == []


def test_requests_that_are_no_submits_are_answered_each_by_its_number() -> None:
    session = bound()
    session.request(pdu.CANCEL_SM, [b"a", b"b", b"c"], 0.0)
    (one, _, first, _), (_, _, second, _), (_, _, third, _) = sent(session)
    assert one == pdu.CANCEL_SM
    answers = [(pdu.CANCEL_SM_RESP, 0x11, third), (pdu.CANCEL_SM_RESP, 0, first), (pdu.GENERIC_NACK, 3, second)]
    session.receive_data(b"".join(pdu.encode(command, status, number) for command, status, number in answers), 1.0)
    assert session.events() == [
        Answered(pdu.CANCEL_SM, 0x11), Answered(pdu.CANCEL_SM, 0), Answered(pdu.CANCEL_SM, 3),
    ]  # fmt: skip
    assert session.request_room == 100
    session.receive_data(pdu.encode(pdu.CANCEL_SM_RESP, 0, first), 1.0)
    assert session.events() == [Finding("response that no request waits for", 1)]


def test_requests_that_nobody_answers_do_not_take_up_room_for_ever() -> None:
    session = bound(response_timeout_s=10.0, enquire_link_s=0.0)
    session.request(pdu.CANCEL_SM, [b"a"] * 100, 0.0)
    (_, _, first, _) = sent(session)[0]
    session.receive_data(pdu.encode(pdu.CANCEL_SM_RESP, 0, first), 1.0)
    assert (session.events(), session.request_room) == ([Answered(pdu.CANCEL_SM, 0)], 1)
    due = session.next_timer()
    assert due is not None
    session.handle_timer(due)
    assert (session.events(), session.request_room) == ([Finding("request without an answer", 99)], 100)
    assert session.next_timer() is None


def test_a_replace_counts_in_the_window_and_is_answered_refused_or_given_up_like_a_submit() -> None:
    session = bound(window=4, response_timeout_s=10.0)
    for ticket in ("taken", "refused", "unknown there", "silent"):
        session.replace(ticket, b"body", 1.0)
    assert (session.room, session.in_flight) == (0, 4)
    with pytest.raises(ValueError, match="window"):
        session.replace("one more", b"body", 1.0)
    asked = sent(session)
    assert {(command, status, body) for command, status, _, body in asked} == {(pdu.REPLACE_SM, 0, b"body")}
    taken, refused, unknown, _ = (number for _, _, number, _ in asked)
    session.receive_data(
        pdu.encode(pdu.REPLACE_SM_RESP, 0, taken)
        + pdu.encode(pdu.REPLACE_SM_RESP, 0x13, refused)
        + pdu.encode(pdu.GENERIC_NACK, 3, unknown)
        + pdu.encode(pdu.REPLACE_SM_RESP, 0, taken),
        1.1,
    )
    assert session.events() == [
        Accepted(["taken"], [""]),
        Refused("refused", 0x13),
        Refused("unknown there", 3),
        Finding("replace_sm_resp that no replace waits for", 1),
    ]
    session.handle_timer(20.0)
    assert Unanswered(["silent"]) in session.events()
    session.receive_data(pdu.encode(pdu.REPLACE_SM_RESP, 0, asked[3][2]), 21.0)
    assert session.events() == [Belated("silent", "", 0)]


def test_an_outbind_is_answered_by_a_bind_only_when_it_is_expected_and_in_time() -> None:
    config = BindConfig(system_id="gw", password="pw", role=Role.RECEIVER, outbind=("smsc", "open"))
    for body, known in ((b"smsc\0open\0", True), (b"smsc\0other\0", False), (b"", False)):
        session = Session(config)
        session.await_outbind(0.0)
        session.receive_data(pdu.encode(pdu.OUTBIND, 0, 1, body), 1.0)
        assert [command for command, *_ in sent(session)] == ([pdu.BIND_RECEIVER] if known else [])
        assert session.state is (State.BINDING if known else State.DOWN)
    for forged in (receipt(1, b"77"), pdu.encode(pdu.SUBMIT_SM, 0, 1), pdu.encode(pdu.UNBIND, 0, 1), b"\0" * 16):
        nobody = Session(config)
        nobody.await_outbind(0.0)
        nobody.receive_data(forged[:15], 1.0)
        nobody.receive_data(forged[15:] + forged, 1.0)
        assert nobody.events() == [Down("something else than outbind", [])]
        assert nobody.data_to_send() == b""
    silent = Session(config)
    silent.await_outbind(0.0)
    silent.handle_timer(silent.next_timer() or 0.0)
    assert silent.events() == [Down("no outbind", [])]
