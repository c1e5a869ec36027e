"""Names asked of DNS: the text records under a name, or that nobody can say now.

Knows: DNS by dnspython. Never knows: what the records are for.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

_MOST_RECORDS = 10


class Resolver(Protocol):
    """Where keys are looked up; tests have a zone of their own."""

    async def txt(self, name: str) -> tuple[str, ...] | None:
        """The text records, () when there are none, None when it can not be known now."""


class DnsResolver:
    """DNS: the machine's own resolver, or the given `nameservers` (addresses)."""

    def __init__(self, nameservers: Sequence[str] = (), *, port: int = 53, timeout_s: float = 5.0) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        self._resolver.lifetime = timeout_s
        self._resolver.timeout = timeout_s / 2

    async def txt(self, name: str) -> tuple[str, ...] | None:
        """See Resolver."""
        try:
            async with asyncio.timeout(self._resolver.lifetime + 1):
                answer = await self._resolver.resolve(name.rstrip(".") + ".", "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError, TimeoutError):
            return None
        # RFC 6376 §3.6.2.2: strings of one record are joined without space
        records = [b"".join(data.strings).decode("ascii", "replace") for data in answer]
        return tuple(records[:_MOST_RECORDS])
