"""One SMPP connection after another, against a small server on the loopback."""

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp import pdu
from gateway.smpp.events import Accepted, BindConfig, Bound, Down, Event, Receipts, Role
from gateway.smpp.link import Backoff, Endpoint, Link
from gateway.smpp.session import Session

QUICK = Backoff(first_s=0.01, longest_s=0.02, refused_s=0.05)
TEMPLATE = pdu.template(source_addr="Alert", short_message=b"hello")


class Peer:
    """A server that answers binds, submits and unbinds, and counts what it sees."""

    def __init__(self, *, bind_status: int = 0, silent: bool = False) -> None:
        self.bind_status = bind_status
        self.silent = silent
        self.binds = 0
        self.commands: list[int] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header = await reader.readexactly(16)
                length, command, _, number = struct.unpack(">IIII", header)
                await reader.readexactly(length - 16)
                self.commands.append(command)
                self.binds += command in pdu.BINDS
                if self.silent:
                    continue
                status = self.bind_status if command in pdu.BINDS else 0
                if not command & pdu.RESPONSE:
                    writer.write(pdu.encode(pdu.RESPONSE | command, status, number, b"77\0"))
        writer.close()

    @contextlib.asynccontextmanager
    async def listening(self, context: ssl.SSLContext | None = None) -> AsyncIterator["Peer"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                with contextlib.suppress(AttributeError):  # Python 3.11.2: of a TLS transport that is closed already
                    writer.transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0.01)


