"""What the SMS channel hands on: batches per loop turn, acknowledgements after durability."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.channels.base import Said
from gateway.channels.sms_outbox import Outbox
from gateway.model import Outcome, OutcomeKind, Receipt, ReceiptKind
from gateway.smpp import pdu
from gateway.smpp.events import BindConfig
from gateway.smpp.link import Endpoint, Link
from gateway.smpp.session import Session
from tests.channels.sms_world import deliveries, words
from tests.support.waiting import until


def receipt(n: int) -> Receipt:
    return Receipt("sim", str(n), ReceiptKind.DELIVERED)


TAKEN = [
    Outcome(one, OutcomeKind.ACCEPTED, "sim", 0, "ESME_ROK", (str(n),)) for n, one in enumerate(deliveries(words(), 3))
]


class Store:
    """Durable when told: all of it, or one batch by its place."""

    def __init__(self) -> None:
        self.batches: list[list[Said]] = []
        self.durable = asyncio.Event()
        self.recorded = 0
        self._ends: list[asyncio.Event] = []

    async def emit(self, batch: Sequence[Said]) -> None:
        self.batches.append(list(batch))
        mine = asyncio.Event()
        self._ends.append(mine)
        await asyncio.wait(
            [asyncio.ensure_future(one.wait()) for one in (mine, self.durable)], return_when=asyncio.FIRST_COMPLETED
        )

    def end(self, place: int) -> None:
        self._ends[place].set()

    def count(self) -> None:
        self.recorded += 1


def bound() -> tuple[Link, Session]:
    """A link with a bound session and without a socket."""
    session = Session(BindConfig(system_id="gw", password="pw"))
    session.bind(0.0)
    session.receive_data(pdu.encode(pdu.RESPONSE | pdu.BIND_TRANSCEIVER, 0, 1, b"\0"), 0.0)
    session.data_to_send()
    session.events()
    link = Link("sim/1", Endpoint(host="h", port=1), lambda: session, lambda link, events: None)
    link.session = session
    return link, session


async def test_a_loop_turn_is_one_batch_and_batches_keep_their_order() -> None:
    store = Store()
    outbox = Outbox(store.emit, store.count)
    store.durable.set()
    for turn in range(3):
        for n in range(4):
            outbox.receive([receipt(turn * 4 + n)])
            outbox.hand_on_soon()
        await asyncio.sleep(0)
    await outbox.settled()
    assert store.batches == [[receipt(turn * 4 + n) for n in range(4)] for turn in range(3)]
    assert outbox.unrecorded == 0


async def test_answers_go_before_the_receipts_of_their_turn_and_make_room_without_them() -> None:
    store = Store()
    outbox = Outbox(store.emit, store.count)
    outbox.receive([receipt(1)])
    outbox.items += TAKEN[:2]
    outbox.receive([receipt(2)])
    outbox.hand_on_soon()
    await until(lambda: len(store.batches) == 2)
    assert store.batches == [TAKEN[:2], [receipt(1), receipt(2)]]
    assert (outbox.unrecorded, store.recorded) == (2, 0)
    store.end(0)
    await until(lambda: store.recorded == 1)
    assert outbox.unrecorded == 0
    store.end(1)
    await outbox.settled()
    assert store.recorded == 1


async def test_answers_that_are_not_durable_count_and_receipts_do_not() -> None:
    store = Store()
    outbox = Outbox(store.emit, store.count)
    outbox.items += TAKEN[:2]
    outbox.receive([receipt(1)])
    outbox.hand_on()
    outbox.receive([receipt(2)])
    outbox.items.append(TAKEN[2])
    assert outbox.unrecorded == 3
    await outbox.settled(0.01)
    assert outbox.unrecorded == 3
    store.durable.set()
    await outbox.settled()
    assert outbox.unrecorded == 0
    assert store.batches == [TAKEN[:2], [receipt(1)], [TAKEN[2]], [receipt(2)]]


async def test_the_peer_is_acknowledged_after_the_batch_and_not_before() -> None:
    store, (link, session) = Store(), bound()
    outbox = Outbox(store.emit, store.count)
    outbox.receive([receipt(1)])
    outbox.owe(link, [(pdu.DELIVER_SM_RESP, 7)])
    await outbox.settled(0.01)
    assert session.data_to_send() == b""
    written: list[bytes] = []
    link.flush = lambda: written.append(session.data_to_send())  # type: ignore[method-assign]
    store.durable.set()
    await outbox.settled()
    assert written == [pdu.encode(pdu.DELIVER_SM_RESP, 0, 7, b"\0")]


async def test_batches_that_are_durable_together_are_acknowledged_in_one_write() -> None:
    store, (link, session) = Store(), bound()
    written: list[bytes] = []
    link.flush = lambda: written.append(session.data_to_send())  # type: ignore[method-assign]
    outbox = Outbox(store.emit, store.count)
    for number in (7, 8):
        outbox.receive([receipt(number)])
        outbox.owe(link, [(pdu.DELIVER_SM_RESP, number)])
        await outbox.settled(0.01)
    assert written == []
    store.durable.set()
    await outbox.settled()
    assert written == [b"".join(pdu.encode(pdu.DELIVER_SM_RESP, 0, number, b"\0") for number in (7, 8))]


async def test_answers_that_are_durable_together_make_room_once() -> None:
    store = Store()
    outbox = Outbox(store.emit, store.count)
    for answer in TAKEN:
        outbox.items.append(answer)
        outbox.hand_on()
    await until(lambda: len(store.batches) == 3)
    store.durable.set()
    await outbox.settled()
    assert store.recorded == 1


async def test_acknowledgements_without_anything_to_record_need_no_store() -> None:
    store, (link, session) = Store(), bound()
    link.flush = lambda: None  # type: ignore[method-assign]
    outbox = Outbox(store.emit, store.count)
    outbox.owe(link, [(pdu.DELIVER_SM_RESP, 7)])
    await outbox.settled()
    assert store.batches == []
    assert session.data_to_send() == pdu.encode(pdu.DELIVER_SM_RESP, 0, 7, b"\0")


async def test_a_link_without_a_session_is_owed_nothing() -> None:
    store, (link, _) = Store(), bound()
    link.session = None
    outbox = Outbox(store.emit, store.count)
    outbox.owe(link, [(pdu.DELIVER_SM_RESP, 7)])
    await outbox.settled()
    assert store.recorded == 0


async def test_a_failing_store_is_told_once() -> None:
    async def emit(batch: Sequence[Said]) -> None:
        raise OSError("disk full")

    outbox = Outbox(emit, lambda: None)
    for n in range(2):
        outbox.receive([receipt(n)])
        outbox.hand_on()
    await outbox.settled()
    with pytest.raises(OSError, match="disk full"):
        await outbox.broken
