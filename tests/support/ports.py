"""Ports for programs that must be told a number. Whoever can, binds port 0 instead.

They lie below those that the kernel gives to outgoing connections and to port 0: a number of those may be gone
between the question and its use, and Kannel, for one, ends when its port is.
"""

import os
import random
import socket

FIRST, SLICE, SLICES = 16_000, 2_000, 8  # up to 31,999; Linux gives 32,768 and above
HOST = "127.0.0.1"


class Ports:
    """The numbers of one process of a run: none is given twice before all have been."""

    def __init__(self, slice_: int, start: int) -> None:
        self._first = FIRST + slice_ % SLICES * SLICE
        self._place = start % SLICE

    def take(self, room: int = 1) -> int:
        """A number that nobody is bound to, for TCP and for UDP, nor to the `room` - 1 after it."""
        for _ in range(SLICE):
            if self._place + room > SLICE:
                self._place = 0
            port = self._first + self._place
            if all(map(_is_free, range(port, port + room))):
                self._place += room
                return port
            self._place += 1
        raise OSError(f"no port is free from {self._first} to {self._first + SLICE - 1}")


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind((HOST, port))
    except OSError:
        return False
    return True


def free_port(room: int = 1) -> int:
    """A port of 127.0.0.1 that is free, and `room` - 1 after it."""
    return _OURS.take(room)


# runs of two checkouts at once have the same slices, so they begin anywhere in them
_OURS = Ports(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), random.SystemRandom().randrange(SLICE))
