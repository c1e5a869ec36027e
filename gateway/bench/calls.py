"""Call starts in sliding minutes, from what the provider wrote down.

Knows: the simulator's record, windows. Never knows: how starts are paced.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

WINDOW_S = 60.0


class Starts(NamedTuple):
    """When calls were asked for, in seconds since 1970, ascending."""

    at: tuple[float, ...]

    @classmethod
    def read(cls, lines: str) -> "Starts":
        """Of the simulator's JSON lines."""
        records = (json.loads(line) for line in lines.splitlines() if line)
        return cls(tuple(sorted(datetime.fromisoformat(record["at"]).timestamp() for record in records)))


def most_in_window(at: Sequence[float], window_s: float = WINDOW_S) -> int:
    """The most starts in any window that holds its beginning and not its end."""
    return max((bisect_left(at, start + window_s) - number for number, start in enumerate(at)), default=0)


def least_in_window(at: Sequence[float], until: float, window_s: float = WINDOW_S) -> int | None:
    """The fewest starts in any window between the first start and `until`; None when none fits in there."""
    if not at or at[0] + window_s > until:
        return None
    # a window is emptiest when it opens just after a start, or closes at the very end
    begins = [start for start in at if start + window_s <= until] + [until - window_s]
    return min(bisect_right(at, begin + window_s) - bisect_right(at, begin) for begin in begins)


def sliding(starts: Starts, *, backlog_s: float) -> dict[str, Any]:
    """Starts in the first `backlog_s`, while there was a backlog: how many, over how long, most and least a minute."""
    if not starts.at:
        return {"starts": 0, "seconds": 0.0, "most": 0, "least": None}
    until = starts.at[0] + backlog_s
    counted = bisect_right(starts.at, until)
    return {
        "starts": counted,
        "seconds": starts.at[counted - 1] - starts.at[0],
        "most": most_in_window(starts.at),
        "least": least_in_window(starts.at, until),
    }
