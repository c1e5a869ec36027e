"""Links over UDP, TCP and TLS, against the smallest possible far end, and one that goes away and comes back."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from gateway.sip.agent import Ended, Happening, Progress, Up
from gateway.sip.framing import Framer
from gateway.sip.link import UNACKNOWLEDGED_MS, Server, SipLink
from gateway.sip.message import SipRequest, parse, respond
from tests.sip.sip_pair import ANSWER, OFFER, identity
from tests.smtp.certificate import server_context
from tests.support.waiting import until


class FarEnd:
    """Answers every request over TCP; 200 for all, 180 before it for an INVITE."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        self.writers.append(writer)
        while data := await reader.read(65_536):
            for message in framer.feed(data):
                request = parse(message)
                assert isinstance(request, SipRequest)
                self.methods.append(request.method)
                for answer in self.answers(request):
                    writer.write(answer)
        writer.close()

    @staticmethod
    def answers(request: SipRequest) -> Sequence[bytes]:
        source = ("127.0.0.1", 5060)
        if request.method == "ACK":
            return ()
        contact = (("Contact", "<sip:x@127.0.0.1:5060>"),)
        final = respond(request, 200, "OK", source=source, to_tag="called", headers=contact, body=ANSWER)
        return (
            (respond(request, 180, "Ringing", source=source, to_tag="called"), final)
            if request.method == "INVITE"
            else (final,)
        )


class Told:
    def __init__(self) -> None:
        self.events: list[Happening] = []

    def __call__(self, events: Sequence[Happening]) -> None:
        self.events += events


@asynccontextmanager
async def linked(server: Server, told: Told) -> AsyncIterator[SipLink]:
    link = SipLink(server, identity(transport=server.transport.upper()), told)
    task = asyncio.create_task(link.run())
    try:
        await until(lambda: link.connected and link.up)
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await link.close()


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_a_call_over_a_connection(secure: bool, tmp_path: Path) -> None:
    far, told = FarEnd(), Told()
    theirs = ours = None
    if secure:
        theirs, authority = server_context(tmp_path)
        ours = ssl.create_default_context(cafile=str(authority))
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0, ssl=theirs)
    port = server.sockets[0].getsockname()[1]
    way = Server(host="127.0.0.1", port=port, transport="tls" if secure else "tcp", tls=ours)
    async with linked(way, told) as link:
        link.invite("call@test", "+3247000000", offer=OFFER, media=("127.0.0.1", 20000))
        await until(lambda: any(isinstance(event, Up) for event in told.events))
        assert Progress("call@test", 180) in told.events
        assert link.hang_up("call@test")
        await until(lambda: Ended("call@test", 200, answered=True) in told.events)
        assert link.agent.retransmissions == 0
        assert [method for method in far.methods if method != "OPTIONS"] == ["INVITE", "ACK", "BYE"]
        assert "OPTIONS" in far.methods
    server.close()


async def test_a_connection_that_breaks_is_made_again() -> None:
    far, told = FarEnd(), Told()
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with linked(Server(host="127.0.0.1", port=port, transport="tcp"), told) as link:
        far.writers[0].transport.abort()
        await until(lambda: len(far.writers) == 2 and link.up)
    server.close()


async def test_a_trunk_that_is_not_there_is_down_and_asked_again() -> None:
    told = Told()
    link = SipLink(Server(host="127.0.0.1", port=1, transport="tcp"), identity(transport="TCP"), told)
    task = asyncio.create_task(link.run())
    await asyncio.sleep(0.1)
    assert not link.up and not link.connected
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_written_to_a_path_that_is_gone_ends_the_connection() -> None:
    server = await asyncio.start_server(FarEnd().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with linked(Server(host="127.0.0.1", port=port, transport="tcp"), Told()) as link:
        assert link._stream is not None
        sock = link._stream.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MS
    server.close()


class UdpEnd(asyncio.DatagramProtocol):
    """Answers every request over UDP, unless it is `away`."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is none by class

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse(data)
        assert isinstance(request, SipRequest) and self._transport is not None
        self.asked.append(request.method)
        if not self.away:
            self._transport.sendto(respond(request, 200, "OK", source=addr, to_tag="x"), addr)


@asynccontextmanager
async def over_udp() -> AsyncIterator[tuple[UdpEnd, int]]:
    loop = asyncio.get_running_loop()
    transport, far = await loop.create_datagram_endpoint(UdpEnd, local_addr=("127.0.0.1", 0))
    try:
        yield far, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_options_find_out_that_a_trunk_is_away_and_that_it_is_back() -> None:
    async with over_udp() as (far, port):
        async with linked(Server(host="127.0.0.1", port=port, keep_alive_s=0.2), Told()) as link:
            await until(lambda: far.asked)
            far.away = True
            await until(lambda: not link.up)
            far.away = False
            await until(lambda: link.up)
        assert set(far.asked) == {"OPTIONS"}


async def test_a_trunk_whose_name_stands_for_another_machine_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async with over_udp() as (old, before), over_udp() as (new, after):
        there = [before]

        async def addresses(_: SipLink) -> list[tuple[int, tuple[str, int]]]:
            return [(int(socket.AF_INET), ("127.0.0.1", port)) for port in there]

        monkeypatch.setattr(SipLink, "_addresses", addresses)
        async with linked(Server(host="trunk.example", keep_alive_s=0.2), Told()) as link:
            await until(lambda: old.asked)
            there[0] = after
            old.away = True
            await until(lambda: new.asked)
            await until(lambda: link.up)
            asked = len(old.asked)
            there.insert(0, before)  # several addresses in another order are no reason to go back
            new.away = True
            await until(lambda: not link.up)
            new.away = False
            await until(lambda: link.up)
            assert len(old.asked) == asked


async def test_over_udp_strangers_are_not_listened_to() -> None:
    told = Told()
    async with linked(Server(host="127.0.0.1", port=9), told) as link:
        assert link.address == "127.0.0.1"
        link.received(b"OPTIONS sip:x SIP/2.0\r\n\r\n", ("192.0.2.66", 5060))
        assert told.events == []
