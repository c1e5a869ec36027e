"""Messages cut out of a stream by their Content-Length.

Knows: RFC 3261 §18.3 (framing over TCP), RFC 5626 §4.4.1 (keep-alive by empty lines).
Never knows: what the messages say, sockets.
"""

import re

MESSAGE_MAX_BYTES = 65_536
PING, PONG = b"\r\n\r\n", b"\r\n"
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,6})[ \t]*$", re.IGNORECASE | re.MULTILINE)


class Framer:
    """Feed it what arrives; it gives whole messages. `broken` says that the stream can not be followed any more."""

    def __init__(self) -> None:
        self.broken = False
        self.pings = 0
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now; `pings` counts the keep-alives that want a PONG."""
        found: list[bytes] = []
        self._held += data
        while not self.broken and (message := self._next()):
            found.append(message)
        return found

    def _next(self) -> bytes:
        # RFC 5626 §4.4.1: two empty lines between messages are a ping; RFC 3261 §7.5: one is nothing
        while self._held.startswith(PING):
            self.pings += 1
            self._held = self._held[len(PING) :]
        if self._held.startswith(PONG) and len(self._held) > len(PING):
            self._held = self._held.lstrip(b"\r\n")
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            self.broken = len(self._held) > MESSAGE_MAX_BYTES
            return b""
        lengths = _LENGTH.findall(self._held[:end].replace(b"\r\n", b"\n"))
        # RFC 3261 §20.14: over a stream the length has to be said, once
        size = end + 4 + int(lengths[0]) if len(lengths) == 1 else MESSAGE_MAX_BYTES + 1
        if size > MESSAGE_MAX_BYTES:
            self.broken = True
        if self.broken or len(self._held) < size:
            return b""
        message, self._held = self._held[:size], self._held[size:]
        return message
