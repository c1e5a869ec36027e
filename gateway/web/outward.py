"""The way out to addresses that strangers gave us: to the public internet and nowhere else.

Knows: which addresses are global, aiohttp's resolver, connector and sockets. Never knows: who asked, what is sent.
Standard: the IANA registries of special-purpose addresses (RFC 6890 and its updates).

The check that counts stands last: the address handed to connect() is the one that was judged, for every attempt. So it
does not matter how a host was written, what DNS said before, or what it says next time. Redirects are not followed.
"""

import asyncio
import re
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.policy.subscription import Answer

Network = IPv4Network | IPv6Network
AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]

_DNS_THREADS = 16
_DNS_CACHE_S = 30
_V4_LOCAL = tuple(IPv4Network(network) for network in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
))  # fmt: skip
_V6_GLOBAL = IPv6Network("2000::/3")
# protocol assignments (Teredo among them), documentation, 6to4: none of them is a host of its own
_V6_LOCAL = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.ASCII | re.IGNORECASE)
_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as 10.1.0.0/16 or ::1. Raises ValueError for any other text."""
    return tuple(ip_network(text) for text in texts)


class Guard:
    """Judges addresses: global ones pass but for the `refused`; the `allowed` pass whatever they are."""

    def __init__(self, *, allowed: Iterable[Network] = (), refused: Iterable[Network] = ()) -> None:
        self._allowed, self._refused = tuple(allowed), tuple(refused)

    def passes(self, address: str) -> bool:
        """Whether a connection may be made to this numeric address; False for what is none."""
        try:
            return self._judge(ip_address(address))
        except ValueError:
            return False

    def _judge(self, address: IPv4Address | IPv6Address) -> bool:
        inner = _inside(address)
        if inner is not None:
            return self._judge(inner)
        if any(address in network for network in self._allowed):
            return True
        return is_global(address) and not any(address in network for network in self._refused)

    def refusal(self, url: str) -> str:
        """Why this address may not be called, as a sentence; "" when only DNS and the connection can tell."""
        try:
            parsed = URL(url)
            host, port = parsed.raw_host or "", parsed.port
        except ValueError:
            return "it is not a URL"
        if parsed.scheme not in {"http", "https"} or not host:
            return "it is not an http or https address"
        if parsed.raw_user is not None or parsed.raw_password is not None:
            return "it carries a user name or password"
        if port not in _WEB_PORTS and (port or 0) < _FIRST_FREE_PORT:
            return "its port is that of another service"
        return self._host_refusal(host)

    def _host_refusal(self, host: str) -> str:
        last = host.rstrip(".").rpartition(".")[2]
        if ":" not in host and not _NUMERIC.fullmatch(last):
            return ""
        # decimal, octal, hexadecimal and shortened forms are read as no address, so they do not pass
        return "" if self.passes(host) else "it is not an address of the public internet"


def is_global(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is one that the whole internet reaches."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _V4_LOCAL)
    if address.scope_id is not None or address not in _V6_GLOBAL:
        return False
    return not any(address in network for network in _V6_LOCAL)


def _inside(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: ::ffff:a.b.c.d, or through NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None


class GuardedResolver(AbstractResolver):
    """Resolves in threads of its own, so that slow names hold up nothing else, and hands on only what passes."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="outward-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses that pass. Raises OSError when there is none."""
        loop = asyncio.get_running_loop()
        flags = socket.AI_ADDRCONFIG
        infos = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
        )
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        passing = [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=protocol, flags=numeric
            )
            for kind, _, protocol, _, address in infos
            if self._guard.passes(str(address[0]))
        ]
        if not passing:
            raise OSError(None, "the name leads to no address of the public internet")
        return passing

    async def close(self) -> None:
        """Let the threads end; a name that is still being looked up is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Outward:
    """A client for addresses that strangers gave. `async with`; every failure is an Answer with status 0."""

    def __init__(
        self, guard: Guard, *, agent: str, timeout_s: float = 10.0, resolver: AbstractResolver | None = None
    ) -> None:
        self._guard = guard
        self._agent = agent
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._owned = self._resolver or GuardedResolver(self._guard)
        connector = aiohttp.TCPConnector(
            resolver=self._owned, socket_factory=self._socket, ttl_dns_cache=_DNS_CACHE_S, limit=0, limit_per_host=0
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False, headers={"User-Agent": self._agent},
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._owned.close()

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, most_bytes: int = 4096
    ) -> Answer:
        """One request; at most `most_bytes` of the answer's body are read, compressed or not."""
        if self._session is None:
            raise RuntimeError("used outside its async with")
        if reason := self._guard.refusal(url):
            return Answer(detail=reason)
        try:
            # encoded: the query stays as it was given
            target = URL(url, encoded=True)
            async with self._session.request(
                method, target, headers=headers, data=body, allow_redirects=False
            ) as answer:
                said = await _read(answer.content, most_bytes)
                told = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(status=answer.status, body=said, headers=told)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(detail=type(error).__name__)

    def _socket(self, info: AddressInfo) -> socket.socket:
        """The last gate: asked for the socket of each attempt, with the very address that will be connected to."""
        family, kind, protocol, _, address = info
        if not self._guard.passes(str(address[0])):
            raise OSError(None, "not an address of the public internet")
        return socket.socket(family, kind, protocol)


async def _read(content: aiohttp.StreamReader, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = most_bytes
    while left > 0 and (part := await content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