class Told:
    """Collects the events and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches = 0
        self.changed = asyncio.Event()

    def __call__(self, link: Link, events: Sequence[Event]) -> None:
        self.events += events
        self.batches += 1
        self.changed.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@contextlib.asynccontextmanager
async def linked(
    port: int,
    *,
    backoff: Backoff = QUICK,
    context: ssl.SSLContext | None = None,
    most_owed: int = 100,
    clock: Callable[[], float] = time.monotonic,
    **config: object,
) -> AsyncIterator[tuple[Link, Told]]:
    told = Told()
    bind = BindConfig(system_id="gw", password="pw", **config)  # type: ignore[arg-type]
    endpoint = Endpoint(host="127.0.0.1", port=port, tls=context, connect_timeout_s=60.0)
    link = Link("peer/1", endpoint, lambda: Session(bind), told, backoff=backoff, most_owed=most_owed, clock=clock)
    running = asyncio.create_task(link.run())
    try:
        yield link, told
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await asyncio.sleep(0)


async def test_a_link_binds_submits_and_hands_on_the_answers() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        assert link.session is not None
        assert link.room == 100
        link.session.submit(["a", "b"], [b"1", b"2"], TEMPLATE, link.now())
        link.flush()
        assert link.in_flight == 2
        await told.until(lambda: link.in_flight == 0)
        accepted = [event for event in told.events if isinstance(event, Accepted)]
        assert [ticket for event in accepted for ticket in event.tickets] == ["a", "b"]
        assert [message_id for event in accepted for message_id in event.message_ids] == ["77", "77"]


async def test_small_writes_leave_at_once() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        assert link._transport is not None
        connection = link._transport.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_a_lost_connection_is_told_and_bound_again() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        assert link.session is not None
        link.session.submit(["a"], [b"1"], TEMPLATE, link.now())
        link.flush()
        peer.writers[0].transport.abort()
        await told.until(lambda: len(told.of(Bound)) == 2)
        (down,) = told.of(Down)
        assert isinstance(down, Down)
        assert down.unanswered == ["a"]
        assert peer.binds == 2


async def test_close_unbinds_and_ends_the_run() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        async with asyncio.timeout(60):
            await link.close()
        assert told.events[-1] == Down("unbound", [])
        assert peer.commands[-1] == pdu.UNBIND
        assert link.room == 0


async def test_a_link_that_was_closed_may_be_run_again() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        await link.close()
        again = asyncio.create_task(link.run())
        await told.until(lambda: link.bound)
        await link.close()
        async with asyncio.timeout(60):
            await again
        assert peer.binds == 2


async def test_close_before_the_bind_was_answered_ends_as_well() -> None:
    async with Peer(silent=True).listening() as peer, linked(peer.port) as (link, told):
        while not peer.binds:
            await asyncio.sleep(0.001)
        async with asyncio.timeout(60):
            await link.close()
        assert told.events == [Down("closed by us", [])]


async def test_close_while_waiting_to_connect_again_ends_as_well() -> None:
    async with linked(1, backoff=Backoff(first_s=60.0)) as (link, told):
        await told.until(lambda: told.of(Down))
        async with asyncio.timeout(60):
            await link.close()


async def test_a_port_where_nobody_listens_is_told_and_tried_again() -> None:
    async with linked(1) as (link, told):
        await told.until(lambda: len(told.of(Down)) >= 3)
        assert told.events[0] == Down("can not connect: ConnectionRefusedError", [])
        assert not link.bound


async def test_a_refused_bind_waits_longer() -> None:
    slow = Backoff(first_s=0.001, refused_s=60.0)
    async with Peer(bind_status=0x0E).listening() as peer, linked(peer.port, backoff=slow) as (_, told):
        await told.until(lambda: told.of(Down))
        await asyncio.sleep(0.05)
        assert peer.binds == 1
        assert told.events == [Down("the peer refused the bind", [], 0x0E)]


async def test_a_peer_that_does_not_answer_the_bind_is_left() -> None:
    async with Peer(silent=True).listening() as peer, linked(peer.port, control_timeout_s=0.05) as (link, told):
        await told.until(lambda: told.of(Down))
        assert told.events[0] == Down("no answer to the bind", [])
        assert not link.bound


async def test_a_peer_that_falls_silent_is_found_by_enquire_link() -> None:
    async with (
        Peer().listening() as peer,
        linked(peer.port, control_timeout_s=1.0, enquire_link_s=0.05) as (link, told),
    ):
        await told.until(lambda: link.bound)
        peer.silent = True
        await told.until(lambda: Down("no answer to enquire_link", []) in told.events)
        assert pdu.ENQUIRE_LINK in peer.commands


async def test_one_read_is_one_batch_of_events() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        before = told.batches
        made = pdu.template(source_addr="1", short_message=b"id:1 stat:DELIVRD err:000", esm_class=4)
        peer.writers[0].write(b"".join(pdu.from_template(made, pdu.DELIVER_SM, n, b"A") for n in range(1, 20)))
        await told.until(lambda: told.of(Receipts))
        assert told.batches == before + 1


async def test_too_many_unacknowledged_messages_stop_the_reading_until_they_are_acknowledged() -> None:
    at = [100.0]
    async with Peer().listening() as peer, linked(peer.port, most_owed=10, clock=lambda: at[0]) as (link, told):
        await told.until(lambda: link.bound)
        made = pdu.template(source_addr="1", short_message=b"id:1 stat:DELIVRD err:000", esm_class=4)

        def some(first: int, last: int) -> bytes:
            return b"".join(pdu.from_template(made, pdu.DELIVER_SM, n, b"A") for n in range(first, last))

        peer.writers[0].write(some(1, 20))
        await told.until(lambda: told.of(Receipts))
        peer.writers[0].write(some(20, 25))
        at[0] += 1_000.0
        await asyncio.sleep(0.05)
        assert len(told.of(Receipts)) == 1
        assert link.now() == 100.0
        (event,) = told.of(Receipts)
        assert isinstance(event, Receipts)
        assert link.session is not None
        link.acknowledge(link.session, event.handles)
        await told.until(lambda: len(told.of(Receipts)) == 2)
        assert link.now() == 100.0
        at[0] += 1.0
        assert link.now() == 101.0


class Stuck:
    """A transport whose peer reads nothing."""

    def __init__(self) -> None:
        self.reading = True
        self.buffer = 0

    def write(self, data: bytes) -> None:
        self.buffer += len(data)

    def get_write_buffer_size(self) -> int:
        return self.buffer

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, _high: int) -> None: ...
    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...
    def abort(self) -> None: ...


async def test_of_a_peer_that_does_not_read_our_answers_nothing_more_is_read_and_it_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The memory is bounded, and time goes on: enquire_link ends it. One that reads again is heard again."""
    monkeypatch.setattr("gateway.smpp.link._MOST_UNREAD_BYTES", 1_000)
    at, transport, told = [0.0], Stuck(), list[Event]()
    called: list[int] = []

    def tell(_link: Link, events: Sequence[Event]) -> None:
        told.extend(events)
        called.append(len(events))

    config = BindConfig(system_id="gw", password="pw", enquire_link_s=15.0, control_timeout_s=10.0)
    link = Link("peer/1", Endpoint(host="h", port=1), lambda: Session(config), tell, clock=lambda: at[0])
    link.connected(transport)  # type: ignore[arg-type]
    link.received(pdu.encode(pdu.RESPONSE | pdu.BIND_TRANSCEIVER, 0, 1, b"SMSC\0"))
    link.drained(writable=False)
    asked = pdu.encode(pdu.ENQUIRE_LINK, 0, 7)
    while transport.reading:
        assert transport.buffer <= 1_000
        link.received(asked * 10)
    assert link.room == 0
    link.drained(writable=True)  # half of it was read after all: there is room again
    assert (transport.reading, link.room, called[-1]) == (True, 100, 0)
    link.drained(writable=False)
    link.received(asked)
    assert not transport.reading
    for at[0] in (15.0, 25.0):
        link._tick()
    assert told[-1] == Down("no answer to enquire_link", [])


