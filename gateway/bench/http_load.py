"""A client that reads one page again and again over many connections: little more than the bytes.

Knows: HTTP/1.1 as far as answers with Content-Length or without a body need it. Never knows: what the page says.
Standard: RFC 9112 §6.3 (how long an answer is).
"""

import asyncio
import time
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

BODILESS = frozenset({b"204", b"304"})


class Reader(asyncio.Protocol):
    """One connection: the next request leaves when the answer before it is complete, until `until`."""

    def __init__(self, request: bytes, until: float, took_s: list[float]) -> None:
        self._request = request
        self._until = until
        self._took_s = took_s
        self._buffer = b""
        self._asked_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Perhaps the answer is complete."""
        self._buffer += data
        size = answer_bytes(self._buffer)
        if size is None or len(self._buffer) < size or self._transport is None:
            return
        now = time.perf_counter()
        self._took_s.append(now - self._asked_at)
        self._buffer = self._buffer[size:]
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """By us, or too early: then the page can not be read like this."""
        if self.ended.done():
            return
        if time.perf_counter() < self._until:
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))
        else:
            self.ended.set_result(None)

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)


def answer_bytes(buffer: bytes) -> int | None:
    """The length of the answer at the start of the buffer, None while its head is not complete."""
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    head = buffer[:head_end].lower()
    # RFC 9112 §6.3: some answers have no body, whatever their head says
    if head[9:12] in BODILESS:
        return head_end + 4
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError("an answer without Content-Length")
    end = head.find(b"\r\n", at + 2)
    return head_end + 4 + int(head[at + 17 : end if end > 0 else len(head)])


async def read_again(
    url: str, *, connections: int, seconds: float, headers: Mapping[str, str]
) -> tuple[list[float], float]:
    """Seconds that each answer took, and seconds in all. Raises OSError when the page can not be read like this."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{told}\r\n".encode()
    took_s: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    readers = [
        (await loop.create_connection(lambda: Reader(request, began + seconds, took_s), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(reader.ended for reader in readers))
    return took_s, time.perf_counter() - began
