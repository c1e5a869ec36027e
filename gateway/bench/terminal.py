"""What a bench says while it works: one line on stderr that changes, or plain lines where there is no terminal.

Knows: terminals. Never knows: what is measured.
"""

import sys
import time
from collections.abc import Callable
from typing import TextIO

REDRAW_S = 0.5
PLAIN_REDRAW_S = 10.0


class Line:
    """Says how far something is, at most every half second (every ten without a terminal)."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._next = 0.0
        self._open = False

    def step(self, what: str) -> None:
        """Something else begins: said at once, and it stays."""
        self._write(what, last=True)
        self._next = self._clock() + (REDRAW_S if self._terminal else PLAIN_REDRAW_S)

    def show(self, what: str) -> None:
        """How far it is; said when the last time was long ago."""
        if self._clock() >= self._next:
            self._write(what, last=not self._terminal)
            self._next = self._clock() + (REDRAW_S if self._terminal else PLAIN_REDRAW_S)

    def end(self) -> None:
        """Take the changing line away."""
        if self._open:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._open = False

    def _write(self, what: str, *, last: bool) -> None:
        start = "\r\x1b[K" if self._terminal else ""
        self._stream.write(f"{start}{what}" + ("\n" if last else ""))
        self._stream.flush()
        self._open = not last
