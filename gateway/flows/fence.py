"""The fence: until when this process may write, by a clock that no stop of the process stops.

Knows: a lease's length, when its last renewal was asked for. Never knows: what is leased, who else would have it.
"""

from collections.abc import Callable


class Fence:
    """The latest moment at which this process may still write: its leases' end minus a second, on a clock that runs
    on while the process is stopped (CLOCK_BOOTTIME)."""

    def __init__(self, boottime: Callable[[], float], lease_s: float) -> None:
        self._boottime = boottime
        self._lease_s = lease_s
        self._until = float("-inf")

    def starts(self) -> float:
        """The moment before a heartbeat is asked for; hand it to `renewed` when it was granted."""
        return self._boottime()

    def renewed(self, asked_at: float) -> None:
        """A heartbeat asked for at `asked_at` was granted."""
        self._until = max(self._until, asked_at + self._lease_s - 1.0)

    def left_s(self) -> float:
        """Seconds for which bytes may leave."""
        return max(0.0, self._until - self._boottime())

    def holds(self) -> bool:
        """True while bytes may leave."""
        return self._boottime() < self._until
