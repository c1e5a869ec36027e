"""DNS, with a server of our own on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from gateway.mailbox.resolver import DnsResolver


class Server(asyncio.DatagramProtocol):
    """Answers TXT questions: `known.example` has two records, one of them in two strings; `silent.` gets nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = dns.message.from_wire(data)
        name = asked.question[0].name.to_text()
        answer = dns.message.make_response(asked)
        if name == "silent.example.":
            return
        if name == "broken.example.":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name == "known.example.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", '"v=DKIM1; " "p=AB"', '"other"'))
        elif name != "empty.example.":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        cast(asyncio.DatagramTransport, self.transport).sendto(answer.to_wire(), addr)


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_records_are_found_absent_or_unknown() -> None:
    async with serving() as port:
        resolver = DnsResolver(["127.0.0.1"], port=port, timeout_s=60)
        found = await resolver.txt("known.example")
        assert found is not None
        assert sorted(found) == ["other", "v=DKIM1; p=AB"]
        assert await resolver.txt("absent.example") == ()
        assert await resolver.txt("empty.example") == ()
        assert await resolver.txt("broken.example") is None
        assert await DnsResolver(["127.0.0.1"], port=port, timeout_s=0.5).txt("silent.example") is None
        assert await resolver.txt("a..b") is None
