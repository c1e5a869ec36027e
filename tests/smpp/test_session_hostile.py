"""A session whose peer is broken, hostile, or sends its bytes in any pieces."""

import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.smpp import pdu
from gateway.smpp.events import (
    Accepted,
    Down,
    Event,
    Finding,
    Receipts,
    Refused,
    Unanswered,
)
from gateway.smpp.session import Session
from tests.smpp.peer import bound, ok, receipt, sent, submit


@pytest.mark.parametrize("length", [0, 1, 15, pdu.MAX_PDU_BYTES + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_out_of_bounds_is_refused_and_ends_the_session(length: int) -> None:
    session = bound()
    (number,) = submit(session, "a", "b")[:1]
    session.receive_data(ok(number, b"x") + struct.pack(">IIII", length, 4, 0, 3) + b"x" * 100, 0.1)
    assert session.events() == [Accepted(["a"], ["x"]), Down("command_length out of bounds", ["b"])]
    assert sent(session) == [(pdu.GENERIC_NACK, 2, 3, b"")]


def test_a_request_that_we_do_not_serve_is_refused() -> None:
    session = bound()
    session.receive_data(pdu.encode(0x10203, 0, 3) + pdu.encode(pdu.ALERT_NOTIFICATION, 0, 4, b"\0" * 8), 0.1)
    assert sent(session) == [(pdu.GENERIC_NACK, 3, 3, b"")]
    assert session.events() == [Finding("command_id that we do not serve", 1)]


def test_sequence_numbers_start_again_before_they_leave_their_range() -> None:
    session = bound(window=10)
    session._sequence = pdu.MAX_SEQUENCE - 2
    numbers = submit(session, "a", "b", "c", now=1.0)
    assert numbers == [1, 2, 3]
    session.receive_data(ok(2, b"x"), 1.1)
    session.handle_timer(100.0)
    assert [event for event in session.events() if not isinstance(event, Finding)] == [
        Accepted(["b"], ["x"]),
        Unanswered(["a", "c"]),
    ]


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[a:b] for a, b in pairwise(edges))


@given(st.lists(st.integers(0, 10_000), max_size=30), st.booleans())
def test_the_pieces_in_which_bytes_come_do_not_matter(cuts: list[int], singly: bool) -> None:
    def stream(numbers: list[int]) -> bytes:
        one, two, three = numbers
        parts = [ok(one, b"id1"), receipt(90, b"id1"), pdu.encode(pdu.ENQUIRE_LINK, 0, 91)]
        parts += [pdu.encode(pdu.SUBMIT_SM_RESP, 0x14, two), receipt(92, b"id2"), ok(three, b"id3")]
        return b"".join([*parts, pdu.encode(pdu.UNBIND, 0, 93)])

    def told(session: Session, chunks: Iterator[bytes]) -> tuple[list[object], bytes]:
        events: list[Event] = []
        for chunk in chunks:
            session.receive_data(chunk, 0.1)
            events += session.events()
        accepted = [
            pair for e in events if isinstance(e, Accepted) for pair in zip(e.tickets, e.message_ids, strict=True)
        ]
        receipts = [found for e in events if isinstance(e, Receipts) for found in e.receipts]
        others = [e for e in events if isinstance(e, (Refused, Down))]
        return [*accepted, *receipts, *others], session.data_to_send()

    whole, split = bound(), bound()
    data = stream(submit(whole, "a", "b", "c"))
    assert data == stream(submit(split, "a", "b", "c"))
    chunks = iter(data[i : i + 1] for i in range(len(data))) if singly else pieces(data, cuts)
    assert told(split, chunks) == told(whole, iter([data]))


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=80), max_size=20))
def test_garbage_never_raises_and_never_grows(chunks: list[bytes]) -> None:
    session = bound()
    submit(session, "a")
    for chunk in chunks:
        session.receive_data(chunk, 1.0)
        assert len(session._rest) <= pdu.MAX_PDU_BYTES
    session.events()
    session.handle_timer(1e9)
    assert session.data_to_send() is not None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [pdu.SUBMIT_SM_RESP, pdu.DELIVER_SM, pdu.DATA_SM, pdu.ENQUIRE_LINK, pdu.GENERIC_NACK, 0x999]
            ),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.binary(max_size=120),
        ),
        max_size=20,
    )
)
def test_well_framed_nonsense_never_raises(frames: list[tuple[int, int, int, bytes]]) -> None:
    session = bound()
    submit(session, "a", "b")
    session.receive_data(b"".join(pdu.encode(*frame) for frame in frames), 1.0)
    session.events()
    session.data_to_send()


@given(
    st.lists(st.sampled_from(["ok", "refused", "never", "twice"]), min_size=1, max_size=60), st.randoms(), st.booleans()
)
def test_every_ticket_gets_exactly_one_answer(fates: list[str], random: object, lost: bool) -> None:
    session = bound(window=100, response_timeout_s=10.0, enquire_link_s=0.0)
    numbers = submit(session, *range(len(fates)))
    answers = []
    for number, fate in zip(numbers, fates, strict=True):
        if fate in ("ok", "twice"):
            answers += [ok(number, b"id")] * (2 if fate == "twice" else 1)
        elif fate == "refused":
            answers.append(pdu.encode(pdu.SUBMIT_SM_RESP, 8, number))
    random.shuffle(answers)  # type: ignore[attr-defined]
    session.receive_data(b"".join(answers), 1.0)
    if lost:
        session.connection_lost("lost")
    else:
        session.handle_timer(20.0)
    seen: list[object] = []
    for event in session.events():
        match event:
            case Accepted(tickets, _) | Unanswered(tickets) | Down(_, tickets):
                seen += tickets
            case Refused(ticket, _):
                seen.append(ticket)
            case _:
                pass
    assert sorted(seen) == list(range(len(fates)))  # type: ignore[type-var]
