"""How late packets are: counted by tenths of a millisecond, so that hours take no more room than seconds.

Knows: counts. Never knows: clocks, packets, what late is measured against.
"""

from collections import Counter

STEPS_PER_S = 10_000


class Lateness:
    """Tell it of packets; ask for percentiles."""

    def __init__(self) -> None:
        self._packets: Counter[int] = Counter()

    def note(self, late_s: float, packets: int = 1) -> None:
        """So many packets were this late; early is not late."""
        self._packets[max(0, int(late_s * STEPS_PER_S))] += packets

    def forget(self) -> None:
        """Begin again."""
        self._packets.clear()

    def figures(self) -> dict[str, float]:
        """Milliseconds that half of the packets, 99 of 100 and all did not exceed; nothing late without packets."""
        counted = sorted(self._packets.items())
        return {name: self._at(counted, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}

    def _at(self, counted: list[tuple[int, int]], share: float) -> float:
        wanted, seen = share * self._packets.total(), 0
        for step, packets in counted:
            seen += packets
            if seen >= wanted:
                return 1000 * step / STEPS_PER_S
        return 0.0
