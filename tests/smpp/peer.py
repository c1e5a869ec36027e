"""A peer made of bytes, for tests of the session."""

import struct

from gateway.smpp import pdu
from gateway.smpp.events import (
    BindConfig,
    Bound,
    Down,
    State,
)
from gateway.smpp.session import Session

TEMPLATE = pdu.template(source_addr="Alert", short_message=b"hello", registered_delivery=1)
RECEIPT = b"id:%b sub:001 dlvrd:001 submit date:2611212200 done date:2611212201 stat:DELIVRD err:000 text:"


def sent(session: Session) -> list[tuple[int, int, int, bytes]]:
    """What the session wrote: (command, status, sequence, body)."""
    data, found = session.data_to_send(), []
    while data:
        length, command, status, number = struct.unpack_from(">IIII", data)
        found.append((command, status, number, data[16:length]))
        data = data[length:]
    return found


def bound(**config: object) -> Session:
    session = Session(BindConfig(system_id="gw", password="pw", **config))  # type: ignore[arg-type]
    session.bind(0.0)
    ((command, _, number, _),) = sent(session)
    session.receive_data(pdu.encode(pdu.RESPONSE | command, 0, number, b"SMSC\0"), 0.0)
    assert session.events() == [Bound("SMSC", None)]
    return session


def submit(session: Session, *tickets: object, now: float = 0.0) -> list[int]:
    """Submit these; the sequence numbers that they got."""
    session.submit(tickets, [b"324%08d" % n for n in range(len(tickets))], TEMPLATE, now)
    return [number for command, _, number, _ in sent(session) if command == pdu.SUBMIT_SM]


def ok(number: int, message_id: bytes) -> bytes:
    return pdu.encode(pdu.SUBMIT_SM_RESP, 0, number, message_id + b"\0")


def receipt(number: int, message_id: bytes) -> bytes:
    made = pdu.template(source_addr="32470", short_message=RECEIPT % message_id, esm_class=pdu.ESM_RECEIPT)
    return pdu.from_template(made, pdu.DELIVER_SM, number, b"Alert")


def down(session: Session) -> Down:
    last = session.events()[-1]
    assert isinstance(last, Down)
    assert session.state is State.DOWN
    assert session.next_timer() is None
    return last