async def test_an_acknowledgement_for_an_old_connection_is_not_written_to_the_new_one() -> None:
    async with Peer().listening() as peer, linked(peer.port) as (link, told):
        await told.until(lambda: link.bound)
        old = link.session
        assert old is not None
        peer.writers[0].transport.abort()
        await told.until(lambda: len(told.of(Bound)) == 2)
        seen = len(peer.commands)
        link.acknowledge(old, [(pdu.DELIVER_SM_RESP, 5)])
        await asyncio.sleep(0.02)
        assert len(peer.commands) == seen


@pytest.mark.peer("openssl")
async def test_tls_is_spoken_and_the_certificate_is_checked(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    async with Peer().listening(server) as peer:
        async with linked(peer.port, context=ssl.create_default_context(cafile=certificate)) as (link, told):
            await told.until(lambda: link.bound)
            await link.close()
        async with linked(peer.port, context=ssl.create_default_context()) as (link, told):
            await told.until(lambda: told.of(Down))
            assert told.events[0] == Down("can not connect: SSLCertVerificationError", [])


@given(st.integers(1, 10_000), st.booleans(), st.floats(0, 0.999))
def test_a_pause_is_never_shorter_than_said_and_never_endless(failures: int, refused: bool, fraction: float) -> None:
    backoff = Backoff(first_s=1.0, longest_s=60.0, refused_s=30.0, spread=0.25)
    wait = backoff.wait_s(failures, refused=refused, fraction=fraction)
    assert (30.0 if refused else 1.0) <= wait <= 75.0


def test_pauses_double() -> None:
    backoff = Backoff(first_s=1.0, longest_s=60.0)
    waits = [backoff.wait_s(n, refused=False, fraction=0.0) for n in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_peer_that_connects_and_says_outbind_gets_a_bind_and_no_second_one_is_let_in(port: int) -> None:
    """SMPP 3.4 §2.2.1: an SMSC with receipts for us calls."""
    told: list[Event] = []
    config = BindConfig(
        system_id="gw", password="pw", role=Role.RECEIVER, outbind=("smsc", "open"), control_timeout_s=5.0
    )
    place = Endpoint(host="127.0.0.1", port=port, listens=True)
    link = Link("sim/o", place, lambda: Session(config), lambda _link, events: told.extend(events), backoff=QUICK)
    running = asyncio.create_task(link.run())
    peer = Peer()
    try:
        for password, down in ((b"wrong", "outbind that we do not expect"), (b"open", "")):
            reader, writer = await called(port)
            writer.write(pdu.encode(pdu.OUTBIND, 0, 1, b"smsc\0" + password + b"\0"))
            if down:
                assert await reader.read() == b""
                assert isinstance(told[-1], Down)
                assert told[-1].reason == down
                writer.close()
        serving = asyncio.create_task(peer.serve(reader, writer))
        async with asyncio.timeout(60):
            while not link.bound:
                await asyncio.sleep(0.005)
        assert peer.commands == [pdu.BIND_RECEIVER]
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
    finally:
        await link.close()
        await running
        await serving
    assert peer.commands == [pdu.BIND_RECEIVER, pdu.UNBIND]


async def test_a_link_that_waits_for_a_call_can_be_closed(port: int) -> None:
    config = BindConfig(system_id="gw", password="pw", role=Role.RECEIVER, outbind=("smsc", "open"))
    place = Endpoint(host="127.0.0.1", port=port, listens=True)
    link = Link("sim/o", place, lambda: Session(config), lambda _link, _events: None, backoff=QUICK)
    running = asyncio.create_task(link.run())
    reader, writer = await called(port)
    writer.close()
    await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        await link.close()
        await running
    assert await reader.read() == b""


async def called(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connected, once somebody listens."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)


class Urgent(Session):
    """A session whose timer is always due this very moment, and which does nothing about it."""

    def next_timer(self) -> float | None:
        return 0.0

    def handle_timer(self, now: float) -> None:
        return


def test_a_timer_that_is_due_at_once_is_no_trouble_on_the_loop_of_a_node() -> None:
    """uvloop gives another kind of handle for it than for one that has to wait."""

    async def bound_and_flushed() -> int:
        told = Told()
        async with Peer().listening() as peer:
            endpoint = Endpoint(host="127.0.0.1", port=peer.port, connect_timeout_s=2.0)
            link = Link(
                "peer/1", endpoint, lambda: Urgent(BindConfig(system_id="gw", password="pw")), told, backoff=QUICK
            )
            running = asyncio.create_task(link.run())
            await told.until(lambda: link.bound)
            for _ in range(5):
                link.flush()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            return peer.binds

    assert uvloop.run(bound_and_flushed()) == 1
