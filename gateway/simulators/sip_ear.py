"""What the called side of many calls hears: packets, and how late each came, by the kernel's own clock.

Knows: RTP as far as its times need it. Never knows: SIP, sockets, who called.
The kernel notes when a packet came, so that it does not matter how late this process reads it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from gateway.sip import rtp
from gateway.sip.lateness import Lateness

TICKS_PER_S = 8_000  # RFC 3551 §6: the clock of G.711
WINDOW_S = 5.0
CALLS_KEPT = 4_000


class _Window(NamedTuple):
    """Five seconds of one call: when each packet came, less the time that lies before it in the audio."""

    first: int
    came_s: list[float]


class Ear:
    """Measures each packet against the best one of its call within five seconds: that is what the buffer of a telephone
    has to hold."""

    def __init__(self) -> None:
        self.packets = 0
        self._calls: OrderedDict[int, _Window] = OrderedDict()
        self._late = Lateness()

    def take(self, data: bytes, at_s: float) -> None:
        """A packet that came then."""
        packet = rtp.read(data)
        if packet is None:
            return
        self.packets += 1
        source = int.from_bytes(data[8:12])  # RFC 3550 §5.1
        window = self._calls.get(source)
        if window is None or not 0 <= packet.timestamp - window.first < WINDOW_S * TICKS_PER_S:
            self._close(source)
            window = self._calls[source] = _Window(packet.timestamp, [])
            if len(self._calls) > CALLS_KEPT:
                self._close(next(iter(self._calls)))
        window.came_s.append(at_s - (packet.timestamp - window.first) / TICKS_PER_S)

    def heard(self) -> Mapping[str, float]:
        """How many packets, and their lateness in milliseconds."""
        for source in list(self._calls):
            self._close(source)
        return {"packets": self.packets, **self._late.figures()}

    def _close(self, source: int) -> None:
        window = self._calls.pop(source, None)
        if window is not None:
            best_s = min(window.came_s)
            for came_s in window.came_s:
                self._late.note(came_s - best_s)
