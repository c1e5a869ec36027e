"""Nothing of ours is reached through an address that a stranger gave: no connection is made, however it is written."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, ip_address

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.outward import Guard, GuardedResolver, Outward, is_global, networks

INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.5.4", "192.168.1.1",
    "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "fc00::1", "fd12:3456::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1",
    "5f00::1",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "193.190.0.1", "2606:4700:4700::1111", "2a02:a03f::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip
WRITTEN = [  # 127.0.0.1 and 169.254.169.254 as browsers and C libraries read them
    "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0x7f.0x0.0x0.0x1",
    "2852039166", "0xa9fea9fe", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]", "[fe80::1]", "0", "0.0.0.0", "127.0.0.256", "1.2.3", "①②⑦.⓪.⓪.①",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_of_the_public_internet_does_not_pass(address: str) -> None:
    assert not Guard().passes(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_public_internet_passes(address: str) -> None:
    assert Guard().passes(address)


@pytest.mark.parametrize("text", ["", "example.org", "127.1", "2130706433", "0177.0.0.1", "1.1.1.1/32", " 1.1.1.1"])
def test_what_is_no_numeric_address_does_not_pass(text: str) -> None:
    assert not Guard().passes(text)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_local_never_passes(address: object) -> None:
    known = ip_address(str(address))
    if known.is_private or known.is_loopback or known.is_link_local or known.is_multicast or known.is_reserved:
        assert not is_global(known)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_for_itself(address: object) -> None:
    guard = Guard()
    assert guard.passes(f"::ffff:{address}") == guard.passes(str(address))
    assert guard.passes(f"64:ff9b::{address}") == guard.passes(str(address))


def test_an_operator_may_allow_and_refuse_networks() -> None:
    guard = Guard(allowed=networks(["10.1.0.0/16"]), refused=networks(["193.190.0.0/16", "2a02::/16"]))
    assert guard.passes("10.1.2.3") and guard.passes("::ffff:10.1.2.3")
    assert not guard.passes("10.2.0.1")
    assert not guard.passes("193.190.5.5") and not guard.passes("2a02:a03f::1")
    with pytest.raises(ValueError, match="host bits"):
        networks(["10.1.0.1/16"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "https:///x", "/x", "", "http://[::1", "http://a:b/",
        "http://user@example.org/", "http://user:pw@example.org/", "http://example.org:22/", "http://example.org:25/",
        "http://example.org:0/", *(f"http://{host}/" for host in WRITTEN),
    ],
)  # fmt: skip
def test_an_address_that_can_not_be_right_is_refused_with_a_reason(url: str) -> None:
    assert Guard().refusal(url)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook?a=1", "http://example.org:8080/", "https://1.1.1.1/", "http://[2606:4700::1]/x"]
)
def test_an_address_that_may_be_right_is_not_refused(url: str) -> None:
    assert Guard().refusal(url) == ""


# connections --------------------------------------------------------------------------------------------------------


class Ears:
    """A listener that counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def hear(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@pytest.fixture
async def ears() -> AsyncIterator[Ears]:
    ears = Ears()
    server = await asyncio.start_server(ears.hear, "127.0.0.1", 0)
    ears.port = server.sockets[0].getsockname()[1]
    try:
        six = await asyncio.start_server(ears.hear, "::1", ears.port)
    except OSError:  # a machine without IPv6
        six = None
    yield ears
    for one in filter(None, (server, six)):
        one.close()
        await one.wait_closed()


class Liar(AbstractResolver):
    """DNS as an attacker runs it: the answers in turn, the last one for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def outward(guard: Guard | None = None, resolver: AbstractResolver | None = None) -> AsyncIterator[Outward]:
    async with Outward(guard or Guard(), agent="test", timeout_s=2, resolver=resolver) as client:
        yield client


@pytest.mark.parametrize("host", [*WRITTEN, "localhost", "localhost.", "127.0.0.1", "[::ffff:7f00:1]"])
async def test_no_connection_is_made_to_this_machine_however_it_is_written(ears: Ears, host: str) -> None:
    async with outward() as client:
        answer = await client.fetch("GET", f"http://{host}:{ears.port}/", headers={})
    assert answer.status == 0 and answer.detail
    assert ears.connections == 0


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("::1",), ("::ffff:127.0.0.1",), ("192.0.2.1", "127.0.0.1")])
async def test_no_connection_is_made_where_dns_lies_or_changes_its_mind(ears: Ears, answers: tuple[str, ...]) -> None:
    async with outward(resolver=Liar(*answers)) as client:
        for _ in answers:
            answer = await client.fetch("POST", f"http://rebind.example:{ears.port}/", headers={}, body=b"x")
            assert answer.status == 0
    assert ears.connections == 0


async def test_a_name_whose_addresses_are_all_ours_is_not_handed_on(ears: Ears) -> None:
    resolver = GuardedResolver(Guard())
    with pytest.raises(OSError, match="no address of the public internet"):
        await resolver.resolve("localhost", ears.port, socket.AF_UNSPEC)
    await resolver.close()


async def test_the_environment_can_not_put_a_proxy_in_between(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{ears.port}")
    async with outward(resolver=Liar("127.0.0.1")) as client:
        await client.fetch("GET", "http://outside.example/", headers={})
    assert ears.connections == 0


# an address that is allowed -----------------------------------------------------------------------------------------


@pytest.fixture
def allowing() -> Iterator[Guard]:
    yield Guard(allowed=[IPv4Network("127.0.0.1/32")])


@asynccontextmanager
async def served(handler: object) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_a_redirect_is_an_answer_and_is_not_followed(ears: Ears, allowing: Guard) -> None:
    async def away(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{ears.port}/"})

    async with served(away) as url, outward(allowing) as client:
        answer = await client.fetch("POST", f"{url}/", headers={}, body=b"x")
    assert answer.status == 307
    assert ears.connections == 0


async def test_a_request_arrives_as_it_was_meant_and_its_answer_is_read_up_to_a_bound(allowing: Guard) -> None:
    async def answer(request: web.Request) -> web.Response:
        said = f"{request.method} {request.raw_path} {request.headers['X-A']} {(await request.read()).decode()}|"
        return web.Response(text=said + "x" * 100_000, headers={"Retry-After": "7"}, status=503)

    async with served(answer) as url, outward(allowing) as client:
        got = await client.fetch("POST", f"{url}/h%20k?a=%41&b", headers={"X-A": "1"}, body=b"body", most_bytes=40)
    assert got.status == 503 and got.headers["retry-after"] == "7"
    assert got.body.startswith(b"POST /h%20k?a=%41&b 1 body|xx") and len(got.body) == 40


async def test_a_peer_that_never_answers_is_left_after_the_time(allowing: Guard) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # the kernel connects, nobody reads
    with silent:
        async with Outward(allowing, agent="test", timeout_s=0.05) as client:
            answer = await client.fetch("GET", f"http://127.0.0.1:{silent.getsockname()[1]}/", headers={})
    assert answer.status == 0 and "Timeout" in answer.detail


async def test_a_peer_that_breaks_off_is_an_answer_without_status(ears: Ears, allowing: Guard) -> None:
    async with outward(allowing) as client:
        answer = await client.fetch("GET", f"http://127.0.0.1:{ears.port}/", headers={})
    assert answer.status == 0
    assert ears.connections >= 1


async def test_a_client_outside_its_block_is_a_bug() -> None:
    with pytest.raises(RuntimeError):
        await Outward(Guard(), agent="test").fetch("GET", "http://example.org", headers={})
